/* Whole answers, split and cut at each of their bytes: how bytes arrive changes nothing, where they stop decides
 * everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/scenario.h"

struct answer {
    const char *method;
    const char *wire;
    const char *seen; /* when it came whole */
    bool is_kept;     /* its connection carries another call */
    bool needs_end;   /* the FIN is part of it */
};

static const struct answer answers[] = {
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "head 200 | body hello | done", true, false},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "head 200 | done", true, false},
    {"GET", "HTTP/1.1 200 \r\nA: b\r\n \tc\r\nContent-Length:\t1 \r\nEmpty:\r\n\r\nx", "head 200 | body x | done", true,
     false},
    {"GET",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"
     "3;ext=\"a b\"\r\nabc\r\n0A\r\n0123456789\r\n000\r\nX: a\r\n  b\r\nY: z\r\n\r\n",
     "head 200 | body abc0123456789 | trailer X=a b | trailer Y=z | done", true, false},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "head 200 | done", true, false},
    {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "head 200 | done", true, false},
    {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "head 200 | done", true, false},
    {"GET", "HTTP/1.1 204 No Content\r\n\r\n", "head 204 | done", true, false},
    {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: \"x\"\r\n\r\n", "head 304 | done", true, false},
    {"GET",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
     "2\r\n\r\nhi",
     "informational 100 | informational 103 | head 200 | body hi | done", true, false},
    {"GET", "HTTP/1.1 404 Not Found\r\nKeep-Alive: timeout=5, max=9\r\nContent-Length: 2\r\n\r\nno",
     "head 404 | body no | done", true, false},
    {"GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", "head 200 | body hi | done",
     true, false},
    {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "head 200 | body hi | done", false, false},
    {"GET", "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nhi", "head 200 | body hi | done",
     false, false},
    {"GET", "HTTP/1.1 200 OK\r\nA: b\r\n\r\nuntil the end", "head 200 | body until the end | done", false, true},
    {"GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nuntil", "head 200 | body until | done", false, true},
};

/* What breaks the protocol, and bytes behind an answer: told apart alike, however they come. */
static const struct answer broken[] = {
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi", "done EPROTO_FRAMING WAIT", false,
     false},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "done EPROTO_FRAMING WAIT", false, false},
    {"GET", "HTTP/1.1 200 OK\r\nA: b\nContent-Length: 0\r\n\r\n", "done EPROTO WAIT", false, false},
    {"GET", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "done EPROTO WAIT", false, false},
    {"GET", "SSH-2.0-OpenSSH_9.2\r\n", "done EPROTO_VERSION WAIT", false, false},
    {"GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "done EPROTO WAIT", false, false},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nz\r\n",
     "head 200 | body hi | done EPROTO READ", false, false},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n", "head 200 | body hi | done", false,
     false},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct seen *ask(struct scenario *s, const struct answer *answer, bool is_warm, struct simio_peer **peer)
{
    struct seen *call;

    if (is_warm) {
        call = scenario_get(s, "http://a.test/");
        *peer = scenario_accept(s);
        simio_say(*peer, "HTTP/1.1 204 No Content\r\n\r\n");
        scenario_run(s, 0);
        seen_is(call, "head 204 | done");
    }
    call = scenario_start(
        s, &(struct tern_request){.url = TERN_STR("http://a.test/"), .method = tern_str(answer->method)});
    if (!is_warm)
        *peer = scenario_accept(s);
    assert_int_equal(call->result.reused, false); /* nothing is filled in before the end */
    return call;
}

static void came_whole(struct scenario *s, const struct answer *answer, struct seen *call, struct simio_peer *peer)
{
    if (answer->needs_end)
        simio_end(peer);
    scenario_run(s, 0);
    seen_is(call, answer->seen);
    assert_int_equal(simio_is_closed(peer), !answer->is_kept);
    assert_int_equal(scenario_stats(s).connections_idle, answer->is_kept);
    assert_int_equal(scenario_stats(s).connections_active, 0);
    if (answer->is_kept) {
        call = scenario_get(s, "http://a.test/");
        simio_say(peer, "HTTP/1.1 204 No Content\r\n\r\n");
        scenario_run(s, 0);
        seen_is(call, "head 204 | done");
        assert_true(call->result.reused);
    }
    scenario_close(s);
}

static void split_all(const struct answer *set, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; at < strlen(set[i].wire); at++) {
            struct scenario s;
            struct simio_peer *peer;
            struct seen *call;

            scenario_open(&s, NULL);
            call = ask(&s, &set[i], false, &peer);
            simio_say_split(peer, set[i].wire, at); /* 0: in one piece */
            came_whole(&s, &set[i], call, peer);
        }
}

static void dribble_all(const struct answer *set, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t most = 1; most < 4; most++) {
            struct scenario s;
            struct simio_peer *peer;
            struct seen *call;

            scenario_open(&s, NULL);
            call = ask(&s, &set[i], false, &peer);
            simio_recv_max(peer, most);
            simio_say(peer, set[i].wire);
            came_whole(&s, &set[i], call, peer);
        }
}

static void test_split_at_every_byte(void **state)
{
    (void)state;
    split_all(answers, COUNT(answers));
}

static void test_a_few_bytes_at_a_time(void **state)
{
    (void)state;
    dribble_all(answers, COUNT(answers));
}

static void test_broken_answers_are_told_alike(void **state)
{
    (void)state;
    split_all(broken, COUNT(broken));
    dribble_all(broken, COUNT(broken));
}

/* ---- cut ---- */

/* Where the final head ends. */
static size_t head_end(const char *wire)
{
    const char *end = strstr(wire, "\r\n\r\n") + 4;

    while (strncmp(end, "HTTP/", 5) == 0)
        end = strstr(end, "\r\n\r\n") + 4;
    return (size_t)(end - wire);
}

/* What was seen before the end is what a whole answer shows first, and no event is missing or made up. */
static void began_like(const struct seen *call, const struct answer *answer, const char *end)
{
    size_t len = call->len >= strlen(end) ? call->len - strlen(end) : 0;

    assert_string_equal(call->text + len, end);
    if (len > 0) {
        assert_memory_equal(call->text + len - 3, " | ", 3);
        assert_memory_equal(call->text, answer->seen, len - 3);
    }
}

static void cut(const struct answer *answer, size_t at, bool is_reset, bool is_warm)
{
    bool in_body = at >= head_end(answer->wire);
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;
    char end[64];

    scenario_open(&s, NULL);
    call = ask(&s, answer, is_warm, &peer);
    simio_say_bytes(peer, answer->wire, at);
    if (is_reset)
        simio_reset(peer);
    else
        simio_end(peer);
    scenario_run(&s, 0);
    if (is_warm && at == 0) { /* it was closed while idle: the call goes again, once */
        struct simio_peer *second = scenario_accept(&s);

        assert_int_equal(call->dones, 0);
        simio_say(second, answer->wire);
        if (answer->needs_end)
            simio_end(second);
        scenario_run(&s, 0);
        seen_is(call, answer->seen);
        assert_int_equal(call->result.attempt, 2);
    } else if (answer->needs_end && in_body && !is_reset) {
        assert_int_equal(call->result.fault.error, TERN_OK);
        assert_int_equal(call->result.received_body_bytes, at - head_end(answer->wire));
    } else {
        snprintf(end, sizeof(end), "done EPEER_%s %s",
                 is_reset  ? "RESET"
                 : at == 0 ? "EMPTY"
                           : "TRUNCATED",
                 in_body ? "READ" : "WAIT");
        began_like(call, answer, end);
        assert_int_equal(call->result.replay, at == 0 ? TERN_REPLAY_MAYBE : TERN_REPLAY_ANSWERED);
        assert_int_equal(call->result.attempt, 1);
        assert_int_equal(scenario_stats(&s).connections_idle, 0);
    }
    assert_int_equal(call->dones, 1);
    assert_true(simio_is_closed(peer));
    assert_int_equal(scenario_stats(&s).connections_active, 0);
    scenario_close(&s);
}

static void cut_all(bool is_reset, bool is_warm)
{
    for (size_t i = 0; i < COUNT(answers); i++)
        for (size_t at = 0; at < strlen(answers[i].wire); at++)
            cut(&answers[i], at, is_reset, is_warm);
}

static void test_closed_at_every_byte(void **state)
{
    (void)state;
    cut_all(false, false);
    cut_all(false, true);
}

static void test_reset_at_every_byte(void **state)
{
    (void)state;
    cut_all(true, false);
    cut_all(true, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_at_every_byte),           cmocka_unit_test(test_a_few_bytes_at_a_time),
        cmocka_unit_test(test_broken_answers_are_told_alike), cmocka_unit_test(test_closed_at_every_byte),
        cmocka_unit_test(test_reset_at_every_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
