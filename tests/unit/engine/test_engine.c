/* The reactor: turns, tasks, timers, posts, graveyard, shutdown. In virtual time, but for what only the real system can
 * show. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/engine.h"
#include "engine/tcp.h"
#include "tests/support/faultmem.h"
#include "tests/support/simio.h"

/* What happened, as a text to compare. */
static char log_text[256];

static void log_clear(void)
{
    log_text[0] = '\0';
}

static void log_add(const char *what)
{
    assert_true(strlen(log_text) + strlen(what) < sizeof log_text);
    strcat(log_text, what);
}

static void log_user(void *user)
{
    log_add(user);
}

static enum tern_error post(struct tern_engine *engine, const char *what)
{
    return tern_post(engine, log_user, (void *)(uintptr_t)what);
}

/* The engine that callbacks without a better way call into. */
static struct tern_engine *inner;

/* A timer or task with a letter. */
struct actor {
    struct tern_timer timer;
    struct tern_task task;
    struct tern_corpse corpse;
    struct tern_engine *engine;
    const char *name;
    int again;
};

static void on_timer(struct tern_timer *timer)
{
    struct actor *actor = TERN_CONTAINER_OF(timer, struct actor, timer);
    log_add(actor->name);
    if (actor->again-- > 0)
        tern_timer_arm(actor->engine, timer, 0);
}

static void on_task(struct tern_task *task)
{
    struct actor *actor = TERN_CONTAINER_OF(task, struct actor, task);
    log_add(actor->name);
    if (actor->again-- > 0)
        tern_engine_defer(actor->engine, task);
}

static void on_bury(struct tern_corpse *corpse)
{
    log_add(TERN_CONTAINER_OF(corpse, struct actor, corpse)->name);
}

static struct actor actor(struct tern_engine *engine, const char *name)
{
    struct actor a = {.engine = engine, .name = name, .corpse.bury = on_bury};
    tern_timer_init(&a.timer, on_timer);
    tern_task_init(&a.task, on_task);
    return a;
}

static void test_timers_by_deadline_then_arming(void **state)
{
    (void)state;
    struct tern_engine *engine;
    struct simio *sim = simio_new(NULL, &engine);
    struct actor a = actor(engine, "a"), b = actor(engine, "b"), c = actor(engine, "c"), d = actor(engine, "d");
    log_clear();
    tern_timer_arm(engine, &c.timer, SIMIO_START_NS + 30);
    tern_timer_arm(engine, &a.timer, SIMIO_START_NS + 10);
    tern_timer_arm(engine, &b.timer, SIMIO_START_NS + 30);
    tern_timer_arm(engine, &d.timer, SIMIO_START_NS + 20);
    tern_timer_arm(engine, &d.timer, TERN_OFF);
    simio_run(sim, 9);
    assert_string_equal(log_text, "");
    simio_run(sim, 1);
    assert_string_equal(log_text, "a");
    simio_run(sim, 100);
    assert_string_equal(log_text, "acb");
    assert_int_equal(engine->now_ns, SIMIO_START_NS + 30);
    assert_int_equal(tern_engine_free(engine), TERN_OK);
}

static void note_time(void *user)
{
    uint64_t *seen = user;
    seen[0] = tern_engine_now(inner);
    (void)inner->io->ops->wait(inner->io, &(struct tern_io_event){0}, 1, seen[0] + TERN_S); /* a slow callback */
    seen[1] = tern_engine_now(inner);
}

static void test_time_stands_still_in_a_turn_only(void **state)
{
    (void)state;
    struct simio *sim = simio_new(NULL, &inner);
    uint64_t seen[2];
    assert_int_equal(tern_post(inner, note_time, seen), TERN_OK);
    simio_run(sim, TERN_S);
    assert_int_equal(seen[0], SIMIO_START_NS);
    assert_int_equal(seen[1], SIMIO_START_NS);
    simio_run(sim, TERN_S); /* nothing happens: no turn ends it */
    assert_int_equal(tern_engine_now(inner), simio_now(sim));
    tern_engine_free(inner);
}

static void test_an_idle_engine_does_nothing(void **state)
{
    (void)state;
    struct tern_engine *engine;
    struct simio *sim = simio_new(NULL, &engine);
    struct actor a = actor(engine, "a");
    simio_run(sim, 0);
    uint64_t before = simio_counts(sim).waits;
    tern_timer_arm(engine, &a.timer, SIMIO_START_NS + 3600 * TERN_S);
    simio_run(sim, 3599 * TERN_S); /* across every level of the wheel below it */
    assert_int_equal(simio_counts(sim).waits, before + 1);
    assert_int_equal(simio_counts(sim).wakes, 0);
    tern_timer_cancel(engine, &a.timer);
    assert_int_equal(tern_engine_next(engine), TERN_OFF);
    tern_engine_free(engine);
}

static void test_what_repeats_itself_waits_for_the_next_turn(void **state)
{
    (void)state;
    struct tern_engine *engine;
    simio_new(NULL, &engine);
    struct actor a = actor(engine, "a"), b = actor(engine, "b"), t = actor(engine, "t");
    a.again = 2;
    t.again = 1;
    log_clear();
    tern_engine_defer(engine, &a.task);
    tern_engine_defer(engine, &b.task);
    tern_engine_defer(engine, &a.task); /* queued already */
    tern_timer_arm(engine, &t.timer, 0);
    assert_int_equal(tern_engine_step(engine), TERN_OK);
    assert_string_equal(log_text, "tab");
    assert_int_equal(tern_engine_next(engine), 0);
    tern_engine_step(engine);
    assert_string_equal(log_text, "tabta");
    tern_engine_step(engine);
    tern_engine_step(engine);
    assert_string_equal(log_text, "tabtaa");
    tern_engine_defer(engine, &b.task);
    tern_task_cancel(&b.task);
    tern_engine_step(engine);
    assert_string_equal(log_text, "tabtaa");
    tern_engine_free(engine);
}

static void call_everything(void *user)
{
    (void)user;
    assert_int_equal(tern_engine_step(inner), TERN_EBUSY);
    assert_int_equal(tern_engine_run(inner), TERN_EBUSY);
    assert_int_equal(tern_engine_free(inner), TERN_EBUSY);
    assert_int_equal(tern_engine_shutdown(inner), TERN_EBUSY);
    assert_int_equal(post(inner, "later "), TERN_OK);
    log_add("busy ");
}

static void on_slow_task(struct tern_task *task)
{
    struct actor *actor = TERN_CONTAINER_OF(task, struct actor, task);
    log_add(actor->name);
    if (actor->again-- > 0)
        tern_engine_defer_slow(actor->engine, task);
}

static void test_one_slow_task_a_turn(void **state)
{
    (void)state;
    struct tern_engine *engine;
    struct simio *sim = simio_new(NULL, &engine);
    struct actor a = actor(engine, "a"), b = actor(engine, "b"), c = actor(engine, "c"), t = actor(engine, "t");
    a.task.run = b.task.run = c.task.run = on_slow_task;
    a.again = 1;
    log_clear();
    assert_int_equal(tern_engine_next(engine), TERN_OFF);
    tern_engine_defer_slow(engine, &a.task);
    tern_engine_defer_slow(engine, &b.task);
    tern_engine_defer_slow(engine, &a.task); /* queued already */
    tern_engine_defer_slow(engine, &c.task);
    tern_task_cancel(&c.task);
    t.again = 3; /* one that is always there is served in between, and so is a timer */
    tern_engine_defer(engine, &t.task);
    tern_timer_arm(engine, &b.timer, simio_now(sim));
    for (int turn = 0; turn < 3; turn++) {
        assert_int_equal(tern_engine_next(engine), 0);
        assert_int_equal(tern_engine_step(engine), TERN_OK);
        log_add(" ");
    }
    assert_string_equal(log_text, "bat bt at ");
    tern_task_cancel(&t.task);
    assert_int_equal(tern_engine_next(engine), TERN_OFF); /* nothing wakes for nothing */
    assert_int_equal(simio_counts(sim).wakes, 0);         /* nobody asked for a descriptor */
    tern_engine_free(engine);
}

/* A shutdown ends who they belong to; what is queued outside of a turn shows in the descriptor. */
static struct actor *last_of_inner;

static void on_task_with_last(struct tern_task *task)
{
    on_task(task);
    tern_engine_defer_last(inner, &last_of_inner->task);
}

static void test_last_tasks_run_behind_the_tasks_of_their_turn(void **state)
{
    (void)state;
    struct tern_engine *engine;
    (void)simio_new(NULL, &engine);
    struct actor a = actor(engine, "a"), b = actor(engine, "b"), last = actor(engine, "l");
    inner = engine;
    last_of_inner = &last;
    a.task.run = b.task.run = on_task_with_last;
    last.again = 1; /* queued while the last tasks run: not in this turn */
    log_clear();
    tern_engine_defer(engine, &a.task);
    tern_engine_defer(engine, &b.task);
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(tern_engine_next(engine), 0);
        assert_int_equal(tern_engine_step(engine), TERN_OK);
        log_add(" ");
    }
    assert_string_equal(log_text, "abl l ");
    tern_engine_defer_last(engine, &last.task);
    assert_int_equal(tern_engine_next(engine), 0);
    tern_task_cancel(&last.task);
    assert_int_equal(tern_engine_next(engine), TERN_OFF);
    tern_engine_free(engine);
}

static void test_slow_tasks_are_shown_and_not_run_by_a_shutdown(void **state)
{
    (void)state;
    struct tern_engine *engine;
    assert_int_equal(tern_engine_new(NULL, &engine, NULL), TERN_OK);
    struct actor a = actor(engine, "a");
    a.task.run = on_slow_task;
    a.again = 1;
    struct pollfd ready = {.fd = tern_engine_fd(engine), .events = POLLIN};
    log_clear();
    tern_engine_step(engine);
    assert_int_equal(poll(&ready, 1, 0), 0);
    tern_engine_defer_slow(engine, &a.task);
    assert_int_equal(poll(&ready, 1, 0), 1);
    tern_engine_step(engine);
    assert_string_equal(log_text, "a");
    assert_int_equal(poll(&ready, 1, 0), 1); /* it asked for another turn */
    assert_int_equal(tern_engine_shutdown(engine), TERN_OK);
    assert_string_equal(log_text, "a");
    tern_task_cancel(&a.task);
    tern_engine_free(engine);
}

static void test_busy_from_inside(void **state)
{
    (void)state;
    simio_new(NULL, &inner);
    log_clear();
    assert_int_equal(tern_post(inner, call_everything, NULL), TERN_OK);
    tern_engine_step(inner);
    assert_string_equal(log_text, "busy ");
    tern_engine_step(inner);
    assert_string_equal(log_text, "busy later ");
    assert_int_equal(tern_engine_free(inner), TERN_OK);
}

static void test_posts_are_bounded_and_ordered(void **state)
{
    (void)state;
    struct tern_engine *engine;
    struct simio *sim = simio_new(&(struct tern_engine_config){.mailbox_max = 2}, &engine);
    struct tern_engine_stats stats;
    log_clear();
    assert_int_equal(post(engine, "a"), TERN_OK);
    assert_int_equal(post(engine, "b"), TERN_OK);
    assert_int_equal(post(engine, "c"), TERN_EQUEUE);
    simio_run(sim, 0);
    assert_string_equal(log_text, "ab");
    assert_int_equal(post(engine, "d"), TERN_OK);
    assert_int_equal(tern_engine_shutdown(engine), TERN_OK);
    assert_string_equal(log_text, "abd");
    assert_int_equal(post(engine, "e"), TERN_ECLOSED);
    tern_engine_stats(engine, &stats);
    assert_int_equal(stats.posts, 3);
    tern_engine_free(engine);
}

static void test_posts_left_at_free_are_dropped(void **state)
{
    (void)state;
    struct tern_engine *engine;
    simio_new(NULL, &engine);
    log_clear();
    assert_int_equal(post(engine, "a"), TERN_OK);
    tern_engine_free(engine); /* and freed: ASan would tell */
    assert_string_equal(log_text, "");
}

static void test_the_dead_wait_for_those_who_hold_them(void **state)
{
    (void)state;
    struct tern_engine *engine;
    simio_new(NULL, &engine);
    struct actor a = actor(engine, "a"), b = actor(engine, "b"), t = actor(engine, "t");
    log_clear();
    tern_corpse_hold(&a.corpse);
    tern_corpse_hold(&a.corpse);
    tern_engine_bury(engine, &a.corpse);
    tern_engine_bury(engine, &b.corpse);
    assert_string_equal(log_text, ""); /* not from inside */
    tern_engine_defer(engine, &t.task);
    tern_engine_step(engine);
    assert_string_equal(log_text, "tb"); /* after all that runs in the turn */
    tern_corpse_release(engine, &a.corpse);
    tern_engine_step(engine);
    assert_string_equal(log_text, "tb");
    tern_corpse_release(engine, &a.corpse);
    tern_engine_free(engine);
    assert_string_equal(log_text, "tba");
}

/* ---- members ---- */

struct client {
    struct tern_member member;
    struct client *other; /* removed by the shutdown of this one */
    struct tern_engine *engine;
    const char *name;
};

static void on_shutdown(struct tern_member *member)
{
    struct client *client = TERN_CONTAINER_OF(member, struct client, member);
    log_add(client->name);
    if (client->other != NULL)
        tern_engine_remove_member(client->engine, &client->other->member);
}

static void on_free(struct tern_member *member)
{
    struct client *client = TERN_CONTAINER_OF(member, struct client, member);
    log_add("-");
    log_add(client->name);
    tern_engine_remove_member(client->engine, member);
}

static void test_members_hear_of_the_end(void **state)
{
    (void)state;
    struct tern_engine *engine;
    struct tern_engine_stats stats;
    simio_new(NULL, &engine);
    struct client c = {{.on_shutdown = on_shutdown, .on_free = on_free}, NULL, engine, "c"};
    struct client b = {{.on_shutdown = on_shutdown, .on_free = on_free}, NULL, engine, "b"};
    struct client a = {{.on_shutdown = on_shutdown, .on_free = on_free}, &b, engine, "a"};
    log_clear();
    assert_int_equal(tern_engine_add_member(engine, &a.member), TERN_OK);
    assert_int_equal(tern_engine_add_member(engine, &b.member), TERN_OK);
    assert_int_equal(tern_engine_add_member(engine, &c.member), TERN_OK);
    assert_int_equal(post(engine, "p"), TERN_OK);
    assert_int_equal(tern_engine_shutdown(engine), TERN_OK);
    assert_string_equal(log_text, "pac");
    assert_int_equal(tern_engine_add_member(engine, &b.member), TERN_ECLOSED);
    tern_engine_stats(engine, &stats);
    assert_int_equal(stats.clients, 2);
    tern_engine_free(engine);
    assert_string_equal(log_text, "pac-a-c");
}

/* ---- descriptors ---- */

static struct tern_tcp streams[2];

static void close_both(struct tern_watch *watch, uint32_t events)
{
    assert_true(watch->fd >= 0);
    assert_int_equal(events, TERN_IO_READ);
    log_add("ready ");
    tern_bytestream_close(&streams[0].stream);
    tern_bytestream_close(&streams[1].stream);
}

static void test_a_late_event_meets_nobody(void **state)
{
    (void)state;
    struct tern_engine *engine;
    struct simio *sim = simio_new(NULL, &engine);
    struct tern_engine_stats stats;
    struct tern_sockaddr address;
    simio_listen(sim, "192.0.2.1:80");
    assert_true(tern_sockaddr_parse(&address, TERN_STR("192.0.2.1:80")));
    for (int i = 0; i < 2; i++)
        assert_int_equal(tern_tcp_start(engine, &streams[i], &address, NULL, NULL), TERN_OK);
    simio_run(sim, 0);
    for (int i = 0; i < 2; i++) {
        streams[i].watch.on_ready = close_both; /* below the stream, which would drop a late event too */
        simio_say(simio_accept(sim, "192.0.2.1:80"), "x");
    }
    tern_engine_stats(engine, &stats);
    assert_int_equal(stats.descriptors_watched, 2);
    log_clear();
    simio_run(sim, 0);
    assert_string_equal(log_text, "ready ");
    tern_engine_stats(engine, &stats);
    assert_int_equal(stats.descriptors_watched, 0);
    assert_int_equal(simio_counts(sim).open, 0);
    tern_engine_free(engine);
}

/* ---- the pollable descriptor, on the real system ---- */

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void test_the_descriptor_shows_work(void **state)
{
    (void)state;
    struct tern_engine *engine;
    assert_int_equal(tern_engine_new(NULL, &engine, NULL), TERN_OK);
    struct actor a = actor(engine, "a"), t = actor(engine, "t");
    int fd = tern_engine_fd(engine);
    log_clear();
    tern_engine_step(engine);
    assert_false(is_readable(fd));

    assert_int_equal(post(engine, "p"), TERN_OK);
    assert_true(is_readable(fd));
    tern_engine_step(engine);
    assert_false(is_readable(fd));

    a.again = 1; /* work left over by a step */
    tern_engine_defer(engine, &a.task);
    assert_true(is_readable(fd));
    tern_engine_step(engine);
    assert_true(is_readable(fd));
    tern_engine_step(engine);
    assert_false(is_readable(fd));

    tern_timer_arm(engine, &t.timer, engine->now_ns + 3600 * TERN_S);
    assert_false(is_readable(fd));
    tern_timer_arm(engine, &t.timer, engine->now_ns + 1);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 60000), 1);
    assert_string_equal(log_text, "paa");
    tern_engine_step(engine);
    assert_string_equal(log_text, "paat");
    assert_false(is_readable(fd));

    tern_timer_arm(engine, &t.timer, engine->now_ns + 1); /* again, so that the descriptor is armed anew */
    assert_int_equal(poll(&p, 1, 60000), 1);
    tern_engine_step(engine);
    assert_string_equal(log_text, "paatt");
    assert_int_equal(tern_engine_fd(engine), fd);
    tern_engine_free(engine);
}

static void test_wakes_cost_nothing_when_awake(void **state)
{
    (void)state;
    struct tern_engine *engine;
    struct simio *sim = simio_new(NULL, &engine);
    tern_engine_fd(engine);
    assert_int_equal(simio_counts(sim).wakes, 0);
    assert_int_equal(post(engine, ""), TERN_OK);
    assert_int_equal(post(engine, ""), TERN_OK);
    assert_int_equal(simio_counts(sim).wakes, 1);
    simio_run(sim, 0);
    assert_int_equal(post(engine, ""), TERN_OK);
    assert_int_equal(simio_counts(sim).wakes, 2);
    simio_run(sim, 0);
    tern_engine_free(engine);
}

static void test_one_arm_for_an_earlier_deadline_only(void **state)
{
    (void)state;
    struct tern_engine *engine;
    struct simio *sim = simio_new(NULL, &engine);
    struct actor a = actor(engine, "a");
    tern_engine_fd(engine);
    log_clear();
    tern_timer_arm(engine, &a.timer, SIMIO_START_NS + 100);
    for (uint64_t i = 1; i < 50; i++)
        tern_timer_arm(engine, &a.timer, SIMIO_START_NS + 100 + i);
    assert_int_equal(simio_counts(sim).arms, 1);
    tern_timer_arm(engine, &a.timer, SIMIO_START_NS + 50);
    assert_int_equal(simio_counts(sim).arms, 2);
    tern_timer_arm(engine, &a.timer, SIMIO_START_NS + 70);
    simio_run(sim, 50);
    simio_run(sim, 20);
    assert_string_equal(log_text, "a");
    tern_engine_free(engine);
}

/* ---- run and stop ---- */

static void *run_engine(void *engine)
{
    return (void *)(uintptr_t)tern_engine_run(engine);
}

static void test_stop_from_another_thread(void **state)
{
    (void)state;
    struct tern_engine *engine;
    pthread_t thread;
    void *result = &thread;
    for (uint64_t spin_ns = 0; spin_ns <= TERN_MS; spin_ns += TERN_MS) {
        struct tern_engine_config config = {.spin_ns = spin_ns};
        log_clear();
        assert_int_equal(tern_engine_new(&config, &engine, NULL), TERN_OK);
        assert_int_equal(pthread_create(&thread, NULL, run_engine, engine), 0);
        assert_int_equal(post(engine, "a"), TERN_OK);
        tern_engine_stop(engine);
        pthread_join(thread, &result);
        assert_int_equal((uintptr_t)result, TERN_OK);
        tern_engine_step(engine); /* the post may have come after the run's last look */
        assert_string_equal(log_text, "a");
        tern_engine_stop(engine); /* for the next run, which then does not wait */
        assert_int_equal(tern_engine_run(engine), TERN_OK);
        tern_engine_free(engine);
    }
}

static void stop(struct tern_timer *timer)
{
    tern_engine_stop(TERN_CONTAINER_OF(timer, struct actor, timer)->engine);
}

static void test_run_waits_for_its_timers(void **state)
{
    (void)state;
    struct tern_engine *engine;
    struct tern_engine_stats stats;
    for (uint64_t spin_ns = 0; spin_ns <= TERN_S; spin_ns += TERN_S) {
        struct tern_engine_config config = {.spin_ns = spin_ns};
        assert_int_equal(tern_engine_new(&config, &engine, NULL), TERN_OK);
        struct actor a = actor(engine, "a");
        a.timer.on_timer = stop;
        tern_timer_arm(engine, &a.timer, engine->now_ns + TERN_MS);
        assert_int_equal(tern_engine_run(engine), TERN_OK);
        tern_engine_stats(engine, &stats);
        assert_int_equal(stats.timers_fired, 1);
        if (spin_ns != 0)
            assert_int_equal(stats.wakes, 1); /* and that one did not sleep: the deadline had come */
        tern_engine_free(engine);
    }
}

/* ---- fork ---- */

static void on_fork(struct tern_member *member)
{
    log_add("fork ");
    (void)member;
}

static void test_a_child_lets_go(void **state)
{
    (void)state;
    struct tern_engine *engine;
    int pipe_fds[2];
    struct tern_member member = {.on_fork = on_fork};
    assert_int_equal(tern_engine_new(NULL, &engine, NULL), TERN_OK);
    struct actor a = actor(engine, "task ");
    int fd = tern_engine_fd(engine);
    log_clear();
    assert_int_equal(tern_engine_add_member(engine, &member), TERN_OK);
    assert_int_equal(pipe(pipe_fds), 0);
    tern_engine_step(engine);

    pid_t pid = fork();
    if (pid == 0) {
        tern_engine_defer(engine, &a.task);
        int bad = tern_engine_step(engine) != TERN_EFORK;
        bad |= strcmp(log_text, "fork task ") != 0 ? 2 : 0;
        bad |= tern_engine_step(engine) != TERN_EFORK ? 4 : 0;
        bad |= tern_engine_fd(engine) != -1 ? 8 : 0;
        bad |= post(engine, "x") != TERN_ECLOSED ? 16 : 0;
        bad |= poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) != 1 ? 32 : 0; /* closed: POLLNVAL */
        bad |= tern_engine_shutdown(engine) != TERN_OK ? 64 : 0;
        bad |= tern_engine_free(engine) != TERN_OK ? 128 : 0;
        _exit(bad);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);

    /* The child took nothing from its parent: not a wake, not a registration. */
    assert_false(is_readable(fd));
    assert_int_equal(post(engine, "p"), TERN_OK);
    assert_true(is_readable(fd));
    assert_int_equal(tern_engine_step(engine), TERN_OK);
    assert_string_equal(log_text, "p");
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    tern_engine_free(engine);
}

/* ---- making an engine ---- */

static void test_out_of_memory_at_every_step(void **state)
{
    (void)state;
    uint64_t before = faultmem_live(), n = 0;
    enum tern_error error;
    do {
        struct tern_engine *engine = NULL;
        struct tern_fault why;
        faultmem_fail_nth(++n);
        error = tern_engine_new(NULL, &engine, &why);
        if (faultmem_failed()) {
            assert_int_equal(error, TERN_ENOMEM);
            assert_int_equal(why.error, TERN_ENOMEM);
            assert_null(engine);
        }
        faultmem_never_fail();
        tern_engine_free(engine);
        assert_int_equal(faultmem_live(), before);
    } while (error != TERN_OK);
    assert_true(n > 3);

    struct tern_engine *engine;
    uint64_t id;
    assert_int_equal(tern_engine_new(NULL, &engine, NULL), TERN_OK);
    faultmem_fail_nth(1);
    assert_int_equal(post(engine, ""), TERN_ENOMEM);
    faultmem_fail_nth(1);
    assert_int_equal(tern_slots_reserve(&engine->calls, &id), TERN_ENOMEM);
    faultmem_never_fail();
    assert_int_equal(tern_slots_reserve(&engine->calls, &id), TERN_OK);
    tern_slots_release(&engine->calls, id);
    tern_engine_free(engine);
    assert_int_equal(faultmem_live(), before);
}

static void test_configuration_is_checked(void **state)
{
    (void)state;
    struct tern_engine *engine;
    struct tern_fault why;
    assert_int_equal(tern_engine_new(&(struct tern_engine_config){.calls_max = 16777217}, &engine, &why), TERN_ECONFIG);
    assert_string_equal(why.text, "calls_max 16777217: must be 1 to 16777216");
    assert_int_equal(tern_engine_new(&(struct tern_engine_config){.file_threads = 17}, &engine, &why), TERN_ECONFIG);
    assert_string_equal(why.text, "file_threads 17: must be 1 to 16");
    assert_int_equal(tern_engine_new(&(struct tern_engine_config){.handshake_threads = 17}, &engine, &why),
                     TERN_ECONFIG);
    assert_string_equal(why.text, "handshake_threads 17: must be 0 to 16");
    assert_int_equal(tern_engine_free(NULL), TERN_OK);
}

int main(void)
{
    faultmem_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers_by_deadline_then_arming),
        cmocka_unit_test(test_time_stands_still_in_a_turn_only),
        cmocka_unit_test(test_an_idle_engine_does_nothing),
        cmocka_unit_test(test_what_repeats_itself_waits_for_the_next_turn),
        cmocka_unit_test(test_one_slow_task_a_turn),
        cmocka_unit_test(test_last_tasks_run_behind_the_tasks_of_their_turn),
        cmocka_unit_test(test_slow_tasks_are_shown_and_not_run_by_a_shutdown),
        cmocka_unit_test(test_busy_from_inside),
        cmocka_unit_test(test_posts_are_bounded_and_ordered),
        cmocka_unit_test(test_posts_left_at_free_are_dropped),
        cmocka_unit_test(test_the_dead_wait_for_those_who_hold_them),
        cmocka_unit_test(test_members_hear_of_the_end),
        cmocka_unit_test(test_a_late_event_meets_nobody),
        cmocka_unit_test(test_the_descriptor_shows_work),
        cmocka_unit_test(test_wakes_cost_nothing_when_awake),
        cmocka_unit_test(test_one_arm_for_an_earlier_deadline_only),
        cmocka_unit_test(test_stop_from_another_thread),
        cmocka_unit_test(test_run_waits_for_its_timers),
        cmocka_unit_test(test_a_child_lets_go),
        cmocka_unit_test(test_out_of_memory_at_every_step),
        cmocka_unit_test(test_configuration_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
