/* Retries: each answer against a reading of tern/policy.h and RFC 9110 10.2.3 in a few lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/date.h"
#include "base/num.h"
#include "base/str.h"
#include "policy/retry.h"

#define NOW_NS (1000 * TERN_S)
#define WALL_S 1700000000 /* Tue, 14 Nov 2023 22:13:20 GMT */

static const uint16_t statuses[] = {429, 502, 503, 504};

/* The documented defaults. */
static const struct tern_retries defaults = {.attempts_max = 4,
                                             .statuses = statuses,
                                             .status_count = 4,
                                             .backoff_ns = 200 * TERN_MS,
                                             .backoff_max_ns = 4 * TERN_S,
                                             .time_max_ns = TERN_OFF,
                                             .retry_after_max_ns = 900 * TERN_S,
                                             .budget_percent = 20,
                                             .budget_min = 3};

static struct tern_retry_question ask(const struct tern_retries *config)
{
    return (struct tern_retry_question){.config = config,
                                        .attempt = 1,
                                        .status = 503,
                                        .is_idempotent = true,
                                        .has_body_again = true,
                                        .now_ns = NOW_NS,
                                        .wall_s = WALL_S,
                                        .deadline_ns = TERN_OFF,
                                        .live = 1};
}

static struct tern_retry_answer decide(const struct tern_retry_question *question, uint64_t seed)
{
    struct tern_retry_answer answer;
    struct tern_rand rand;

    tern_rand_seed(&rand, seed);
    tern_retry_decide(question, &rand, &answer);
    if (answer.again)
        assert_null(answer.reason);
    return answer;
}

/* ---- Retry-After ---- */

static void test_retry_after(void **state)
{
    static const struct {
        const char *value;
        bool is_one;
        uint64_t ns;
    } cases[] = {
        {"0", true, 0},
        {"1", true, TERN_S},
        {"120", true, 120 * TERN_S},
        {" 7\t", true, 7 * TERN_S},
        {"007", true, 7 * TERN_S},
        {"18446744073", true, UINT64_C(18446744073000000000)}, /* the most seconds that fit */
        {"18446744074", true, TERN_OFF},
        {"18446744073709551615", true, TERN_OFF},
        {"18446744073709551616", true, TERN_OFF},
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {"1.5", false, 0},
        {"1s", false, 0},
        {"1 2", false, 0},
        {"0x10", false, 0},
        {"soon", false, 0},
        {"Tue, 14 Nov 2023 22:13:20 GMT", true, 0},
        {"Tue, 14 Nov 2023 22:13:21 GMT", true, TERN_S},
        {"Tue, 14 Nov 2023 22:13:19 GMT", true, 0}, /* past */
        {"Thu, 01 Jan 1970 00:00:00 GMT", true, 0},
        {"Wed, 15 Nov 2023 22:13:20 GMT", true, 86400 * TERN_S},
        {"Tuesday, 14-Nov-23 22:14:20 GMT", true, 60 * TERN_S}, /* RFC 850's form */
        {"Tue Nov 14 22:14:20 2023", true, 60 * TERN_S},        /* asctime's */
        {"Fri, 31 Dec 9999 23:59:59 GMT", true, TERN_OFF},
        {"Tue, 14 Nov 2023 22:13:21 CET", false, 0},
        {"Tue, 32 Nov 2023 22:13:21 GMT", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tern_str value = tern_str(cases[i].value);
        uint64_t ns = 0;

        if (tern_retry_after_parse(value, WALL_S, &ns) != cases[i].is_one)
            fail_msg("\"%s\" is %staken", cases[i].value, cases[i].is_one ? "not " : "");
        if (cases[i].is_one && ns != cases[i].ns)
            fail_msg("\"%s\" is %llu ns", cases[i].value, (unsigned long long)ns);
    }
}

/* delay-seconds is 1*DIGIT: more than fits is still very long, and no retry is made before. */
static void test_retry_after_beyond_all_numbers(void **state)
{
    char digits[101];
    uint64_t ns;

    (void)state;
    memset(digits, '9', sizeof(digits) - 1);
    digits[sizeof(digits) - 1] = '\0';
    for (size_t len = 20; len < sizeof(digits); len += 16) {
        struct tern_retry_question question = ask(&defaults);

        question.retry_after = tern_str_n(digits, len);
        assert_true(tern_retry_after_parse(question.retry_after, WALL_S, &ns));
        assert_true(ns == TERN_OFF);
        assert_false(decide(&question, 1).again);
    }
}

/* ---- how long ---- */

/* min(cap, base * 2^(n-1)) as written, in floating point. */
static double most_ns(const struct tern_retries *config, uint32_t attempt)
{
    double most = (double)config->backoff_ns;

    for (uint32_t n = 1; n < attempt && n < 200; n++)
        most *= 2;
    return most < (double)config->backoff_max_ns ? most : (double)config->backoff_max_ns;
}

static void test_backoff_is_within_its_bounds_and_fills_them(void **state)
{
    static const struct {
        uint64_t base_ns, max_ns;
    } shapes[] = {
        {200 * TERN_MS, 4 * TERN_S}, {1, 1}, {TERN_S, TERN_MS}, {3, UINT64_MAX - 1}, {UINT64_MAX / 2, UINT64_MAX - 1}};

    (void)state;
    for (size_t shape = 0; shape < sizeof(shapes) / sizeof(shapes[0]); shape++) {
        struct tern_retries config = defaults;

        config.attempts_max = UINT32_MAX;
        config.backoff_ns = shapes[shape].base_ns;
        config.backoff_max_ns = shapes[shape].max_ns;
        for (uint32_t attempt = 1; attempt < 100000; attempt = attempt < 8 ? attempt + 1 : attempt * 3) {
            struct tern_retry_question question = ask(&config);
            double most = most_ns(&config, attempt), sum = 0;
            uint64_t least_seen = UINT64_MAX, most_seen = 0;

            question.attempt = attempt;
            question.now_ns = 0; /* room for the longest delays before TERN_OFF */
            for (uint64_t seed = 0; seed < 500; seed++) {
                struct tern_retry_answer answer = decide(&question, seed);

                assert_true(answer.again);
                assert_true((double)answer.delay_ns <= most);
                sum += (double)answer.delay_ns / 500;
                least_seen = answer.delay_ns < least_seen ? answer.delay_ns : least_seen;
                most_seen = answer.delay_ns > most_seen ? answer.delay_ns : most_seen;
            }
            if (most < 1000)
                continue; /* "full jitter": evenly from nothing to the most */
            assert_true(sum > 0.45 * most && sum < 0.55 * most);
            assert_true((double)least_seen < 0.05 * most && (double)most_seen > 0.95 * most);
        }
    }
}

/* The longer of the two is waited, and what is asked beyond the cap ends it. */
static void test_retry_after_and_backoff(void **state)
{
    struct tern_retry_question question = ask(&defaults);

    (void)state;
    for (uint64_t seconds = 0; seconds < 1000; seconds += seconds < 10 || seconds >= 890 ? 1 : 55) {
        char value[32];

        for (int form = 0; form < 2; form++) {
            snprintf(value, sizeof(value), "%llu", (unsigned long long)seconds);
            if (form == 1)
                tern_date_format(value, WALL_S + (int64_t)seconds);
            question.retry_after = tern_str(value);
            for (question.attempt = 1; question.attempt < 4; question.attempt++) {
                struct tern_retry_answer answer = decide(&question, seconds);

                assert_int_equal(answer.again, seconds <= 900);
                assert_int_equal(answer.reason != NULL, seconds > 900);
                if (answer.again) {
                    double backoff = most_ns(&defaults, question.attempt);

                    assert_true(answer.delay_ns >= seconds * TERN_S);
                    assert_true(answer.delay_ns == seconds * TERN_S || (double)answer.delay_ns <= backoff);
                }
            }
        }
    }
    question = ask(&defaults);
    question.retry_after = TERN_STR("whenever"); /* as if it were not there */
    assert_true(decide(&question, 1).again);
}

static void test_never_past_the_deadline(void **state)
{
    struct tern_retry_question question = ask(&defaults);

    (void)state;
    question.retry_after = TERN_STR("10");
    question.deadline_ns = NOW_NS + 10 * TERN_S + 1;
    assert_true(decide(&question, 1).again);
    question.deadline_ns = NOW_NS + 10 * TERN_S;
    assert_false(decide(&question, 1).again);
    assert_non_null(decide(&question, 1).reason);
    question.deadline_ns = NOW_NS - 1;
    question.retry_after = (struct tern_str){NULL, 0};
    assert_false(decide(&question, 1).again);
    question.now_ns = UINT64_MAX - 2; /* the end of time */
    question.start_ns = question.now_ns;
    question.deadline_ns = UINT64_MAX - 1;
    question.retry_after = TERN_STR("900");
    assert_false(decide(&question, 1).again);
}

static void test_without_jitter_all_of_it_is_waited(void **state)
{
    struct tern_retries config = defaults;
    struct tern_retry_question question = ask(&config);

    (void)state;
    config.no_jitter = true;
    config.attempts_max = 100;
    for (question.attempt = 1; question.attempt < 100; question.attempt++)
        assert_true((double)decide(&question, question.attempt).delay_ns == most_ns(&config, question.attempt));
    config.backoff_ns = config.backoff_max_ns = 7 * TERN_S; /* always the same */
    for (question.attempt = 1; question.attempt < 100; question.attempt++)
        assert_true(decide(&question, question.attempt).delay_ns == 7 * TERN_S);
}

/* From the call's start to the retry's, its delay included. */
static void test_not_beyond_the_time_for_retries(void **state)
{
    struct tern_retries config = defaults;
    struct tern_retry_question question = ask(&config);

    (void)state;
    config.time_max_ns = 15 * TERN_S;
    question.start_ns = NOW_NS - 5 * TERN_S;
    question.retry_after = TERN_STR("10");
    assert_true(decide(&question, 1).again);
    config.time_max_ns--;
    assert_false(decide(&question, 1).again);
    assert_string_equal(decide(&question, 1).reason, "the time for retries is over");
}

/* ---- whether ---- */

static bool is_among(uint16_t status, const struct tern_retries *config)
{
    for (size_t i = 0; i < config->status_count; i++)
        if (config->statuses[i] == status)
            return true;
    return false;
}

/* tern/policy.h: "a failure of the class DNS (but a name that does not exist), CONNECT, PEER or TIMEOUT (but the
 * deadline)". */
static bool is_failure_to_retry(const struct tern_retries *config, enum tern_error error)
{
    for (size_t i = 0; i < config->error_count; i++)
        if (config->errors[i] == error)
            return true;
    if (config->error_count != 0)
        return false;
    switch (tern_error_class(error)) {
    case TERN_CLASS_DNS:
        return error != TERN_EDNS_NOT_FOUND;
    case TERN_CLASS_TIMEOUT:
        return error != TERN_EDEADLINE;
    default:
        return tern_error_class(error) == TERN_CLASS_CONNECT || tern_error_class(error) == TERN_CLASS_PEER;
    }
}

/* "Where that is safe": nothing was sent, the peer said that it did not process it, the method is idempotent. */
static bool is_safe(const struct tern_retry_question *q)
{
    bool says_so = q->replay == TERN_REPLAY_UNSENT || q->replay == TERN_REPLAY_REFUSED;

    return q->is_idempotent || q->config->unsafe_too || (q->status == 0 && says_so);
}

/* "At most this share of its live calls, or so many, if that is more". */
static bool is_in_budget(const struct tern_retry_question *q)
{
    double share = (double)q->live * q->config->budget_percent / 100;

    return q->retrying + 1 <= q->config->budget_min || (double)q->retrying + 1 <= share;
}

static bool oracle(const struct tern_retry_question *q)
{
    bool calls = q->status != 0 ? is_among(q->status, q->config) : is_failure_to_retry(q->config, q->error);

    return calls && q->attempt < q->config->attempts_max && is_safe(q) && q->has_body_again && is_in_budget(q);
}

static void test_every_answer(void **state)
{
    static const uint16_t some[] = {200, 204, 302, 404, 408, 429, 500, 501, 502, 503, 504, 599};
    static const uint16_t other[] = {500, 408};
    static const enum tern_error errors[] = {TERN_EDNS_NOT_FOUND, TERN_ETLS_PIN, TERN_EREAD_TIMEOUT};
    struct tern_rand rand;
    uint32_t yes = 0;

    (void)state;
    tern_rand_seed(&rand, 9110);
    for (int i = 0; i < 200000; i++) {
        struct tern_retries config = defaults;
        struct tern_retry_question question = ask(&config);
        uint64_t dice = tern_rand_next(&rand);

        config.attempts_max = 1 + (uint32_t)tern_rand_below(&rand, 6);
        config.unsafe_too = (dice & 7) == 0;
        config.budget_percent = 1 + (uint32_t)tern_rand_below(&rand, 100);
        config.budget_min = 1 + (uint32_t)tern_rand_below(&rand, 5);
        if (dice >> 3 & 1) {
            config.statuses = other;
            config.status_count = 2;
        }
        if (dice >> 10 & 1) {
            config.errors = errors;
            config.error_count = 3;
        }
        question.attempt = 1 + (uint32_t)tern_rand_below(&rand, 6);
        question.status = dice >> 4 & 1 ? some[tern_rand_below(&rand, sizeof(some) / sizeof(some[0]))] : 0;
        question.error = (enum tern_error)tern_rand_below(&rand, TERN_ERROR_COUNT);
        question.replay = (enum tern_replay)tern_rand_below(&rand, TERN_REPLAY_ANSWERED + 1);
        question.is_idempotent = dice >> 5 & 1;
        question.has_body_again = (dice >> 6 & 7) != 0;
        question.live = (uint32_t)tern_rand_below(&rand, dice >> 9 & 1 ? 20 : 2000);
        question.retrying = (uint32_t)tern_rand_below(&rand, question.live / 2 + 1);
        if (decide(&question, dice).again != oracle(&question))
            fail_msg("%d: status %u error %d attempt %u of %u, %u of %u retrying, at most %u%% or %u", i,
                     question.status, question.error, question.attempt, config.attempts_max, question.retrying,
                     question.live, config.budget_percent, config.budget_min);
        yes += oracle(&question);
    }
    assert_in_range(yes, 5000, 100000); /* it was worth asking */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_retry_after_beyond_all_numbers),
        cmocka_unit_test(test_backoff_is_within_its_bounds_and_fills_them),
        cmocka_unit_test(test_retry_after_and_backoff),
        cmocka_unit_test(test_never_past_the_deadline),
        cmocka_unit_test(test_without_jitter_all_of_it_is_waited),
        cmocka_unit_test(test_not_beyond_the_time_for_retries),
        cmocka_unit_test(test_every_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
