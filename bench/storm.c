/* tern-storm - what a storm of TLS handshakes does to the calls that are running.
 *
 *   tern-storm WARM_URL STORM_URL [HANDSHAKES [WARM_CALLS]]
 *
 * WARM_CALLS calls (64) of WARM_URL run without a pause, each on a warm connection. Beside them HANDSHAKES calls (500)
 * of STORM_URL start at one moment, each on a fresh connection with a full handshake. Phase by phase: nothing but the
 * warm calls; the storm, its handshakes on the engine's thread; the storm, its handshakes on a thread of their own
 * (handshake_threads 1); then both storms without the warm calls, where a turn does little else.
 *
 * A turn is one tern_engine_step: CPU is its thread's time in it, wall the time that passed. A storm lasts from the
 * turn after the one that takes up its calls until the last handshake is over. So that no turn is spent on answers,
 * those of STORM_URL should not come before (/delay/60000/ of the origin); the calls are dropped then. WARM_URL should
 * be of another origin, or that one's handshakes delay the warm answers. TERN_PROBE_CA names who is trusted. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tern/tern.h"

#define WARM_UP_NS (500 * TERN_MS)
#define QUIET_NS (2 * TERN_S)
#define SAMPLES_MAX 4000000
#define SLOW_TURN_NS (200 * 1000)

struct samples {
    uint32_t *ns;
    size_t count;
};

struct storm {
    struct tern_engine *engine;
    struct tern_client *warm, *fresh;
    const char *warm_url, *fresh_url;
    size_t live, failed;
    uint64_t handshakes_wanted;
    bool is_measured; /* else warming up */
    bool is_ending;   /* the calls of the storm are dropped, no more warm ones start */
    struct samples cpu, wall, call;
};

struct warm_call {
    struct storm *storm;
    uint64_t start_ns;
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * TERN_S + (uint64_t)now.tv_nsec;
}

static void die(const char *why)
{
    fprintf(stderr, "tern-storm: %s\n", why);
    exit(1);
}

/* ---- samples ---- */

static void samples_new(struct samples *samples)
{
    samples->count = 0;
    samples->ns = malloc(SAMPLES_MAX * sizeof(*samples->ns));
    if (samples->ns == NULL)
        die("out of memory");
}

static void add(struct samples *samples, uint64_t ns)
{
    if (samples->count < SAMPLES_MAX)
        samples->ns[samples->count++] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* In microseconds; of sorted samples. */
static double at(const struct samples *samples, double share)
{
    if (samples->count == 0)
        return 0;
    return samples->ns[(size_t)(share * (double)(samples->count - 1))] / 1000.0;
}

static size_t slow_ones(const struct samples *samples)
{
    size_t n = 0;

    while (n < samples->count && samples->ns[samples->count - 1 - n] > SLOW_TURN_NS)
        n++;
    return n;
}

/* ---- calls ---- */

static void warm_start(struct warm_call *call);

static void judge(struct storm *storm, const struct tern_result *result)
{
    storm->live--;
    if (result->fault.error == TERN_OK || storm->is_ending)
        return;
    if (storm->failed++ == 0)
        fprintf(stderr, "tern-storm: %s\n", result->fault.text);
}

static void on_warm_done(void *user, tern_call_id id, const struct tern_result *result)
{
    struct warm_call *call = user;
    struct storm *storm = call->storm;

    (void)id;
    judge(storm, result);
    if (storm->is_measured)
        add(&storm->call, clock_ns(CLOCK_MONOTONIC) - call->start_ns);
    if (!storm->is_ending)
        warm_start(call);
}

static void on_fresh_done(void *user, tern_call_id id, const struct tern_result *result)
{
    struct storm *storm = user;

    (void)id;
    judge(storm, result);
}

static void start(struct tern_client *client, const char *url,
                  void (*on_done)(void *, tern_call_id, const struct tern_result *), void *user)
{
    const struct tern_handlers handlers = {.on_done = on_done};
    struct tern_request request = {.url = tern_str(url)};
    struct tern_fault why;

    if (tern_call_start(client, &request, &handlers, user, NULL, &why) != TERN_OK)
        die(why.text);
}

static void warm_start(struct warm_call *call)
{
    call->start_ns = clock_ns(CLOCK_MONOTONIC);
    call->storm->live++;
    start(call->storm->warm, call->storm->warm_url, on_warm_done, call);
}

/* ---- turns ---- */

/* One turn as a foreign event loop makes it. */
static void turn(struct storm *storm)
{
    struct pollfd ready = {.fd = tern_engine_fd(storm->engine), .events = POLLIN};
    uint64_t cpu_ns, wall_ns;

    (void)poll(&ready, 1, 100);
    wall_ns = clock_ns(CLOCK_MONOTONIC);
    cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (tern_engine_step(storm->engine) != TERN_OK)
        die("the engine stopped");
    cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
    wall_ns = clock_ns(CLOCK_MONOTONIC) - wall_ns;
    if (!storm->is_measured)
        return;
    add(&storm->cpu, cpu_ns);
    add(&storm->wall, wall_ns);
}

static void turn_for(struct storm *storm, uint64_t ns)
{
    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);

    while (clock_ns(CLOCK_MONOTONIC) - start_ns < ns)
        turn(storm);
}

static void turn_until_shaken(struct storm *storm, size_t handshakes)
{
    struct tern_client_stats stats;

    storm->handshakes_wanted += handshakes;
    do {
        turn(storm);
        tern_client_stats(storm->fresh, &stats);
    } while (stats.tls_handshakes < storm->handshakes_wanted && storm->failed == 0);
}

static void print(const char *name, struct storm *storm, size_t handshakes, uint64_t took_ns)
{
    struct samples *all[] = {&storm->cpu, &storm->wall, &storm->call};

    for (size_t i = 0; i < 3; i++)
        qsort(all[i]->ns, all[i]->count, sizeof(*all[i]->ns), compare);
    printf("%-26s %7zu %7.0f %7.0f %7.0f %6zu %7.0f %7.0f %8zu %7.0f %7.0f %7.0f %6zu %6.0f\n", name, storm->cpu.count,
           at(&storm->cpu, 0.5), at(&storm->cpu, 0.99), at(&storm->cpu, 1), slow_ones(&storm->cpu),
           at(&storm->wall, 0.99), at(&storm->wall, 1), storm->call.count, at(&storm->call, 0.5),
           at(&storm->call, 0.99), at(&storm->call, 1), handshakes, (double)took_ns / (double)TERN_MS);
    fflush(stdout);
    for (size_t i = 0; i < 3; i++)
        free(all[i]->ns);
}

/* ---- phases ---- */

static void open_clients(struct storm *storm, uint32_t threads, size_t warm_calls, size_t handshakes)
{
    const struct tern_engine_config engine = {.handshake_threads = threads};
    struct tern_client_config config = {.name = "warm", .tls = {.ca_file = getenv("TERN_PROBE_CA")}};
    struct tern_fault why;

    if (tern_engine_new(&engine, &storm->engine, &why) != TERN_OK)
        die(why.text);
    config.limits.connections_max = config.limits.connections_per_host_max = (uint32_t)warm_calls + 1;
    config.limits.idle_max = UINT32_MAX;
    if (tern_client_new(storm->engine, &config, &storm->warm, &why) != TERN_OK)
        die(why.text);
    config.name = "fresh";
    config.limits.connections_max = config.limits.connections_per_host_max = (uint32_t)handshakes + 1;
    config.limits.waiters_max = (uint32_t)handshakes + 1;
    config.timeouts.connect_ns = config.timeouts.pool_ns = 60 * TERN_S;
    config.http_mode = TERN_HTTP_MODE_1_1; /* a connection for each call */
    config.tls.no_resumption = true;
    if (tern_client_new(storm->engine, &config, &storm->fresh, &why) != TERN_OK)
        die(why.text);
}

static void fresh_start(struct storm *storm, size_t count)
{
    storm->live += count;
    while (count-- > 0)
        start(storm->fresh, storm->fresh_url, on_fresh_done, storm);
}

static size_t phase(const char *name, const char *const urls[2], uint32_t threads, size_t warm_calls, size_t handshakes)
{
    struct storm storm = {.warm_url = urls[0], .fresh_url = urls[1]};
    struct warm_call *calls = calloc(warm_calls + 1, sizeof(*calls));
    uint64_t start_ns;

    if (calls == NULL)
        die("out of memory");
    samples_new(&storm.cpu);
    samples_new(&storm.wall);
    samples_new(&storm.call);
    open_clients(&storm, threads, warm_calls, handshakes);

    fresh_start(&storm, 1); /* before it, since the first one has trust read and parsed */
    turn_until_shaken(&storm, 1);
    for (size_t i = 0; i < warm_calls; i++) {
        calls[i].storm = &storm;
        warm_start(&calls[i]);
    }
    turn_for(&storm, WARM_UP_NS);

    start_ns = clock_ns(CLOCK_MONOTONIC);
    fresh_start(&storm, handshakes);
    turn(&storm);
    storm.is_measured = true;
    if (handshakes != 0)
        turn_until_shaken(&storm, handshakes);
    else
        turn_for(&storm, QUIET_NS);
    print(name, &storm, handshakes, clock_ns(CLOCK_MONOTONIC) - start_ns);

    storm.is_measured = false;
    storm.is_ending = true;
    tern_client_close(storm.fresh, TERN_CLOSE_DROP);
    while (storm.live != 0)
        turn(&storm);
    (void)tern_engine_free(storm.engine);
    free(calls);
    return storm.failed;
}

int main(int argc, char **argv)
{
    size_t handshakes = argc > 3 ? strtoul(argv[3], NULL, 10) : 500;
    size_t warm_calls = argc > 4 ? strtoul(argv[4], NULL, 10) : 64;
    const char *const *urls = (const char *const *)argv + 1;
    size_t failed = 0;

    if (argc < 3 || handshakes == 0 || handshakes > 10000 || warm_calls == 0 || warm_calls > 10000) {
        fprintf(stderr, "usage: tern-storm WARM_URL STORM_URL [HANDSHAKES [WARM_CALLS]]\n");
        return 2;
    }
    printf("%-26s %7s %31s %15s %32s %13s\n", "", "", "CPU of a turn (us)", "wall (us)", "warm calls (us)", "storm");
    printf("%-26s %7s %7s %7s %7s %6s %7s %7s %8s %7s %7s %7s %6s %6s\n", "phase", "turns", "p50", "p99", "max", ">200",
           "p99", "max", "calls", "p50", "p99", "max", "hands", "ms");
    failed += phase("quiet", urls, 0, warm_calls, 0);
    failed += phase("storm, on the loop", urls, 0, warm_calls, handshakes);
    failed += phase("storm, on a worker", urls, 1, warm_calls, handshakes);
    failed += phase("storm alone, on the loop", urls, 0, 0, handshakes);
    failed += phase("storm alone, on a worker", urls, 1, 0, handshakes);
    return failed != 0;
}
