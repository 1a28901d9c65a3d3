/* Identity through the whole client: what is sent to whom, when a 401 is answered, and when it stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "tests/support/scenario.h"
#include "tls/hash.h"

#define URL "http://a.test/dir/index.html"
#define B_ADDRESS "192.0.2.2:80"

#define REFUSES "the server refuses the name and password"

static const struct tern_auth mufasa = {.user = TERN_STR("Mufasa"), .password = TERN_STR("Circle of Life")};
static const struct tern_auth basic = {
    .user = TERN_STR("Aladdin"), .password = TERN_STR("open sesame"), .schemes = TERN_AUTH_BASIC, .plaintext = true};
#define ALADDIN "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="

static void open_with(struct scenario *s, const struct tern_auth *auth)
{
    static const struct tern_redirects follow = {0};
    const struct tern_policy policy = {.auth = auth, .redirects = &follow};

    scenario_open(s, &(struct tern_client_config){.policy = &policy, .user_agent = ""});
    fakedns_answer(s->servers, "b.test", "192.0.2.2", 60);
    simio_listen(s->sim, B_ADDRESS);
}

/* What the peer answers now; fields end in CRLF each. */
static void answer(struct scenario *s, struct simio_peer *peer, int status, const char *fields)
{
    char text[8192];

    snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\n%sContent-Length: 2\r\n\r\nhi", status, fields);
    simio_say(peer, text);
    scenario_run(s, 0);
}

static void challenge(struct scenario *s, struct simio_peer *peer, const char *challenges)
{
    char fields[8192];

    snprintf(fields, sizeof(fields), "WWW-Authenticate: %s\r\n", challenges);
    answer(s, peer, 401, fields);
}

#define MD5(nonce) "Digest realm=\"r\", qop=\"auth\", nonce=\"" nonce "\""

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

/* A parameter of what authorization gave, its quotes taken off. */
static struct tern_str part(const char *value, const char *name)
{
    char before[32];
    const char *at;
    bool is_quoted;

    snprintf(before, sizeof(before), " %s=", name);
    at = strstr(value, before);
    assert_non_null(at);
    at += strlen(before);
    is_quoted = *at == '"';
    return tern_str_n(at + is_quoted, strcspn(at + is_quoted, is_quoted ? "\"" : ","));
}

static struct tern_str hex(char *out, const struct tern_str *parts, size_t count)
{
    uint8_t bytes[16];

    assert_true(tern_hash_md5(parts, count, bytes));
    for (size_t i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return tern_str(out);
}

/* RFC 7616 3.4.1 with MD5 and qop=auth, for realm "r". */
static void check_digest(const char *value, const struct tern_auth *who, const char *method, const char *uri,
                         const char *nonce, const char *nc)
{
    const struct tern_str colon = TERN_STR(":"), cnonce = part(value, "cnonce");
    char first[33], second[33], last[33];
    struct tern_str a1 = hex(first, (struct tern_str[]){who->user, colon, TERN_STR("r"), colon, who->password}, 5);
    struct tern_str a2 = hex(second, (struct tern_str[]){tern_str(method), colon, tern_str(uri)}, 3);
    struct tern_str response = hex(
        last,
        (struct tern_str[]){a1, colon, tern_str(nonce), colon, tern_str(nc), colon, cnonce, TERN_STR(":auth:"), a2}, 9);

    assert_memory_equal(value, "Digest ", 7);
    assert_true(tern_str_eq(part(value, "username"), who->user));
    assert_true(tern_str_eq(part(value, "uri"), tern_str(uri)));
    assert_true(tern_str_eq(part(value, "nonce"), tern_str(nonce)));
    assert_true(tern_str_eq(part(value, "nc"), tern_str(nc)));
    assert_int_equal(cnonce.len, 32);
    assert_true(tern_str_eq(part(value, "response"), response));
}

static void stands(struct seen *call, const char *seen, const char *reason)
{
    seen_is(call, seen);
    assert_non_null(call->result.auth_reason);
    assert_string_equal(call->result.auth_reason, reason);
}

/* ---- Digest ---- */

static void test_a_challenge_is_answered_and_remembered(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &mufasa);
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    assert_string_equal(authorization(peer), "");
    challenge(&s, peer, MD5("n1"));
    check_digest(authorization(peer), &mufasa, "GET", "/dir/index.html", "n1", "00000001");
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    assert_int_equal(call->result.attempt, 2);
    assert_int_equal(call->result.reused, true);
    assert_null(call->result.auth_reason);
    /* No domain: the whole origin is meant. */
    call = scenario_get(&s, "http://A.TEST:80/elsewhere?q");
    check_digest(authorization(peer), &mufasa, "GET", "/elsewhere?q", "n1", "00000002");
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    assert_int_equal(call->result.attempt, 1);
    assert_int_equal(scenario_stats(&s).challenged, 1);
    scenario_close(&s);
}

static void test_a_refusal_is_delivered(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &mufasa);
    for (int i = 0; i < 2; i++) { /* the second call begins anew: nothing wrong is remembered */
        call = scenario_get(&s, URL);
        peer = i == 0 ? scenario_accept(&s) : peer;
        assert_string_equal(authorization(peer), "");
        challenge(&s, peer, MD5("n1") ", Basic realm=\"r\"");
        check_digest(authorization(peer), &mufasa, "GET", "/dir/index.html", "n1", "00000001");
        challenge(&s, peer, MD5("n2") ", Basic realm=\"r\"");
        stands(call, "head 401 | body hi | done", REFUSES);
        assert_int_equal(call->result.attempt, 2);
    }
    assert_int_equal(simio_heard(peer).len, 0);
    scenario_close(&s);
}

static void test_stale_is_answered_once(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &mufasa);
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    (void)authorization(peer);
    challenge(&s, peer, MD5("n1"));
    check_digest(authorization(peer), &mufasa, "GET", "/dir/index.html", "n1", "00000001");
    challenge(&s, peer, MD5("n2") ", stale=true");
    check_digest(authorization(peer), &mufasa, "GET", "/dir/index.html", "n2", "00000001");
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    assert_int_equal(call->result.attempt, 3);

    call = scenario_get(&s, URL); /* with what is remembered */
    check_digest(authorization(peer), &mufasa, "GET", "/dir/index.html", "n2", "00000002");
    challenge(&s, peer, MD5("n3") ", stale=TRUE");
    check_digest(authorization(peer), &mufasa, "GET", "/dir/index.html", "n3", "00000001");
    challenge(&s, peer, MD5("n4") ", stale=true");
    stands(call, "head 401 | body hi | done", "the server finds every nonce stale");

    call = scenario_get(&s, URL); /* stale of what was never sent is a first challenge */
    assert_string_equal(authorization(peer), "");
    challenge(&s, peer, MD5("n5") ", stale=true");
    check_digest(authorization(peer), &mufasa, "GET", "/dir/index.html", "n5", "00000001");
    challenge(&s, peer, MD5("n6"));
    stands(call, "head 401 | body hi | done", REFUSES);
    scenario_close(&s);
}

/* A server that has forgotten its nonces and does not say stale. */
static void test_what_is_remembered_may_be_out_of_date(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &mufasa);
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    challenge(&s, peer, MD5("n1"));
    answer(&s, peer, 200, "Authentication-Info: qop=auth, nextnonce=\"n2\"\r\n");
    seen_is(call, "head 200 | body hi | done");
    simio_forget(peer);
    call = scenario_get(&s, URL);
    check_digest(authorization(peer), &mufasa, "GET", "/dir/index.html", "n2", "00000001");
    challenge(&s, peer, MD5("n3"));
    check_digest(authorization(peer), &mufasa, "GET", "/dir/index.html", "n3", "00000001");
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

static void test_no_nonce_is_used_twice_with_one_count(void **state)
{
    static const char *const counts[] = {"00000002", "00000003", "00000004"};
    struct simio_peer *peers[3];
    struct seen *calls[3];
    struct scenario s;

    (void)state;
    open_with(&s, &mufasa);
    calls[0] = scenario_get(&s, URL);
    peers[0] = scenario_accept(&s);
    challenge(&s, peers[0], MD5("n1"));
    answer(&s, peers[0], 200, "");
    simio_forget(peers[0]);
    for (size_t i = 0; i < 3; i++) {
        calls[i] = scenario_get(&s, URL);
        if (i > 0)
            peers[i] = scenario_accept(&s);
        check_digest(authorization(peers[i]), &mufasa, "GET", "/dir/index.html", "n1", counts[i]);
    }
    for (size_t i = 0; i < 3; i++)
        answer(&s, peers[i], 200, "");
    for (size_t i = 1; i < 3; i++)
        seen_is(calls[i], "head 200 | body hi | done");
    scenario_close(&s);
}

/* Each attempt counts: also those by policy, and those of a request whose kept connection died. */
static void test_an_attempt_more_is_a_count_more(void **state)
{
    static const struct tern_retries retries = {0};
    const struct tern_policy policy = {.auth = &mufasa, .retries = &retries};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.policy = &policy});
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    challenge(&s, peer, MD5("n1"));
    simio_forget(peer);
    answer(&s, peer, 503, "");
    scenario_run(&s, TERN_S);
    check_digest(authorization(peer), &mufasa, "GET", "/dir/index.html", "n1", "00000002");
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    call = scenario_get(&s, URL);
    simio_reset(peer);
    scenario_run(&s, TERN_MS);
    peer = scenario_accept(&s);
    check_digest(authorization(peer), &mufasa, "GET", "/dir/index.html", "n1", "00000004");
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

/* A hedge would send it a second time. */
static void test_no_hedge_of_a_count(void **state)
{
    static const struct tern_hedging hedging = {.delay_ns = 50 * TERN_MS};
    const struct tern_policy policy = {.auth = &mufasa, .hedging = &hedging};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    scenario_open(&s, &(struct tern_client_config){.policy = &policy});
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    challenge(&s, peer, MD5("n1"));
    simio_forget(peer);
    scenario_run(&s, TERN_S);
    assert_int_equal(scenario_stats(&s).hedged, 0);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 1);
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

static void test_hostile_challenges(void **state)
{
    static const struct {
        const char *challenges, *reason; /* NULL: it is answered */
    } cases[] = {
        {"", "the server does not say what it wants (WWW-Authenticate)"},
        {"\"", "the server does not say what it wants (WWW-Authenticate)"},
        {"Digest", "the server's Digest challenge has no realm or no nonce"},
        {"Digest realm=\"r\"", "the server's Digest challenge has no realm or no nonce"},
        {"Digest realm=\"r\", nonce=\"x", "the server does not say what it wants (WWW-Authenticate)"},
        {"Digest realm=\"r\", nonce=x, qop=\"auth-conf\"", "the server's Digest qop is neither auth nor auth-int"},
        {"Digest realm=\"r\", nonce=x, algorithm=SHA-512-256",
         "the server's Digest algorithm is not one of MD5 and SHA-256"},
        {"Digest realm=\"r\", nonce=x, nonce=y", "the server's Digest challenge says something twice"},
        {"Negotiate, NTLM, Bearer realm=\"x\"", "the server offers no scheme that is allowed"},
        {"Basic realm=\"x\"", "Basic is not sent over http (tern_auth.plaintext)"},
        {"Digest realm=\"\\\"\\\\\\x\t\xff\", nonce=\"\\\"\", opaque=\"\\\\\", qop=auth", NULL},
        {"Digest realm=\"r\", nonce=x, qop=\"auth-int,,auth , x\"", NULL},
    };
    struct scenario s;
    struct simio_peer *peer = NULL;

    (void)state;
    open_with(&s, &mufasa);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct seen *call = scenario_get(&s, URL);

        peer = peer == NULL ? scenario_accept(&s) : peer;
        simio_forget(peer);
        challenge(&s, peer, cases[i].challenges);
        if (cases[i].reason != NULL) {
            stands(call, "head 401 | body hi | done", cases[i].reason);
            continue;
        }
        assert_memory_equal(authorization(peer), "Digest ", 7);
        challenge(&s, peer, MD5("last"));
        stands(call, "head 401 | body hi | done", REFUSES);
    }
    scenario_close(&s);
}

static void test_a_thousand_challenges(void **state)
{
    char *text = malloc(64 * 1024);
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;
    size_t len;

    (void)state;
    open_with(&s, &mufasa);
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    simio_forget(peer);
    len = (size_t)sprintf(text, "HTTP/1.1 401 X\r\nContent-Length: 0\r\n");
    for (int i = 0; i < 125; i++) {
        len += (size_t)sprintf(text + len, "WWW-Authenticate: ");
        for (int k = 0; k < 8; k++)
            len +=
                (size_t)sprintf(text + len, "Digest realm=\"r\",nonce=n%d,qop=auth%s", 8 * i + k, k < 7 ? "," : "\r\n");
    }
    sprintf(text + len, "\r\n");
    simio_say(peer, text);
    scenario_run(&s, 0);
    check_digest(authorization(peer), &mufasa, "GET", "/dir/index.html", "n0", "00000001");
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
    free(text);
}

/* ---- bodies ---- */

static enum tern_read read_once(void *user, void *buffer, size_t capacity, size_t *n)
{
    int *left = user;

    (void)capacity;
    if (*left == 0)
        return TERN_READ_END;
    --*left;
    memcpy(buffer, "data", 4);
    *n = 4;
    return TERN_READ_DATA;
}

static bool refill(void *user)
{
    *(int *)user = 1;
    return true;
}

static void test_bodies(void **state)
{
    int left = 1;
    const struct tern_body bodies[] = {
        {.kind = TERN_BODY_MEMORY, .data = "data", .length = 4},
        {.kind = TERN_BODY_CALLBACK, .length = 4, .read = read_once, .rewind = refill, .user = &left},
        {.kind = TERN_BODY_CALLBACK, .length = 4, .read = read_once, .user = &left},
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct tern_request request = {
            .url = TERN_STR(URL), .method = TERN_STR("POST"), .body = bodies[i], .expect = TERN_EXPECT_NEVER};
        struct scenario s;
        struct simio_peer *peer;
        struct seen *call;

        left = 1;
        open_with(&s, &mufasa);
        call = scenario_start(&s, &request);
        peer = scenario_accept(&s);
        simio_forget(peer);
        challenge(&s, peer, MD5("n1"));
        if (i == 2) {
            stands(call, "head 401 | body hi | done", "the request's body cannot be sent again");
            assert_int_equal(simio_heard(peer).len, 0);
        } else {
            assert_true(scenario_heard(peer, "\r\n\r\ndata"));
            check_digest(authorization(peer), &mufasa, "POST", "/dir/index.html", "n1", "00000001");
            answer(&s, peer, 200, "");
            seen_is(call, "head 200 | body hi | done");
        }
        scenario_close(&s);
    }
}

/* What cannot be sent twice is not sent before the server has asked for credentials. */
static void test_a_body_waits_for_the_challenge(void **state)
{
    int left = 1;
    const struct tern_request request = {
        .url = TERN_STR(URL),
        .method = TERN_STR("POST"),
        .body = {.kind = TERN_BODY_CALLBACK, .length = 4, .read = read_once, .user = &left}};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &mufasa);
    call = scenario_start(&s, &request);
    peer = scenario_accept(&s);
    simio_expect(peer, "POST /dir/index.html HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\nContent-Length: 4\r\n"
                       "Expect: 100-continue\r\n\r\n");
    challenge(&s, peer, MD5("n1"));
    peer = scenario_accept(&s); /* what follows on the first one would be read as the body */
    assert_true(scenario_heard(peer, "\r\n\r\ndata"));
    assert_false(scenario_heard(peer, "Expect"));
    check_digest(authorization(peer), &mufasa, "POST", "/dir/index.html", "n1", "00000001");
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    left = 1; /* and the next one brings what was asked for */
    call = scenario_start(&s, &request);
    assert_false(scenario_heard(peer, "Expect"));
    check_digest(authorization(peer), &mufasa, "POST", "/dir/index.html", "n1", "00000002");
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

static void test_auth_int_needs_the_body(void **state)
{
    static const char int_only[] = "Digest realm=\"r\", qop=\"auth-int\", nonce=\"n1\"";
    int left = 1;
    struct tern_request request = {.url = TERN_STR(URL),
                                   .method = TERN_STR("POST"),
                                   .body = {.kind = TERN_BODY_MEMORY, .data = "data", .length = 4}};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;
    const char *value;

    (void)state;
    open_with(&s, &mufasa);
    call = scenario_start(&s, &request);
    peer = scenario_accept(&s);
    simio_forget(peer);
    challenge(&s, peer, int_only);
    value = authorization(peer);
    assert_true(tern_str_eq(part(value, "qop"), TERN_STR("auth-int")));
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    request.body =
        (struct tern_body){.kind = TERN_BODY_CALLBACK, .length = 4, .read = read_once, .rewind = refill, .user = &left};
    call = scenario_start(&s, &request);
    assert_string_equal(authorization(peer), ""); /* the space is known, but this body cannot be hashed */
    challenge(&s, peer, int_only);
    stands(call, "head 401 | body hi | done",
           "the server wants the body hashed (auth-int), and it is not in memory or over 1 MiB");
    {
        char *large = calloc(1, 1024 * 1024 + 1);

        request.body = (struct tern_body){.kind = TERN_BODY_MEMORY, .data = large, .length = 1024 * 1024 + 1};
        request.expect = TERN_EXPECT_NEVER;
        call = scenario_start(&s, &request);
        scenario_run(&s, TERN_S);
        challenge(&s, peer, int_only);
        stands(call, "head 401 | body hi | done",
               "the server wants the body hashed (auth-int), and it is not in memory or over 1 MiB");
        free(large);
    }
    scenario_close(&s);
}

/* ---- Basic ---- */

static void test_basic_alone_goes_unasked(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &basic);
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    simio_expect(peer,
                 "GET /dir/index.html HTTP/1.1\r\nHost: a.test\r\nAuthorization: " ALADDIN "\r\nAccept: */*\r\n\r\n");
    challenge(&s, peer, "Basic realm=\"r\"");
    stands(call, "head 401 | body hi | done", REFUSES);
    assert_int_equal(call->result.attempt, 1);
    assert_int_equal(simio_heard(peer).len, 0);
    scenario_close(&s);
}

static void test_basic_where_asked_for_and_below(void **state)
{
    struct tern_auth any = basic;
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    any.schemes = 0;
    open_with(&s, &any);
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    assert_string_equal(authorization(peer), "");
    challenge(&s, peer, "Negotiate, Basic realm=\"r\"");
    assert_string_equal(authorization(peer), ALADDIN);
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    call = scenario_get(&s, "http://a.test/dir/below/x");
    assert_string_equal(authorization(peer), ALADDIN);
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    call = scenario_get(&s, "http://a.test/dirt");
    assert_string_equal(authorization(peer), "");
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

/* A GET after which the origin is known to want auth-int. */
static void challenge_int(struct scenario *s, struct simio_peer *peer)
{
    struct seen *call = scenario_get(s, URL);

    challenge(s, peer, "Digest realm=\"r\", qop=\"auth-int\", nonce=\"n2\"");
    answer(s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    simio_forget(peer);
}

/* Whoever sits between asks for what he can read. */
static void test_no_basic_where_there_was_digest(void **state)
{
    int left = 1;
    const struct tern_request request = {
        .url = TERN_STR(URL),
        .method = TERN_STR("POST"),
        .body = {.kind = TERN_BODY_CALLBACK, .length = 4, .read = read_once, .rewind = refill, .user = &left}};
    static const char wanted[] = "the server wants Basic where it wanted Digest";
    struct tern_auth any = basic;
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    any.schemes = 0;
    open_with(&s, &any);
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    challenge(&s, peer, MD5("n1"));
    simio_forget(peer);
    challenge(&s, peer, "Basic realm=\"r\""); /* within the call that answered Digest */
    stands(call, "head 401 | body hi | done", wanted);
    call = scenario_get(&s, URL); /* and in the next one */
    assert_memory_equal(authorization(peer), "Digest ", 7);
    challenge(&s, peer, "Basic realm=\"r\"");
    stands(call, "head 401 | body hi | done", wanted);
    assert_int_equal(simio_heard(peer).len, 0);
    challenge_int(&s, peer); /* nor where Digest was wanted and this request cannot have it */
    call = scenario_start(&s, &request);
    assert_string_equal(authorization(peer), "");
    challenge(&s, peer, "Basic realm=\"r\"");
    stands(call, "head 401 | body hi | done", wanted);
    scenario_close(&s);
}

/* ---- whose credentials, and to whom ---- */

static void test_beyond_a_redirect_to_another_origin_nothing(void **state)
{
    static const struct tern_auth *const kinds[] = {&mufasa, &basic};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct scenario s;
        struct simio_peer *a, *b;
        struct seen *call;

        open_with(&s, kinds[i]);
        call = scenario_get(&s, URL);
        a = scenario_accept(&s);
        answer(&s, a, 302, "Location: /same\r\n");
        simio_forget(a);
        if (kinds[i] == &mufasa) {
            challenge(&s, a, MD5("n1")); /* the same origin's second hop is answered */
            check_digest(authorization(a), &mufasa, "GET", "/same", "n1", "00000001");
        }
        answer(&s, a, 302, "Location: http://b.test/\r\n");
        b = scenario_accept_at(&s, B_ADDRESS);
        assert_string_equal(authorization(b), "");
        answer(&s, b, 302, "Location: http://a.test/back\r\n");
        simio_expect(a, "GET /back HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\n\r\n");
        answer(&s, a, 302, "Location: http://b.test/again\r\n");
        assert_string_equal(authorization(b), "");
        challenge(&s, b, MD5("nb") ", Basic realm=\"r\"");
        seen_is(call, "head 401 | body hi | done");
        assert_null(call->result.auth_reason);
        assert_int_equal(simio_heard(b).len, 0);
        scenario_close(&s);
    }
}

static void test_netrc_is_by_host(void **state)
{
    const struct tern_auth netrc = {
        .netrc = TERN_STR("machine B.test. login Aladdin password \"open sesame\"\nmachine c.test login c"),
        .schemes = TERN_AUTH_BASIC,
        .plaintext = true};
    struct scenario s;
    struct simio_peer *a, *b;
    struct seen *call;

    (void)state;
    open_with(&s, &netrc);
    call = scenario_get(&s, URL);
    a = scenario_accept(&s);
    assert_string_equal(authorization(a), "");
    challenge(&s, a, "Basic realm=\"r\"");
    stands(call, "head 401 | body hi | done", "there are no credentials for this host");
    call = scenario_get(&s, "http://b.test/");
    b = scenario_accept_at(&s, B_ADDRESS);
    assert_string_equal(authorization(b), ALADDIN);
    answer(&s, b, 200, "");
    seen_is(call, "head 200 | body hi | done");
    call = scenario_get(&s, "http://u:p@b.test/"); /* what the URL says comes first */
    assert_string_equal(authorization(b), "Basic dTpw");
    answer(&s, b, 200, "");
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

static void test_what_a_call_says_itself_comes_first(void **state)
{
    const struct tern_field own[] = {{TERN_STR("authorization"), TERN_STR("Own x"), 0},
                                     {TERN_STR("Authorization"), {NULL, 0}, 0}};
    const struct tern_policy off = {0}, other = {.auth = &mufasa};
    struct tern_request request = {.url = TERN_STR(URL), .fields = &own[0], .field_count = 1};
    const struct tern_auth bad = {.user = TERN_STR("a:b")};
    const struct tern_policy wrong = {.auth = &bad};
    struct tern_fault why;
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &basic);
    call = scenario_start(&s, &request);
    peer = scenario_accept(&s);
    assert_true(scenario_heard(peer, "authorization: Own x\r\n"));
    assert_string_equal(authorization(peer), "");
    challenge(&s, peer, "Basic realm=\"r\"");
    seen_is(call, "head 401 | body hi | done");
    request.fields = &own[1];
    (void)scenario_start(&s, &request);
    assert_string_equal(authorization(peer), "");
    answer(&s, peer, 200, "");
    request = (struct tern_request){.url = TERN_STR(URL), .policy = &off};
    (void)scenario_start(&s, &request);
    assert_string_equal(authorization(peer), "");
    answer(&s, peer, 200, "");
    request.policy = &other;
    call = scenario_start(&s, &request);
    assert_string_equal(authorization(peer), "");
    challenge(&s, peer, MD5("n1"));
    check_digest(authorization(peer), &mufasa, "GET", "/dir/index.html", "n1", "00000001");
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    request.policy = &wrong;
    assert_null(scenario_try(&s, &request, &why));
    assert_int_equal(why.error, TERN_ECONFIG);
    call = scenario_get(&s, URL); /* nothing of it sticks to the client, nor one user's nonce to another */
    assert_string_equal(authorization(peer), ALADDIN);
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_challenge_is_answered_and_remembered),
        cmocka_unit_test(test_a_refusal_is_delivered),
        cmocka_unit_test(test_stale_is_answered_once),
        cmocka_unit_test(test_what_is_remembered_may_be_out_of_date),
        cmocka_unit_test(test_no_nonce_is_used_twice_with_one_count),
        cmocka_unit_test(test_an_attempt_more_is_a_count_more),
        cmocka_unit_test(test_no_hedge_of_a_count),
        cmocka_unit_test(test_hostile_challenges),
        cmocka_unit_test(test_a_thousand_challenges),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_a_body_waits_for_the_challenge),
        cmocka_unit_test(test_auth_int_needs_the_body),
        cmocka_unit_test(test_basic_alone_goes_unasked),
        cmocka_unit_test(test_basic_where_asked_for_and_below),
        cmocka_unit_test(test_no_basic_where_there_was_digest),
        cmocka_unit_test(test_beyond_a_redirect_to_another_origin_nothing),
        cmocka_unit_test(test_netrc_is_by_host),
        cmocka_unit_test(test_what_a_call_says_itself_comes_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
