/* Nothing to be had: each allocation refused in turn, and from there on all of them; sockets and connects that fail.
 * Whatever is refused, every call that was started ends once, and all memory, every socket and every place comes back.
 * */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/faultmem.h"
#include "tests/support/scenario.h"

#define URL TERN_STR("http://a.test/")
#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"
#define WHOLE                                                                                                          \
    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"                                                                      \
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n"

/* ---- the peer ---- */

/* Answers by path: /whole at once, /slow in two packets, /die never: it closes, unless it has done so before. */
static void on_heard(struct simio_peer *peer, void *user)
{
    bool *has_died = user;

    if (!scenario_heard(peer, "\r\n\r\n") ||
        (scenario_heard(peer, "chunked\r\n") && !scenario_heard(peer, "\r\n0\r\n\r\n")))
        return;
    if (scenario_heard(peer, " /slow ")) {
        simio_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
        simio_say_after(peer, TERN_S, "half");
    } else if (scenario_heard(peer, " /die ") && !*has_died) {
        *has_died = true;
        simio_end(peer);
    } else {
        simio_say(peer, WHOLE);
    }
    simio_forget(peer);
}

/* ---- what is done ---- */

static struct seen *get(struct scenario *s, const char *url)
{
    struct tern_fault why = {0};
    struct seen *call = scenario_try(s, &(struct tern_request){.url = tern_str(url)}, &why);

    if (call == NULL)
        assert_int_equal(why.error, TERN_ENOMEM);
    return call;
}

static void plain(struct scenario *s)
{
    get(s, "http://u:p@a.test/whole");
    scenario_run(s, TERN_S);
    get(s, "http://a.test/whole");
}

static void waiters(struct scenario *s)
{
    for (int i = 0; i < 4; i++)
        get(s, i % 2 != 0 ? "http://a.test/slow" : "http://b.test/whole");
}

/* Two hosts at an address that takes one connection, and a pool that takes two. */
static void crowd(struct scenario *s)
{
    const struct tern_client_config config = {.dns = {.hosts_path = ""},
                                              .limits = {.connections_max = 2, .connections_per_address_max = 1}};
    struct seen *calls[6];
    enum tern_error error = tern_client_configure(s->client, &config, NULL);

    assert_true(error == TERN_OK || error == TERN_ENOMEM);
    for (int i = 0; i < 6; i++)
        calls[i] = get(s, i % 2 != 0 ? "http://192.0.2.1/slow" : "http://b.test/whole");
    scenario_run(s, TERN_MS);
    if (calls[2] != NULL)
        (void)tern_call_cancel(s->engine, calls[2]->id);
}

static void warm(struct scenario *s)
{
    const struct tern_client_config config = {.dns = {.hosts_path = ""},
                                              .limits = {.warm_per_host = 2, .warm_ns = 50 * TERN_S}};
    enum tern_error error = tern_client_configure(s->client, &config, NULL);

    assert_true(error == TERN_OK || error == TERN_ENOMEM);
    error = tern_client_preconnect(s->client, TERN_STR("http://192.0.2.1/"), 3, NULL);
    assert_true(error == TERN_OK || error == TERN_ENOMEM);
    get(s, "http://192.0.2.1/slow");
    scenario_run(s, TERN_MS);
    get(s, "http://192.0.2.1/whole");
}

static void race(struct scenario *s)
{
    fakedns_answer(s->servers, "a.test", "2001:db8::1 2001:db8::2 192.0.2.1", 60);
    fakedns_takes(s->servers, "a.test", TERN_IP_V6, 20 * TERN_MS);
    simio_black_hole(s->sim, "[2001:db8::1]:80");
    get(s, "http://a.test/whole");
}

static void cancel(struct scenario *s)
{
    struct seen *calls[4];

    for (int i = 0; i < 4; i++)
        calls[i] = get(s, i < 2 ? "http://a.test/slow" : "http://gone.test/");
    scenario_run(s, TERN_MS);
    for (int i = 0; i < 4; i += 2)
        if (calls[i] != NULL)
            (void)tern_call_cancel(s->engine, calls[i]->id);
}

static void pause(struct scenario *s)
{
    struct seen *call = get(s, "http://a.test/whole");

    if (call != NULL)
        (void)tern_call_pause(s->engine, call->id);
    scenario_run(s, TERN_S);
    if (call != NULL)
        (void)tern_call_resume(s->engine, call->id);
}

static void configure(struct scenario *s)
{
    static const char *const addresses[] = {"192.0.2.1"};
    const struct tern_resolve_override override = {.host = "c.test", .addresses = addresses, .address_count = 1};
    const struct tern_field field = {TERN_STR("X"), TERN_STR("y"), 0};
    const struct tern_client_config config = {.name = "other",
                                              .dns = {.hosts_path = "", .overrides = &override, .override_count = 1},
                                              .fields = &field,
                                              .field_count = 1,
                                              .unix_socket = ""};
    struct tern_fault why = {0};
    enum tern_error error;

    get(s, "http://a.test/slow");
    scenario_run(s, TERN_MS);
    error = tern_client_configure(s->client, &config, &why);
    assert_true(error == TERN_OK || error == TERN_ENOMEM);
    assert_int_equal(why.error, error);
    get(s, "http://c.test/whole");
}

/* An upload in chunks, on a kept connection that dies under it. */
struct upload {
    size_t at;
};

static enum tern_read read_piece(void *user, void *buffer, size_t capacity, size_t *n)
{
    struct upload *upload = user;

    (void)capacity;
    if (upload->at == 3)
        return TERN_READ_END;
    memcpy(buffer, "piece", 5);
    *n = 5;
    upload->at++;
    return TERN_READ_DATA;
}

static bool rewind_pieces(void *user)
{
    ((struct upload *)user)->at = 0;
    return true;
}

static void upload(struct scenario *s)
{
    static struct upload upload;
    const struct tern_request request = {.url = TERN_STR("http://a.test/die"),
                                         .method = TERN_STR("PUT"),
                                         .expect = TERN_EXPECT_NEVER,
                                         .body = {.kind = TERN_BODY_CALLBACK,
                                                  .length = TERN_LENGTH_UNKNOWN,
                                                  .read = read_piece,
                                                  .rewind = rewind_pieces,
                                                  .user = &upload}};
    struct tern_fault why = {0};

    get(s, "http://a.test/whole");
    scenario_run(s, TERN_S);
    upload.at = 0;
    if (scenario_try(s, &request, &why) == NULL)
        assert_int_equal(why.error, TERN_ENOMEM);
}

static uint32_t responses;

static void on_response(void *user, tern_call_id call, const struct tern_response *response)
{
    (void)user, (void)call;
    responses++;
    if (response->result.fault.error == TERN_OK) {
        assert_string_equal(response->body, "abc");
        assert_int_equal(response->field_count, 1);
    } else {
        assert_int_equal(response->result.fault.error, TERN_ENOMEM);
        assert_non_null(response->body);
    }
}

static void collect(struct scenario *s)
{
    struct tern_fault why = {0};
    enum tern_error error =
        tern_collect_start(s->client, &(struct tern_request){.url = URL}, 0, on_response, NULL, NULL, &why);

    assert_true(error == TERN_OK || error == TERN_ENOMEM);
    responses -= error == TERN_OK; /* and so 0 when it has ended */
}

static void perform(struct scenario *s)
{
    struct tern_response *response = NULL;
    enum tern_error error = tern_perform(s->client, &(struct tern_request){.url = URL}, 0, &response, NULL);

    assert_true(error == TERN_OK || error == TERN_ENOMEM);
    if (response != NULL)
        assert_int_equal(response->result.fault.error, error);
    tern_response_free(response);
}

static void posts(struct scenario *s)
{
    struct tern_fault why = {0};
    tern_call_id id;
    enum tern_error error = tern_post_start(s->client, &(struct tern_request){.url = URL}, NULL, NULL, &id, &why);

    assert_true(error == TERN_OK || error == TERN_ENOMEM);
    if (error == TERN_OK)
        tern_post_cancel(s->engine, id);
    error = tern_post_start(s->client, &(struct tern_request){.url = URL}, NULL, NULL, &id, &why);
    assert_true(error == TERN_OK || error == TERN_ENOMEM);
}

/* ---- how it is told ---- */

static void (*const stories[])(struct scenario *s) = {plain, waiters,   crowd,  warm,    race,    cancel,
                                                      pause, configure, upload, collect, perform, posts};

#define STORIES (sizeof(stories) / sizeof(stories[0]))

static void open_world(struct scenario *s, bool *has_died)
{
    const struct tern_client_config config = {.limits = {.connections_max = 2, .connections_per_host_max = 1}};

    *has_died = false;
    responses = 0;
    scenario_open(s, &config);
    fakedns_answer(s->servers, "b.test", "192.0.2.1", 60);
    simio_serve(s->sim, SCENARIO_ADDRESS, on_heard, has_died);
}

/* A race that could not dial the address that lives is left with the one that does not; an upload whose connection was
 * not warmed up is on a fresh one that dies. */
static bool is_for_want_of_memory(size_t story, enum tern_error error)
{
    return error == TERN_ENOMEM || (stories[story] == race && error == TERN_ECONNECT_TIMEOUT) ||
           (stories[story] == upload && error == TERN_EPEER_EMPTY);
}

static void only_for_want_of_memory(const struct scenario *s, size_t story)
{
    for (size_t i = 0; i < s->seen_count; i++) {
        enum tern_error error = s->seen[i]->result.fault.error;

        assert_int_equal(s->seen[i]->dones, 1);
        assert_int_equal(error == TERN_OK, s->seen[i]->result.phase == TERN_PHASE_DONE);
        assert_true(error != TERN_OK || s->seen[i]->result.status == 200);
        if (error != TERN_OK && error != TERN_ECANCELLED && error != TERN_EDNS_NOT_FOUND &&
            !is_for_want_of_memory(story, error))
            fail_msg("story %zu, call %zu: %s", story, i, s->seen[i]->result.fault.text);
    }
}

/* What a process makes once and keeps is no leak. */
static void warm_up(void)
{
    struct scenario s;
    bool has_died;

    open_world(&s, &has_died);
    plain(&s);
    scenario_run(&s, TERN_S);
    scenario_close(&s);
}

static void without_memory(void (*arm)(uint64_t n))
{
    warm_up();
    for (size_t i = 0; i < STORIES; i++) {
        bool failed = true;

        for (uint64_t n = 1; failed; n++) {
            uint64_t live = faultmem_live();
            struct scenario s;
            bool has_died;

            open_world(&s, &has_died);
            arm(n);
            stories[i](&s);
            scenario_run(&s, 1000 * TERN_S);
            failed = faultmem_failed();
            only_for_want_of_memory(&s, i);
            assert_int_equal(responses, 0);
            assert_int_equal(scenario_stats(&s).calls_live, 0);
            scenario_close(&s);
            faultmem_never_fail();
            if (faultmem_live() != live)
                fail_msg("story %zu leaks when allocation %llu fails", i, (unsigned long long)n);
            assert_true(n < 2000);
        }
    }
}

static void test_each_allocation_fails_once(void **state)
{
    (void)state;
    without_memory(faultmem_fail_nth);
}

static void test_all_allocations_fail_from_each_on(void **state)
{
    (void)state;
    without_memory(faultmem_fail_from);
}

/* With memory short in the middle, the client is good again as soon as there is some. */
static void test_client_recovers(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 60; n++) {
        struct scenario s;
        struct seen *call;
        bool has_died;

        open_world(&s, &has_died);
        faultmem_fail_from(n);
        plain(&s);
        scenario_run(&s, TERN_S);
        faultmem_never_fail();
        scenario_run(&s, 10 * TERN_S);
        call = get(&s, "http://a.test/whole");
        scenario_run(&s, TERN_S);
        seen_is(call, "informational 103 | head 200 | body abc | trailer X=y | done");
        scenario_close(&s);
    }
}

/* ---- sockets ---- */

static void test_sockets_that_cannot_be_had(void **state)
{
    static const struct {
        int os_errno;
        const char *expected;
    } cases[] = {
        {EMFILE, "done EDESCRIPTORS CONNECT"},    {ENFILE, "done EDESCRIPTORS CONNECT"},
        {ENOMEM, "done ENOMEM CONNECT"},          {ENOBUFS, "done ENOMEM CONNECT"},
        {EACCES, "done ECONNECT_FAILED CONNECT"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scenario s;
        struct seen *call;
        bool has_died;

        open_world(&s, &has_died);
        simio_socket_fails(s.sim, cases[i].os_errno);
        call = get(&s, "http://a.test/whole");
        scenario_run(&s, 0);
        seen_is(call, cases[i].expected);
        assert_int_equal(call->result.fault.os_errno, cases[i].os_errno);
        assert_int_equal(call->result.replay, TERN_REPLAY_UNSENT);
        call = get(&s, "http://a.test/whole");
        scenario_run(&s, 0);
        seen_is(call, "informational 103 | head 200 | body abc | trailer X=y | done");
        scenario_close(&s);
    }
}

static void test_connects_that_fail(void **state)
{
    static const struct {
        int os_errno;
        const char *expected;
    } cases[] = {
        {ECONNREFUSED, "done ECONNECT_REFUSED CONNECT"},
        {ENETUNREACH, "done ECONNECT_UNREACHABLE CONNECT"},
        {EHOSTUNREACH, "done ECONNECT_UNREACHABLE CONNECT"},
        {EADDRNOTAVAIL, "done ECONNECT_UNREACHABLE CONNECT"},
        {EACCES, "done ECONNECT_FAILED CONNECT"},
        {ETIMEDOUT, "done ECONNECT_TIMEOUT CONNECT"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scenario s;
        struct seen *call;
        bool has_died;

        open_world(&s, &has_died);
        simio_connect_fails(s.sim, SCENARIO_ADDRESS, cases[i].os_errno);
        call = get(&s, "http://a.test/whole");
        scenario_run(&s, 0);
        seen_is(call, cases[i].expected);
        assert_int_equal(call->result.fault.os_errno, cases[i].os_errno);
        assert_int_equal(simio_counts(s.sim).open, 0);
        scenario_close(&s);
    }
}

/* One of a race cannot have a socket: the other goes on. */
static void test_socket_of_one_racer(void **state)
{
    struct scenario s;
    struct seen *call;
    bool has_died;

    (void)state;
    open_world(&s, &has_died);
    fakedns_answer(s.servers, "a.test", "2001:db8::1 192.0.2.1", 60);
    simio_socket_fails(s.sim, EMFILE);
    call = get(&s, "http://a.test/whole");
    scenario_run(&s, 0);
    seen_is(call, "informational 103 | head 200 | body abc | trailer X=y | done");
    assert_int_equal(call->result.tries[0].error, TERN_EDESCRIPTORS);
    scenario_close(&s);
}

static int with_memory(void **state)
{
    (void)state;
    faultmem_never_fail();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_each_allocation_fails_once, with_memory),
        cmocka_unit_test_teardown(test_all_allocations_fail_from_each_on, with_memory),
        cmocka_unit_test_teardown(test_client_recovers, with_memory),
        cmocka_unit_test_teardown(test_sockets_that_cannot_be_had, with_memory),
        cmocka_unit_test_teardown(test_connects_that_fail, with_memory),
        cmocka_unit_test_teardown(test_socket_of_one_racer, with_memory),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
