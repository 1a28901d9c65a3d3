/* Rate limits: beside a bucket of tokens that is filled as time passes, as a first reading of "so many in this time, so
 * many at once after a quiet time" would build it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/rand.h"
#include "base/str.h"
#include "policy/rate.h"

#define START_NS (1000 * TERN_S)
#define WALL_S 1700000000

/* Tokens are counted in nanoseconds of filling, so that nothing is rounded: each_ns make one call. */
struct bucket {
    uint64_t each_ns, capacity_ns;
    uint64_t level_ns, at_ns;
};

static void fill(struct bucket *bucket, uint64_t now_ns)
{
    bucket->level_ns += now_ns - bucket->at_ns;
    bucket->at_ns = now_ns;
    if (bucket->level_ns > bucket->capacity_ns)
        bucket->level_ns = bucket->capacity_ns;
}

/* Goes from moment to moment until a call may start. */
static uint64_t next_start(struct bucket bucket, uint64_t now_ns, uint64_t hold_ns, uint32_t ahead)
{
    fill(&bucket, now_ns);
    for (;;) {
        uint64_t wait_ns = bucket.level_ns < bucket.each_ns ? bucket.each_ns - bucket.level_ns : 0;

        if (now_ns < hold_ns)
            wait_ns = hold_ns - now_ns > wait_ns ? hold_ns - now_ns : wait_ns;
        now_ns += wait_ns;
        fill(&bucket, now_ns);
        if (ahead-- == 0)
            return now_ns;
        bucket.level_ns -= bucket.each_ns;
    }
}

static void one_history(uint64_t seed)
{
    struct tern_rate_state state = {0};
    struct tern_rand rand;
    uint64_t now_ns = START_NS;

    tern_rand_seed(&rand, seed);
    const struct tern_rate config = {.calls = 1 + (uint32_t)tern_rand_below(&rand, 1000),
                                     .period_ns = 1 + tern_rand_below(&rand, 100 * TERN_S),
                                     .burst = 1 + (uint32_t)tern_rand_below(&rand, 30)};
    struct bucket bucket = {.each_ns = config.period_ns >= config.calls ? config.period_ns / config.calls : 1,
                            .at_ns = START_NS};

    bucket.level_ns = bucket.capacity_ns = config.burst * bucket.each_ns;
    for (int i = 0; i < 400; i++) {
        uint32_t ahead = (uint32_t)tern_rand_below(&rand, 40);

        now_ns += tern_rand_below(&rand, 4) * tern_rand_below(&rand, bucket.each_ns * config.burst);
        if (tern_rand_below(&rand, 50) == 0)
            state.hold_ns = now_ns + tern_rand_below(&rand, 100 * bucket.each_ns);
        assert_true(tern_rate_at(&config, &state, now_ns, ahead) == next_start(bucket, now_ns, state.hold_ns, ahead));
        if (tern_rate_at(&config, &state, now_ns, 0) > now_ns)
            continue;
        tern_rate_start(&config, &state, now_ns);
        fill(&bucket, now_ns);
        assert_true(bucket.level_ns >= bucket.each_ns); /* tokens are never negative */
        bucket.level_ns -= bucket.each_ns;
    }
}

static void test_random_histories(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 1000; seed++)
        one_history(seed);
}

/* Nothing overflows: the slowest rates, the widest bursts, the longest lines, the end of time. */
static void test_edges(void **state)
{
    const struct tern_rate slow = {.calls = 1, .period_ns = UINT64_MAX - 1, .burst = 1};
    const struct tern_rate wide = {.calls = 1, .period_ns = UINT64_C(1) << 63, .burst = UINT32_MAX};
    const struct tern_rate fast = {.calls = UINT32_MAX, .period_ns = 1, .burst = 1};
    struct tern_rate_state rate = {0};

    (void)state;
    assert_true(tern_rate_at(&slow, &rate, START_NS, 0) == START_NS);
    tern_rate_start(&slow, &rate, START_NS);
    assert_true(tern_rate_at(&slow, &rate, START_NS, UINT32_MAX) >= UINT64_MAX - 1);
    rate = (struct tern_rate_state){0};
    for (uint32_t i = 0; i < 1000; i++) {
        assert_true(tern_rate_at(&wide, &rate, START_NS, 0) == START_NS);
        tern_rate_start(&wide, &rate, START_NS);
    }
    rate = (struct tern_rate_state){0};
    for (uint64_t i = 0; i < 1000; i++) {
        assert_true(tern_rate_at(&fast, &rate, START_NS + i, 0) == START_NS + i);
        tern_rate_start(&fast, &rate, START_NS + i);
        assert_true(tern_rate_at(&fast, &rate, START_NS + i, 0) == START_NS + i + 1);
    }
    rate = (struct tern_rate_state){.hold_ns = UINT64_MAX};
    assert_true(tern_rate_at(&fast, &rate, START_NS, 7) == UINT64_MAX);
}

/* What answers say, in seconds of holding back. */
static uint64_t held_s(uint16_t status, const char *const *fields, bool ignore)
{
    const struct tern_rate config = {.calls = 1, .period_ns = 1, .burst = 1, .ignore_answers = ignore};
    struct tern_rate_state rate = {0};
    struct tern_field list[4];
    size_t count = 0;

    for (; fields[2 * count] != NULL; count++)
        list[count] = (struct tern_field){tern_str(fields[2 * count]), tern_str(fields[2 * count + 1]), 0};
    tern_rate_heard(&config, &rate, START_NS, WALL_S, status, list, count);
    return rate.hold_ns == 0 ? 0 : (rate.hold_ns - START_NS) / TERN_S;
}

static void test_what_answers_say(void **state)
{
    static const struct {
        uint16_t status;
        const char *fields[9];
        uint64_t seconds;
    } cases[] = {
        {429, {"Retry-After", "5"}, 5},
        {503, {"retry-after", "Tue, 14 Nov 2023 22:13:30 GMT"}, 10},
        {503, {"Retry-After", "Tue, 14 Nov 2023 22:13:10 GMT"}, 0},
        {200, {"Retry-After", "5"}, 0},
        {301, {"Retry-After", "5"}, 0},
        {429, {"Retry-After", "99999999999999999999999999"}, 900},
        {429, {"Retry-After", "soon"}, 0},
        {200, {"RateLimit", "\"a\";r=0;t=7"}, 7},
        {200, {"RateLimit", "\"a\";t=7;r=0"}, 7},
        {200, {"RateLimit", "\"a\";r=1;t=7"}, 0},
        {200, {"RateLimit", "\"a\";r=10;t=7, \"b\";r=0;t=8"}, 8},
        {200, {"RateLimit", "\"a\";r=0"}, 0},
        {200, {"RateLimit-Remaining", "0", "RateLimit-Reset", "6"}, 6},
        {200, {"RateLimit-Remaining", "1", "RateLimit-Reset", "6"}, 0},
        {200, {"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "6"}, 6},
        {200, {"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1700000060"}, 60},
        {200, {"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1600000060"}, 0},
        {200, {"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "18446744073709551615"}, 900},
        {200, {"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "-1"}, 0},
        {429, {"Retry-After", "5", "RateLimit", "\"a\";r=0;t=3"}, 5},
        {429, {"Retry-After", "3", "RateLimit", "\"a\";r=0;t=5"}, 5},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t seconds = held_s(cases[i].status, cases[i].fields, false);

        if (seconds != cases[i].seconds)
            fail_msg("%u %s: %s holds for %llu s", cases[i].status, cases[i].fields[0], cases[i].fields[1],
                     (unsigned long long)seconds);
        assert_int_equal(held_s(cases[i].status, cases[i].fields, true), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_histories),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_what_answers_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
