#include "engine/engine.h"

#include <errno.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "engine/worker.h"

#define CALLS_MAX_DEFAULT 65536u
#define MAILBOX_MAX_DEFAULT 4096u
#define MEMORY_BYTES_MAX_DEFAULT (UINT64_C(1) << 30)
#define FILE_THREADS_DEFAULT 1u
#define THREADS_MAX 16u

static const uint8_t successors[] = {
    [TERN_ENGINE_OPEN] = 1 << TERN_ENGINE_SHUT | 1 << TERN_ENGINE_FORKED | 1 << TERN_ENGINE_FREEING,
    [TERN_ENGINE_SHUT] = 1 << TERN_ENGINE_FORKED | 1 << TERN_ENGINE_FREEING,
    [TERN_ENGINE_FORKED] = 1 << TERN_ENGINE_FREEING,
    [TERN_ENGINE_FREEING] = 0,
};

static void set_state(struct tern_engine *engine, enum tern_engine_state state)
{
    TERN_ASSERT((successors[engine->state] & 1 << state) != 0);
    engine->state = state;
}

/* ---- the pollable descriptor ---- */

static void wake(struct tern_engine *engine)
{
    engine->io->ops->wake(engine->io);
}

/* Outside of a turn someone may be polling: new work has to show at once. */
static void show_work(struct tern_engine *engine)
{
    if (!engine->is_pollable || engine->in_turn || engine->is_woken)
        return;
    engine->is_woken = true;
    wake(engine);
}

/* Only ever for an earlier deadline; one that was cancelled wakes for nothing, once. */
static void show_deadline(struct tern_engine *engine)
{
    if (!engine->is_pollable || engine->in_turn)
        return;
    uint64_t next = tern_wheel_next(&engine->wheel);
    if (next >= engine->armed_ns)
        return;
    engine->armed_ns = next;
    (void)engine->io->ops->arm(engine->io, next); /* fails for no time that a clock can reach */
}

static bool has_tasks(const struct tern_engine *engine)
{
    return !tern_list_is_empty(&engine->tasks) || !tern_list_is_empty(&engine->last_tasks) ||
           !tern_list_is_empty(&engine->slow_tasks);
}

/* Invariant 4, from here until the next turn. */
static void end_turn(struct tern_engine *engine)
{
    engine->in_turn = false;
    if (!engine->is_pollable)
        return;
    if (has_tasks(engine) || !tern_mailbox_sleep(&engine->mailbox))
        show_work(engine);
    show_deadline(engine);
}

int tern_engine_fd(struct tern_engine *engine)
{
    if (engine->state == TERN_ENGINE_FORKED || engine->io->ops->forked(engine->io))
        return -1;
    if (!engine->is_pollable) {
        engine->is_pollable = true;
        if (!engine->in_turn)
            end_turn(engine);
    }
    return engine->io->ops->pollable(engine->io);
}

/* ---- the parts of a turn ---- */

static void run_messages(struct tern_engine *engine, bool dropped)
{
    struct tern_message *message = tern_mailbox_take(&engine->mailbox);

    while (message != NULL) {
        struct tern_message *next = message->next;
        if (message->is_bounded)
            atomic_fetch_sub_explicit(&engine->posts, 1, memory_order_relaxed);
        engine->stats.posts++;
        message->run(message, dropped);
        message = next;
    }
}

static void run_timers(struct tern_engine *engine)
{
    struct tern_timer *timer;

    tern_wheel_expire(&engine->wheel, engine->now_ns, &engine->due);
    while ((timer = tern_wheel_pop_due(&engine->due)) != NULL) {
        engine->stats.timers_fired++;
        timer->on_timer(timer);
    }
}

static void run_queued(struct tern_list *tasks)
{
    struct tern_list batch;
    struct tern_list *node;

    tern_list_init(&batch);
    tern_list_splice_back(&batch, tasks);
    while ((node = tern_list_pop_front(&batch)) != NULL) {
        struct tern_task *task = TERN_CONTAINER_OF(node, struct tern_task, node);
        task->is_queued = false;
        task->run(task);
    }
}

static void run_tasks(struct tern_engine *engine)
{
    run_queued(&engine->tasks);
    run_queued(&engine->last_tasks);
}

/* One alone: descriptors and timers come between any two. */
static void run_slow_task(struct tern_engine *engine)
{
    struct tern_list *node = tern_list_pop_front(&engine->slow_tasks);

    if (node == NULL)
        return;
    struct tern_task *task = TERN_CONTAINER_OF(node, struct tern_task, node);
    task->is_queued = false;
    task->run(task);
}

static void bury_all(struct tern_engine *engine)
{
    struct tern_list *node;

    while ((node = tern_list_pop_front(&engine->graveyard)) != NULL) {
        struct tern_corpse *corpse = TERN_CONTAINER_OF(node, struct tern_corpse, node);
        corpse->bury(corpse);
    }
}

/* Lets what was begun come to its end without looking at descriptors or timers, which may never be heard again. */
static void settle(struct tern_engine *engine)
{
    for (int round = 0; round < TERN_ENGINE_SHUTDOWN_ROUNDS_MAX; round++) {
        run_messages(engine, false);
        run_tasks(engine);
        bury_all(engine);
        if (tern_list_is_empty(&engine->tasks) && tern_list_is_empty(&engine->last_tasks) &&
            tern_mailbox_is_empty(&engine->mailbox))
            return;
    }
}

/* Calls tell of every member that is there now, and still there when its turn comes. */
static void tell_members(struct tern_engine *engine, void (*tell)(struct tern_member *member))
{
    struct tern_list batch;
    struct tern_list *node;

    tern_list_init(&batch);
    tern_list_splice_back(&batch, &engine->members);
    while ((node = tern_list_pop_front(&batch)) != NULL) {
        tern_list_push_back(&engine->members, node); /* first: the member may remove itself */
        tell(TERN_CONTAINER_OF(node, struct tern_member, node));
    }
}

static void tell_shutdown(struct tern_member *member)
{
    if (member->on_shutdown != NULL)
        member->on_shutdown(member);
}

static void tell_fork(struct tern_member *member)
{
    if (member->on_fork != NULL)
        member->on_fork(member);
}

static void tell_free(struct tern_member *member)
{
    if (member->on_free != NULL)
        member->on_free(member);
}

/* The first look at an engine in a child: end everything, and let go of what is the parent's. */
static void leave_parent(struct tern_engine *engine)
{
    set_state(engine, TERN_ENGINE_FORKED);
    engine->in_turn = true;
    engine->is_pollable = false;
    tern_mailbox_close(&engine->mailbox);
    engine->io->ops->abandon(engine->io);
    tell_members(engine, tell_fork);
    settle(engine);
    tern_jobs_drop(engine);
    settle(engine);
    engine->in_turn = false;
}

/* Opens a turn or a shutdown. */
static enum tern_error begin_turn(struct tern_engine *engine)
{
    if (engine->in_turn)
        return TERN_EBUSY;
    if (engine->state != TERN_ENGINE_FORKED && engine->io->ops->forked(engine->io))
        leave_parent(engine);
    if (engine->state == TERN_ENGINE_FORKED)
        return TERN_EFORK;
    engine->in_turn = true;
    engine->is_woken = false;
    return TERN_OK;
}

static void latch_time(struct tern_engine *engine)
{
    engine->now_ns = engine->io->ops->now(engine->io);
    if (engine->now_ns >= engine->armed_ns)
        engine->armed_ns = TERN_OFF; /* it has gone off */
}

/* ---- waiting ---- */

uint64_t tern_engine_next(struct tern_engine *engine)
{
    if (has_tasks(engine) || !tern_mailbox_is_empty(&engine->mailbox))
        return 0;
    return tern_wheel_next(&engine->wheel);
}

static bool is_stopping(struct tern_engine *engine)
{
    return engine->is_running && atomic_load_explicit(&engine->stop, memory_order_acquire);
}

/* Looks again and again for spin_ns, or until there is something to do. Gives what wait gives. */
static int spin(struct tern_engine *engine, struct tern_io_event *events, uint64_t deadline_ns)
{
    struct tern_io *io = engine->io;
    uint64_t start_ns = io->ops->now(io);

    for (;;) {
        int n = io->ops->wait(io, events, TERN_ENGINE_EVENTS_MAX, 0);
        if (n != 0 || !tern_mailbox_is_empty(&engine->mailbox) || is_stopping(engine))
            return n;
        uint64_t now_ns = io->ops->now(io);
        if (now_ns >= deadline_ns || now_ns - start_ns >= engine->config.spin_ns)
            return 0;
    }
}

static int wait_events(struct tern_engine *engine, struct tern_io_event *events, bool may_wait)
{
    struct tern_io *io = engine->io;
    uint64_t deadline_ns = may_wait && !is_stopping(engine) ? tern_engine_next(engine) : 0;

    if (deadline_ns != 0 && engine->config.spin_ns != 0) {
        int n = spin(engine, events, deadline_ns);
        if (n != 0)
            return n;
        deadline_ns = is_stopping(engine) ? 0 : tern_engine_next(engine);
    }
    if (deadline_ns != 0 && !tern_mailbox_sleep(&engine->mailbox))
        deadline_ns = 0;
    int n = io->ops->wait(io, events, TERN_ENGINE_EVENTS_MAX, deadline_ns);
    if (deadline_ns != 0)
        engine->stats.wakes++;
    return n;
}

/* ---- turns ---- */

enum tern_error tern_engine_turn(struct tern_engine *engine, bool may_wait)
{
    struct tern_io_event events[TERN_ENGINE_EVENTS_MAX];
    enum tern_error error = begin_turn(engine);

    if (error != TERN_OK)
        return error;
    int n = wait_events(engine, events, may_wait);
    latch_time(engine);
    engine->stats.steps++;
    run_messages(engine, false);
    for (int i = 0; i < n; i++) {
        if (events[i].watch->fd >= 0)
            events[i].watch->on_ready(events[i].watch, events[i].events);
    }
    run_timers(engine);
    run_slow_task(engine);
    run_tasks(engine);
    bury_all(engine);
    end_turn(engine);
    return n >= 0 ? TERN_OK : TERN_EOS;
}

enum tern_error tern_engine_step(struct tern_engine *engine)
{
    return tern_engine_turn(engine, false);
}

enum tern_error tern_engine_run(struct tern_engine *engine)
{
    enum tern_error error;

    if (engine->in_turn)
        return TERN_EBUSY;
    engine->is_running = true;
    do
        error = tern_engine_turn(engine, true);
    while (error == TERN_OK && !atomic_exchange_explicit(&engine->stop, false, memory_order_acquire));
    engine->is_running = false;
    return error;
}

void tern_engine_stop(struct tern_engine *engine)
{
    atomic_store_explicit(&engine->stop, true, memory_order_release);
    wake(engine);
}

/* ---- posting ---- */

enum tern_error tern_engine_post(struct tern_engine *engine, struct tern_message *message)
{
    message->is_bounded = true;
    if (atomic_fetch_add_explicit(&engine->posts, 1, memory_order_relaxed) >= engine->config.mailbox_max) {
        atomic_fetch_sub_explicit(&engine->posts, 1, memory_order_relaxed);
        return TERN_EQUEUE;
    }
    switch (tern_mailbox_push(&engine->mailbox, message)) {
    case TERN_SENT:
        break;
    case TERN_SENT_WAKE:
        wake(engine);
        break;
    case TERN_SENT_NOT:
        atomic_fetch_sub_explicit(&engine->posts, 1, memory_order_relaxed);
        return TERN_ECLOSED;
    }
    return TERN_OK;
}

void tern_engine_post_cancel(struct tern_engine *engine, uint64_t call_id)
{
    if (tern_slots_cancel(&engine->calls, call_id))
        wake(engine);
}

struct post {
    struct tern_message message;
    void (*run)(void *user);
    void *user;
};

static void run_post(struct tern_message *message, bool dropped)
{
    struct post *post = TERN_CONTAINER_OF(message, struct post, message);

    if (!dropped)
        post->run(post->user);
    tern_mem_free(post);
}

enum tern_error tern_post(struct tern_engine *engine, void (*run)(void *user), void *user)
{
    struct post *post = tern_mem_alloc(sizeof(*post));

    if (post == NULL)
        return TERN_ENOMEM;
    *post = (struct post){.message.run = run_post, .run = run, .user = user};
    enum tern_error error = tern_engine_post(engine, &post->message);
    if (error != TERN_OK)
        tern_mem_free(post);
    return error;
}

/* ---- timers, tasks, graveyard, watches, members ---- */

void tern_timer_arm(struct tern_engine *engine, struct tern_timer *timer, uint64_t deadline_ns)
{
    if (deadline_ns == TERN_OFF) {
        tern_wheel_cancel(&engine->wheel, timer);
        return;
    }
    tern_wheel_arm(&engine->wheel, timer, deadline_ns);
    show_deadline(engine);
}

void tern_timer_cancel(struct tern_engine *engine, struct tern_timer *timer)
{
    tern_wheel_cancel(&engine->wheel, timer);
}

static void defer(struct tern_engine *engine, struct tern_list *queue, struct tern_task *task)
{
    if (task->is_queued)
        return;
    task->is_queued = true;
    tern_list_push_back(queue, &task->node);
    show_work(engine);
}

void tern_engine_defer(struct tern_engine *engine, struct tern_task *task)
{
    defer(engine, &engine->tasks, task);
}

void tern_engine_defer_last(struct tern_engine *engine, struct tern_task *task)
{
    defer(engine, &engine->last_tasks, task);
}

void tern_engine_defer_slow(struct tern_engine *engine, struct tern_task *task)
{
    defer(engine, &engine->slow_tasks, task);
}

void tern_task_cancel(struct tern_task *task)
{
    if (!task->is_queued)
        return;
    task->is_queued = false;
    tern_list_remove(&task->node);
}

void tern_engine_bury(struct tern_engine *engine, struct tern_corpse *corpse)
{
    TERN_ASSERT(!corpse->is_buried);
    corpse->is_buried = true;
    if (corpse->holds == 0)
        tern_list_push_back(&engine->graveyard, &corpse->node);
}

void tern_corpse_hold(struct tern_corpse *corpse)
{
    corpse->holds++;
}

void tern_corpse_release(struct tern_engine *engine, struct tern_corpse *corpse)
{
    TERN_ASSERT(corpse->holds > 0);
    if (--corpse->holds == 0 && corpse->is_buried)
        tern_list_push_back(&engine->graveyard, &corpse->node);
}

static enum tern_error watch_error(struct tern_engine *engine, int rc, bool is_new)
{
    if (rc != 0)
        return rc == -ENOMEM ? TERN_ENOMEM : TERN_EOS;
    if (is_new)
        engine->stats.descriptors_watched++;
    return TERN_OK;
}

enum tern_error tern_engine_watch(struct tern_engine *engine, struct tern_watch *watch)
{
    return watch_error(engine, engine->io->ops->watch(engine->io, watch), true);
}

enum tern_error tern_engine_watch_level(struct tern_engine *engine, struct tern_watch *watch, uint32_t events,
                                        bool is_new)
{
    return watch_error(engine, engine->io->ops->watch_level(engine->io, watch, events, is_new), is_new);
}

void tern_engine_unwatch(struct tern_engine *engine, struct tern_watch *watch)
{
    engine->io->ops->unwatch(engine->io, watch);
    engine->stats.descriptors_watched--;
}

enum tern_error tern_engine_add_member(struct tern_engine *engine, struct tern_member *member)
{
    if (engine->state == TERN_ENGINE_FORKED || engine->io->ops->forked(engine->io))
        return TERN_EFORK;
    if (engine->state != TERN_ENGINE_OPEN)
        return TERN_ECLOSED;
    tern_list_push_back(&engine->members, &member->node);
    engine->member_count++;
    return TERN_OK;
}

void tern_engine_remove_member(struct tern_engine *engine, struct tern_member *member)
{
    tern_list_remove(&member->node);
    engine->member_count--;
}

uint64_t tern_engine_now(struct tern_engine *engine)
{
    if (!engine->in_turn)
        engine->now_ns = engine->io->ops->now(engine->io);
    return engine->now_ns;
}

uint64_t tern_engine_wall(struct tern_engine *engine)
{
    return engine->io->ops->wall(engine->io);
}

void tern_engine_stats(const struct tern_engine *engine, struct tern_engine_stats *out)
{
    *out = engine->stats;
    out->calls_live = atomic_load_explicit(&engine->calls.live, memory_order_relaxed);
    out->clients = engine->member_count;
    out->memory_promised_bytes = engine->ledger.promised_bytes;
    out->memory_held_bytes = engine->ledger.held_bytes;
    out->memory_held_bytes_peak = engine->ledger.held_bytes_peak;
}

/* ---- life ---- */

static enum tern_error check_config(struct tern_engine_config *out, const struct tern_engine_config *in,
                                    struct tern_fault *why)
{
    *out = in != NULL ? *in : (struct tern_engine_config){0};
    if (out->spin_ns == TERN_OFF)
        out->spin_ns = 0;
    if (out->calls_max == 0)
        out->calls_max = CALLS_MAX_DEFAULT;
    if (out->mailbox_max == 0)
        out->mailbox_max = MAILBOX_MAX_DEFAULT;
    if (out->file_threads == 0)
        out->file_threads = FILE_THREADS_DEFAULT;
    if (out->memory_bytes_max == 0)
        out->memory_bytes_max = MEMORY_BYTES_MAX_DEFAULT;
    if (out->calls_max > TERN_SLOTS_MAX)
        return tern_fault_set(why, TERN_ECONFIG, "calls_max %u: must be 1 to %u", out->calls_max, TERN_SLOTS_MAX);
    if (out->file_threads > THREADS_MAX)
        return tern_fault_set(why, TERN_ECONFIG, "file_threads %u: must be 1 to %u", out->file_threads, THREADS_MAX);
    if (out->handshake_threads > THREADS_MAX)
        return tern_fault_set(why, TERN_ECONFIG, "handshake_threads %u: must be 0 to %u", out->handshake_threads,
                              THREADS_MAX);
    return TERN_OK;
}

static enum tern_error set_up(struct tern_engine *engine, struct tern_fault *why)
{
    engine->scratch_block = tern_mem_alloc(TERN_ENGINE_SCRATCH_BYTES + TERN_ENGINE_SCRATCH_ALIGN - 1);
    if (engine->scratch_block == NULL ||
        tern_slots_init(&engine->calls, engine->config.calls_max, &engine->mailbox) != TERN_OK)
        return tern_fault_plain(why, TERN_ENOMEM);
    engine->scratch =
        (unsigned char *)engine->scratch_block + (-(uintptr_t)engine->scratch_block & (TERN_ENGINE_SCRATCH_ALIGN - 1));
    int rc = engine->io->ops->random(engine->io, &engine->hash_seed, sizeof(engine->hash_seed));
    if (rc != 0)
        return tern_fault_errno(why, TERN_EOS, -rc, "no random bytes");
    engine->now_ns = engine->io->ops->now(engine->io);
    engine->armed_ns = TERN_OFF;
    tern_wheel_init(&engine->wheel, engine->now_ns);
    tern_list_init(&engine->due);
    tern_list_init(&engine->tasks);
    tern_list_init(&engine->last_tasks);
    tern_list_init(&engine->slow_tasks);
    tern_list_init(&engine->graveyard);
    tern_list_init(&engine->members);
    tern_list_init(&engine->jobs);
    tern_mailbox_init(&engine->mailbox);
    return TERN_OK;
}

static void free_memory(struct tern_engine *engine)
{
    tern_slots_deinit(&engine->calls);
    tern_mem_free(engine->scratch_block);
    tern_mem_free(engine);
}

enum tern_error tern_engine_new_with(const struct tern_engine_config *config, const struct tern_engine_seams *seams,
                                     struct tern_engine **out, struct tern_fault *why)
{
    struct tern_engine_config checked;
    enum tern_error error = check_config(&checked, config, why);

    if (error != TERN_OK)
        return error;
    struct tern_engine *engine = tern_mem_calloc(1, sizeof(*engine));
    if (engine == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    engine->config = checked;
    tern_ledger_init(&engine->ledger, NULL, checked.memory_bytes_max);
    engine->io = seams->io;
    engine->files = seams->files != NULL ? seams->files : tern_files_posix();
    engine->inline_jobs = seams->inline_jobs;
    if (engine->io == NULL)
        error = tern_io_epoll_new(&engine->io, why);
    if (error == TERN_OK)
        error = set_up(engine, why);
    if (error != TERN_OK) {
        if (engine->io != NULL && engine->io != seams->io)
            engine->io->ops->free(engine->io);
        free_memory(engine);
        return error;
    }
    *out = engine;
    return TERN_OK;
}

enum tern_error tern_engine_new(const struct tern_engine_config *config, struct tern_engine **out,
                                struct tern_fault *why)
{
    return tern_engine_new_with(config, &(struct tern_engine_seams){0}, out, why);
}

enum tern_error tern_engine_shutdown(struct tern_engine *engine)
{
    enum tern_error error = begin_turn(engine);

    if (error == TERN_EFORK)
        return TERN_OK; /* all has ended, with TERN_EFORK */
    if (error != TERN_OK)
        return error;
    if (engine->state == TERN_ENGINE_OPEN)
        set_state(engine, TERN_ENGINE_SHUT);
    latch_time(engine);
    tern_mailbox_close(&engine->mailbox);
    settle(engine); /* what was posted in time ends first, as it came first */
    tell_members(engine, tell_shutdown);
    settle(engine);
    end_turn(engine);
    return TERN_OK;
}

enum tern_error tern_engine_free(struct tern_engine *engine)
{
    if (engine == NULL)
        return TERN_OK;
    if (engine->in_turn)
        return TERN_EBUSY;
    if (engine->state != TERN_ENGINE_FORKED && engine->io->ops->forked(engine->io)) {
        set_state(engine, TERN_ENGINE_FORKED); /* no callbacks any more, so no farewell either */
        engine->io->ops->abandon(engine->io);
    }
    set_state(engine, TERN_ENGINE_FREEING);
    engine->in_turn = true;
    tell_members(engine, tell_free);
    tern_workers_free(engine);
    tern_mailbox_close(&engine->mailbox);
    run_messages(engine, true);
    tern_jobs_drop(engine);
    bury_all(engine);
    engine->io->ops->free(engine->io);
    free_memory(engine);
    return TERN_OK;
}
