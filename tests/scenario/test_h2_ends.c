/* How HTTP/2 exchanges end other than well: GOAWAY at every point, RST_STREAM with every code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/h2_script.h"

#define UPLOAD_BYTES 100000 /* more than a window before the first WINDOW_UPDATE (RFC 9113 6.9.2) */
#define WINDOW_BYTES 65535

static char upload[UPLOAD_BYTES];

static struct tern_request post(void)
{
    return (struct tern_request){
        .url = TERN_STR("http://a.test/"),
        .method = TERN_STR("POST"),
        .body = {.kind = TERN_BODY_MEMORY, .data = upload, .length = UPLOAD_BYTES},
    };
}

static void open_windows(struct h2_script *peer, int32_t id)
{
    h2_put_u32(&peer->out, NGHTTP2_WINDOW_UPDATE, 0, UPLOAD_BYTES);
    h2_put_u32(&peer->out, NGHTTP2_WINDOW_UPDATE, id, UPLOAD_BYTES);
    h2_script_say(peer);
}

/* What was not heard of the client is as it should be, and the connection is of use. */
static void is_in_order(struct scenario *s, struct h2_script *peer, int32_t next_id)
{
    struct seen *call = scenario_get(s, "http://a.test/");

    h2_script_answer(peer, next_id, "hi");
    seen_is(call, "head 200 | body hi | done");
    assert_int_equal(scenario_stats(s).connections_idle, 1);
    assert_int_equal(simio_connects(s->sim, SCENARIO_ADDRESS), 1);
}

/* ---- RST_STREAM ---- */

enum point { BEFORE_HEAD, AFTER_HEAD, MID_BODY, POINTS };

static void reset(uint32_t code, enum point point)
{
    bool goes_again = code == NGHTTP2_REFUSED_STREAM && point == BEFORE_HEAD;
    struct h2_script peer;
    struct scenario s;
    struct seen *call, *other;

    scenario_open(&s, &h2_only);
    call = scenario_get(&s, "http://a.test/");
    other = scenario_get(&s, "http://a.test/");
    h2_script_open(&peer, &s);
    if (point > BEFORE_HEAD)
        h2_put_head(&peer.out, 1, 0, ":status: 200");
    if (point > AFTER_HEAD)
        h2_put_data(&peer.out, 1, 0, "part");
    h2_put_u32(&peer.out, NGHTTP2_RST_STREAM, 1, code);
    h2_script_say(&peer);
    if (goes_again)
        h2_script_answer(&peer, 5, "hi");
    seen_is(call, goes_again                                        ? "head 200 | body hi | done"
                  : code == NGHTTP2_HTTP_1_1_REQUIRED && point == 0 ? "done EPROTO_VERSION WAIT"
                  : point == BEFORE_HEAD                            ? "done EPEER_RESET WAIT"
                  : code == NGHTTP2_HTTP_1_1_REQUIRED && point == 1 ? "head 200 | done EPROTO_VERSION READ"
                  : point == AFTER_HEAD                             ? "head 200 | done EPEER_RESET READ"
                  : code == NGHTTP2_HTTP_1_1_REQUIRED               ? "head 200 | body part | done EPROTO_VERSION READ"
                                                                    : "head 200 | body part | done EPEER_RESET READ");
    assert_int_equal(call->result.replay, goes_again || point != 0 ? TERN_REPLAY_ANSWERED : TERN_REPLAY_MAYBE);
    assert_int_equal(call->result.attempt, goes_again ? 2 : 1);
    h2_script_answer(&peer, 3, "other");
    seen_is(other, "head 200 | body other | done");
    is_in_order(&s, &peer, goes_again ? 7 : 5);
    h2_script_close(&peer);
    scenario_close(&s);
}

static void test_reset_with_each_code(void **state)
{
    (void)state;
    for (uint32_t code = NGHTTP2_NO_ERROR; code <= NGHTTP2_HTTP_1_1_REQUIRED + 1; code++)
        for (enum point point = BEFORE_HEAD; point < POINTS; point++)
            reset(code <= NGHTTP2_HTTP_1_1_REQUIRED ? code : 0xffffffff, point);
}

/* RFC 9113 8.1: a server that has answered and wants no more of the upload says so; the answer is whole. */
static void test_no_error_behind_a_whole_answer(void **state)
{
    (void)state;
    for (int at_once = 0; at_once < 2; at_once++) {
        struct tern_request request = post();
        struct h2_script peer;
        struct scenario s;
        struct seen *call;

        scenario_open(&s, &h2_only);
        call = scenario_start(&s, &request);
        h2_script_open(&peer, &s);
        h2_script_heard(&peer);
        h2_put_head(&peer.out, 1, 0, ":status: 413");
        h2_put_data(&peer.out, 1, H2_END_STREAM, "too much");
        if (!at_once)
            h2_script_say(&peer);
        h2_put_u32(&peer.out, NGHTTP2_RST_STREAM, 1, NGHTTP2_NO_ERROR);
        open_windows(&peer, 1);
        seen_is(call, "head 413 | body too much | done");
        assert_int_equal(call->result.sent_body_bytes, WINDOW_BYTES);
        h2_script_hears_no(&peer, "DATA");
        is_in_order(&s, &peer, 3);
        h2_script_close(&peer);
        scenario_close(&s);
    }
}

/* But in the middle of the answer it is cut off. */
static void test_no_error_in_the_middle_of_an_answer(void **state)
{
    struct tern_request request = post();
    struct h2_script peer;
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &h2_only);
    call = scenario_start(&s, &request);
    h2_script_open(&peer, &s);
    h2_put_head(&peer.out, 1, 0, ":status: 200");
    h2_put_u32(&peer.out, NGHTTP2_RST_STREAM, 1, NGHTTP2_NO_ERROR);
    h2_script_say(&peer);
    seen_is(call, "head 200 | done EPEER_RESET READ");
    is_in_order(&s, &peer, 3);
    h2_script_close(&peer);
    scenario_close(&s);
}

/* ---- GOAWAY ---- */

enum goaway_at { UNWRITTEN, WRITTEN, MID_UPLOAD, AFTER_ANSWER_HEAD, MID_ANSWER, GOAWAY_POINTS };

/* One call of POST, and a GOAWAY that covers it or does not. */
static void goaway(enum goaway_at at, bool covers, uint32_t code)
{
    struct tern_request request = post();
    struct h2_script first, second;
    struct scenario s;
    struct seen *call;
    bool again = !covers;

    if (at != MID_UPLOAD)
        request.body.length = 10;
    scenario_open(&s, &h2_only);
    if (at == UNWRITTEN)
        simio_window_all(s.sim, 0);
    call = scenario_start(&s, &request);
    simio_window_all(s.sim, SIZE_MAX);
    h2_script_open(&first, &s);
    if (at >= AFTER_ANSWER_HEAD)
        h2_put_head(&first.out, 1, 0, ":status: 200");
    if (at == MID_ANSWER)
        h2_put_data(&first.out, 1, 0, "some");
    h2_put_goaway(&first.out, covers ? 1 : 0, code, "bye");
    h2_script_say(&first);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), again ? 2 : 1);
    simio_window(first.peer, SIZE_MAX);
    scenario_run(&s, 0);
    if (again) {
        h2_script_open(&second, &s);
        if (at == MID_UPLOAD)
            open_windows(&second, 1);
        h2_script_hears(&second, "HEADERS 1 | :method: POST");
        h2_script_answer(&second, 1, "again");
        seen_is(call, "head 200 | body again | done");
        assert_int_equal(call->result.attempt, 2);
        h2_script_close(&second);
    } else {
        if (at == MID_UPLOAD) {
            h2_script_heard(&first);
            open_windows(&first, 1);
            h2_script_hears(&first, "END\n"); /* the upload goes on to its end */
        }
        if (at < AFTER_ANSWER_HEAD)
            h2_put_head(&first.out, 1, 0, ":status: 200");
        h2_put_data(&first.out, 1, H2_END_STREAM, "more");
        h2_script_say(&first);
        seen_is(call, at == MID_ANSWER ? "head 200 | body somemore | done" : "head 200 | body more | done");
        assert_int_equal(call->result.attempt, 1);
    }
    assert_true(simio_is_closed(first.peer));
    h2_script_close(&first);
    scenario_close(&s);
}

static void test_goaway_at_every_point(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * GOAWAY_POINTS; i++)
        for (uint32_t code = NGHTTP2_NO_ERROR; code <= NGHTTP2_HTTP_1_1_REQUIRED + 1; code++)
            if (i / 2 < AFTER_ANSWER_HEAD || i % 2 == 1) /* an answer is no part of what was not processed */
                goaway((enum goaway_at)(i / 2), i % 2 == 1, code);
}

/* RFC 9113 6.8: first the warning, then the number. Between the two nothing new goes there. */
static void test_graceful_goaway(void **state)
{
    struct tern_request request = post();
    struct h2_script first, second;
    struct scenario s;
    struct seen *covered, *above, *new;

    (void)state;
    request.body.length = 10;
    scenario_open(&s, &h2_only);
    covered = scenario_start(&s, &request);
    h2_script_open(&first, &s);
    above = scenario_start(&s, &request);
    h2_put_goaway(&first.out, INT32_MAX, NGHTTP2_NO_ERROR, "");
    h2_script_say(&first);
    new = scenario_get(&s, "http://a.test/");
    h2_script_open(&second, &s);
    h2_script_answer(&second, 1, "new");
    seen_is(new, "head 200 | body new | done");
    seen_is(above, "");
    h2_put_goaway(&first.out, 1, NGHTTP2_NO_ERROR, "");
    h2_script_say(&first);
    h2_script_answer(&second, 3, "again");
    seen_is(above, "head 200 | body again | done");
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 2);
    assert_false(simio_is_closed(first.peer));
    h2_script_answer(&first, 1, "hi");
    seen_is(covered, "head 200 | body hi | done");
    assert_true(simio_is_closed(first.peer));
    h2_script_close(&first);
    h2_script_close(&second);
    scenario_close(&s);
}

/* A last stream that grows again would let a request be done twice (RFC 9113 6.8). */
static void test_goaway_that_takes_back(void **state)
{
    struct tern_request request = post();
    struct h2_script first, second;
    struct scenario s;
    struct seen *kept, *refused;

    (void)state;
    request.body.length = 10;
    scenario_open(&s, &h2_only);
    kept = scenario_start(&s, &request);
    h2_script_open(&first, &s);
    refused = scenario_start(&s, &request);
    h2_put_goaway(&first.out, 1, NGHTTP2_NO_ERROR, "");
    h2_put_goaway(&first.out, 3, NGHTTP2_NO_ERROR, "");
    h2_script_say(&first);
    h2_script_open(&second, &s);
    seen_is(kept, "done EPROTO WAIT");
    assert_int_equal(kept->result.replay, TERN_REPLAY_MAYBE);
    h2_script_answer(&second, 1, "again");
    seen_is(refused, "head 200 | body again | done");
    h2_script_close(&first);
    h2_script_close(&second);
    scenario_close(&s);
}

/* The answer to a stream that was refused, and has gone elsewhere: nobody's. */
static void test_answer_above_a_goaway(void **state)
{
    struct tern_request request = post();
    struct h2_script first, second;
    struct scenario s;
    struct seen *kept, *refused;

    (void)state;
    request.body.length = 10;
    scenario_open(&s, &h2_only);
    kept = scenario_start(&s, &request);
    h2_script_open(&first, &s);
    refused = scenario_start(&s, &request);
    h2_put_goaway(&first.out, 1, NGHTTP2_NO_ERROR, "");
    h2_script_answer(&first, 3, "too late");
    h2_script_open(&second, &s);
    h2_script_answer(&second, 1, "again");
    seen_is(refused, "head 200 | body again | done");
    h2_script_answer(&first, 1, "hi");
    seen_is(kept, "head 200 | body hi | done");
    h2_script_close(&first);
    h2_script_close(&second);
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset_with_each_code),
        cmocka_unit_test(test_no_error_behind_a_whole_answer),
        cmocka_unit_test(test_no_error_in_the_middle_of_an_answer),
        cmocka_unit_test(test_goaway_at_every_point),
        cmocka_unit_test(test_graceful_goaway),
        cmocka_unit_test(test_goaway_that_takes_back),
        cmocka_unit_test(test_answer_above_a_goaway),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
