/* tern/engine.h - one thread's reactor.
 *
 * An engine owns descriptors, timers and a mailbox; clients (tern/client.h) live on it and calls (tern/call.h) on
 * those. It belongs to the thread that steps it. Only tern_engine_stop, tern_post and tern_post_* may be called from
 * other threads. Engines share nothing but immutable, counted trust: use one for each thread.
 *
 * Callbacks run only from inside tern_engine_step, tern_engine_run, tern_engine_shutdown and tern_perform, never from
 * inside another tern function. Any tern function may be called from a callback; step, run, shutdown, free and the
 * blocking calls answer TERN_EBUSY there.
 *
 * In your own event loop:
 *     poll for POLLIN on tern_engine_fd(engine); when it is readable, tern_engine_step(engine).
 * On its own:
 *     tern_engine_run(engine), and tern_engine_stop(engine) from a callback or another thread. */
#ifndef TERN_ENGINE_H
#define TERN_ENGINE_H

#include "tern/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tern_engine;

struct tern_engine_config {
    uint64_t spin_ns;      /* how long to poll before sleeping in run: CPU paid for latency. Default 0: sleep at once */
    uint32_t calls_max;    /* live calls on this engine. Default 65,536; 1 to 16,777,216 */
    uint32_t mailbox_max;  /* posts (starts and functions) not yet taken up. Default 4,096 */
    uint32_t file_threads; /* threads that do file work, started when first needed. Default 1; at most 16 */

    /* Threads that compute TLS handshakes, started when first needed; at most 16. Default 0: the engine's own thread
     * does, one step of one handshake a turn, so that calls under way are served between any two. The longest step
     * (the check of the server's certificates) is 1 to 3 ms of CPU: with a thread here no turn is held up by any. */
    uint32_t handshake_threads;

    /* The memory ledger over all its clients (struct tern_limits in tern/client.h). Default 1 GiB. */
    uint64_t memory_bytes_max;
};

/* Makes an engine. config may be NULL: all defaults. On success *out is owned by the caller, who ends it with
 * tern_engine_free. why may be NULL.
 * Errors: TERN_ECONFIG, TERN_ENOMEM, TERN_EDESCRIPTORS, TERN_EOS. */
TERN_API TERN_MUST_USE enum tern_error tern_engine_new(const struct tern_engine_config *config,
                                                       struct tern_engine **out, struct tern_fault *why);

/* Frees the engine and the clients still on it. Calls still live end without their callbacks: to have those, use
 * tern_engine_shutdown first. NULL is ignored. No other thread may use the engine any more.
 * Errors: TERN_EBUSY (from a callback; nothing is freed). */
TERN_API enum tern_error tern_engine_free(struct tern_engine *engine);

/* Closes every client and ends every call through its on_done (TERN_ESHUTDOWN) before it returns; posts not
 * yet taken up end the same way, functions posted are run. Starts are refused from now on (TERN_ECLOSED).
 * Errors: TERN_EBUSY. */
TERN_API enum tern_error tern_engine_shutdown(struct tern_engine *engine);

/* The descriptor that is readable (POLLIN) whenever tern_engine_step has work, timers included. Borrowed: owned by the
 * engine, never read or closed by the caller, the same for the engine's whole life. From the first call on, the
 * engine keeps a timer descriptor armed for it, so do not ask for it where tern_engine_run is used. -1 in a forked
 * child. */
TERN_API int tern_engine_fd(struct tern_engine *engine);

/* Does all work that is due, without waiting. Errors: TERN_EBUSY, TERN_EFORK (each live call has ended with it),
 * TERN_EOS (the system would not say what is ready; the rest was done). */
TERN_API enum tern_error tern_engine_step(struct tern_engine *engine);

/* Works and waits until tern_engine_stop. Errors: as tern_engine_step. */
TERN_API enum tern_error tern_engine_run(struct tern_engine *engine);

/* Makes the current tern_engine_run, or the next one if none runs, return after its turn. Any thread;
 * async-signal-safe. */
TERN_API void tern_engine_stop(struct tern_engine *engine);

/* Hands the engine a function to run on its thread, once, from inside a step. Any thread; posts of one thread run in
 * order. Where the engine is freed before that, the function is not run.
 * Errors: TERN_EQUEUE (mailbox_max reached), TERN_ENOMEM, TERN_ECLOSED. */
TERN_API TERN_MUST_USE enum tern_error tern_post(struct tern_engine *engine, void (*run)(void *user), void *user);

struct tern_engine_stats {
    uint64_t wakes; /* times the engine returned from a wait */
    uint64_t steps; /* turns of the loop */
    uint64_t timers_fired;
    uint64_t posts; /* taken from the mailbox */
    uint32_t calls_live;
    uint32_t clients;
    uint32_t descriptors_watched;
    uint64_t memory_promised_bytes; /* the memory ledger: now */
    uint64_t memory_held_bytes;
    uint64_t memory_held_bytes_peak; /* since the engine was made */
};

TERN_API void tern_engine_stats(const struct tern_engine *engine, struct tern_engine_stats *out);

/* Where the memory of all engines of the process comes from; by default malloc. (c-ares and libidn2 use the C library's
 * in any case.) Each function may be called from any thread and may fail. Call once, before any other tern function.
 * Errors: TERN_EINVAL (a function is missing). */
struct tern_allocator {
    void *(*alloc)(size_t size, void *user);
    void *(*realloc)(void *block, size_t size, void *user);
    void (*free)(void *block, void *user);
    void *user;
};
TERN_API TERN_MUST_USE enum tern_error tern_set_allocator(const struct tern_allocator *allocator);

#ifdef __cplusplus
}
#endif
#endif
