/* tern-probe - what one warm request and one idle engine cost, counted, not timed.
 *
 *   tern-probe warm URL N [AT_ONCE]     N requests by HTTP/1.1, AT_ONCE (1) at a time: heap allocations for each, after
 *                                       the first have warmed it up. Under `strace -c -f` the system calls show too.
 *   tern-probe warm-h2 URL N [AT_ONCE]  the same by HTTP/2, known before where the URL is http: on one connection as
 *                                       long as the server takes AT_ONCE streams.
 *   tern-probe idle URL CONNS S         CONNS idle connections, then S seconds with nothing to do: how often the engine
 *                                       woke. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tern/tern.h"

#define WARM_UP 100     /* rounds of all that are at once */
#define WAKES_MAX 10000 /* an engine that spins ends the count */

struct probe {
    struct tern_engine *engine;
    struct tern_client *client;
    const char *url;
    unsigned long left;
    unsigned long live;
    unsigned long done;
    unsigned long failed;
    unsigned long warm_up; /* requests */
    unsigned long allocations_at_start;
};

static unsigned long allocations;

static void *counted_alloc(size_t size, void *user)
{
    (void)user;
    allocations++;
    return malloc(size);
}

static void *counted_realloc(void *block, size_t size, void *user)
{
    (void)user;
    allocations++;
    return realloc(block, size);
}

static void counted_free(void *block, void *user)
{
    (void)user;
    free(block);
}

static void start(struct probe *probe);

static void on_done(void *user, tern_call_id call, const struct tern_result *result)
{
    struct probe *probe = user;

    (void)call;
    probe->done++;
    probe->live--;
    if (result->fault.error != TERN_OK) {
        probe->failed++;
        fprintf(stderr, "tern-probe: %s\n", result->fault.text);
    }
    if (probe->done == probe->warm_up)
        probe->allocations_at_start = allocations;
    if (probe->left > 0)
        start(probe);
    else if (probe->live == 0)
        tern_engine_stop(probe->engine);
}

static void start(struct probe *probe)
{
    static const struct tern_handlers handlers = {.on_done = on_done};
    struct tern_request request = {.url = tern_str(probe->url)};
    struct tern_fault why;

    probe->left--;
    probe->live++;
    if (tern_call_start(probe->client, &request, &handlers, probe, NULL, &why) != TERN_OK) {
        fprintf(stderr, "tern-probe: %s\n", why.text);
        exit(1);
    }
}

static int warm(struct probe *probe, unsigned long requests, unsigned long at_once)
{
    struct tern_client_stats stats;

    probe->warm_up = WARM_UP * at_once;
    probe->left = requests + probe->warm_up;
    while (probe->live < at_once && probe->left > 0)
        start(probe);
    if (tern_engine_run(probe->engine) != TERN_OK)
        return 1;
    tern_client_stats(probe->client, &stats);
    printf("requests %lu, failed %lu, connections opened %lu\n", requests, probe->failed,
           (unsigned long)stats.connections_opened);
    printf("heap allocations per warm request: %.4f\n",
           (double)(allocations - probe->allocations_at_start) / (double)requests);
    return probe->failed != 0;
}

/* Counts how often the engine's descriptor becomes readable, as a foreign event loop would see it. */
static unsigned long count_wakes(struct tern_engine *engine, int seconds)
{
    struct pollfd ready = {.fd = tern_engine_fd(engine), .events = POLLIN};
    unsigned long wakes = 0;

    if (tern_engine_step(engine) != TERN_OK) /* the first after fd was asked for: what is left of the run is done */
        return WAKES_MAX;
    for (int quiet = 0; quiet < seconds && wakes < WAKES_MAX;) {
        if (poll(&ready, 1, 1000) == 0) {
            quiet++;
            continue;
        }
        wakes++;
        if (tern_engine_step(engine) != TERN_OK)
            return WAKES_MAX;
    }
    return wakes;
}

/* All calls at once, so that each gets a connection of its own. */
static int idle(struct probe *probe, unsigned long connections, int seconds)
{
    struct tern_client_stats stats;
    unsigned long wakes;

    probe->left = connections;
    while (probe->left > 0)
        start(probe);
    while (probe->done < connections)
        if (tern_engine_run(probe->engine) != TERN_OK)
            return 1;
    tern_client_stats(probe->client, &stats);
    wakes = count_wakes(probe->engine, seconds);
    printf("idle connections %u, seconds of quiet %d, wakeups %lu\n", stats.connections_idle, seconds, wakes);
    return wakes != 0;
}

int main(int argc, char **argv)
{
    static const struct tern_allocator counted = {counted_alloc, counted_realloc, counted_free, NULL};
    struct tern_client_config config = {
        .limits = {
            .connections_max = 20000, .connections_per_host_max = 20000, .idle_max = 20000, .waiters_max = 20000}};
    struct probe probe = {0};
    struct tern_fault why;
    bool is_h2;
    int status = 2;

    if (argc < 4 || tern_set_allocator(&counted) != TERN_OK) {
        fprintf(stderr, "usage: tern-probe warm|warm-h2 URL N [AT_ONCE] | idle URL CONNECTIONS SECONDS\n");
        return 2;
    }
    is_h2 = strcmp(argv[1], "warm-h2") == 0;
    config.http_mode = is_h2 ? TERN_HTTP_MODE_2_ONLY : TERN_HTTP_MODE_1_1;
    config.tls.ca_file = getenv("TERN_PROBE_CA");
    probe.url = argv[2];
    if (tern_engine_new(NULL, &probe.engine, &why) != TERN_OK ||
        tern_client_new(probe.engine, &config, &probe.client, &why) != TERN_OK) {
        fprintf(stderr, "tern-probe: %s\n", why.text);
        return 1;
    }
    if (is_h2 || strcmp(argv[1], "warm") == 0)
        status = warm(&probe, strtoul(argv[3], NULL, 10), argc > 4 ? strtoul(argv[4], NULL, 10) : 1);
    else if (strcmp(argv[1], "idle") == 0 && argc > 4)
        status = idle(&probe, strtoul(argv[3], NULL, 10), atoi(argv[4]));
    (void)tern_engine_free(probe.engine);
    return status;
}
