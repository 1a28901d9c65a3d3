/* Engines, their clients and the plan of all calls; the end of them all. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/play.h"
#include "tests/sim/seams.h"
#include "tests/sim/server.h"
#include "tests/sim/user.h"

struct sim_users sim_users;

static void open_engine(struct sim_engine *engine, int number, struct tern_rand *rand)
{
    struct tern_engine_config config = {.calls_max = tern_rand_below(rand, 4) == 0 ? 5 : 0,
                                        .mailbox_max = tern_rand_below(rand, 4) == 0 ? 3 : 0};
    enum tern_error error;

    engine->number = number;
    engine->is_pollable = tern_rand_below(rand, 2) == 0;
    engine->calls_max = config.calls_max != 0 ? config.calls_max : 65536;
    engine->io = sim_io_new(number);
    do {
        struct tern_engine_seams seams = {.io = &engine->io->io, .files = sim_files(), .inline_jobs = true};
        error = tern_engine_new_with(&config, &seams, &engine->engine, NULL);
    } while (error == TERN_ENOMEM);
    SIM_CHECK(error == TERN_OK, "an engine is refused: %s", tern_error_name(error));
    if (engine->is_pollable)
        (void)tern_engine_fd(engine->engine);
}

static void plan_client(struct sim_client *client, unsigned number, struct tern_rand *rand)
{
    struct tern_timeouts *t = &client->timeouts;

    client->number = number;
    client->engine = &sim_users.engines[tern_rand_below(rand, sim_users.engine_count)];
    t->pool_ns = sim_between(rand, 1, 10) * TERN_S;
    t->connect_ns = sim_between(rand, 1, 10) * TERN_S;
    t->read_ns = sim_between(rand, 1, 60) * TERN_S;
    t->head_ns = sim_between(rand, 1, 60) * TERN_S;
    sim_policy_plan_client(client, rand);
}

/* Every now and then something happens to a client as a whole. */
static void on_client(void *context, uint64_t number)
{
    struct sim_client *client = context;

    (void)number;
    if (sim.is_calm)
        return;
    sim_after(sim_some_time(sim_users.horizon_ns / 3), on_client, client, 0);
    if (client->client == NULL)
        (void)sim_client_open(client);
    else if (sim_fault(SIM_FAULT_CONFIGURE))
        sim_client_configure(client);
    else if (sim_fault(SIM_FAULT_CLOSE_CLIENT))
        sim_client_close(client, sim_chance(500) ? TERN_CLOSE_DROP : TERN_CLOSE_DRAIN);
}

void sim_users_begin(void)
{
    struct tern_rand rand;

    sim_users = (struct sim_users){0};
    sim_stream(&rand, 'u', 0);
    sim_users.engine_count = 1 + (unsigned)tern_rand_below(&rand, SIM_ENGINES_MAX);
    sim_users.client_count = 1 + (unsigned)tern_rand_below(&rand, SIM_CLIENTS_MAX);
    sim_users.origin_count = 1 + (unsigned)tern_rand_below(&rand, SIM_ORIGINS_ALL);
    sim_users.is_gated = tern_rand_below(&rand, 10) < 3;
    sim_users.is_guarded = tern_rand_below(&rand, 10) < 3;
    sim_users.is_broken = !sim_users.is_guarded && tern_rand_below(&rand, 10) < 5;
    if (!sim_users.is_guarded && !sim_users.is_broken)
        sim_users.ailing = 1 + (unsigned)tern_rand_below(&rand, 3);
    sim_users.horizon_ns = sim_between(&rand, 1, 200) * 50 * TERN_MS;
    sim.call_count = (uint32_t)sim_between(&rand, 5, tern_rand_below(&rand, 5) == 0 ? SIM_CALLS_MAX : 60);
    for (unsigned i = 0; i < sim_users.engine_count; i++)
        open_engine(&sim_users.engines[i], (int)i, &rand);
    for (unsigned i = 0; i < sim_users.client_count; i++) {
        plan_client(&sim_users.clients[i], i, &rand);
        (void)sim_client_open(&sim_users.clients[i]);
        sim_after(sim_some_time(sim_users.horizon_ns / 3), on_client, &sim_users.clients[i], 0);
    }
    for (unsigned i = 0; i < sim.call_count; i++)
        sim_call_plan(&sim_users.calls[i], i);
}

void sim_users_calm(void)
{
    sim.is_calm = true;
    for (unsigned i = 0; i < sim.call_count; i++)
        sim_call_calm(&sim_users.calls[i]);
    for (unsigned i = 0; i < sim_users.client_count; i++)
        for (unsigned token = 0; token < SIM_TOKENS && sim_users.clients[i].config != NULL; token++)
            sim_token_calm(&sim_users.clients[i].config->tokens[token]);
}

/* ---- the end ---- */

static void end_engine(struct sim_engine *engine, enum sim_ending ending)
{
    enum tern_error error;

    engine->is_in_step = true; /* shutdown may call back, as the child's step may */
    if (ending == SIM_ENDING_FORK) {
        engine->io->is_child = true;
        error = tern_engine_step(engine->engine);
        SIM_CHECK(error == TERN_EFORK, "a step in a child answers %s", tern_error_name(error));
    } else if (ending == SIM_ENDING_SHUTDOWN) {
        error = tern_engine_shutdown(engine->engine);
        SIM_CHECK(error == TERN_OK, "shutdown answers %s", tern_error_name(error));
    }
    engine->is_in_step = false;
    error = tern_engine_free(engine->engine); /* is_in_step is false: no callback may come */
    SIM_CHECK(error == TERN_OK, "free answers %s", tern_error_name(error));
    engine->engine = NULL;
}

void sim_users_end(enum sim_ending ending)
{
    for (unsigned i = 0; i < sim_users.engine_count; i++)
        end_engine(&sim_users.engines[i], ending);
    for (unsigned i = 0; i < sim.call_count; i++) {
        struct sim_call *call = &sim_users.calls[i];

        SIM_CHECK(call->state != SIM_CALL_LIVE || ending == SIM_ENDING_FREE,
                  "call %u has not ended, although its engine was shut down", i);
        if (call->state == SIM_CALL_LIVE)
            call->state = SIM_CALL_ENDED;
        sim_call_free(call);
    }
}
