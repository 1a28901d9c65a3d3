/* What stands beside the load: idle connections, and calls whose reader has stopped. */
#include <stdio.h>
#include <time.h>

#include "measure.h"
#include "worker.h"

/* So many are dialled at once: few enough for any server's backlog. */
#define WAVE 100

struct wave {
    struct bench_worker *worker;
    tern_call_id calls[WAVE];
    uint32_t count, held, ended;
    bool failed;
};

static void let_go(struct wave *wave)
{
    for (uint32_t i = 0; i < wave->count; i++)
        tern_call_resume(wave->worker->engine, wave->calls[i]);
}

/* Holds its connection until every call of the wave has one, so that each of them has been used. */
static void on_wave_head(void *user, tern_call_id call, const struct tern_head *head)
{
    struct wave *wave = user;

    (void)head;
    if (wave->failed)
        return;
    tern_call_pause(wave->worker->engine, call);
    if (++wave->held == wave->count)
        let_go(wave);
}

static void on_wave_done(void *user, tern_call_id call, const struct tern_result *result)
{
    struct wave *wave = user;

    (void)call;
    if (result->fault.error != TERN_OK && !wave->failed) {
        fprintf(stderr, "load: an idle connection: %s\n", result->fault.text);
        wave->failed = true;
        let_go(wave);
    }
    if (++wave->ended == wave->count)
        tern_engine_stop(wave->worker->engine);
}

/* Opens as many as are missing. No call waits for them, so the engine is asked again and again: its descriptor would
 * do, and cost every later turn a timer. */
static bool open_connections(struct bench_worker *worker, uint32_t all)
{
    static const struct timespec pause = {0, 20000};
    struct tern_client_stats stats;
    struct tern_fault why;

    if (tern_client_preconnect(worker->beside, tern_str(worker->options->url), all, &why) != TERN_OK) {
        fprintf(stderr, "load: idle connections: %s\n", why.text);
        return false;
    }
    do {
        nanosleep(&pause, NULL);
        if (tern_engine_step(worker->engine) != TERN_OK)
            return false;
        tern_client_stats(worker->beside, &stats);
    } while (stats.connections_idle < all && stats.connections_failed == 0);
    if (stats.connections_failed != 0)
        fputs("load: an idle connection could not be opened\n", stderr);
    return stats.connections_failed == 0;
}

/* Calls get the connection that was idle last: those that were opened just now. */
static bool open_wave(struct bench_worker *worker, uint32_t first, uint32_t count)
{
    static const struct tern_handlers handlers = {.on_head = on_wave_head, .on_done = on_wave_done};
    struct tern_request request = {.url = tern_str(worker->options->url)};
    struct wave wave = {.worker = worker};
    struct tern_fault why;

    if (!open_connections(worker, first + count))
        return false;
    while (wave.count < count && !wave.failed) {
        if (tern_call_start(worker->beside, &request, &handlers, &wave, &wave.calls[wave.count], &why) == TERN_OK) {
            wave.count++;
        } else {
            fprintf(stderr, "load: idle connections: %s\n", why.text);
            wave.failed = true;
        }
    }
    return (wave.count == 0 || tern_engine_run(worker->engine) == TERN_OK) && !wave.failed;
}

bool bench_idle_open(struct bench_worker *worker)
{
    uint32_t wanted = worker->options->idle;
    struct tern_client_config config = bench_client_config(worker->options, wanted + WAVE);
    struct tern_client_stats stats;
    struct tern_fault why;
    uint64_t before_kb;

    if (wanted == 0)
        return true;
    config.http_mode = TERN_HTTP_MODE_1_1;
    if (tern_client_new(worker->engine, &config, &worker->beside, &why) != TERN_OK) {
        fprintf(stderr, "load: %s\n", why.text);
        return false;
    }
    if (!open_wave(worker, 0, wanted < WAVE ? wanted : WAVE)) /* what is made once is made by these */
        return false;
    before_kb = bench_rss_kb();
    for (uint32_t open = wanted < WAVE ? wanted : WAVE; open < wanted; open += WAVE)
        if (!open_wave(worker, open, wanted - open < WAVE ? wanted - open : WAVE))
            return false;
    if (wanted > WAVE)
        worker->idle_kb = (double)(bench_rss_kb() - before_kb) / (wanted - WAVE);
    tern_client_stats(worker->beside, &stats);
    if (stats.connections_idle != wanted)
        fprintf(stderr, "load: %u of %u idle connections are open\n", stats.connections_idle, wanted);
    return stats.connections_idle == wanted;
}

static void on_paused_body(void *user, tern_call_id call, const void *data, size_t len)
{
    struct bench_worker *worker = user;

    (void)data;
    (void)len;
    tern_call_pause(worker->engine, call);
    if (++worker->paused_now == worker->options->paused)
        tern_engine_stop(worker->engine);
}

/* Before all are paused: the body was not there, or the call failed. Afterwards: the end of the run. */
static void on_paused_done(void *user, tern_call_id call, const struct tern_result *result)
{
    struct bench_worker *worker = user;

    (void)call;
    if (worker->paused_now < worker->options->paused) {
        fprintf(stderr, "load: a call that was to be paused ended: %s\n", result->fault.text);
        tern_engine_stop(worker->engine);
    }
}

bool bench_paused_open(struct bench_worker *worker)
{
    static const struct tern_handlers handlers = {.on_body = on_paused_body, .on_done = on_paused_done};
    struct tern_request request = {.url = tern_str(worker->options->paused_url)};
    struct tern_fault why;

    if (worker->options->paused == 0)
        return true;
    for (uint32_t i = 0; i < worker->options->paused; i++)
        if (tern_call_start(worker->client, &request, &handlers, worker, NULL, &why) != TERN_OK) {
            fprintf(stderr, "load: %s\n", why.text);
            return false;
        }
    return tern_engine_run(worker->engine) == TERN_OK && worker->paused_now == worker->options->paused;
}
