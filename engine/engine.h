/* engine/engine.h - the reactor as the rooms above see it.
 *
 * One turn: wait (step: only look) - latch the time - mailbox - ready descriptors - due timers - one slow task - tasks
 * - last tasks - graveyard.
 *
 * 1. Everything here belongs to the engine's thread, but tern_engine_post and tern_slots_reserve/_cancel.
 * 2. User callbacks run only inside a turn or a shutdown (engine->in_turn).
 * 3. now_ns is the time at which this turn began its work. It moves between turns only: read it by tern_engine_now,
 *    which looks at the clock where no turn is going on.
 * 4. Outside of a turn, in pollable mode, the descriptor is readable or its timer armed whenever there is work.
 * 5. What is freed while callbacks may be on the stack or an event may name it is buried: its memory goes when the turn
 *    ends. */
#ifndef TERN_ENGINE_ENGINE_H
#define TERN_ENGINE_ENGINE_H

#include "base/hash.h"
#include "base/ledger.h"
#include "base/list.h"
#include "engine/files.h"
#include "engine/io.h"
#include "engine/mailbox.h"
#include "engine/slots.h"
#include "engine/wheel.h"
#include "tern/engine.h"

/* Events taken from one wait. More only makes timers and tasks wait longer. */
#define TERN_ENGINE_EVENTS_MAX 256

/* The shared buffer for one read-and-parse: a good part of a socket's receive buffer. It begins at a cache line: the
 * system's copy takes twice the time to a place 16 bytes behind one, which is where malloc's large blocks begin. */
#define TERN_ENGINE_SCRATCH_BYTES (256 * 1024)
#define TERN_ENGINE_SCRATCH_ALIGN 64

/* Rounds in which a shutdown lets things settle: each may end calls whose callbacks defer more. */
#define TERN_ENGINE_SHUTDOWN_ROUNDS_MAX 1000

/* Work for later in this turn (from a callback) or for the next. Before the first use: tern_task_init. */
struct tern_task {
    struct tern_list node;
    void (*run)(struct tern_task *task);
    bool is_queued;
};

/* Memory to be freed. Zero-initialise. holds counts those (file jobs) who still need it; bury is called with no one
 * left. */
struct tern_corpse {
    struct tern_list node;
    void (*bury)(struct tern_corpse *corpse);
    uint32_t holds;
    bool is_buried;
};

/* What lives on an engine and has to hear of its end: a client. Embedded; NULL functions are skipped. Each function
 * may remove the member itself, but no other one. */
struct tern_member {
    struct tern_list node;
    void (*on_shutdown)(struct tern_member *member); /* end every call, through its callback, now */
    void (*on_free)(struct tern_member *member);     /* free everything, no callbacks */
    void (*on_fork)(struct tern_member *member);     /* in the child: end every call with TERN_EFORK; write nothing */
};

enum tern_engine_state {
    TERN_ENGINE_OPEN,
    TERN_ENGINE_SHUT,   /* after tern_engine_shutdown: nothing new is taken */
    TERN_ENGINE_FORKED, /* in a child: the same, and the descriptors are gone */
    TERN_ENGINE_FREEING
};

struct tern_engine {
    struct tern_io *io;
    struct tern_files *files;
    struct tern_engine_config config;
    enum tern_engine_state state;
    bool in_turn;
    uint64_t now_ns;
    struct tern_hash_seed hash_seed; /* for every table whose keys others choose; from io->random */
    unsigned char *scratch;          /* TERN_ENGINE_SCRATCH_BYTES, borrowed for one read-and-parse */
    void *scratch_block;             /* what it lies in */

    struct tern_wheel wheel;
    struct tern_list due; /* timers taken from the wheel in this turn */
    struct tern_list tasks;
    struct tern_list last_tasks;
    struct tern_list slow_tasks;
    struct tern_list graveyard; /* to bury at the turn's end */
    struct tern_ledger ledger;  /* of all clients */
    struct tern_list members;
    uint32_t member_count;

    struct tern_mailbox mailbox;
    _Atomic uint32_t posts; /* bounded messages in the mailbox */
    _Atomic bool stop;
    bool is_running; /* inside tern_engine_run: only that obeys a stop */
    struct tern_slots calls;

    bool is_pollable;  /* tern_engine_fd was asked for */
    bool is_woken;     /* pollable: readable since the last turn */
    uint64_t armed_ns; /* pollable: what the timer descriptor is set to */

    bool inline_jobs;
    struct tern_worker *workers[TERN_JOB_KINDS]; /* each made with the first job of its kind */
    struct tern_list jobs;                       /* started, not done */
    struct tern_engine_stats stats;
};

/* The seams, for tests and simulation. NULL: the real ones. io is taken, and freed with the engine; on failure it stays
 * the caller's.
 * inline_jobs: jobs run on the engine's own thread, in the order they were started: one seed gives one history. */
struct tern_engine_seams {
    struct tern_io *io;
    struct tern_files *files;
    bool inline_jobs;
};

TERN_MUST_USE enum tern_error tern_engine_new_with(const struct tern_engine_config *config,
                                                   const struct tern_engine_seams *seams, struct tern_engine **out,
                                                   struct tern_fault *why);

/* One turn, which waits for work if may_wait: the brick of tern_engine_run and of blocking calls. Errors: TERN_EBUSY,
 * TERN_EFORK, TERN_EOS. */
TERN_MUST_USE enum tern_error tern_engine_turn(struct tern_engine *engine, bool may_wait);

/* The time of the next work: 0 if there is some now, a deadline, or TERN_OFF if all is quiet (descriptors aside). */
uint64_t tern_engine_next(struct tern_engine *engine);

/* The time of this turn; between turns the clock's, latched anew, so that what is started there gets its whole timeout:
 * functions of the public API that start something ask for it first. */
uint64_t tern_engine_now(struct tern_engine *engine);

/* Nanoseconds since 1970-01-01 UTC, for what HTTP dates. Not latched. */
uint64_t tern_engine_wall(struct tern_engine *engine);

/* The same in seconds, as HTTP's dates and cookies have it. */
static inline int64_t tern_engine_wall_s(struct tern_engine *engine)
{
    return (int64_t)(tern_engine_wall(engine) / TERN_S);
}

/* TERN_OFF disarms. A deadline that has passed fires in this turn or the next, never from inside. */
void tern_timer_arm(struct tern_engine *engine, struct tern_timer *timer, uint64_t deadline_ns);
void tern_timer_cancel(struct tern_engine *engine, struct tern_timer *timer);

static inline void tern_task_init(struct tern_task *task, void (*run)(struct tern_task *task))
{
    *task = (struct tern_task){.run = run};
}

/* Queues the task; once only if it is queued already. Tasks run in order; one that is queued while the tasks run
 * waits for the next turn, so that it cannot starve the descriptors. */
void tern_engine_defer(struct tern_engine *engine, struct tern_task *task);
void tern_task_cancel(struct tern_task *task);

/* The same for a task that gathers what other tasks bring (a write of all that they submit): it runs behind all the
 * tasks of this turn. One that is queued while the last tasks run waits for the next turn. */
void tern_engine_defer_last(struct tern_engine *engine, struct tern_task *task);

/* The same for a task that computes for so long that others should be served before the next one does (a step of a
 * handshake): of these one runs in a turn, in the order in which they were queued. A shutdown does not run them. */
void tern_engine_defer_slow(struct tern_engine *engine, struct tern_task *task);

/* Has corpse->bury called when no callback is on the stack, no event names it any more and nobody holds it. Once
 * only. */
void tern_engine_bury(struct tern_engine *engine, struct tern_corpse *corpse);
void tern_corpse_hold(struct tern_corpse *corpse);
void tern_corpse_release(struct tern_engine *engine, struct tern_corpse *corpse);

/* Watches a descriptor through io (see engine/io.h), and counts it. Errors: TERN_ENOMEM, TERN_EOS. */
TERN_MUST_USE enum tern_error tern_engine_watch(struct tern_engine *engine, struct tern_watch *watch);
TERN_MUST_USE enum tern_error tern_engine_watch_level(struct tern_engine *engine, struct tern_watch *watch,
                                                      uint32_t events, bool is_new);
void tern_engine_unwatch(struct tern_engine *engine, struct tern_watch *watch);

/* Hands over a message that the caller has allocated. Any thread. On error it is still the caller's.
 * Errors: TERN_EQUEUE (mailbox_max), TERN_ECLOSED. */
TERN_MUST_USE enum tern_error tern_engine_post(struct tern_engine *engine, struct tern_message *message);

/* Asks for the on_cancel of a call's slot. Any thread; never fails. */
void tern_engine_post_cancel(struct tern_engine *engine, uint64_t call_id);

/* Members are told in the order in which they were added. Errors: TERN_ECLOSED, TERN_EFORK. */
TERN_MUST_USE enum tern_error tern_engine_add_member(struct tern_engine *engine, struct tern_member *member);
void tern_engine_remove_member(struct tern_engine *engine, struct tern_member *member);

#endif
