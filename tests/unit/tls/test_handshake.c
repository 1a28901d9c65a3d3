/* Handshakes step by step: how many in a turn and in which order, and ends in the middle of one, on the loop and on a
 * worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/faultmem.h"
#include "tests/support/tls_rig.h"
#include "tls/mbedtls_stream.h"

#define CLIENTS 5

static struct tls_rig rig;

static struct tern_tls_stream *stream_of(const struct tls_client *client)
{
    return TERN_CONTAINER_OF(client->stream, struct tern_tls_stream, stream);
}

static struct tls_client *start(void)
{
    struct tls_client *client = tls_rig_start(&rig, NULL, "example.test", 443, NULL, 0);

    assert_int_equal(client->error, TERN_OK);
    return client;
}

/* How far it has come: changes with every step that does something. */
static int progress(const struct tls_client *client)
{
    const struct tern_tls_stream *tls = stream_of(client);

    return tls->state >= TERN_TLS_OPEN ? 1000 : tls->ssl.MBEDTLS_PRIVATE(state);
}

static void step(void)
{
    assert_int_equal(tern_engine_step(rig.engine), TERN_OK);
}

/* Looks on at the end of every turn. */
struct observer {
    struct tern_timer timer;
    struct tern_task task;
    struct tls_client *clients[CLIENTS];
    int at[CLIENTS];
    int since[CLIENTS]; /* the turn in which it was seen to wait for a step, or 0 */
    int turn, moves;
};

static int find_moved(struct observer *o)
{
    int moved = -1;

    for (int i = 0; i < CLIENTS; i++) {
        if (progress(o->clients[i]) == o->at[i])
            continue;
        o->at[i] = progress(o->clients[i]);
        assert_int_equal(moved, -1);
        moved = i;
    }
    return moved;
}

static void on_turn(struct tern_task *task)
{
    struct observer *o = TERN_CONTAINER_OF(task, struct observer, task);
    int moved = find_moved(o), open = 0;

    o->turn++;
    o->moves += moved >= 0;
    for (int i = 0; i < CLIENTS; i++) {
        bool is_queued = stream_of(o->clients[i])->step.is_queued;

        /* Who asked in this very turn was moved only if nobody waited. */
        if (moved >= 0 && o->since[i] != 0)
            assert_in_range(o->since[moved], 1, o->since[i]);
        if (i != moved)
            o->since[i] = !is_queued ? 0 : o->since[i] != 0 ? o->since[i] : o->turn;
        open += o->clients[i]->is_open;
    }
    if (moved >= 0)
        o->since[moved] = stream_of(o->clients[moved])->step.is_queued ? o->turn : 0;
    if (open < CLIENTS)
        tern_engine_defer(rig.engine, &o->task);
}

static void on_connected(struct tern_timer *timer)
{
    tern_engine_defer(rig.engine, &TERN_CONTAINER_OF(timer, struct observer, timer)->task);
}

/* A step of one alone in each turn: of the one that has waited longest. */
static void one_step_a_turn_in_turn(void **state)
{
    struct observer o = {0};

    (void)state;
    if (tls_rig_handshake_threads != 0) /* the scripted system runs jobs between steps */
        return;
    simio_connect_takes(rig.sim, "192.0.2.1:443", TERN_MS);
    for (int i = 0; i < CLIENTS; i++)
        o.clients[i] = start();
    tern_timer_init(&o.timer, on_connected);
    tern_task_init(&o.task, on_turn);
    tern_timer_arm(rig.engine, &o.timer, simio_now(rig.sim) + TERN_MS);
    tls_rig_run(&rig);
    for (int i = 0; i < CLIENTS; i++)
        assert_true(o.clients[i]->is_open);
    assert_true(o.moves >= CLIENTS * 10);
    assert_int_equal(tern_engine_next(rig.engine), TERN_OFF); /* none is left that would wake for nothing */
    for (int i = 0; i < CLIENTS; i++)
        tls_client_free(o.clients[i]);
}

/* The flight of TLS 1.2 that has three messages leaves in one write. */
static void a_flight_is_one_write(void **state)
{
    struct tls_client *client;
    uint64_t writes;

    (void)state;
    tls_rig_serve(&rig, &(struct tls_server_spec){.version_max = MBEDTLS_SSL_VERSION_TLS1_2, .no_tickets = true});
    client = start();
    writes = simio_counts(rig.sim).sendmsgs;
    tls_rig_run(&rig);
    assert_true(client->is_open);
    assert_int_equal(simio_counts(rig.sim).sendmsgs - writes, 2);
    tls_client_free(client);
}

/* Where nothing can come, nothing is computed and nobody wakes. */
static void a_silent_server_costs_nothing(void **state)
{
    struct tls_client *client;
    uint64_t waits;

    (void)state;
    simio_listen(rig.sim, "192.0.2.1:443");
    client = start();
    tls_rig_run(&rig);
    assert_false(client->is_open);
    assert_int_equal(tern_engine_next(rig.engine), TERN_OFF);
    waits = simio_counts(rig.sim).waits;
    simio_run(rig.sim, 100 * TERN_S);
    assert_true(simio_counts(rig.sim).waits - waits <= 2);
    tls_client_free(client);
}

/* Closed after each number of turns: all memory comes back, sockets too. */
static void closed_after_any_turn(void **state)
{
    bool is_open = false;

    (void)state;
    for (int turns = 0; !is_open; turns++) {
        struct tls_client *client = start();

        assert_true(turns < 100);
        for (int i = 0; i < turns; i++)
            step();
        is_open = client->is_open;
        tls_client_free(client);
        assert_int_equal(simio_counts(rig.sim).open, 0);
    }
}

/* Closes a stream when it has been handed over for the nth time. It runs between the hand-over and the job. */
struct closer {
    struct tern_task task;
    struct tls_client *client;
    int after;
    uint32_t profile_count; /* after the close */
};

static void on_closer(struct tern_task *task)
{
    struct closer *closer = TERN_CONTAINER_OF(task, struct closer, task);

    if (stream_of(closer->client)->home != TERN_TLS_ON_WORKER || closer->after-- > 0)
        return;
    tern_bytestream_close(closer->client->stream);
    closer->client->stream = NULL;
    closer->profile_count = atomic_load(&closer->client->profile->count);
}

/* What the job uses is freed when it is back, and not before. */
static void closed_on_a_worker(void **state)
{
    int times = 0;
    bool is_open = false;

    (void)state;
    while (tls_rig_handshake_threads != 0 && !is_open) {
        struct closer closer = {.client = start(), .after = times++};
        struct tls_client *client = closer.client;

        tern_task_init(&closer.task, on_closer);
        while (client->stream != NULL && !client->is_open) {
            tern_engine_defer(rig.engine, &closer.task);
            step();
        }
        tern_task_cancel(&closer.task);
        is_open = client->is_open;
        if (!is_open) {
            assert_int_equal(closer.profile_count, 2);
            assert_int_equal(atomic_load(&client->profile->count), 1);
        }
        tls_client_free(client);
        assert_int_equal(simio_counts(rig.sim).open, 0);
    }
    assert_true(tls_rig_handshake_threads == 0 || times > 2);
}

/* The child of a fork ends without a byte, whatever was under way. */
static void a_child_lets_go(void **state)
{
    (void)state;
    for (int turns = 1; turns < 12; turns++) {
        struct tls_client *client = start();
        uint64_t writes;

        for (int i = 0; i < turns; i++)
            step();
        writes = simio_counts(rig.sim).sendmsgs;
        simio_fork(rig.sim);
        assert_int_equal(tern_engine_step(rig.engine), TERN_EFORK);
        tls_client_free(client);
        assert_int_equal(simio_counts(rig.sim).sendmsgs, writes);
        tls_rig_deinit(&rig);
        tls_rig_init(&rig, NULL);
    }
}

/* ---- an engine that ends ---- */

/* Freed with everything open: the jobs come back as dropped. */
static void freed_in_the_middle(void **state)
{
    uint64_t live = faultmem_live();

    (void)state;
    for (int turns = 1; turns < 12; turns++) {
        struct tls_client *client = start();

        for (int i = 0; i < turns; i++)
            step();
        tern_bytestream_close(client->stream);
        client->stream = NULL;
        tls_rig_deinit(&rig); /* no turn between the close and the end */
        tls_rig_init(&rig, NULL);
    }
    assert_int_equal(faultmem_live(), live);
}

static int setup(void **state)
{
    (void)state;
    tls_rig_init(&rig, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tls_rig_deinit(&rig);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_step_a_turn_in_turn), TEST(a_flight_is_one_write), TEST(a_silent_server_costs_nothing),
        TEST(closed_after_any_turn),   TEST(closed_on_a_worker),    TEST(a_child_lets_go),
        TEST(freed_in_the_middle),
    };

    faultmem_install();
    return TLS_RIG_RUN_BOTH(tests, NULL, NULL);
}
