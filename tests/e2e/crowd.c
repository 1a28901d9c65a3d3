/* tern-crowd - many downloads at once over one HTTP/2 connection, every Nth of them paused for ever.
 *
 *   tern-crowd [--count N] [--pause-every N] URL
 *
 * Starts N calls (1,000), pauses every Nth (10; 0: none) before it has begun, and runs until all the others have ended.
 * Then it cancels what is left, closes the client, and prints one JSON object:
 *
 *   done, failed, paused   calls; bytes: of the bodies of those that are done; ms: until the last of them
 *   connections            opened
 *   held, promised, peak   of the memory ledger, while the paused wait (struct tern_client_stats)
 *   held_after, live_after once they are cancelled: of the ledger, and calls; idle_after: connections
 *   descriptors            open before the client was made, while the paused wait, and after it was closed
 *   maxrss_kb              the process's peak */
#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "tern/tern.h"

#define COUNT_MAX 4000

struct crowd {
    struct tern_engine *engine;
    struct tern_client *client;
    const char *url;
    unsigned long count;
    unsigned long pause_every;
    unsigned long paused;
    unsigned long ended; /* done, failed or cancelled */
    unsigned long awaited;
    unsigned long done;
    unsigned long failed;
    uint64_t bytes;
    tern_call_id calls[COUNT_MAX];
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * TERN_S + (uint64_t)now.tv_nsec;
}

static unsigned descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count - 3; /* ".", ".." and the directory itself */
}

static void on_done(void *user, tern_call_id call, const struct tern_result *result)
{
    struct crowd *crowd = user;

    (void)call;
    crowd->ended++;
    if (result->fault.error == TERN_OK && result->status == 200) {
        crowd->done++;
        crowd->bytes += result->received_body_bytes;
    } else if (result->fault.error != TERN_ECANCELLED) {
        crowd->failed++;
        fprintf(stderr, "tern-crowd: %u %s\n", result->status, result->fault.text);
    }
    if (crowd->ended >= crowd->awaited)
        tern_engine_stop(crowd->engine);
}

static bool start_all(struct crowd *crowd)
{
    static const struct tern_handlers handlers = {.on_done = on_done};
    struct tern_request request = {.url = tern_str(crowd->url)};
    struct tern_fault why;

    for (unsigned long i = 0; i < crowd->count; i++) {
        if (tern_call_start(crowd->client, &request, &handlers, crowd, &crowd->calls[i], &why) != TERN_OK) {
            fprintf(stderr, "tern-crowd: %s\n", why.text);
            return false;
        }
        if (crowd->pause_every != 0 && i % crowd->pause_every == 0) {
            (void)tern_call_pause(crowd->engine, crowd->calls[i]);
            crowd->paused++;
        }
    }
    return true;
}

/* Until so many calls have ended. */
static bool run_until(struct crowd *crowd, unsigned long ended)
{
    crowd->awaited = ended;
    while (crowd->ended < ended)
        if (tern_engine_run(crowd->engine) != TERN_OK)
            return false;
    return true;
}

static bool run(struct crowd *crowd)
{
    struct tern_client_stats waiting, after;
    uint64_t begun_ns = now_ns(), took_ns;
    unsigned before = descriptors(), open;
    struct rusage usage;

    if (!start_all(crowd) || !run_until(crowd, crowd->count - crowd->paused))
        return false;
    took_ns = now_ns() - begun_ns;
    tern_client_stats(crowd->client, &waiting);
    open = descriptors();
    for (unsigned long i = 0; i < crowd->count; i++)
        (void)tern_call_cancel(crowd->engine, crowd->calls[i]);
    if (!run_until(crowd, crowd->count) || tern_engine_step(crowd->engine) != TERN_OK)
        return false;
    tern_client_stats(crowd->client, &after);
    tern_client_close(crowd->client, TERN_CLOSE_DRAIN);
    if (tern_engine_step(crowd->engine) != TERN_OK)
        return false;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"done\": %lu, \"failed\": %lu, \"paused\": %lu, \"bytes\": %llu, \"ms\": %llu, \"connections\": %llu, "
           "\"held\": %llu, \"promised\": %llu, \"peak\": %llu, \"held_after\": %llu, \"live_after\": %u, "
           "\"idle_after\": %u, \"descriptors\": [%u, %u, %u], \"maxrss_kb\": %ld}\n",
           crowd->done, crowd->failed, crowd->paused, (unsigned long long)crowd->bytes,
           (unsigned long long)(took_ns / TERN_MS), (unsigned long long)waiting.connections_opened,
           (unsigned long long)waiting.memory_held_bytes, (unsigned long long)waiting.memory_promised_bytes,
           (unsigned long long)waiting.memory_held_bytes_peak, (unsigned long long)after.memory_held_bytes,
           after.calls_live, after.connections_idle, before, open, descriptors(), usage.ru_maxrss);
    return true;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"count", required_argument, NULL, 'c'}, {"pause-every", required_argument, NULL, 'p'}, {NULL, 0, NULL, 0}};
    static struct crowd crowd = {.count = 1000, .pause_every = 10};
    const struct tern_client_config config = {.http_mode = TERN_HTTP_MODE_2_ONLY,
                                              .limits = {.connections_max = 1, .waiters_max = COUNT_MAX}};
    struct tern_fault why;
    bool is_well;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (option == 'c')
            crowd.count = strtoul(optarg, NULL, 10);
        else if (option == 'p')
            crowd.pause_every = strtoul(optarg, NULL, 10);
        else
            return 2;
    }
    if (optind + 1 != argc || crowd.count == 0 || crowd.count > COUNT_MAX)
        return 2;
    crowd.url = argv[optind];
    if (tern_engine_new(NULL, &crowd.engine, &why) != TERN_OK ||
        tern_client_new(crowd.engine, &config, &crowd.client, &why) != TERN_OK) {
        fprintf(stderr, "tern-crowd: %s\n", why.text);
        return 1;
    }
    is_well = run(&crowd);
    (void)tern_engine_free(crowd.engine);
    return is_well ? 0 : 1;
}
