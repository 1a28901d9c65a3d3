#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "measure.h"
#include "memory.h"

/* How many calls of an open loop may be under way. Starts that find none free wait, and their latency grows. */
#define OPEN_SLOTS 16384

static void start_call(struct bench_worker *worker, struct bench_slot *slot, uint64_t start_ns);

static void note_failure(struct bench_worker *worker, const char *text)
{
    if (worker->errors++ == 0)
        snprintf(worker->failure, sizeof(worker->failure), "%s", text);
}

static void release(struct bench_worker *worker, struct bench_slot *slot)
{
    slot->next_free = worker->free_slots;
    worker->free_slots = slot;
}

/* One more request is over. The engine stops with the last. */
static void count_end(struct bench_worker *worker)
{
    uint64_t ended = atomic_load_explicit(&worker->ended, memory_order_relaxed) + 1;

    atomic_store_explicit(&worker->ended, ended, memory_order_relaxed);
    if (ended == worker->requests / 2) {
        worker->allocations_late = bench_memory_allocations();
        worker->ended_late = worker->requests - ended;
    }
    if (ended == worker->requests)
        tern_engine_stop(worker->engine);
}

static void on_body(void *user, tern_call_id call, const void *data, size_t len)
{
    struct bench_slot *slot = user;

    (void)call;
    (void)data;
    slot->worker->bytes += len;
}

static void on_head(void *user, tern_call_id call, const struct tern_head *head)
{
    struct bench_slot *slot = user;

    (void)head;
    if (slot->cancel_at_head)
        tern_call_cancel(slot->worker->engine, call);
}

static void on_done(void *user, tern_call_id call, const struct tern_result *result)
{
    struct bench_slot *slot = user;
    struct bench_worker *worker = slot->worker;
    uint64_t now_ns = bench_now();

    (void)call;
    if (worker->first_ns == 0)
        worker->first_ns = now_ns;
    if (result->fault.error == TERN_ECANCELLED)
        worker->cancelled++;
    else if (result->fault.error != TERN_OK)
        note_failure(worker, result->fault.text);
    else if (result->status >= 400)
        note_failure(worker, "the server answered with a status of 400 or more");
    else
        bench_hist_add(&worker->latency, now_ns - slot->start_ns);
    count_end(worker);
    if (worker->interval_ns == 0 && worker->started < worker->requests)
        start_call(worker, slot, now_ns);
    else
        release(worker, slot);
}

static void start_call(struct bench_worker *worker, struct bench_slot *slot, uint64_t start_ns)
{
    static const struct tern_handlers plain = {.on_body = on_body, .on_done = on_done};
    static const struct tern_handlers cancelling = {.on_head = on_head, .on_body = on_body, .on_done = on_done};
    const struct bench_options *options = worker->options;
    struct tern_request request = {.url = tern_str(options->url), .fresh_connection = options->fresh};
    bool cancel = options->cancel_every != 0 && worker->started % options->cancel_every == options->cancel_every - 1;
    bool at_start = cancel && worker->started / options->cancel_every % 2 == 0;
    struct tern_fault why;
    tern_call_id call;

    if (options->upload_bytes != 0) {
        request.method = TERN_STR("POST");
        request.expect = TERN_EXPECT_NEVER;
        request.body =
            (struct tern_body){.kind = TERN_BODY_MEMORY, .length = options->upload_bytes, .data = worker->upload};
    }
    worker->started++;
    slot->start_ns = start_ns;
    slot->cancel_at_head = cancel && !at_start;
    if (tern_call_start(worker->client, &request, cancel ? &cancelling : &plain, slot, &call, &why) != TERN_OK) {
        note_failure(worker, why.text);
        release(worker, slot);
        count_end(worker);
    } else if (at_start) {
        tern_call_cancel(worker->engine, call);
    }
}

/* Each end starts the next call, from its callback. A call that could not even start leaves a hole, which is filled
 * here: what is refused is refused for every call alike, so this ends. */
static void run_closed(struct bench_worker *worker)
{
    while (worker->started < worker->requests) {
        while (worker->free_slots != NULL && worker->started < worker->requests) {
            struct bench_slot *slot = worker->free_slots;

            worker->free_slots = slot->next_free;
            start_call(worker, slot, bench_now());
        }
        if (tern_engine_run(worker->engine) != TERN_OK)
            return;
    }
}

/* Starts what is due, and tells when the next one is. */
static uint64_t start_due(struct bench_worker *worker)
{
    while (worker->started < worker->requests) {
        uint64_t due_ns = worker->begun_ns + (uint64_t)((double)worker->started * worker->interval_ns);
        struct bench_slot *slot = worker->free_slots;

        if (due_ns > bench_now())
            return due_ns;
        if (slot == NULL)
            break;
        worker->free_slots = slot->next_free;
        start_call(worker, slot, due_ns);
    }
    return UINT64_MAX;
}

/* The engine inside another loop, as a service would have it: that loop has the clock that starts calls. */
static void run_open(struct bench_worker *worker)
{
    struct pollfd ready = {.fd = tern_engine_fd(worker->engine), .events = POLLIN};

    prctl(PR_SET_TIMERSLACK, 1UL); /* else a wait may end 50 us late */
    while (worker->ended < worker->requests) {
        uint64_t due_ns = start_due(worker);
        uint64_t now_ns = bench_now();
        uint64_t wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;
        struct timespec timeout = {(time_t)(wait_ns / TERN_S), (long)(wait_ns % TERN_S)};
        int count = ppoll(&ready, 1, due_ns != UINT64_MAX ? &timeout : NULL, NULL);

        if ((count < 0 && errno != EINTR) || (count > 0 && tern_engine_step(worker->engine) != TERN_OK))
            return;
    }
}

/* In a closed loop whatever the load is, so that -c connections are open after it where so many are needed. */
static void warm_up(struct bench_worker *worker)
{
    uint64_t requests = worker->requests;
    double interval_ns = worker->interval_ns;

    worker->requests = worker->options->warm_up / worker->options->threads;
    worker->interval_ns = 0;
    run_closed(worker);
    worker->requests = requests;
    worker->interval_ns = interval_ns;
    worker->started = worker->errors = worker->cancelled = worker->bytes = worker->ended_late = 0;
    atomic_store(&worker->ended, 0);
    memset(&worker->latency, 0, sizeof(worker->latency));
}

void bench_worker_run(struct bench_worker *worker)
{
    uint64_t before = bench_memory_allocations();

    worker->begun_ns = bench_now();
    if (worker->interval_ns == 0)
        run_closed(worker);
    else
        run_open(worker);
    if (worker->ended_late != 0)
        worker->allocations_late = bench_memory_allocations() - worker->allocations_late;
    worker->allocations = bench_memory_allocations() - before;
}

/* ---- every policy, on and content ---- */

static const char *check(void *user, const struct tern_gate_question *question)
{
    (void)user;
    (void)question;
    return NULL;
}

static void on_attempt(void *user, const struct tern_attempt *attempt)
{
    (void)user;
    (void)attempt;
}

static void on_response(void *user, const struct tern_attempt *attempt, const struct tern_head *head)
{
    (void)user;
    (void)attempt;
    (void)head;
}

static const char *const denied[] = {"*.denied.test", "192.0.2.0/24"};
static const struct tern_gate gate = {.deny = denied, .deny_count = 2, .check = check};
static const struct tern_redirects redirects = {0};
static const struct tern_retries retries = {0};
static const struct tern_decoding decoding = {0};
static const struct tern_rate rate = {.calls = 1000000, .burst = 1000000};
static const struct tern_breaker breaker = {0};
static const struct tern_hooks hooks = {.on_request = on_attempt, .on_response = on_response};
static const struct tern_policy every_policy = {.hsts = true,
                                                .gate = &gate,
                                                .redirects = &redirects,
                                                .retries = &retries,
                                                .decoding = &decoding,
                                                .rate = &rate,
                                                .breaker = &breaker,
                                                .hooks = &hooks};

struct tern_client_config bench_client_config(const struct bench_options *options, uint32_t connections)
{
    return (struct tern_client_config){
        .name = "load",
        .http_mode = options->http_mode,
        .policy = options->policies ? &every_policy : NULL,
        .timeouts = {.pool_ns = TERN_OFF},
        .limits = {.connections_max = connections,
                   .connections_per_host_max = connections,
                   .idle_max = connections,
                   .idle_ns = TERN_OFF,
                   .waiters_max = connections > OPEN_SLOTS ? connections : OPEN_SLOTS},
        .tls = {.ca_file = options->cacert,
                .insecure = options->insecure,
                .version_max = options->tls_max,
                .no_resumption = options->no_resumption},
    };
}

static bool make_slots(struct bench_worker *worker)
{
    size_t count = worker->interval_ns != 0 ? OPEN_SLOTS : worker->options->concurrency;

    worker->slots = calloc(count, sizeof(worker->slots[0]));
    if (worker->slots == NULL)
        return false;
    for (size_t i = count; i-- > 0;) {
        worker->slots[i].worker = worker;
        release(worker, &worker->slots[i]);
    }
    return true;
}

bool bench_worker_init(struct bench_worker *worker, const struct bench_options *options, uint64_t requests,
                       const void *upload)
{
    struct tern_engine_config engine = {.spin_ns = options->spin_ns, .calls_max = 1U << 20};
    struct tern_client_config config = bench_client_config(options, options->concurrency + options->paused);
    struct tern_fault why;

    worker->options = options;
    worker->requests = requests;
    worker->upload = upload;
    worker->interval_ns = options->rate > 0 ? 1e9 * options->threads / options->rate : 0;
    if (!make_slots(worker)) {
        fputs("load: out of memory\n", stderr);
        return false;
    }
    if (tern_engine_new(&engine, &worker->engine, &why) != TERN_OK ||
        tern_client_new(worker->engine, &config, &worker->client, &why) != TERN_OK) {
        fprintf(stderr, "load: %s\n", why.text);
        return false;
    }
    if (!bench_idle_open(worker) || !bench_paused_open(worker))
        return false;
    warm_up(worker);
    return true;
}

void bench_worker_deinit(struct bench_worker *worker)
{
    if (worker->engine != NULL) {
        tern_engine_shutdown(worker->engine);
        tern_engine_free(worker->engine);
    }
    free(worker->slots);
}
