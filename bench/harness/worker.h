/* One engine and its share of the load: starts calls, in a closed or an open loop, and counts how they end. */
#ifndef BENCH_HARNESS_WORKER_H
#define BENCH_HARNESS_WORKER_H

#include <stdatomic.h>

#include "hist.h"
#include "options.h"
#include "tern/tern.h"

/* One call in flight. */
struct bench_slot {
    struct bench_worker *worker;
    struct bench_slot *next_free;
    uint64_t start_ns; /* in an open loop the moment that was meant */
    bool cancel_at_head;
};

struct bench_worker {
    const struct bench_options *options;
    struct tern_engine *engine;
    struct tern_client *client;
    struct tern_client *beside; /* holds the idle connections; NULL where there are none */
    const void *upload;         /* borrowed: options->upload_bytes of it */
    uint64_t requests;          /* to start */
    double interval_ns;         /* between two starts of an open loop; 0: closed */

    struct bench_slot *slots;
    struct bench_slot *free_slots;
    uint64_t begun_ns;
    uint64_t started;
    _Atomic uint64_t ended; /* read by the thread that shows progress */
    uint64_t errors;
    uint64_t cancelled;
    uint64_t bytes;
    uint64_t allocations; /* in the whole of the run; and in its second half, when all is warm */
    uint64_t allocations_late;
    uint64_t ended_late; /* requests in that half */
    uint64_t first_ns;   /* when the first call ended */
    double idle_kb;      /* resident memory for each idle connection */
    uint32_t paused_now;
    char failure[TERN_FAULT_TEXT_MAX]; /* of the first error */
    struct bench_hist latency;
};

/* Makes engine and clients, opens what stands beside, and does the warm-up. Says on stderr what failed. The worker's
 * deinit is due in either case. */
bool bench_worker_init(struct bench_worker *worker, const struct bench_options *options, uint64_t requests,
                       const void *upload);
void bench_worker_deinit(struct bench_worker *worker);

/* Starts all requests and returns when they have ended. */
void bench_worker_run(struct bench_worker *worker);

/* ---- beside.c ---- */

/* options->idle connections that carry nothing from now on. */
bool bench_idle_open(struct bench_worker *worker);

/* options->paused calls that have had the first of their body and take no more until the client is closed. */
bool bench_paused_open(struct bench_worker *worker);

/* The configuration that the options ask for, with room for so many connections and waiting calls. */
struct tern_client_config bench_client_config(const struct bench_options *options, uint32_t connections);

#endif
