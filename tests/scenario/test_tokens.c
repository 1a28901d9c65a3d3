/* Tokens (tern_auth.ask_token) through the whole client: one question for all, once again after a 401, and what may
 * come between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "tests/support/scenario.h"

#define URL "http://a.test/"

static void open_with(struct scenario *s, const struct tern_auth *auth)
{
    const struct tern_policy policy = {.auth = auth};

    scenario_open(s, &(struct tern_client_config){.policy = &policy, .user_agent = ""});
}

/* What the peer answers now; fields end in CRLF each. */
static void answer(struct scenario *s, struct simio_peer *peer, int status, const char *fields)
{
    char text[8192];

    snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\n%sContent-Length: 2\r\n\r\nhi", status, fields);
    simio_say(peer, text);
    scenario_run(s, 0);
}

/* The Authorization of the one request that the peer has heard since the last time; "" where it has none. */
static const char *authorization(struct simio_peer *peer)
{
    static char line[1024];
    static const char name[] = "\r\nAuthorization: ";
    struct tern_str heard = simio_heard(peer);
    const char *at, *end;

    assert_true(heard.len > 4);
    at = memmem(heard.ptr, heard.len, name, sizeof(name) - 1);
    line[0] = '\0';
    if (at != NULL) {
        at += sizeof(name) - 1;
        end = memmem(at, (size_t)(heard.ptr + heard.len - at), "\r\n", 2);
        snprintf(line, sizeof(line), "%.*s", (int)(end - at), at);
        assert_null(memmem(end, (size_t)(heard.ptr + heard.len - end), name, sizeof(name) - 1));
    }
    simio_forget(peer);
    return line;
}

static void stands(struct seen *call, const char *seen, const char *reason)
{
    seen_is(call, seen);
    assert_non_null(call->result.auth_reason);
    assert_string_equal(call->result.auth_reason, reason);
}

struct asker {
    uint64_t questions[16];
    bool refused[16];
    size_t count;
    const char *at_once; /* the answer from inside; NULL: later */
    struct seen *cancels;
};

static struct asker asker;

static void ask(void *user, struct tern_client *client, uint64_t question, bool was_refused)
{
    struct asker *to = user;

    assert_true(to->count < 16);
    to->questions[to->count] = question;
    to->refused[to->count++] = was_refused;
    if (to->cancels != NULL)
        tern_call_cancel(tern_client_engine(client), to->cancels->id);
    if (to->at_once != NULL)
        assert_int_equal(tern_client_token(client, question, tern_str(to->at_once), 0), TERN_OK);
}

static void open_with_tokens(struct scenario *s)
{
    const struct tern_auth auth = {.ask_token = ask, .token_user = &asker, .plaintext = true};

    asker = (struct asker){0};
    open_with(s, &auth);
}

static void give(struct scenario *s, size_t n, const char *token, uint64_t valid_ns)
{
    assert_int_equal(asker.count, n);
    assert_int_equal(tern_client_token(s->client, asker.questions[n - 1], tern_str(token), valid_ns), TERN_OK);
    assert_int_equal(tern_client_token(s->client, asker.questions[n - 1], tern_str(token), valid_ns), TERN_EGONE);
    scenario_run(s, 0);
}

static void test_one_question_for_all_that_wait(void **state)
{
    struct simio_peer *peers[3];
    struct seen *calls[3];
    struct scenario s;

    (void)state;
    open_with_tokens(&s);
    for (size_t i = 0; i < 3; i++)
        calls[i] = scenario_get(&s, URL);
    scenario_run(&s, TERN_S);
    assert_int_equal(asker.count, 1);
    assert_false(asker.refused[0]);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 0);
    assert_int_equal(tern_client_token(s.client, asker.questions[0] + 1, TERN_STR("t"), 0), TERN_EGONE);
    assert_int_equal(tern_client_token(s.client, 0, TERN_STR("t"), 0), TERN_EGONE);
    assert_int_equal(tern_client_token(s.client, asker.questions[0], TERN_STR("t\r\n"), 0), TERN_EINVAL);
    give(&s, 1, "t1", 0);
    for (size_t i = 0; i < 3; i++) {
        peers[i] = scenario_accept(&s);
        assert_string_equal(authorization(peers[i]), "Bearer t1");
    }
    /* All are refused, one after the other: one question again, and each goes again once. */
    for (size_t i = 0; i < 2; i++)
        answer(&s, peers[i], 401, "");
    assert_int_equal(asker.count, 2);
    assert_true(asker.refused[1]);
    give(&s, 2, "t2", 0);
    answer(&s, peers[2], 401, "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n");
    assert_int_equal(asker.count, 2);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(authorization(peers[i]), "Bearer t2");
    /* The connection that became idle last was taken first. */
    answer(&s, peers[0], 200, "");
    seen_is(calls[1], "head 200 | body hi | done");
    answer(&s, peers[1], 401, "");
    stands(calls[0], "head 401 | body hi | done", "the server refuses the token");
    answer(&s, peers[2], 200, "");
    seen_is(calls[2], "head 200 | body hi | done");
    scenario_close(&s);
}

static void test_a_token_expires(void **state)
{
    struct scenario s;
    struct simio_peer *peer;

    (void)state;
    open_with_tokens(&s);
    (void)scenario_get(&s, URL);
    give(&s, 1, "t1", 5 * TERN_S);
    peer = scenario_accept(&s);
    simio_forget(peer);
    answer(&s, peer, 200, "");
    scenario_run(&s, 4 * TERN_S);
    (void)scenario_get(&s, URL);
    assert_string_equal(authorization(peer), "Bearer t1");
    answer(&s, peer, 200, "");
    scenario_run(&s, 2 * TERN_S);
    (void)scenario_get(&s, URL);
    give(&s, 2, "t2", 0);
    assert_false(asker.refused[1]);
    assert_string_equal(authorization(peer), "Bearer t2");
    answer(&s, peer, 200, "");
    /* A new configuration with the same function keeps it. */
    assert_int_equal(
        tern_client_configure(s.client,
                              &(struct tern_client_config){
                                  .policy = &(struct tern_policy){.auth = &(struct tern_auth){.ask_token = ask,
                                                                                              .token_user = &asker,
                                                                                              .plaintext = true}}},
                              NULL),
        TERN_OK);
    (void)scenario_get(&s, URL);
    assert_int_equal(asker.count, 2);
    scenario_close(&s);
}

static void test_a_token_that_cannot_be_had(void **state)
{
    struct scenario s;
    struct seen *first, *second, *cancelled;

    (void)state;
    open_with_tokens(&s);
    first = scenario_get(&s, URL);
    second = scenario_get(&s, URL);
    cancelled = scenario_get(&s, URL);
    tern_call_cancel(s.engine, cancelled->id);
    assert_int_equal(tern_client_token_failed(s.client, asker.questions[0], "out of\ncoffee"), TERN_OK);
    assert_int_equal(tern_client_token_failed(s.client, asker.questions[0], "again"), TERN_EGONE);
    scenario_run(&s, 0);
    seen_is(first, "done ETOKEN START");
    assert_string_equal(first->result.fault.text, "no token could be had: out of\\x0acoffee");
    seen_is(second, "done ETOKEN START");
    seen_is(cancelled, "done ECANCELLED START");
    first = scenario_get(&s, URL); /* asks again; nobody answers */
    assert_int_equal(asker.count, 2);
    scenario_run(&s, 29 * TERN_S);
    seen_is(first, "");
    scenario_run(&s, 2 * TERN_S);
    seen_is(first, "done ETOKEN START");
    (void)scenario_get(&s, URL); /* the question is still open */
    give(&s, 2, "late", 0);
    assert_string_equal(authorization(scenario_accept(&s)), "Bearer late");
    scenario_close(&s);
}

static void test_deadline_while_waiting(void **state)
{
    const struct tern_timeouts timeouts = {.total_ns = 3 * TERN_S};
    const struct tern_request request = {.url = TERN_STR(URL), .timeouts = &timeouts};
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with_tokens(&s);
    call = scenario_start(&s, &request);
    scenario_run(&s, 4 * TERN_S);
    seen_is(call, "done EDEADLINE START");
    scenario_close(&s);
}

static void test_answers_and_cancels_from_inside(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with_tokens(&s);
    asker.at_once = "t1";
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    assert_string_equal(authorization(peer), "Bearer t1");
    scenario_run(&s, 40 * TERN_S); /* longer than a call waits for a token: this one does not any more */
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);

    open_with_tokens(&s);
    call = scenario_start_only(&s, &(struct tern_request){.url = TERN_STR(URL)});
    asker.cancels = call;
    asker.at_once = "t1";
    scenario_run(&s, TERN_S);
    seen_is(call, "done ECANCELLED START");
    assert_int_equal(asker.count, 1);
    scenario_close(&s);
}

static void test_tokens_stay_with_tls(void **state)
{
    const struct tern_auth auth = {.ask_token = ask, .token_user = &asker};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    asker = (struct asker){0};
    open_with(&s, &auth);
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    assert_string_equal(authorization(peer), "");
    answer(&s, peer, 401, "");
    stands(call, "head 401 | body hi | done", "a token is not sent over http (tern_auth.plaintext)");
    assert_int_equal(asker.count, 0);
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_question_for_all_that_wait),  cmocka_unit_test(test_a_token_expires),
        cmocka_unit_test(test_a_token_that_cannot_be_had),      cmocka_unit_test(test_deadline_while_waiting),
        cmocka_unit_test(test_answers_and_cancels_from_inside), cmocka_unit_test(test_tokens_stay_with_tls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
