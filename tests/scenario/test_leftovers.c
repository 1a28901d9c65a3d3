/* Promise: a started request is immutable, and nothing of one call shows in the next. Whatever a call asked for and
 * however it ended, the next one on its client says what it would say on a client of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/str.h"
#include "tern/jar.h"
#include "tests/support/scenario.h"

#define B_ADDRESS "192.0.2.2:80"

/* What the servers have heard since the client was made, requests one after the other. */
static char said[16384];
static size_t said_len;

static bool has(struct tern_str text, const char *what)
{
    return memmem(text.ptr, text.len, what, strlen(what)) != NULL;
}

/* The whole of a request: its head, and a body that ends as these do. */
static bool is_whole(struct tern_str heard)
{
    if (!has(heard, "\r\n\r\n"))
        return false;
    if (has(heard, "Transfer-Encoding: chunked"))
        return has(heard, "\r\n0\r\n") && has(tern_str_from(heard, heard.len - 4), "\r\n\r\n");
    return !has(heard, "Content-Length: 4\r\n") || has(tern_str_from(heard, heard.len - 4), "body");
}

static void answer(struct simio_peer *peer, struct tern_str heard)
{
    if (has(heard, " /401") && !has(heard, "Authorization: Digest"))
        simio_say(peer, "HTTP/1.1 401 X\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n"
                        "Content-Length: 0\r\n\r\n");
    else if (has(heard, " /302"))
        simio_say(peer, "HTTP/1.1 302 X\r\nLocation: http://b.test/from-a\r\nContent-Length: 0\r\n\r\n");
    else if (has(heard, " /503"))
        simio_say(peer, "HTTP/1.1 503 X\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n");
    else if (has(heard, " /slow"))
        simio_say_after(peer, 2 * TERN_S, "HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nok");
    else if (has(heard, " /cut"))
        simio_say_and_end(peer, "HTTP/1.1 200 X\r\nContent-Length: 9\r\nETag: \"v\"\r\n\r\nhalf");
    else
        simio_say(peer, "HTTP/1.1 200 X\r\nSet-Cookie: a=1\r\nContent-Length: 2\r\n\r\nok");
}

static void on_heard(struct simio_peer *peer, void *user)
{
    struct tern_str heard = simio_heard(peer);

    (void)user;
    if (!is_whole(heard))
        return;
    assert_true(said_len + heard.len < sizeof(said));
    memcpy(said + said_len, heard.ptr, heard.len);
    said_len += heard.len;
    said[said_len] = '\0';
    answer(peer, heard);
    simio_forget(peer);
}

#define MEMORY                                                                                                         \
    {                                                                                                                  \
        .kind = TERN_BODY_MEMORY, .data = "body", .length = 4                                                          \
    }

static const struct tern_field fields[] = {{TERN_STR("X-Key"), TERN_STR("1"), TERN_FIELD_SECRET},
                                           {TERN_STR("Cookie"), TERN_STR("own=1"), 0},
                                           {TERN_STR("Host"), TERN_STR("other.test"), 0},
                                           {TERN_STR("User-Agent"), {NULL, 0}, 0},
                                           {TERN_STR("Authorization"), TERN_STR("Own 1"), 0}};
static const struct tern_field close_field = {TERN_STR("Connection"), TERN_STR("close"), 0};
static const struct tern_field key_field = {TERN_STR("Idempotency-Key"), TERN_STR("k"), 0};
static const struct tern_redirects redirects = {0};
static const struct tern_retries retries = {.attempts_max = 2, .resume = true};
static const struct tern_hedging hedging = {.delay_ns = TERN_S};
static const struct tern_decoding decoding = {0};
static const struct tern_auth auth = {.user = TERN_STR("u"), .password = TERN_STR("p"), .plaintext = true};
static const struct tern_priority priority = {.urgency = 1, .incremental = true};
static const struct tern_timeouts timeouts = {.total_ns = TERN_S, .read_ns = TERN_S / 2, .continue_ns = TERN_MS};
static struct tern_policy with_all = {
    .redirects = &redirects, .retries = &retries, .hedging = &hedging, .decoding = &decoding, .auth = &auth};
static const struct tern_auth other_auth = {.user = TERN_STR("other"), .password = TERN_STR("p")};
static const struct tern_policy asks_first = {.auth = &other_auth};

static const struct tern_request requests[] = {
    {.url = TERN_STR("http://a.test/plain")},
    {.url = TERN_STR("http://a.test/fields?q#f"), .fields = fields, .field_count = 5, .policy = &with_all},
    {.url = TERN_STR("http://me:secret@a.test/userinfo"), .fields = &close_field, .field_count = 1},
    {.url = TERN_STR("http://a.test/put"), .method = TERN_STR("PUT"), .body = MEMORY, .priority = &priority},
    {.url = TERN_STR("http://a.test/trailer"),
     .method = TERN_STR("POST"),
     .body = MEMORY,
     .trailers = &key_field,
     .trailer_count = 1,
     .expect = TERN_EXPECT_ALWAYS,
     .timeouts = &timeouts},
    {.url = TERN_STR("http://u:p@a.test/302"), .policy = &with_all, .fields = fields, .field_count = 2},
    {.url = TERN_STR("http://a.test/503"),
     .policy = &with_all,
     .method = TERN_STR("POST"),
     .body = MEMORY,
     .fields = &key_field,
     .field_count = 1},
    {.url = TERN_STR("http://a.test/slow"), .policy = &with_all},
    {.url = TERN_STR("http://a.test/slow"), .timeouts = &timeouts, .body_bytes_max = 1},
    {.url = TERN_STR("http://a.test/cut"), .policy = &with_all, .fresh_connection = true},
    {.url = TERN_STR("http://a.test/cut"), .credit = true, .body_bytes_max = 3},
    {.url = TERN_STR("http://a.test/401"), .policy = &asks_first, .method = TERN_STR("PUT"), .body = MEMORY},
};

#define REQUESTS (sizeof(requests) / sizeof(requests[0]))

/* What the last of the requests says after the others. A jar remembers, as it should: each of them has an empty one. */
static char *say(const struct tern_request *const *order, size_t count)
{
    struct tern_policy policy = {.hsts = false};
    struct scenario s;
    struct tern_jar *jar;
    char *last;

    scenario_open(&s, &(struct tern_client_config){.user_agent = "t", .policy = &policy});
    fakedns_answer(s.servers, "b.test", "192.0.2.2", 60);
    simio_serve(s.sim, SCENARIO_ADDRESS, on_heard, NULL);
    simio_serve(s.sim, B_ADDRESS, on_heard, NULL);
    if (tern_jar_new(s.engine, &jar) != TERN_OK)
        fail();
    with_all.cookies = jar;
    for (size_t i = 0; i < count; i++) {
        struct seen *call;

        tern_jar_clear(jar, false);
        said_len = 0;
        call = scenario_start(&s, order[i]);
        scenario_run(&s, 20 * TERN_S);
        assert_int_equal(call->dones, 1);
    }
    last = strdup(said);
    scenario_close(&s);
    tern_jar_free(jar);
    return last;
}

static void test_nothing_is_left(void **state)
{
    (void)state;
    for (size_t b = 0; b < REQUESTS - 1; b++) { /* what answers challenges is remembered, and counted */
        char *alone = say(&(const struct tern_request *){&requests[b]}, 1);

        assert_true(strlen(alone) > 0);
        for (size_t a = 0; a < REQUESTS; a++) {
            char *after = say((const struct tern_request *[]){&requests[a], &requests[b]}, 2);

            assert_string_equal(after, alone);
            free(after);
        }
        free(alone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_is_left)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
