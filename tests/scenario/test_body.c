/* The request's body: from memory, callbacks and descriptors; waiting, failing, lying about its length, sent again. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/scenario.h"

#define URL TERN_STR("http://a.test/")
#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"
#define PUT_HEAD "PUT / HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\n"

static const struct tern_client_config quiet = {.user_agent = ""};

/* A body in pieces: '|' between what one read gives, '~' where it waits once, '!' where it fails. */
struct script {
    const char *text;
    size_t at;
    uint32_t reads, rewinds;
    bool may_rewind;
    struct scenario *s;
    struct seen *call;
    size_t lie; /* instead of what was put in, or 0 */
    bool cancels;
};

static enum tern_read script_read(void *user, void *buffer, size_t capacity, size_t *n)
{
    struct script *script = user;
    const char *from = script->text + script->at;
    size_t len = strcspn(from, "|~!");

    script->reads++;
    if (script->cancels)
        assert_int_equal(tern_call_cancel(script->s->engine, script->call->id), TERN_OK);
    assert_int_equal(tern_engine_step(script->s->engine), TERN_EBUSY);
    if (len > 0) {
        assert_true(len <= capacity);
        memcpy(buffer, from, len);
        *n = script->lie != 0 ? script->lie : len;
        script->at += len;
        script->at += script->text[script->at] == '|';
        return TERN_READ_DATA;
    }
    if (*from == '~') {
        script->at++;
        return TERN_READ_WAIT;
    }
    return *from == '!' ? TERN_READ_FAIL : TERN_READ_END;
}

static bool script_rewind(void *user)
{
    struct script *script = user;

    script->rewinds++;
    script->at = 0;
    return script->may_rewind;
}

static struct tern_request upload_of(struct script *script, uint64_t length)
{
    return (struct tern_request){.url = URL,
                                 .method = TERN_STR("PUT"),
                                 .expect = TERN_EXPECT_NEVER,
                                 .body = {.kind = TERN_BODY_CALLBACK,
                                          .length = length,
                                          .read = script_read,
                                          .rewind = script_rewind,
                                          .user = script}};
}

static struct seen *upload(struct scenario *s, struct script *script, uint64_t length)
{
    struct tern_request request = upload_of(script, length);

    script->s = s;
    script->call = scenario_start_only(s, &request);
    scenario_run(s, 0);
    return script->call;
}

/* ---- callbacks ---- */

static void test_body_that_waits(void **state)
{
    struct script script = {.text = "ab|c~de|~f"};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, &quiet);
    call = upload(&s, &script, TERN_LENGTH_UNKNOWN);
    peer = scenario_accept(&s);
    simio_expect(peer, PUT_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n");
    scenario_run(&s, 1000 * TERN_S); /* the peer does not keep anybody waiting */
    simio_expect(peer, "");
    assert_int_equal(script.reads, 3);
    assert_int_equal(tern_call_body_ready(s.engine, call->id), TERN_OK);
    assert_int_equal(script.reads, 3); /* from a step only */
    scenario_run(&s, 0);
    simio_expect(peer, "2\r\nde\r\n");
    assert_int_equal(tern_call_body_ready(s.engine, call->id), TERN_OK);
    scenario_run(&s, 0);
    simio_expect(peer, "1\r\nf\r\n0\r\n\r\n");
    simio_say(peer, NO_CONTENT);
    scenario_run(&s, 0);
    seen_is(call, "head 204 | done");
    assert_int_equal(call->result.sent_body_bytes, 6);
    assert_int_equal(scenario_stats(&s).connections_idle, 1);
    scenario_close(&s);
}

static void test_body_of_announced_length(void **state)
{
    struct script script = {.text = "ab|cd~|e"};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, &quiet);
    call = upload(&s, &script, 5);
    peer = scenario_accept(&s);
    simio_expect(peer, PUT_HEAD "Content-Length: 5\r\n\r\nabcd");
    script.at++; /* past the bar */
    assert_int_equal(tern_call_body_ready(s.engine, call->id), TERN_OK);
    scenario_run(&s, 0);
    simio_expect(peer, "e");
    simio_say(peer, NO_CONTENT);
    scenario_run(&s, 0);
    seen_is(call, "head 204 | done");
    scenario_close(&s);
}

/* What ends the call in the middle of its body; nothing of it is kept. */
static void goes_wrong(struct script script, uint64_t length, const char *expected, const char *words)
{
    struct scenario s;
    struct seen *call;

    scenario_open(&s, &quiet);
    call = upload(&s, &script, length);
    seen_is(call, expected);
    if (strstr(call->result.fault.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", call->result.fault.text, words);
    assert_int_equal(simio_counts(s.sim).open, 0);
    assert_int_equal(call->result.attempt, 1);
    scenario_close(&s);
}

static void test_bodies_that_go_wrong(void **state)
{
    (void)state;
    goes_wrong((struct script){.text = "!"}, TERN_LENGTH_UNKNOWN, "done EBODY_SOURCE WRITE", "body");
    goes_wrong((struct script){.text = "ab|!"}, TERN_LENGTH_UNKNOWN, "done EBODY_SOURCE WRITE", "body");
    goes_wrong((struct script){.text = "ab"}, 3, "done EBODY_SIZE WRITE",
               "shorter than the 3 bytes announced, after 2");
    goes_wrong((struct script){.text = ""}, 3, "done EBODY_SIZE WRITE", "shorter than the 3 bytes announced, after 0");
    goes_wrong((struct script){.text = "abcd"}, 3, "done EBODY_SIZE WRITE", "longer than the 3 bytes announced");
    goes_wrong((struct script){.text = "abc|d"}, 3, "done EBODY_SIZE WRITE",
               "longer than the 3 bytes announced, after 3");
    goes_wrong((struct script){.text = "ab", .lie = SIZE_MAX}, TERN_LENGTH_UNKNOWN, "done EBODY_SOURCE WRITE",
               "must be 1 to");
    goes_wrong((struct script){.text = "ab", .lie = 65537}, TERN_LENGTH_UNKNOWN, "done EBODY_SOURCE WRITE",
               "gave 65537 bytes");
    goes_wrong((struct script){.text = "ab|cd", .cancels = true}, TERN_LENGTH_UNKNOWN, "done ECANCELLED WRITE", "");
}

/* ---- sent again ---- */

/* A kept connection dies under an upload: again on another, from the start, or not. */
static void dies_under(struct script script, bool has_rewind, const char *expected)
{
    struct scenario s;
    struct simio_peer *peer, *second;
    struct tern_request request = upload_of(&script, TERN_LENGTH_UNKNOWN);

    if (!has_rewind)
        request.body.rewind = NULL;
    scenario_open(&s, &quiet);
    scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    simio_say(peer, NO_CONTENT);
    scenario_run(&s, 0);
    script.s = &s;
    script.call = scenario_start(&s, &request);
    simio_end(peer);
    scenario_run(&s, 0);
    second = simio_accept(s.sim, SCENARIO_ADDRESS);
    assert_int_equal(second != NULL, has_rewind && script.may_rewind);
    if (second != NULL) {
        simio_expect(second, PUT_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n");
        simio_say(second, NO_CONTENT);
        scenario_run(&s, 0);
    }
    seen_is(script.call, expected);
    assert_int_equal(script.rewinds, has_rewind);
    scenario_close(&s);
}

static void test_replayed_body_begins_at_its_start(void **state)
{
    (void)state;
    dies_under((struct script){.text = "ab|cd", .may_rewind = true}, true, "head 204 | done");
    dies_under((struct script){.text = "ab|cd"}, true, "done EPEER_EMPTY WAIT");
    dies_under((struct script){.text = "ab|cd"}, false, "done EPEER_EMPTY WAIT");
}

static void test_replayed_body_from_memory(void **state)
{
    const struct tern_request request = {
        .url = URL, .method = TERN_STR("PUT"), .body = {.kind = TERN_BODY_MEMORY, .data = "body", .length = 4}};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, &quiet);
    scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    simio_say(peer, NO_CONTENT);
    scenario_run(&s, 0);
    call = scenario_start(&s, &request);
    simio_reset(peer);
    scenario_run(&s, 0);
    peer = scenario_accept(&s);
    simio_expect(peer, PUT_HEAD "Content-Length: 4\r\n\r\nbody");
    simio_say(peer, NO_CONTENT);
    scenario_run(&s, 0);
    seen_is(call, "head 204 | done");
    assert_int_equal(call->result.attempt, 2);
    scenario_close(&s);
}

/* ---- a peer that takes little at a time ---- */

static void test_body_through_a_narrow_window(void **state)
{
    static char body[10000];
    const struct tern_request request = {.url = URL,
                                         .method = TERN_STR("PUT"),
                                         .body = {.kind = TERN_BODY_MEMORY, .data = body, .length = sizeof(body)}};
    const char head[] = PUT_HEAD "Content-Length: 10000\r\n\r\n";
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)(i * 7 % 251);
    for (size_t window = 1; window < 10000; window = window * 3 + 1) {
        struct tern_str heard;

        scenario_open(&s, &quiet);
        simio_window_all(s.sim, window);
        call = scenario_start(&s, &request);
        peer = scenario_accept(&s);
        while ((heard = simio_heard(peer)).len < sizeof(head) - 1 + sizeof(body)) {
            simio_window(peer, window);
            scenario_run(&s, TERN_S);
        }
        assert_memory_equal(heard.ptr, head, sizeof(head) - 1);
        assert_memory_equal(heard.ptr + sizeof(head) - 1, body, sizeof(body));
        simio_say(peer, NO_CONTENT);
        scenario_run(&s, 0);
        seen_is(call, "head 204 | done");
        scenario_close(&s);
    }
}

/* ---- descriptors ---- */

static int file_of(const char *text)
{
    FILE *file = tmpfile();
    int fd;

    assert_non_null(file);
    fputs(text, file);
    fflush(file);
    fd = dup(fileno(file));
    fclose(file);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void from_descriptor(int fd, uint64_t length, const char *wire, const char *expected)
{
    const struct tern_request request = {.url = URL,
                                         .method = TERN_STR("PUT"),
                                         .expect = TERN_EXPECT_NEVER,
                                         .body = {.kind = TERN_BODY_FD, .fd = fd, .length = length}};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    scenario_open(&s, &quiet);
    call = scenario_start(&s, &request);
    scenario_run(&s, 0);
    peer = scenario_accept(&s);
    if (wire != NULL) {
        simio_expect(peer, wire);
        simio_say(peer, NO_CONTENT);
        scenario_run(&s, 0);
    }
    seen_is(call, expected);
    assert_int_equal(fcntl(fd, F_GETFD) < 0, false); /* borrowed */
    scenario_close(&s);
    close(fd);
}

static void test_body_from_a_file(void **state)
{
    int fd = file_of("0123456789");

    (void)state;
    lseek(fd, 4, SEEK_SET); /* from where it stands */
    from_descriptor(fd, 6, PUT_HEAD "Content-Length: 6\r\n\r\n456789", "head 204 | done");
    from_descriptor(file_of("0123"), TERN_LENGTH_UNKNOWN,
                    PUT_HEAD "Transfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n0\r\n\r\n", "head 204 | done");
    from_descriptor(file_of(""), TERN_LENGTH_UNKNOWN, PUT_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    "head 204 | done");
    from_descriptor(file_of("0123"), 5, NULL, "done EBODY_SIZE WRITE");
    from_descriptor(file_of("0123"), 3, NULL, "done EBODY_SIZE WRITE");
}

static void test_body_from_a_pipe(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "piped", 5), 5);
    close(ends[1]);
    from_descriptor(ends[0], TERN_LENGTH_UNKNOWN, PUT_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\npiped\r\n0\r\n\r\n",
                    "head 204 | done");
}

static void test_descriptor_that_cannot_be_read(void **state)
{
    (void)state;
    from_descriptor(open("/", O_RDONLY | O_DIRECTORY), TERN_LENGTH_UNKNOWN, NULL, "done EBODY_SOURCE WRITE");
}

/* ---- Expect (RFC 9110 10.1.1) ---- */

/* A PUT that asks for leave; the peer has its head and nothing more. */
static struct seen *ask(struct scenario *s, struct simio_peer **peer)
{
    const struct tern_request request = {.url = URL,
                                         .method = TERN_STR("PUT"),
                                         .expect = TERN_EXPECT_ALWAYS,
                                         .body = {.kind = TERN_BODY_MEMORY, .data = "body", .length = 4}};
    struct seen *call;

    scenario_open(s, &quiet);
    call = scenario_start(s, &request);
    *peer = scenario_accept(s);
    simio_expect(*peer, PUT_HEAD "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    return call;
}

/* An answer instead of leave: the body stays here, and the connection, on which it was announced, is not used again. */
static void test_answer_instead_of_leave(void **state)
{
    static const char *const statuses[] = {"417 Expectation Failed", "401 Unauthorized", "200 OK"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct scenario s;
        struct simio_peer *peer;
        struct seen *call = ask(&s, &peer);
        char wire[100], expected[100];

        snprintf(wire, sizeof(wire), "HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nno", statuses[i]);
        snprintf(expected, sizeof(expected), "head %.3s | body no | done", statuses[i]);
        simio_say(peer, wire);
        scenario_run(&s, 10 * TERN_S);
        seen_is(call, expected);
        simio_expect(peer, "");
        assert_true(simio_is_closed(peer));
        assert_int_equal(call->result.sent_body_bytes, 0);
        scenario_close(&s);
    }
}

static void test_other_informational_answers_give_no_leave(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call = ask(&s, &peer);

    (void)state;
    simio_say(peer, "HTTP/1.1 103 Early Hints\r\n\r\n");
    scenario_run(&s, TERN_S - 1);
    simio_expect(peer, "");
    simio_say(peer, "HTTP/1.1 100 Continue\r\n\r\n");
    scenario_run(&s, 0);
    simio_expect(peer, "body");
    simio_say(peer, NO_CONTENT);
    scenario_run(&s, 0);
    seen_is(call, "informational 103 | informational 100 | head 204 | done");
    assert_false(simio_is_closed(peer));
    scenario_close(&s);
}

/* By itself for what is large or of unknown length, and never for nothing. */
static void asks(const struct tern_body *body, enum tern_expect expect, bool expected)
{
    struct scenario s;
    struct simio_peer *peer;

    scenario_open(&s, &quiet);
    scenario_start(&s, &(struct tern_request){.url = URL, .method = TERN_STR("PUT"), .expect = expect, .body = *body});
    peer = scenario_accept(&s);
    assert_int_equal(scenario_heard(peer, "Expect: 100-continue\r\n"), expected);
    scenario_close(&s);
}

static void test_when_leave_is_asked_for(void **state)
{
    static char large[1024 * 1024 + 1];
    const struct tern_body of_1_mib = {.kind = TERN_BODY_MEMORY, .data = large, .length = sizeof(large) - 1},
                           larger = {.kind = TERN_BODY_MEMORY, .data = large, .length = sizeof(large)},
                           empty = {.kind = TERN_BODY_MEMORY}, none = {.kind = TERN_BODY_NONE};
    int fd = file_of("x");
    const struct tern_body unknown = {.kind = TERN_BODY_FD, .fd = fd, .length = TERN_LENGTH_UNKNOWN};

    (void)state;
    asks(&of_1_mib, TERN_EXPECT_AUTO, false);
    asks(&larger, TERN_EXPECT_AUTO, true);
    asks(&larger, TERN_EXPECT_NEVER, false);
    asks(&unknown, TERN_EXPECT_AUTO, true);
    asks(&empty, TERN_EXPECT_ALWAYS, false);
    asks(&none, TERN_EXPECT_ALWAYS, false);
    close(fd);
}

/* A field that asks for leave is as good as the flag. */
static void test_leave_asked_for_by_a_field(void **state)
{
    const struct tern_field expects = {TERN_STR("Expect"), TERN_STR("100-continue"), 0};
    const struct tern_request request = {.url = URL,
                                         .method = TERN_STR("PUT"),
                                         .fields = &expects,
                                         .field_count = 1,
                                         .body = {.kind = TERN_BODY_MEMORY, .data = "abc", .length = 3}};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, &quiet);
    call = scenario_start(&s, &request);
    peer = scenario_accept(&s);
    simio_expect(peer, PUT_HEAD "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    simio_say(peer, "HTTP/1.1 100 Continue\r\n\r\n");
    scenario_run(&s, 0);
    simio_expect(peer, "abc");
    simio_say(peer, NO_CONTENT);
    scenario_run(&s, 0);
    seen_is(call, "informational 100 | head 204 | done");
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body_that_waits),
        cmocka_unit_test(test_body_of_announced_length),
        cmocka_unit_test(test_bodies_that_go_wrong),
        cmocka_unit_test(test_replayed_body_begins_at_its_start),
        cmocka_unit_test(test_replayed_body_from_memory),
        cmocka_unit_test(test_body_through_a_narrow_window),
        cmocka_unit_test(test_body_from_a_file),
        cmocka_unit_test(test_body_from_a_pipe),
        cmocka_unit_test(test_descriptor_that_cannot_be_read),
        cmocka_unit_test(test_answer_instead_of_leave),
        cmocka_unit_test(test_other_informational_answers_give_no_leave),
        cmocka_unit_test(test_when_leave_is_asked_for),
        cmocka_unit_test(test_leave_asked_for_by_a_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
