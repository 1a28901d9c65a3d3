#include "tests/sim/play.h"

#include "pool/conn.h"
#include "tests/sim/seams.h"
#include "tests/sim/server.h"
#include "tests/sim/user.h"

#define STEPS_WITHOUT_TIME_MAX 20000

/* After the last fault every limit that can end a call has passed within this time; idle connections have gone. */
#define CALM_NS (300 * TERN_S)

/* Memory that is held without calls and connections, and for each of them. */
#define BYTES_BASE (3u << 20)
#define BYTES_EACH (768u << 10)

/* ---- what must hold between steps ---- */

static void check_connections(const struct tern_pool *pool)
{
    TERN_LIST_FOREACH(node, (struct tern_list *)&pool->connections) {
        const struct tern_conn *conn = TERN_CONTAINER_OF(node, struct tern_conn, pool_node);

        if (conn->h2 != NULL)
            tern_h2_check(&conn->h2->codec);
        else
            tern_h1_check(&conn->h1);
    }
}

static void check_client(const struct sim_client *client)
{
    const struct tern_pool *pool = &client->client->pool;

    tern_pool_check(pool);
    sim_policy_check(client);
    sim_aside_check(client);
    check_connections(pool);
    SIM_CHECK(pool->connection_count <= client->connections_max, "client %u has %u connections of %u", client->number,
              pool->connection_count, client->connections_max);
    SIM_CHECK(pool->idle_count <= client->idle_max, "client %u keeps %u idle connections of %u", client->number,
              pool->idle_count, client->idle_max);
    SIM_CHECK(pool->waiter_count <= client->waiters_max + client->connections_max + 1000,
              "client %u has %u waiters of %u", client->number, pool->waiter_count, client->waiters_max);
    for (const struct tern_hash_node *node = tern_hash_walk(&pool->buckets, NULL); node != NULL;
         node = tern_hash_walk(&pool->buckets, node)) {
        const struct tern_bucket *bucket = TERN_CONTAINER_OF(node, struct tern_bucket, hash);

        SIM_CHECK(bucket->connection_count <= client->per_host_max, "client %u has %u connections of %u to one host",
                  client->number, bucket->connection_count, client->per_host_max);
    }
}

static void check_engine(const struct sim_engine *engine)
{
    uint64_t next_ns = tern_engine_next(engine->engine);
    struct tern_engine_stats stats;

    tern_engine_stats(engine->engine, &stats);
    SIM_CHECK(stats.calls_live <= engine->calls_max, "engine %d has %u calls of %u", engine->number, stats.calls_live,
              engine->calls_max);
    SIM_CHECK(!engine->is_pollable || sim_io_is_readable(engine->io) ||
                  (next_ns > sim.now_ns && engine->io->armed_ns <= next_ns),
              "engine %d has work, and its descriptor does not show it", engine->number);
}

static void check_all(void)
{
    uint64_t things = sim_users.live;

    for (unsigned i = 0; i < sim_users.engine_count; i++) {
        check_engine(&sim_users.engines[i]);
        things += sim_users.engines[i].io->open;
    }
    for (unsigned i = 0; i < sim_users.client_count; i++)
        if (sim_users.clients[i].client != NULL)
            check_client(&sim_users.clients[i]);
    SIM_CHECK(sim_memory_bytes() <= BYTES_BASE + things * BYTES_EACH, "%llu bytes are held for %llu calls and sockets",
              (unsigned long long)sim_memory_bytes(), (unsigned long long)things);
}

/* ---- steps ---- */

static bool is_due(const struct sim_engine *engine)
{
    if (sim_io_is_readable(engine->io))
        return true;
    return !engine->is_pollable && tern_engine_next(engine->engine) <= sim.now_ns;
}

static void step(struct sim_engine *engine)
{
    enum tern_error error;

    if (sim_fault(SIM_FAULT_CLOCK_JUMP))
        sim.wall_offset_ns = SIM_WALL_START_S * TERN_S + sim_below(1000000) * TERN_S - sim.now_ns;
    engine->is_in_step = true;
    error = tern_engine_step(engine->engine);
    engine->is_in_step = false;
    SIM_CHECK(error == TERN_OK, "a step answers %s", tern_error_name(error));
}

static uint64_t next_ns(void)
{
    uint64_t next = sim_next_event();

    for (unsigned i = 0; i < sim_users.engine_count; i++) {
        const struct sim_engine *engine = &sim_users.engines[i];
        uint64_t at = engine->is_pollable ? engine->io->armed_ns : tern_engine_next(engine->engine);

        if (at < next)
            next = at;
    }
    return next;
}

/* All that is due now, in some order. False: nothing is. */
static bool do_something(void)
{
    unsigned first = (unsigned)sim_below(sim_users.engine_count);
    bool done = sim_chance(500) && sim_run_event();

    for (unsigned i = 0; i < sim_users.engine_count; i++) {
        struct sim_engine *engine = &sim_users.engines[(first + i) % sim_users.engine_count];

        if (!is_due(engine))
            continue;
        step(engine);
        check_all();
        done = true;
    }
    return sim_run_event() || done;
}

/* Until the time has come, or all calls have ended where that is asked for. */
static void run(uint64_t until_ns, bool until_ended)
{
    for (unsigned steps = 0; sim.now_ns < until_ns && !(until_ended && sim_users.live == 0);) {
        uint64_t next;

        if (do_something()) {
            SIM_CHECK(++steps < STEPS_WITHOUT_TIME_MAX, "the engine spins");
            continue;
        }
        next = next_ns();
        sim.now_ns = next < until_ns ? next : until_ns;
        steps = 0;
    }
}

/* ---- the end ---- */

static void name_the_living(void)
{
    for (unsigned i = 0; i < sim.call_count; i++)
        if (sim_users.calls[i].state == SIM_CALL_LIVE)
            sim_fail("call %u has not ended %llu s after the last fault", i, (unsigned long long)(CALM_NS / TERN_S));
}

/* No call is left, and the idle connections have gone. */
static void check_baseline(void)
{
    for (unsigned i = 0; i < sim_users.engine_count; i++) {
        struct sim_engine *engine = &sim_users.engines[i];
        struct tern_engine_stats stats;

        step(engine); /* a client that was closed between turns is freed at the end of the next */
        tern_engine_stats(engine->engine, &stats);
        SIM_CHECK(engine->io->open == 0, "%u sockets are left", engine->io->open);
        SIM_CHECK(stats.descriptors_watched == 0, "%u descriptors are still watched", stats.descriptors_watched);
        SIM_CHECK(stats.calls_live == 0, "%u calls are left in the table", stats.calls_live);
        SIM_CHECK(tern_engine_next(engine->engine) == TERN_OFF, "a timer or task is left");
        SIM_CHECK(tern_list_is_empty(&engine->engine->jobs), "a job is left");
        SIM_CHECK(tern_list_is_empty(&engine->engine->graveyard), "something is not buried");
    }
    for (unsigned i = 0; i < sim_users.client_count; i++) {
        const struct sim_client *client = &sim_users.clients[i];

        SIM_CHECK(client->client == NULL || client->client->pool.connection_count == 0, "client %u has %u connections",
                  i, client->client->pool.connection_count);
    }
    SIM_CHECK(sim_files_open() == 0, "%u files are left open", sim_files_open());
}

static void calm_down(void)
{
    uint64_t idle_ns = 0;

    sim_note("calm");
    sim_users_calm();
    sim_peers_calm();
    run(sim.now_ns + CALM_NS, true);
    name_the_living();
    for (unsigned i = 0; i < sim_users.client_count; i++)
        if (sim_users.clients[i].idle_ns_max > idle_ns)
            idle_ns = sim_users.clients[i].idle_ns_max;
    run(sim.now_ns + idle_ns + 60 * TERN_S, false);
    check_baseline();
    for (unsigned i = 0; i < sim.call_count; i++)
        sim_call_check(&sim_users.calls[i]);
}

static enum sim_ending choose_ending(void)
{
    static const enum sim_ending rare[] = {SIM_ENDING_SHUTDOWN, SIM_ENDING_FREE, SIM_ENDING_FORK};
    struct tern_rand rand;

    sim_stream(&rand, 'e', 0);
    return tern_rand_below(&rand, 10) < 7 ? SIM_ENDING_CALM : rare[tern_rand_below(&rand, 3)];
}

static void fill(struct sim_report *report)
{
    *report = (struct sim_report){
        .digest = sim.digest,
        .notes = sim.notes,
        .planned = sim.call_count,
        .started = sim_users.started,
        .refused = sim_users.refused,
        .ended = sim_users.ended,
        .succeeded = sim_users.errors[TERN_OK],
        .attempts = sim_users.attempts,
        .virtual_ns = sim.now_ns - SIM_START_NS,
    };
    memcpy(report->faults, sim.faults, sizeof(report->faults));
}

void sim_play(const struct sim_options *options, struct sim_report *report)
{
    enum sim_ending ending;

    sim_world_begin(options);
    sim_users_begin();
    ending = choose_ending();
    run(SIM_START_NS + sim_users.horizon_ns, false);
    if (ending == SIM_ENDING_CALM)
        calm_down();
    sim.is_calm = true;
    sim_users_end(ending);
    SIM_CHECK(sim_memory_blocks() == 0, "%llu blocks of memory are left", (unsigned long long)sim_memory_blocks());
    SIM_CHECK(sim_files_open() == 0, "%u files are left open", sim_files_open());
    while (sim_next_event() != TERN_OFF) { /* servers and packets come to their end */
        sim.now_ns = sim_next_event();
        (void)sim_run_event();
    }
    fill(report);
    sim_policy_end();
    sim_demand_end();
    sim_aside_end();
    sim_peers_end();
    sim_net_end();
    sim_files_end();
    sim_world_end();
}
