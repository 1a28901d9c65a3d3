/* Bodies that are decoded on their way, over both versions of HTTP: paused, credited, too large, cut off, cancelled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "client/decoding.h"
#include "tests/support/encode.h"
#include "tests/support/h2_rig.h"
#include "tests/support/scenario.h"
#include "tests/support/torture.h"

#define CONTENT_BYTES 300000

static const struct tern_decoding decoding = {0};
static const struct tern_policy policy = {.decoding = &decoding};

static char content[CONTENT_BYTES];

/* Freed by a teardown, for torture ends tests where it likes. */
static struct tern_buf coded, received;

/* One call, and what its user does. */
struct user {
    struct scenario *s;
    tern_call_id id;
    bool pauses;   /* in each on_body, until the test resumes */
    bool cancels;  /* in the first */
    bool is_coded; /* the head said that the body stands as it came */
    uint32_t dones;
    struct tern_result result;
};

static void on_head(void *data, tern_call_id call, const struct tern_head *head)
{
    struct user *user = data;

    (void)call;
    user->is_coded = !head->decoded;
    assert_non_null(tern_fields_get(head->fields, head->field_count, "Content-Encoding").ptr);
}

static void on_body(void *data, tern_call_id call, const void *bytes, size_t len)
{
    struct user *user = data;

    torture_hold();
    assert_int_equal(tern_buf_append(&received, bytes, len), TERN_OK);
    torture_release();
    if (user->pauses)
        assert_int_equal(tern_call_pause(user->s->engine, call), TERN_OK);
    if (user->cancels)
        assert_int_equal(tern_call_cancel(user->s->engine, call), TERN_OK);
}

static void on_done(void *data, tern_call_id call, const struct tern_result *result)
{
    struct user *user = data;

    (void)call;
    user->dones++;
    user->result = *result;
}

static void start(struct scenario *s, struct user *user, struct tern_request request)
{
    static const struct tern_handlers handlers = {.on_head = on_head, .on_body = on_body, .on_done = on_done};

    user->s = s;
    tern_buf_init(&received, SIZE_MAX);
    request.url = TERN_STR("http://a.test/");
    assert_int_equal(tern_call_start(s->client, &request, &handlers, user, &user->id, NULL), TERN_OK);
    scenario_run(s, 0);
}

static void open_with(struct scenario *s, bool is_h2, const struct tern_limits *limits)
{
    struct tern_client_config config = {.policy = &policy, .user_agent = ""};

    torture_fixture_keeps_memory(); /* what is sent and what was taken */
    if (is_h2)
        config.http_mode = TERN_HTTP_MODE_2_ONLY;
    if (limits != NULL)
        config.limits = *limits;
    scenario_open(s, &config);
}

/* The whole response, in one go. */
static struct simio_peer *respond(struct scenario *s, bool is_h2, const char *coding)
{
    struct simio_peer *peer = scenario_accept(s);
    struct tern_str left = tern_buf_view(&coded);
    struct tern_buf out;
    char head[256];

    torture_hold();
    tern_buf_init(&out, SIZE_MAX);
    if (is_h2) {
        h2_put(&out, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
        snprintf(head, sizeof(head), ":status: 200\ncontent-encoding: %s\n", coding);
        h2_put_head(&out, 1, H2_END_HEADERS, head);
        while (left.len > 0) {
            size_t n = left.len < 16384 ? left.len : 16384;

            h2_put(&out, NGHTTP2_DATA, n == left.len ? H2_END_STREAM : 0, 1, left.ptr, n);
            left = (struct tern_str){left.ptr + n, left.len - n};
        }
    } else {
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %zu\r\n\r\n", coding,
                 coded.len);
        assert_int_equal(tern_buf_append_str(&out, tern_str(head)), TERN_OK);
        assert_int_equal(tern_buf_append_str(&out, left), TERN_OK);
    }
    simio_say_bytes(peer, out.data + out.head, out.len);
    tern_buf_deinit(&out);
    torture_release();
    scenario_run(s, 0);
    return peer;
}

static void code_content(size_t len)
{
    tern_buf_init(&coded, SIZE_MAX);
    encode(&coded, "gzip", content, len);
}

static void end_as(struct user *user, enum tern_error error, size_t len)
{
    assert_int_equal(user->dones, 1);
    if (user->result.fault.error != error)
        fail_msg("%s", user->result.fault.text);
    assert_int_equal(received.len, len);
    assert_memory_equal(received.data + received.head, content, len);
    tern_buf_deinit(&received);
}

static void test_decoded(void **state)
{
    (void)state;
    for (int is_h2 = 0; is_h2 < 2; is_h2++) {
        struct user user = {0};
        struct scenario s;

        code_content(CONTENT_BYTES);
        open_with(&s, is_h2, NULL);
        start(&s, &user, (struct tern_request){0});
        respond(&s, is_h2, "gzip");
        assert_false(user.is_coded);
        assert_true(user.result.decoded);
        assert_int_equal(user.result.received_body_bytes, coded.len);
        end_as(&user, TERN_OK, CONTENT_BYTES);
        scenario_close(&s);
        tern_buf_deinit(&coded);
    }
}

/* What is asked for follows what is built in, the request's own field, and its range. */
static void test_accept_encoding(void **state)
{
    static const struct {
        struct tern_field field;
        const char *heard;
    } cases[] = {
        {{TERN_STR("X"), TERN_STR("y"), 0}, "Accept-Encoding: gzip, deflate"},
        {{TERN_STR("accept-encoding"), TERN_STR("gzip;q=0.5"), 0}, "accept-encoding: gzip;q=0.5"},
        {{TERN_STR("Accept-Encoding"), {NULL, 0}, 0}, NULL},
        {{TERN_STR("Range"), TERN_STR("bytes=1-"), 0}, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scenario s;
        struct simio_peer *peer;

        open_with(&s, false, NULL);
        scenario_start(
            &s, &(struct tern_request){.url = TERN_STR("http://a.test/"), .fields = &cases[i].field, .field_count = 1});
        peer = scenario_accept(&s);
        assert_true(scenario_heard(peer, "Accept: */*"));
        assert_int_equal(scenario_heard(peer, "ccept-Encoding") || scenario_heard(peer, "ccept-encoding"),
                         cases[i].heard != NULL);
        if (cases[i].heard != NULL)
            assert_true(scenario_heard(peer, cases[i].heard));
        scenario_close(&s);
    }
}

/* Requests without fields of their own go by the client's policy or by their own, and by the client's fields. */
static void test_accept_encoding_by_default(void **state)
{
    static const struct tern_policy none = {0};
    static const struct tern_field given = {TERN_STR("Accept-Encoding"), TERN_STR("identity"), 0};
    static const struct {
        const struct tern_policy *clients, *own;
        const struct tern_field *field; /* of the client's */
        const char *heard;
    } cases[] = {
        {&policy, NULL, NULL, "Accept: */*\r\nAccept-Encoding: gzip, deflate"},
        {&policy, NULL, &given, "Accept-Encoding: identity\r\n"},
        {&policy, &none, NULL, NULL},
        {&none, &policy, NULL, "Accept: */*\r\nAccept-Encoding: gzip, deflate"},
        {&none, &policy, &given, "Accept-Encoding: identity\r\n"},
        {&none, NULL, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scenario s;
        struct simio_peer *peer;

        torture_fixture_keeps_memory(); /* what is sent */
        scenario_open(&s, &(struct tern_client_config){.policy = cases[i].clients,
                                                       .fields = cases[i].field,
                                                       .field_count = cases[i].field != NULL});
        scenario_start(&s, &(struct tern_request){.url = TERN_STR("http://a.test/"), .policy = cases[i].own});
        peer = scenario_accept(&s);
        assert_true(scenario_heard(peer, "Accept: */*\r\n"));
        if (cases[i].heard == NULL)
            assert_false(scenario_heard(peer, "Accept-Encoding"));
        else
            assert_true(scenario_heard(peer, cases[i].heard));
        scenario_close(&s);
    }
}

/* No body, a part of one, or none to undo. And off means off. */
static void test_what_stands_as_it_comes(void **state)
{
    static const struct {
        const char *method, *answer, *seen;
        bool is_off;
    } cases[] = {
        {"HEAD", "200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9", "head 200 | done", false},
        {"GET", "204 No Content\r\nContent-Encoding: gzip", "head 204 | done", false},
        {"GET", "304 Not Modified\r\nContent-Encoding: nonsense", "head 304 | done", false},
        {"GET", "206 Part\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi", "head 206 | body hi | done",
         false},
        {"GET", "200 OK\r\nContent-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi", "head 200 | body hi | done",
         false},
        {"GET", "200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0", "head 200 | done", false},
        {"GET", "200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi", "head 200 | body hi | done", true},
        {"GET", "200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi", "head 200 | done EDECODE READ",
         false},
        {"GET", "200 OK\r\nContent-Encoding: pigz\r\nContent-Length: 2\r\n\r\nhi", "done EDECODE READ", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static const struct tern_policy off = {0};
        struct tern_request request = {.url = TERN_STR("http://a.test/"), .method = tern_str(cases[i].method)};
        struct scenario s;
        struct seen *call;
        char answer[256];

        if (cases[i].is_off)
            request.policy = &off;
        open_with(&s, false, NULL);
        call = scenario_start(&s, &request);
        snprintf(answer, sizeof(answer), "HTTP/1.1 %s%s", cases[i].answer,
                 strstr(cases[i].answer, "\r\n\r\n") != NULL ? "" : "\r\n\r\n");
        simio_say(scenario_accept(&s), answer);
        scenario_run(&s, 0);
        seen_is(call, cases[i].seen);
        scenario_close(&s);
    }
}

/* Paused in each on_body: what waits, waits coded, and the end waits with it. */
static void test_paused(void **state)
{
    (void)state;
    for (int is_h2 = 0; is_h2 < 2; is_h2++) {
        struct user user = {.pauses = true};
        struct scenario s;
        uint32_t turns = 0;

        code_content(CONTENT_BYTES);
        open_with(&s, is_h2, &(struct tern_limits){.h2_quiet_ns = TERN_OFF});
        start(&s, &user, (struct tern_request){0});
        respond(&s, is_h2, "gzip");
        while (user.dones == 0) {
            size_t before = received.len;

            scenario_run(&s, 100 * TERN_S); /* longer than any limit on the peer's silence */
            assert_int_equal(received.len, before);
            assert_true(scenario_stats(&s).memory_held_bytes <= coded.len + 160 * 1024);
            assert_int_equal(tern_call_resume(s.engine, user.id), TERN_OK);
            scenario_run(&s, 0);
            assert_in_range(received.len - before, user.dones == 0, TERN_DECODE_STEP_BYTES);
            turns++;
        }
        assert_true(turns >= CONTENT_BYTES / TERN_DECODE_STEP_BYTES);
        end_as(&user, TERN_OK, CONTENT_BYTES);
        assert_int_equal(scenario_stats(&s).memory_held_bytes, 0);
        scenario_close(&s);
        tern_buf_deinit(&coded);
    }
}

/* A call that credits has never been given more than its window, decoded. */
static void test_credit(void **state)
{
    const struct tern_limits limits = {.body_window_bytes = 65536};

    (void)state;
    for (int is_h2 = 0; is_h2 < 2; is_h2++) {
        struct user user = {0};
        struct scenario s;
        size_t credited = 0;

        code_content(CONTENT_BYTES);
        open_with(&s, is_h2, &limits);
        start(&s, &user, (struct tern_request){.credit = true});
        respond(&s, is_h2, "gzip");
        while (user.dones == 0) {
            assert_int_equal(received.len, credited + 65536);
            assert_int_equal(tern_call_credit(s.engine, user.id, 65537), TERN_EINVAL);
            assert_int_equal(tern_call_credit(s.engine, user.id, 30000), TERN_OK);
            credited += 30000;
            scenario_run(&s, 0);
            if (user.dones == 0)
                assert_int_equal(received.len, credited + 65536);
        }
        end_as(&user, TERN_OK, CONTENT_BYTES);
        scenario_close(&s);
        tern_buf_deinit(&coded);
    }
}

/* Both ends of body_bytes_max: as it came, and as it is delivered. */
static void test_too_large(void **state)
{
    (void)state;
    for (int is_h2 = 0; is_h2 < 2; is_h2++) {
        struct user user = {0};
        struct scenario s;

        code_content(CONTENT_BYTES);
        open_with(&s, is_h2, NULL);
        start(&s, &user, (struct tern_request){.body_bytes_max = CONTENT_BYTES - 1});
        respond(&s, is_h2, "gzip");
        assert_true(received.len < CONTENT_BYTES);
        end_as(&user, TERN_EBODY_MAX, received.len);
        scenario_close(&s);
        tern_buf_deinit(&coded);
    }
}

/* Everything comes back, wherever the call ends. */
static void test_ends_in_the_middle(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        bool is_h2 = i % 2 != 0;
        struct user user = {.pauses = i / 2 != 1, .cancels = i / 2 == 1};
        struct tern_timeouts timeouts = {.total_ns = 5 * TERN_S};
        struct scenario s;

        code_content(CONTENT_BYTES);
        open_with(&s, is_h2, NULL);
        start(&s, &user, (struct tern_request){.timeouts = &timeouts});
        respond(&s, is_h2, "gzip");
        switch (i / 2) {
        case 0: /* paused when the time is over */
            scenario_run(&s, 5 * TERN_S);
            assert_int_equal(user.result.phase, TERN_PHASE_READ);
            end_as(&user, TERN_EDEADLINE, received.len);
            break;
        case 1: /* cancelled in on_body */
            end_as(&user, TERN_ECANCELLED, received.len);
            break;
        case 2: /* cancelled while it waits */
            assert_int_equal(tern_call_cancel(s.engine, user.id), TERN_OK);
            scenario_run(&s, 0);
            end_as(&user, TERN_ECANCELLED, received.len);
            break;
        default: /* the client goes */
            tern_client_close(s.client, TERN_CLOSE_DROP);
            s.is_client_closed = true;
            scenario_run(&s, 0);
            end_as(&user, TERN_ESHUTDOWN, received.len);
        }
        scenario_close(&s);
        tern_buf_deinit(&coded);
    }
}

static void test_cut_off(void **state)
{
    (void)state;
    for (int is_h2 = 0; is_h2 < 2; is_h2++) {
        struct user user = {0};
        struct scenario s;

        code_content(1000);
        coded.len -= 1;
        open_with(&s, is_h2, NULL);
        start(&s, &user, (struct tern_request){0});
        respond(&s, is_h2, "gzip");
        assert_int_equal(user.result.phase, TERN_PHASE_READ);
        end_as(&user, TERN_EDECODE, 1000);
        scenario_close(&s);
        tern_buf_deinit(&coded);
    }
}

/* A body that becomes large takes turns. */
static void test_a_turn_is_short(void **state)
{
    const struct tern_decoding any = {.ratio_max = UINT32_MAX};
    const struct tern_policy own = {.decoding = &any};
    struct user user = {0};
    struct simio_peer *peer;
    struct scenario s;
    size_t before = 0;
    uint32_t turns = 0;

    (void)state;
    tern_buf_init(&coded, SIZE_MAX);
    encode_zeros(&coded, "gzip", 16 * 1024 * 1024);
    open_with(&s, false, NULL);
    start(&s, &user, (struct tern_request){.policy = &own});
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n");
    simio_say_bytes(peer, coded.data + coded.head, coded.len);
    simio_end(peer);
    while (user.dones == 0) {
        assert_int_equal(tern_engine_step(s.engine), TERN_OK);
        /* Once as it comes, once as what waits. */
        assert_true(received.len - before <= 2 * (TERN_DECODE_TURN_BYTES + TERN_DECODE_STEP_BYTES));
        before = received.len;
        assert_true(++turns <= 100);
    }
    assert_true(turns >= 16);
    assert_int_equal(user.result.fault.error, TERN_OK);
    assert_int_equal(received.len, 16 * 1024 * 1024);
    scenario_close(&s);
    tern_buf_deinit(&coded);
    tern_buf_deinit(&received);
}

/* A bomb ends its call, under a ceiling on memory, and hurts nobody beside it. */
static void test_bomb(void **state)
{
    (void)state;
    for (int is_h2 = 0; is_h2 < 2; is_h2++) {
        struct user user = {0};
        struct scenario s;

        tern_buf_init(&coded, SIZE_MAX);
        encode_zeros(&coded, "gzip", 64 * 1024 * 1024);
        open_with(&s, is_h2, &(struct tern_limits){.memory_bytes_max = 1024 * 1024});
        start(&s, &user, (struct tern_request){0});
        respond(&s, is_h2, "gzip");
        assert_int_equal(user.dones, 1);
        assert_int_equal(user.result.fault.error, TERN_EDECODE);
        assert_in_range(received.len, TERN_DECODE_RATIO_FROM_BYTES, 40 * 1024 * 1024);
        assert_true(scenario_stats(&s).memory_held_bytes_peak < 512 * 1024);
        assert_int_equal(scenario_stats(&s).memory_held_bytes, 0);
        scenario_close(&s);
        tern_buf_deinit(&coded);
        tern_buf_deinit(&received);
    }
}

struct collected {
    bool is_there;
    enum tern_error error;
    size_t len;
};

static void on_response(void *data, tern_call_id call, const struct tern_response *response)
{
    struct collected *collected = data;

    (void)call;
    *collected = (struct collected){true, response->result.fault.error, response->body_len};
    if (response->result.fault.error == TERN_OK)
        assert_memory_equal(response->body, content, response->body_len);
}

/* What is collected is decoded, and that is what its bound counts. */
static void test_collected(void **state)
{
    static const uint64_t bounds[] = {0, CONTENT_BYTES, CONTENT_BYTES - 1};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct tern_request request = {.url = TERN_STR("http://a.test/")};
        struct collected collected = {0};
        struct scenario s;

        code_content(CONTENT_BYTES);
        open_with(&s, false, NULL);
        assert_int_equal(tern_collect_start(s.client, &request, bounds[i], on_response, &collected, NULL, NULL),
                         TERN_OK);
        scenario_run(&s, 0);
        respond(&s, false, "gzip");
        assert_true(collected.is_there);
        assert_int_equal(collected.error, i < 2 ? TERN_OK : TERN_EBODY_MAX);
        if (i < 2)
            assert_int_equal(collected.len, CONTENT_BYTES);
        scenario_close(&s);
        tern_buf_deinit(&coded);
    }
}

static int fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (char)('a' + (i * i / 7 + i / 100) % 23);
    return 0;
}

static int forget(void **state)
{
    (void)state;
    tern_buf_deinit(&coded);
    tern_buf_deinit(&received);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_decoded, forget),
        cmocka_unit_test_teardown(test_accept_encoding, forget),
        cmocka_unit_test_teardown(test_accept_encoding_by_default, forget),
        cmocka_unit_test_teardown(test_what_stands_as_it_comes, forget),
        cmocka_unit_test_teardown(test_paused, forget),
        cmocka_unit_test_teardown(test_credit, forget),
        cmocka_unit_test_teardown(test_too_large, forget),
        cmocka_unit_test_teardown(test_ends_in_the_middle, forget),
        cmocka_unit_test_teardown(test_cut_off, forget),
        cmocka_unit_test_teardown(test_a_turn_is_short, forget),
        cmocka_unit_test_teardown(test_bomb, forget),
        cmocka_unit_test_teardown(test_collected, forget),
    };

    if (!encode_has("gzip"))
        return 77;
    return cmocka_run_group_tests(tests, fill, NULL);
}
