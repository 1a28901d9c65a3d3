/* What a peer, a user or a fork can do at the worst moment: each case broke something once, or would if a check were
 * gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pool/conn.h"
#include "tests/support/scenario.h"
#include "tests/support/torture.h"

#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* One call, answered; the peer of its connection. */
static struct simio_peer *warm_up(struct scenario *s)
{
    struct seen *call = scenario_get(s, "http://a.test/");
    struct simio_peer *peer = scenario_accept(s);

    simio_say(peer, OK_HI);
    scenario_run(s, 0);
    seen_is(call, "head 200 | body hi | done");
    simio_forget(peer);
    return peer;
}

/* ---- what comes together with an answer, or right behind it ---- */

/* No second event tells of an end that came with the answer: the connection must not be kept as if it lived. */
static void test_end_in_the_same_packet_as_the_answer(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    call = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    simio_say_and_end(peer, OK_HI);
    scenario_run(&s, 0);
    seen_is(call, "head 200 | body hi | done");
    assert_true(simio_is_closed(peer));
    assert_int_equal(scenario_stats(&s).connections_idle, 0);
    scenario_close(&s);
}

/* The answer fills one read to the last byte, and a second one that nobody asked for stands behind it. */
static void test_answer_nobody_asked_for_behind_a_full_read(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;
    size_t len = TERN_CONN_READ_H1_BYTES, head;
    char *said = malloc(len + sizeof(OK_HI));

    (void)state;
    assert_non_null(said);
    memset(said, 'x', len);
    head = (size_t)snprintf(said, len, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len - 42);
    said[head] = 'x';
    assert_int_equal(head, 42);
    memcpy(said + len, OK_HI, sizeof(OK_HI));

    scenario_open(&s, NULL);
    call = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    simio_say_bytes(peer, said, len + strlen(OK_HI));
    scenario_run(&s, 0);
    seen_is(call, "head 200 | body 65494 bytes | done");
    assert_true(simio_is_closed(peer));
    scenario_close(&s);
    free(said);
}

static void pause_on_head(struct seen *seen, const char *event)
{
    if (strcmp(event, "head") == 0)
        assert_int_equal(tern_call_pause(seen->scenario->engine, seen->id), TERN_OK);
}

/* The peer refuses the upload and goes away; its answer is here, but its reader has paused. */
static void test_early_answer_outlives_the_peer_while_paused(void **state)
{
    static char body[1 << 20];
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    simio_window_all(s.sim, 1000);
    call = scenario_start_only(
        &s, &(struct tern_request){.method = TERN_STR("POST"),
                                   .url = TERN_STR("http://a.test/"),
                                   .body = {.kind = TERN_BODY_MEMORY, .data = body, .length = sizeof(body)},
                                   .expect = TERN_EXPECT_NEVER});
    call->hook = pause_on_head;
    scenario_run(&s, 0);
    peer = scenario_accept(&s);
    assert_int_equal(tern_call_pause(s.engine, call->id), TERN_OK);
    simio_say(peer, OK_HI);
    simio_reset(peer);
    scenario_run(&s, 0);
    seen_is(call, "");
    assert_int_equal(tern_call_resume(s.engine, call->id), TERN_OK);
    scenario_run(&s, 0);
    seen_is(call, "head 200");
    assert_int_equal(tern_call_resume(s.engine, call->id), TERN_OK);
    scenario_run(&s, 0);
    seen_is(call, "body hi | done");
    scenario_close(&s);
}

/* ---- limits and times at their ends ---- */

static void test_times_next_to_the_largest_number(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct tern_client_config config = {.timeouts = {.pool_ns = TERN_OFF - 1,
                                                     .connect_ns = TERN_OFF - 1,
                                                     .write_ns = TERN_OFF - 1,
                                                     .read_ns = TERN_OFF - 1,
                                                     .head_ns = TERN_OFF - 1,
                                                     .total_ns = TERN_OFF - 1,
                                                     .continue_ns = TERN_OFF - 1,
                                                     .low_speed_ns = TERN_OFF - 1,
                                                     .low_speed_bytes_per_s = 1},
                                        .limits = {.idle_ns = TERN_OFF - 1, .connection_age_ns = TERN_OFF - 1}};

    (void)state;
    scenario_open(&s, &config);
    simio_connect_takes(s.sim, SCENARIO_ADDRESS, 3600 * TERN_S);
    scenario_get(&s, "http://a.test/");
    scenario_run(&s, 3600 * TERN_S);
    peer = scenario_accept(&s);
    simio_say(peer, OK_EMPTY);
    scenario_run(&s, 3600 * TERN_S);
    assert_int_equal(scenario_stats(&s).connections_idle, 1);
    scenario_close(&s);
}

/* A connection that was dialled for a call which something else has served is idle like any other. */
static void test_connection_that_nobody_waited_for_expires(void **state)
{
    struct scenario s;
    struct simio_peer *first, *second;
    struct seen *a, *b;

    (void)state;
    scenario_open(&s, NULL);
    simio_connect_takes(s.sim, SCENARIO_ADDRESS, TERN_MS);
    a = scenario_get(&s, "http://a.test/");
    simio_connect_takes(s.sim, SCENARIO_ADDRESS, TERN_S);
    b = scenario_get(&s, "http://a.test/");
    scenario_run(&s, TERN_MS);
    first = scenario_accept(&s);
    simio_say(first, OK_EMPTY);
    scenario_run(&s, 0);
    simio_say(first, OK_EMPTY);
    scenario_run(&s, TERN_S);
    seen_is(a, "head 200 | done");
    seen_is(b, "head 200 | done");
    second = scenario_accept(&s);
    assert_int_equal(scenario_stats(&s).connections_idle, 2);
    scenario_run(&s, 30 * TERN_S);
    assert_true(simio_is_closed(first));
    assert_true(simio_is_closed(second));
    scenario_close(&s);
}

/* The one place of the host is taken by a connection that the call may not use: it makes room. */
static void test_fresh_connection_takes_the_place_of_an_idle_one(void **state)
{
    struct scenario s;
    struct simio_peer *old;
    struct seen *call;

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.limits = {.connections_per_host_max = 1}});
    old = warm_up(&s);
    call = scenario_start(&s, &(struct tern_request){.url = TERN_STR("http://a.test/"), .fresh_connection = true});
    assert_true(simio_is_closed(old));
    simio_say(scenario_accept(&s), OK_HI);
    scenario_run(&s, 0);
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

/* The limits on heads do not shape a connection, so a call on a kept one is under its own. */
static void test_limits_of_a_call_hold_on_a_kept_connection(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;
    struct tern_fault why;

    (void)state;
    scenario_open(&s, NULL);
    peer = warm_up(&s);
    assert_int_equal(
        tern_client_configure(
            s.client, &(struct tern_client_config){.limits = {.head_fields_max = 1}, .dns = {.hosts_path = ""}}, &why),
        TERN_OK);
    call = scenario_get(&s, "http://a.test/");
    simio_say(peer, "HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&s, 0);
    seen_is(call, "done EHEAD_MAX WAIT");
    scenario_close(&s);
}

/* ---- the loop belongs to all ---- */

struct endless {
    uint64_t given, max;
};

static enum tern_read give(void *user, void *buffer, size_t capacity, size_t *n)
{
    struct endless *endless = user;

    if (endless->given >= endless->max)
        return TERN_READ_END;
    memset(buffer, 'x', capacity);
    endless->given += *n = capacity;
    return TERN_READ_DATA;
}

/* A peer that takes all that is sent as fast as it is made does not keep the loop to itself. */
static void test_upload_leaves_the_loop_to_others(void **state)
{
    struct scenario s;
    struct endless endless = {.max = 4 << 20};
    struct simio_peer *peer;
    struct seen *call;
    uint64_t most = 0;

    (void)state;
    scenario_open(&s, NULL);
    call = scenario_start_only(
        &s, &(struct tern_request){
                .method = TERN_STR("POST"),
                .url = TERN_STR("http://a.test/"),
                .body = {.kind = TERN_BODY_CALLBACK, .read = give, .user = &endless, .length = TERN_LENGTH_UNKNOWN},
                .expect = TERN_EXPECT_NEVER});
    while (endless.given < endless.max && call->dones == 0) {
        uint64_t before = endless.given;

        assert_int_equal(tern_engine_step(s.engine), TERN_OK);
        most = endless.given - before > most ? endless.given - before : most;
    }
    assert_true(most <= 2 << 20);
    scenario_run(&s, 0);
    peer = scenario_accept(&s);
    assert_true(simio_heard(peer).len > endless.max);
    simio_say(peer, OK_EMPTY);
    scenario_run(&s, 0);
    seen_is(call, "head 200 | done");
    scenario_close(&s);
}

static void answer_later(struct simio_peer *peer, void *user)
{
    (void)user;
    simio_say_after(peer, TERN_S, OK_HI);
}

/* A stop is for tern_engine_run: a blocking call neither obeys it nor stays awake for it. */
static void test_stop_does_not_keep_a_blocking_call_awake(void **state)
{
    struct scenario s;
    struct tern_response *response;
    struct tern_fault why;
    uint64_t waits;

    (void)state;
    torture_fixture_keeps_memory(); /* response */
    scenario_open(&s, NULL);
    simio_serve(s.sim, SCENARIO_ADDRESS, answer_later, NULL);
    tern_engine_stop(s.engine);
    waits = simio_counts(s.sim).waits;
    assert_int_equal(
        tern_perform(s.client, &(struct tern_request){.url = TERN_STR("http://a.test/")}, 0, &response, &why), TERN_OK);
    assert_true(simio_counts(s.sim).waits - waits < 20);
    tern_response_free(response);
    assert_int_equal(tern_engine_run(s.engine), TERN_OK); /* at last */
    scenario_close(&s);
}

/* ---- cancelled from where it is told of itself ---- */

enum deed { CANCEL, CLOSE };

struct watcher {
    struct scenario *scenario;
    tern_call_id id;
    enum deed deed;
    int at;         /* does it in the callback of this number, from 1 */
    int told, done; /* callbacks so far; of those on_done */
    enum tern_error error;
};

static void tell(struct watcher *watcher)
{
    if (watcher->at > 0 && watcher->told >= watcher->at)
        fail_msg("callback %d came after the call was cancelled in callback %d", watcher->told + 1, watcher->at);
    if (++watcher->told != watcher->at)
        return;
    if (watcher->deed == CANCEL)
        assert_int_equal(tern_call_cancel(watcher->scenario->engine, watcher->id), TERN_OK);
    else
        tern_client_close(watcher->scenario->client, TERN_CLOSE_DROP);
}

static void on_trace(void *user, tern_call_id call, enum tern_trace_kind kind, struct tern_str text)
{
    (void)call, (void)kind, (void)text;
    tell(user);
}

static void on_head(void *user, tern_call_id call, const struct tern_head *head)
{
    (void)call, (void)head;
    tell(user);
}

static void on_done(void *user, tern_call_id call, const struct tern_result *result)
{
    struct watcher *watcher = user;

    (void)call;
    watcher->done++;
    watcher->error = result->fault.error;
}

/* The kept connection dies under the second request; the third one is answered. */
static void die_then_answer(struct simio_peer *peer, void *user)
{
    int *heard = user;

    if (++*heard == 2)
        simio_reset(peer);
    else
        simio_say(peer, OK_HI);
}

/* A call in which all that is traced happens, cancelled in the callback of number at. False: it has no such callback.
 * */
static bool run_cancelled(enum deed deed, int at)
{
    static const struct tern_handlers handlers = {.on_head = on_head, .on_done = on_done, .on_trace = on_trace};
    struct scenario s;
    struct watcher watcher = {.scenario = &s, .deed = deed, .at = at};
    struct tern_fault why;
    int heard = 0;

    scenario_open(&s, NULL);
    simio_refuse(s.sim, "192.0.2.2:80");
    simio_connect_fails(s.sim, "192.0.2.3:80", 101);
    simio_serve(s.sim, SCENARIO_ADDRESS, die_then_answer, &heard);
    scenario_get(&s, "http://a.test/");
    fakedns_answer(s.servers, "b.test", "192.0.2.2 192.0.2.3 192.0.2.1", 60);
    for (int round = 0; round < 2; round++) {
        const char *url = round == 0 ? "http://a.test/" : "http://b.test/";

        if (watcher.done > 0 && (at <= watcher.told))
            break;
        watcher.done = 0;
        assert_int_equal(tern_call_start(s.client, &(struct tern_request){.url = tern_str(url)}, &handlers, &watcher,
                                         &watcher.id, &why),
                         TERN_OK);
        simio_run(s.sim, TERN_S);
        assert_int_equal(watcher.done, 1);
    }
    if (at <= watcher.told)
        assert_int_equal(watcher.error, deed == CANCEL ? TERN_ECANCELLED : TERN_ESHUTDOWN);
    else
        assert_int_equal(watcher.error, TERN_OK);
    s.is_client_closed = deed == CLOSE && at <= watcher.told;
    if (!s.is_client_closed)
        tern_pool_check(&s.client->pool);
    scenario_close(&s);
    return at <= watcher.told;
}

static void test_cancelled_in_every_trace(void **state)
{
    int at = 1;

    (void)state;
    while (run_cancelled(CANCEL, at))
        at++;
    assert_true(at > 20);
}

static void test_client_closed_in_every_trace(void **state)
{
    int at = 1;

    (void)state;
    while (run_cancelled(CLOSE, at))
        at++;
    assert_true(at > 20);
}

static bool cancel_in_rewind(void *user)
{
    struct seen **call = user;

    assert_int_equal(tern_call_cancel((*call)->scenario->engine, (*call)->id), TERN_OK);
    return true;
}

static enum tern_read read_nothing(void *user, void *buffer, size_t capacity, size_t *n)
{
    (void)user, (void)buffer, (void)capacity, (void)n;
    return TERN_READ_END;
}

/* Asked whether its body can be had again, the user has had enough. */
static void test_cancelled_in_rewind(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, NULL);
    peer = warm_up(&s);
    call = scenario_start_only(&s, &(struct tern_request){.method = TERN_STR("PUT"),
                                                          .url = TERN_STR("http://a.test/"),
                                                          .body = {.kind = TERN_BODY_CALLBACK,
                                                                   .read = read_nothing,
                                                                   .rewind = cancel_in_rewind,
                                                                   .user = &call,
                                                                   .length = TERN_LENGTH_UNKNOWN},
                                                          .expect = TERN_EXPECT_NEVER});
    scenario_run(&s, 0);
    simio_end(peer);
    scenario_run(&s, 0);
    seen_is(call, "done ECANCELLED WAIT");
    scenario_close(&s);
}

/* ---- a fork ---- */

/* TLS in name only, with a farewell that can be seen. */
struct mock_tls {
    struct tern_tls_provider provider;
    struct mock_stream {
        struct tern_bytestream stream;
        struct tern_bytestream *lower;
    } streams[2];
    size_t count;
};

static struct tern_bytestream *lower_of(struct tern_bytestream *stream)
{
    return TERN_CONTAINER_OF(stream, struct mock_stream, stream)->lower;
}

static enum tern_flow mock_handshake(struct tern_bytestream *stream)
{
    return tern_bytestream_handshake(lower_of(stream));
}

static enum tern_flow mock_read(struct tern_bytestream *stream, void *buf, size_t cap, size_t *n)
{
    return tern_bytestream_read(lower_of(stream), buf, cap, n);
}

static enum tern_flow mock_writev(struct tern_bytestream *stream, const struct iovec *iov, int count, size_t *n)
{
    return tern_bytestream_writev(lower_of(stream), iov, count, n);
}

static enum tern_flow mock_shutdown(struct tern_bytestream *stream)
{
    char text[] = "farewell";
    struct iovec farewell = {text, strlen(text)};
    size_t n;

    return tern_bytestream_writev(lower_of(stream), &farewell, 1, &n);
}

static void mock_close(struct tern_bytestream *stream)
{
    tern_bytestream_close(lower_of(stream));
}

static void mock_names(struct tern_bytestream *stream, struct tern_sockaddr *local, struct tern_sockaddr *peer)
{
    tern_bytestream_names(lower_of(stream), local, peer);
}

static void mock_fault(const struct tern_bytestream *stream, struct tern_fault *out)
{
    tern_bytestream_fault(((const struct mock_stream *)stream)->lower, out);
}

static void mock_lower_ready(struct tern_bytestream *lower)
{
    struct mock_stream *mock = lower->owner;

    mock->stream.on_ready(&mock->stream);
}

static bool mock_is_loaded(struct tern_tls_provider *provider, const struct tern_tls_profile *profile)
{
    (void)provider, (void)profile;
    return true;
}

static enum tern_error mock_open(struct tern_tls_provider *provider, const struct tern_tls_open *how,
                                 struct tern_bytestream **out, struct tern_fault *fault)
{
    static const struct tern_bytestream_ops ops = {.handshake = mock_handshake,
                                                   .read = mock_read,
                                                   .writev = mock_writev,
                                                   .shutdown = mock_shutdown,
                                                   .close = mock_close,
                                                   .names = mock_names,
                                                   .fault = mock_fault};
    struct mock_tls *tls = TERN_CONTAINER_OF(provider, struct mock_tls, provider);
    struct mock_stream *mock = &tls->streams[tls->count++];

    (void)fault;
    assert_true(tls->count <= 2);
    mock->stream = (struct tern_bytestream){.ops = &ops};
    mock->lower = how->lower;
    how->lower->on_ready = mock_lower_ready;
    how->lower->owner = mock;
    *out = &mock->stream;
    return TERN_OK;
}

static void mock_info(struct tern_tls_provider *provider, const struct tern_bytestream *stream,
                      struct tern_tls_info *out)
{
    (void)provider, (void)stream;
    *out = (struct tern_tls_info){.version = "TLSv0", .suite = "NONE"};
}

static void mock_free(struct tern_tls_provider *provider)
{
    free(provider);
}

static enum tern_error new_mock_tls(struct tern_engine *engine, struct tern_tls_provider **out, void *user)
{
    static const struct tern_tls_provider_ops ops = {
        .is_loaded = mock_is_loaded, .open = mock_open, .info = mock_info, .free = mock_free};
    struct mock_tls *tls = calloc(1, sizeof(*tls));

    (void)engine, (void)user;
    assert_non_null(tls);
    tls->provider.ops = &ops;
    *out = &tls->provider;
    return TERN_OK;
}

static void count_done(void *user, tern_call_id call, const struct tern_result *result)
{
    (void)call, (void)result;
    ++*(int *)user;
}

/* An idle TLS connection, and one with a call on it. */
static struct tern_client *open_two(struct simio **sim, struct tern_engine **engine, int *dones)
{
    static const char *const address = "192.0.2.1";
    static const struct tern_resolve_override override = {.host = "a.test", .addresses = &address, .address_count = 1};
    static const struct tern_client_config config = {
        .dns = {.hosts_path = "", .overrides = &override, .override_count = 1}};
    static const struct tern_request request = {.url = {"https://a.test/", 15}};
    struct tern_client *client;
    struct tern_fault why;

    *sim = simio_new(NULL, engine);
    simio_listen(*sim, "192.0.2.1:443");
    assert_int_equal(
        tern_client_new_with(*engine, &config, &(struct tern_pool_seams){.new_tls = new_mock_tls}, &client, &why),
        TERN_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            tern_call_start(client, &request, &(struct tern_handlers){.on_done = count_done}, dones, NULL, &why),
            TERN_OK);
    simio_run(*sim, 0);
    simio_say(simio_accept(*sim, "192.0.2.1:443"), OK_HI);
    simio_run(*sim, 0);
    assert_int_equal(*dones, 1);
    return client;
}

/* simio fails on any write in a child. Whatever the child does first with what it inherited: not one byte. */
static void test_child_says_no_farewell(void **state)
{
    (void)state;
    for (int first = 0; first < 5; first++) {
        struct simio *sim;
        struct tern_engine *engine;
        int dones = 0;
        struct tern_client *client = open_two(&sim, &engine, &dones);
        struct tern_fault why;

        simio_fork(sim);
        if (first == 0)
            assert_int_equal(tern_engine_step(engine), TERN_EFORK);
        else if (first == 1)
            tern_client_close(client, TERN_CLOSE_DRAIN);
        else if (first == 2)
            tern_client_close(client, TERN_CLOSE_DROP);
        else if (first == 3)
            assert_int_equal(
                tern_client_configure(client, &(struct tern_client_config){.limits = {.idle_max = 1}}, &why), TERN_OK);
        else
            assert_int_equal(tern_engine_shutdown(engine), TERN_OK);
        if (first < 4)
            (void)tern_engine_step(engine);
        assert_int_equal(dones, 2);
        assert_int_equal(tern_engine_free(engine), TERN_OK);
    }
}

static void test_child_frees_without_a_farewell(void **state)
{
    struct simio *sim;
    struct tern_engine *engine;
    int dones = 0;

    (void)state;
    open_two(&sim, &engine, &dones);
    simio_fork(sim);
    assert_int_equal(tern_engine_free(engine), TERN_OK);
    assert_int_equal(dones, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_in_the_same_packet_as_the_answer),
        cmocka_unit_test(test_answer_nobody_asked_for_behind_a_full_read),
        cmocka_unit_test(test_early_answer_outlives_the_peer_while_paused),
        cmocka_unit_test(test_times_next_to_the_largest_number),
        cmocka_unit_test(test_connection_that_nobody_waited_for_expires),
        cmocka_unit_test(test_fresh_connection_takes_the_place_of_an_idle_one),
        cmocka_unit_test(test_limits_of_a_call_hold_on_a_kept_connection),
        cmocka_unit_test(test_upload_leaves_the_loop_to_others),
        cmocka_unit_test(test_stop_does_not_keep_a_blocking_call_awake),
        cmocka_unit_test(test_cancelled_in_every_trace),
        cmocka_unit_test(test_client_closed_in_every_trace),
        cmocka_unit_test(test_cancelled_in_rewind),
        cmocka_unit_test(test_child_says_no_farewell),
        cmocka_unit_test(test_child_frees_without_a_farewell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
