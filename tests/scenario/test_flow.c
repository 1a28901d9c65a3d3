/* HTTP/2's flow control and the memory ledger, through the whole client: a long path, many calls, hoarders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/h2_rig.h"
#include "tests/support/h2_server.h"
#include "tests/support/scenario.h"

#define MIB (UINT64_C(1) << 20)
#define GIGABIT UINT64_C(125000000) /* bytes per second */
#define ROUND_TRIP_NS (50 * TERN_MS)

struct flow;

/* A download and what came of it. */
struct load {
    struct flow *flow;
    tern_call_id id;
    uint64_t bytes;
    uint64_t largest; /* delivered while nothing was credited */
    bool is_done;
    enum tern_error error;
};

struct flow {
    struct scenario s;
    struct h2_server server;
    struct load *loads;
    size_t count;
    size_t done;
    uint64_t done_ns; /* when the last one was */
};

static void on_body(void *user, tern_call_id call, const void *data, size_t len)
{
    struct load *load = user;

    (void)call, (void)data;
    load->bytes += len;
}

static void on_done(void *user, tern_call_id call, const struct tern_result *result)
{
    struct load *load = user;

    (void)call;
    assert_false(load->is_done);
    load->is_done = true;
    load->error = result->fault.error;
    load->flow->done++;
    load->flow->done_ns = simio_now(load->flow->s.sim);
}

/* A client on HTTP/2 with these limits (NULL: the defaults), and a server that answers with body_bytes. */
static void flow_open(struct flow *flow, const struct tern_limits *limits, size_t count, uint64_t body_bytes)
{
    struct tern_client_config config = {.http_mode = TERN_HTTP_MODE_2_ONLY};

    *flow = (struct flow){.server = {.body_bytes = body_bytes, .streams_max = 2000}};
    if (limits != NULL)
        config.limits = *limits;
    scenario_open(&flow->s, &config);
    h2_server_listen(&flow->server, flow->s.sim, SCENARIO_ADDRESS);
    flow->loads = calloc(count, sizeof(*flow->loads));
    flow->count = count;
    assert_non_null(flow->loads);
}

static void flow_close(struct flow *flow)
{
    scenario_close(&flow->s);
    h2_server_end(&flow->server);
    for (size_t i = 0; i < flow->count; i++)
        assert_true(flow->loads[i].is_done || flow->loads[i].id == 0);
    free(flow->loads);
}

static void start(struct flow *flow, size_t i, bool credit)
{
    static const struct tern_handlers handlers = {.on_body = on_body, .on_done = on_done};
    struct tern_request request = {.url = TERN_STR("http://a.test/"), .credit = credit};
    struct tern_fault why;

    flow->loads[i].flow = flow;
    if (tern_call_start(flow->s.client, &request, &handlers, &flow->loads[i], &flow->loads[i].id, &why) != TERN_OK)
        fail_msg("%s", why.text);
}

static void start_all(struct flow *flow)
{
    for (size_t i = 0; i < flow->count; i++)
        start(flow, i, false);
}

/* One 100 MiB download; returns how long it took, in ns. */
static uint64_t download(struct flow *flow, uint64_t bytes)
{
    uint64_t begun_ns;

    simio_path(flow->s.sim, SCENARIO_ADDRESS, ROUND_TRIP_NS, GIGABIT);
    simio_connect_takes(flow->s.sim, SCENARIO_ADDRESS, ROUND_TRIP_NS);
    begun_ns = simio_now(flow->s.sim);
    start(flow, 0, false);
    scenario_run(&flow->s, 100 * TERN_S);
    assert_true(flow->loads[0].is_done);
    assert_int_equal(flow->loads[0].error, TERN_OK);
    assert_int_equal(flow->loads[0].bytes, bytes);
    return flow->done_ns - begun_ns;
}

/* Not bound by windows after the first round trips: a gigabit over 50 ms within some round trips of what the path can
 * do. */
static void test_long_path_is_filled(void **state)
{
    const uint64_t bytes = 100 * MIB;
    const uint64_t ideal_ns = 2 * ROUND_TRIP_NS + bytes * TERN_S / GIGABIT; /* connect, ask, and all at full speed */
    struct flow flow;
    uint64_t took_ns;

    (void)state;
    flow_open(&flow, NULL, 1, bytes);
    took_ns = download(&flow, bytes);
    printf("100 MiB over 50 ms and 1 Gbit/s: %llu ms, ideal %llu ms, %u PINGs\n",
           (unsigned long long)(took_ns / TERN_MS), (unsigned long long)(ideal_ns / TERN_MS), flow.server.pings);
    assert_true(took_ns < ideal_ns + 6 * ROUND_TRIP_NS);
    assert_int_equal(flow.server.bare_pings, 0);
    assert_in_range(flow.server.pings, 4, 20);
    assert_int_equal(scenario_stats(&flow.s).memory_held_bytes_peak, 0);
    flow_close(&flow);
}

/* The same with windows that may not grow: what it would be like. */
static void test_fixed_windows_bind(void **state)
{
    const uint64_t bytes = 20 * MIB;
    struct flow flow;
    uint64_t took_ns;

    (void)state;
    flow_open(&flow, &(struct tern_limits){.body_window_bytes_max = 256 << 10}, 1, bytes);
    took_ns = download(&flow, bytes);
    assert_true(took_ns > 40 * ROUND_TRIP_NS);
    flow_close(&flow);
}

/* ---- the ledger ---- */

static uint64_t used(struct flow *flow)
{
    struct tern_client_stats stats = scenario_stats(&flow->s);

    return stats.memory_promised_bytes + stats.memory_held_bytes;
}

/* Closes the client: all that stood in the ledger is gone, in the engine's too. */
static void flow_close_to_baseline(struct flow *flow)
{
    struct tern_engine_stats stats;

    tern_client_close(flow->s.client, TERN_CLOSE_DROP);
    flow->s.is_client_closed = true;
    scenario_run(&flow->s, 0);
    tern_engine_stats(flow->s.engine, &stats);
    assert_int_equal(stats.memory_promised_bytes, 0);
    assert_int_equal(stats.memory_held_bytes, 0);
    assert_int_equal(stats.calls_live, 0);
    assert_int_equal(simio_counts(flow->s.sim).open, 0);
    flow_close(flow);
}

static void test_growth_stays_within_the_ledger(void **state)
{
    struct flow flow;

    (void)state;
    flow_open(&flow, &(struct tern_limits){.memory_bytes_max = 3 * MIB}, 1, 20 * MIB);
    simio_path(flow.s.sim, SCENARIO_ADDRESS, ROUND_TRIP_NS, GIGABIT);
    start(&flow, 0, false);
    while (!flow.loads[0].is_done) {
        scenario_run(&flow.s, TERN_MS);
        assert_true(used(&flow) <= 3 * MIB);
    }
    assert_int_equal(flow.loads[0].bytes, 20 * MIB);
    flow_close_to_baseline(&flow);
}

/* Who credits has said how much it may be: that does not grow, whatever the path could bring. */
static void test_credited_windows_do_not_grow(void **state)
{
    struct flow flow;

    (void)state;
    flow_open(&flow, NULL, 2, 20 * MIB);
    simio_path(flow.s.sim, SCENARIO_ADDRESS, ROUND_TRIP_NS, GIGABIT);
    start(&flow, 0, false);
    start(&flow, 1, true);
    scenario_run(&flow.s, 30 * TERN_S);
    assert_true(flow.loads[0].is_done);
    assert_int_equal(flow.loads[1].bytes, 256 << 10);
    assert_int_equal(tern_call_credit(flow.s.engine, flow.loads[1].id, 256 << 10), TERN_OK);
    scenario_run(&flow.s, TERN_S);
    assert_int_equal(flow.loads[1].bytes, 512 << 10);
    assert_int_equal(scenario_stats(&flow.s).memory_held_bytes, 0);
    flow_close_to_baseline(&flow);
}

/* A call that was fast and is paused then: what its window let through is held, and no more comes. */
static void test_a_grown_window_is_what_a_pause_holds(void **state)
{
    struct flow flow;
    struct tern_client_stats stats;
    uint64_t held;

    (void)state;
    flow_open(&flow, NULL, 1, 100 * MIB);
    simio_path(flow.s.sim, SCENARIO_ADDRESS, ROUND_TRIP_NS, GIGABIT);
    start(&flow, 0, false);
    scenario_run(&flow.s, 600 * TERN_MS);
    assert_int_equal(tern_call_pause(flow.s.engine, flow.loads[0].id), TERN_OK);
    scenario_run(&flow.s, 10 * TERN_S);
    stats = scenario_stats(&flow.s);
    held = stats.memory_held_bytes;
    assert_in_range(held, 3 * MIB, 16 * MIB);
    assert_true(used(&flow) <= 64 * MIB);
    scenario_run(&flow.s, 1000 * TERN_S);
    assert_int_equal(scenario_stats(&flow.s).memory_held_bytes, held);
    assert_int_equal(tern_call_resume(flow.s.engine, flow.loads[0].id), TERN_OK);
    scenario_run(&flow.s, 5 * TERN_S);
    assert_true(flow.loads[0].is_done);
    assert_int_equal(flow.loads[0].bytes, 100 * MIB);
    flow_close_to_baseline(&flow);
}

static void pause_on_body(void *user, tern_call_id call, const void *data, size_t len)
{
    struct load *load = user;

    on_body(user, call, data, len);
    if (load->bytes >= 128 << 10)
        assert_int_equal(tern_call_pause(load->flow->s.engine, call), TERN_OK);
}

/* Nor does the window grow for a call that pauses itself with the bytes that would have earned it a wider one. */
static void test_a_paused_call_gets_no_wider_window(void **state)
{
    static const struct tern_handlers handlers = {.on_body = pause_on_body, .on_done = on_done};
    struct tern_request request = {.url = TERN_STR("http://a.test/")};
    struct flow flow;

    (void)state;
    flow_open(&flow, NULL, 1, 100 * MIB);
    simio_path(flow.s.sim, SCENARIO_ADDRESS, ROUND_TRIP_NS, GIGABIT);
    flow.loads[0].flow = &flow;
    assert_int_equal(tern_call_start(flow.s.client, &request, &handlers, &flow.loads[0], &flow.loads[0].id, NULL),
                     TERN_OK);
    scenario_run(&flow.s, 10 * TERN_S);
    assert_in_range(flow.loads[0].bytes, 128 << 10, 192 << 10);
    assert_in_range(scenario_stats(&flow.s).memory_held_bytes, 1, 256 << 10);
    flow_close_to_baseline(&flow);
}

/* 1,000 at once on one connection, every tenth paused for ever: the others finish. */
static void test_a_thousand_with_hoarders(void **state)
{
    const uint64_t bytes = 64 << 10;
    struct flow flow;
    struct tern_client_stats stats;

    (void)state;
    flow_open(&flow, &(struct tern_limits){.connections_max = 1}, 1000, bytes);
    flow.server.streams_max = 1000;
    simio_path(flow.s.sim, SCENARIO_ADDRESS, ROUND_TRIP_NS, GIGABIT);
    start_all(&flow);
    for (size_t i = 0; i < flow.count; i += 10)
        assert_int_equal(tern_call_pause(flow.s.engine, flow.loads[i].id), TERN_OK);
    for (int i = 0; i < 100; i++) {
        scenario_run(&flow.s, 50 * TERN_MS);
        assert_true(used(&flow) <= 64 * MIB);
    }
    for (size_t i = 0; i < flow.count; i++) {
        assert_int_equal(flow.loads[i].is_done, i % 10 != 0);
        assert_int_equal(flow.loads[i].bytes, i % 10 != 0 ? bytes : 0);
    }
    stats = scenario_stats(&flow.s);
    assert_int_equal(flow.server.connections, 1);
    assert_int_equal(flow.server.bare_pings, 0);
    assert_int_equal(stats.memory_held_bytes, 100 * bytes);
    printf("1,000 x 64 KiB, 100 paused: %zu done, held %llu KiB, promised %llu KiB\n", flow.done,
           (unsigned long long)stats.memory_held_bytes >> 10, (unsigned long long)stats.memory_promised_bytes >> 10);
    for (size_t i = 0; i < flow.count; i += 10)
        assert_int_equal(tern_call_cancel(flow.s.engine, flow.loads[i].id), TERN_OK);
    scenario_run(&flow.s, TERN_S);
    stats = scenario_stats(&flow.s);
    assert_int_equal(flow.done, 1000);
    assert_int_equal(stats.memory_held_bytes, 0);
    assert_int_equal(stats.calls_live, 0);
    assert_int_equal(stats.connections_idle, 1);
    flow_close_to_baseline(&flow);
}

/* Hoarders up to the limit: what they hold stays within it, their connection stands still, another one does not notice;
 * when one of them goes on, all go on. */
static void test_hoarders_at_the_limit(void **state)
{
    const uint64_t bytes = 400 << 10;
    struct flow flow;

    (void)state;
    flow_open(&flow, &(struct tern_limits){.memory_bytes_max = 4 * MIB, .connection_memory_bytes_max = MIB}, 10, bytes);
    start_all(&flow);
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(tern_call_pause(flow.s.engine, flow.loads[i].id), TERN_OK);
    scenario_run(&flow.s, TERN_S);
    assert_int_equal(scenario_stats(&flow.s).memory_held_bytes, MIB);
    assert_int_equal(scenario_stats(&flow.s).memory_promised_bytes, 0);
    assert_int_equal(flow.done, 0);
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(tern_call_resume(flow.s.engine, flow.loads[i].id), TERN_OK);
        scenario_run(&flow.s, 0);
        assert_true(used(&flow) <= MIB);
    }
    assert_int_equal(flow.done, 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(flow.loads[i].bytes, bytes);
    flow_close_to_baseline(&flow);
}

static void on_response(void *user, tern_call_id call, const struct tern_response *response)
{
    struct load *load = user;

    (void)call;
    load->is_done = true;
    load->error = response->result.fault.error;
    load->bytes = response->body_len;
}

/* Bodies that are collected stand in the ledger until their call has ended; what finds no room ends the call. */
static void test_collected_bodies_count(void **state)
{
    struct tern_request request = {.url = TERN_STR("http://a.test/")};
    struct flow flow;

    (void)state;
    flow_open(&flow, &(struct tern_limits){.memory_bytes_max = 4 * MIB}, 2, MIB);
    for (int i = 0; i < 2; i++) {
        flow.server.body_bytes = i == 0 ? MIB : 3 * MIB;
        assert_int_equal(
            tern_collect_start(flow.s.client, &request, 0, on_response, &flow.loads[i], &flow.loads[i].id, NULL),
            TERN_OK);
        scenario_run(&flow.s, TERN_S);
        assert_true(flow.loads[i].is_done);
        assert_int_equal(flow.loads[i].error, i == 0 ? TERN_OK : TERN_ELIMIT);
        assert_int_equal(scenario_stats(&flow.s).memory_held_bytes, 0);
        if (i == 0) {
            assert_int_equal(flow.loads[i].bytes, MIB);
            assert_int_equal(scenario_stats(&flow.s).memory_held_bytes_peak, MIB);
        }
    }
    flow_close_to_baseline(&flow);
}

static void pause_on_head(struct seen *seen, const char *event)
{
    if (strcmp(event, "head") == 0)
        assert_int_equal(tern_call_pause(seen->scenario->engine, seen->id), TERN_OK);
}

/* HTTP/1.1 holds what one read brought; the rest stays with the system. */
static void test_paused_http1_counts_one_read(void **state)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n";
    static char response[sizeof(head) - 1 + 300000];
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    memcpy(response, head, sizeof(head) - 1);
    scenario_open(&s, NULL);
    call = scenario_get(&s, "http://a.test/");
    call->hook = pause_on_head;
    peer = scenario_accept(&s);
    simio_say_bytes(peer, response, sizeof(response));
    scenario_run(&s, TERN_S);
    seen_is(call, "head 200");
    assert_int_equal(scenario_stats(&s).memory_held_bytes, (64 << 10) - (sizeof(head) - 1));
    assert_int_equal(tern_call_resume(s.engine, call->id), TERN_OK);
    scenario_run(&s, TERN_S);
    seen_is(call, "body 300000 bytes | done");
    assert_int_equal(scenario_stats(&s).memory_held_bytes, 0);

    call = scenario_get(&s, "http://a.test/"); /* and one that is cut off */
    call->hook = pause_on_head;
    simio_say_bytes(peer, response, sizeof(response));
    scenario_run(&s, TERN_S);
    assert_true(scenario_stats(&s).memory_held_bytes > 0);
    assert_int_equal(tern_call_cancel(s.engine, call->id), TERN_OK);
    scenario_run(&s, TERN_S);
    assert_int_equal(scenario_stats(&s).memory_held_bytes, 0);
    scenario_close(&s);
}

/* ---- sending ---- */

static enum tern_read read_much(void *user, void *buffer, size_t capacity, size_t *n)
{
    uint64_t *left = user;

    if (*left == 0)
        return TERN_READ_END;
    *n = *left < capacity ? (size_t)*left : capacity;
    memset(buffer, 'x', *n);
    *left -= *n;
    return TERN_READ_DATA;
}

/* The user's callback is asked for no more than the peer's window takes, and what one buffer holds. */
static void test_uploads_press_back(void **state)
{
    const uint64_t bytes = 5 * MIB;
    struct tern_request request = {.method = TERN_STR("POST"),
                                   .url = TERN_STR("http://a.test/"),
                                   .expect = TERN_EXPECT_NEVER,
                                   .body = {.kind = TERN_BODY_CALLBACK, .length = bytes, .read = read_much}};
    struct flow flow;
    struct seen *call;
    uint64_t left = bytes;

    (void)state;
    flow_open(&flow, NULL, 1, 0);
    simio_path(flow.s.sim, SCENARIO_ADDRESS, ROUND_TRIP_NS, GIGABIT);
    request.body.user = &left;
    call = scenario_start(&flow.s, &request);
    scenario_run(&flow.s, ROUND_TRIP_NS); /* the connect, and the request is on its way */
    assert_in_range(bytes - left, 65535, 65535 + 3 * (64 << 10));
    while (call->dones == 0) {
        scenario_run(&flow.s, TERN_MS);
        assert_in_range(bytes - left - flow.server.received_bytes, 0, 65535 + 3 * (64 << 10));
    }
    assert_int_equal(flow.server.received_bytes, bytes);
    seen_is(call, "head 200 | done");
    flow_close(&flow);
}

/* What is started in one turn leaves in one write, and so does what is cancelled. */
static void test_one_write_a_turn(void **state)
{
    struct flow flow;
    uint64_t writes;

    (void)state;
    flow_open(&flow, &(struct tern_limits){.connections_max = 1}, 201, 1000);
    start(&flow, 0, false);
    scenario_run(&flow.s, 0);
    assert_true(flow.loads[0].is_done);
    simio_path(flow.s.sim, SCENARIO_ADDRESS, ROUND_TRIP_NS, GIGABIT); /* from here on nothing is answered at once */
    writes = simio_counts(flow.s.sim).sendmsgs;
    for (size_t i = 1; i <= 200; i++)
        start(&flow, i, false);
    scenario_run(&flow.s, 0);
    assert_int_equal(simio_counts(flow.s.sim).sendmsgs, writes + 1); /* 200 requests */
    for (size_t i = 1; i <= 200; i++)
        assert_int_equal(tern_call_cancel(flow.s.engine, flow.loads[i].id), TERN_OK);
    scenario_run(&flow.s, 0);
    assert_int_equal(simio_counts(flow.s.sim).sendmsgs, writes + 2); /* 200 RST_STREAM */
    scenario_run(&flow.s, TERN_S);
    assert_int_equal(flow.done, 201);
    assert_int_equal(flow.server.resets, 200);
    flow_close(&flow);
}

/* And what is to be said to all that one turn reads. */
static void test_one_write_for_many_reads(void **state)
{
    static const char piece[16385] = {[0 ... 16383] = 'x'};
    struct scenario s;
    struct simio_peer *peer;
    struct tern_buf out;
    struct seen *call;
    uint64_t writes, reads;

    (void)state;
    scenario_open(
        &s, &(struct tern_client_config){.http_mode = TERN_HTTP_MODE_2_ONLY, .limits = {.body_window_bytes = MIB}});
    call = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    tern_buf_init(&out, MIB);
    h2_put(&out, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    h2_put(&out, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
    h2_put_head(&out, 1, H2_END_HEADERS, ":status: 200\n");
    for (int i = 0; i < 30; i++)
        h2_put_data(&out, 1, 0, piece);
    writes = simio_counts(s.sim).sendmsgs;
    reads = simio_counts(s.sim).recvs;
    simio_say_bytes(peer, out.data + out.head, out.len);
    scenario_run(&s, 0);
    assert_int_equal(simio_counts(s.sim).recvs, reads + 2); /* of 256 KiB; WINDOW_UPDATEs are due, a PING, and more */
    assert_int_equal(simio_counts(s.sim).sendmsgs, writes + 1);
    seen_is(call, "head 200 | body 491520 bytes");
    tern_buf_deinit(&out);
    scenario_close(&s);
}

/* Bulk causes PINGs, one at a time and only between bodies' bytes; small answers cause none. */
static void test_small_answers_cause_no_ping(void **state)
{
    struct flow flow;

    (void)state;
    flow_open(&flow, NULL, 100, 100);
    simio_path(flow.s.sim, SCENARIO_ADDRESS, ROUND_TRIP_NS, GIGABIT);
    start_all(&flow);
    scenario_run(&flow.s, TERN_S);
    assert_int_equal(flow.done, 100);
    assert_int_equal(flow.server.pings, 0);
    flow_close(&flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_path_is_filled),
        cmocka_unit_test(test_fixed_windows_bind),
        cmocka_unit_test(test_growth_stays_within_the_ledger),
        cmocka_unit_test(test_credited_windows_do_not_grow),
        cmocka_unit_test(test_a_grown_window_is_what_a_pause_holds),
        cmocka_unit_test(test_a_paused_call_gets_no_wider_window),
        cmocka_unit_test(test_a_thousand_with_hoarders),
        cmocka_unit_test(test_hoarders_at_the_limit),
        cmocka_unit_test(test_collected_bodies_count),
        cmocka_unit_test(test_paused_http1_counts_one_read),
        cmocka_unit_test(test_uploads_press_back),
        cmocka_unit_test(test_one_write_a_turn),
        cmocka_unit_test(test_one_write_for_many_reads),
        cmocka_unit_test(test_small_answers_cause_no_ping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
