/* The mock without memory: each allocation refused in turn, and from there on all of them. Every call that was started
 * ends once, and nothing leaks, whatever the order in which engine and mock go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tern/mock.h"
#include "tests/support/faultmem.h"

static uint32_t started, done, unexpected;

static void on_unexpected(void *user, const char *text)
{
    (void)user;
    unexpected += strlen(text) > 10;
}

static void on_done(void *user, tern_call_id call, const struct tern_result *result)
{
    enum tern_error error = result->fault.error;

    (void)user, (void)call;
    assert_true(error == TERN_OK || error == TERN_ENOMEM || error == TERN_EMOCK || error == TERN_EPEER_TRUNCATED);
    done++;
}

static void start(struct tern_client *client, const struct tern_request *request)
{
    enum tern_error error =
        tern_call_start(client, request, &(struct tern_handlers){.on_done = on_done}, NULL, NULL, NULL);

    assert_true(error == TERN_OK || error == TERN_ENOMEM);
    started += error == TERN_OK;
}

static void expect_all(struct tern_mock *mock)
{
    static const struct tern_field field = {.name = TERN_STR("X"), .value = TERN_STR("y")};
    static const struct tern_mock_informational early = {.status = 103, .fields = &field, .field_count = 1};
    static const struct tern_mock_piece pieces[] = {{TERN_STR("ab"), TERN_MS}, {TERN_STR("cd"), 0}};
    static const struct tern_mock_match match = {.host = "a.test", .path = "/*", .fields = &field, .field_count = 1};
    static const struct tern_mock_answer answers[] = {
        {.status = 503},
        {.error = TERN_ECONNECT_REFUSED},
        {.informational = &early,
         .informational_count = 1,
         .pieces = pieces,
         .piece_count = 2,
         .trailers = &field,
         .trailer_count = 1},
        {.status = 200, .body = TERN_STR("x"), .error = TERN_EPEER_TRUNCATED},
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct tern_fault why = {0};
        enum tern_error error = tern_mock_expect(mock, &match, &answers[i], 1, &why);

        assert_true(error == TERN_OK || error == TERN_ENOMEM);
        assert_int_equal(why.error, error);
    }
}

static void use(struct tern_engine *engine, struct tern_client *client, struct tern_mock *mock)
{
    const struct tern_field fields[] = {{.name = TERN_STR("X"), .value = TERN_STR("y")}};
    const struct tern_request request = {.url = TERN_STR("http://a.test/path"),
                                         .method = TERN_STR("PUT"),
                                         .fields = fields,
                                         .field_count = 1,
                                         .trailers = fields,
                                         .trailer_count = 1,
                                         .body = {.kind = TERN_BODY_MEMORY, .data = "data", .length = 4}};

    expect_all(mock);
    for (int i = 0; i < 2; i++) {
        start(client, &request);
        assert_int_equal(tern_mock_advance(engine, 100 * TERN_S), TERN_OK);
    }
    start(client, &(struct tern_request){.url = TERN_STR("http://b.test/")});
    assert_int_equal(tern_mock_advance(engine, 100 * TERN_S), TERN_OK);
    (void)tern_mock_verify(mock);
}

static void story(bool mock_goes_first)
{
    const struct tern_retries retries = {.attempts_max = 4};
    const struct tern_client_config config = {.policy = &(struct tern_policy){.retries = &retries}};
    struct tern_engine *engine = NULL;
    struct tern_client *client = NULL;
    struct tern_mock *mock = NULL;
    enum tern_error error = tern_mock_engine_new(NULL, &engine, NULL);

    started = done = unexpected = 0;
    if (error == TERN_OK)
        error = tern_client_new(engine, &config, &client, NULL);
    if (error == TERN_OK)
        error = tern_mock_new(client, &(struct tern_mock_config){.on_unexpected = on_unexpected}, &mock, NULL);
    assert_true(error == TERN_OK || error == TERN_ENOMEM);
    if (error == TERN_OK)
        use(engine, client, mock);
    assert_int_equal(started, done);
    if (mock_goes_first)
        tern_mock_free(mock);
    assert_int_equal(tern_engine_free(engine), TERN_OK);
    if (!mock_goes_first)
        tern_mock_free(mock);
}

static void without_memory(void (*arm)(uint64_t n))
{
    bool failed = true;

    faultmem_never_fail();
    story(false); /* what a process makes once and keeps is no leak */
    assert_int_equal(done, 3);
    assert_int_equal(unexpected, 1);
    for (uint64_t n = 1; failed; n++) {
        uint64_t live = faultmem_live();

        arm(n);
        story(n % 2 == 0);
        failed = faultmem_failed();
        faultmem_never_fail();
        if (faultmem_live() != live)
            fail_msg("a leak when allocation %llu fails", (unsigned long long)n);
        assert_true(n < 2000);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_fails_once),
        cmocka_unit_test(test_all_allocations_fail_from_each_on),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
