/* A test of one's own code over tern, without a network: a function that asks an API and tries again, and what it does
 * when the API is busy, answers nonsense or is not there. The backoff of its retries takes virtual time only.
 *
 *     cc mock_test.c $(pkg-config --cflags --libs tern cmocka) -o mock_test && ./mock_test */
#include <tern/mock.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---- the code under test: it knows nothing of mocks ---- */

/* How many of an item are in stock, or -1. */
static long stock_of(struct tern_client *client, const char *url)
{
    const struct tern_retries retries = {.attempts_max = 3, .backoff_ns = TERN_S};
    const struct tern_policy policy = {.retries = &retries};
    const struct tern_request request = {.url = tern_str(url), .policy = &policy};
    struct tern_response *response = NULL;
    long count = -1;
    char *end;

    if (tern_perform(client, &request, 0, &response, NULL) == TERN_OK && response->result.status == 200) {
        count = strtol(response->body, &end, 10);
        if (end == response->body || *end != '\0')
            count = -1;
    }
    tern_response_free(response);
    return count;
}

/* ---- its tests ---- */

struct fixture {
    struct tern_engine *engine;
    struct tern_client *client;
    struct tern_mock *mock;
};

static const struct tern_mock_match stock = {.method = "GET", .host = "api.example", .path = "/stock/*"};

static int set_up(void **state)
{
    static struct fixture f;

    *state = &f;
    return tern_mock_engine_new(NULL, &f.engine, NULL) == TERN_OK &&
                   tern_client_new(f.engine, NULL, &f.client, NULL) == TERN_OK &&
                   tern_mock_new(f.client, NULL, &f.mock, NULL) == TERN_OK
               ? 0
               : -1;
}

/* Whatever a test was about, nothing else may have been sent, and all of it must have been. */
static int tear_down(void **state)
{
    struct fixture *f = *state;
    const char *complaint = tern_mock_verify(f->mock);

    if (complaint != NULL)
        print_error("%s", complaint);
    tern_engine_free(f->engine);
    tern_mock_free(f->mock);
    return complaint == NULL ? 0 : -1;
}

static void expect(struct fixture *f, const struct tern_mock_answer *answer, uint32_t times)
{
    assert_int_equal(tern_mock_expect(f->mock, &stock, answer, times, NULL), TERN_OK);
}

static void the_count_is_read(void **state)
{
    struct fixture *f = *state;

    expect(f, &(struct tern_mock_answer){.body = TERN_STR("12")}, 1);
    assert_int_equal(stock_of(f->client, "https://api.example/stock/7"), 12);
    assert_string_equal(tern_mock_sent(f->mock, 0)->url.ptr, "https://api.example/stock/7");
}

static void a_busy_server_is_asked_again_when_it_says(void **state)
{
    const struct tern_field later = {.name = TERN_STR("Retry-After"), .value = TERN_STR("60")};
    struct fixture *f = *state;

    expect(f, &(struct tern_mock_answer){.status = 503, .fields = &later, .field_count = 1}, 1);
    expect(f, &(struct tern_mock_answer){.body = TERN_STR("3")}, 1);
    assert_int_equal(stock_of(f->client, "https://api.example/stock/7"), 3);
    assert_true(tern_mock_sent(f->mock, 1)->at_ns - tern_mock_sent(f->mock, 0)->at_ns >= 60 * TERN_S);
}

static void three_failures_are_enough(void **state)
{
    struct fixture *f = *state;

    expect(f, &(struct tern_mock_answer){.error = TERN_ECONNECT_REFUSED}, 3);
    assert_int_equal(stock_of(f->client, "https://api.example/stock/7"), -1);
}

static void silence_is_given_up(void **state)
{
    struct fixture *f = *state;

    expect(f, &(struct tern_mock_answer){.delay_ns = TERN_OFF}, 3);
    assert_int_equal(stock_of(f->client, "https://api.example/stock/7"), -1);
}

static void nonsense_is_no_count(void **state)
{
    struct fixture *f = *state;

    expect(f, &(struct tern_mock_answer){.body = TERN_STR("<html>")}, 1);
    assert_int_equal(stock_of(f->client, "https://api.example/stock/7"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_count_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_busy_server_is_asked_again_when_it_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(three_failures_are_enough, set_up, tear_down),
        cmocka_unit_test_setup_teardown(silence_is_given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nonsense_is_no_count, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
