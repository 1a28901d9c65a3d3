/* Hedges: when the second attempt goes out, against the sorted list of all that was noted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rand.h"
#include "policy/hedge.h"

static const struct tern_hedging p95 = {.percentile = 95, .slow_ns = TERN_OFF};

static uint64_t delay_of(const struct tern_hedging *config, const struct tern_hedge_state *state)
{
    bool is_slow;
    uint64_t delay_ns = tern_hedge_delay(config, state, &is_slow);

    assert_true(!is_slow || delay_ns == TERN_OFF);
    return delay_ns;
}

static bool is_slow(const struct tern_hedging *config, const struct tern_hedge_state *state)
{
    bool slow;

    (void)tern_hedge_delay(config, state, &slow);
    return slow;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* So many percent took no longer. */
static uint64_t exact(uint64_t *all, size_t count, uint32_t percent)
{
    qsort(all, count, sizeof(*all), compare);
    return all[(count * percent + 99) / 100 - 1];
}

static void test_percentile_within_a_quarter(void **state)
{
    uint64_t all[TERN_HEDGE_ANSWERS_MAX];
    struct tern_rand rand;

    (void)state;
    tern_rand_seed(&rand, 1);
    for (int round = 0; round < 50; round++) {
        struct tern_hedge_state known = {0};
        size_t count = TERN_HEDGE_ANSWERS_MIN + tern_rand_below(&rand, 1000);

        for (size_t i = 0; i < count; i++) {
            all[i] = (TERN_MS << tern_rand_below(&rand, 12)) + tern_rand_below(&rand, 2 * TERN_MS);
            tern_hedge_note(&known, all[i]);
        }
        for (uint32_t percent = 1; percent < 100; percent++) {
            const struct tern_hedging config = {.percentile = percent, .slow_ns = TERN_OFF};
            uint64_t delay_ns = delay_of(&config, &known), true_ns = exact(all, count, percent);

            assert_true(delay_ns > true_ns);
            assert_true(delay_ns <= true_ns + true_ns / 4 + 1);
        }
    }
}

static void test_nothing_is_known_at_first(void **state)
{
    const struct tern_hedging fixed = {.delay_ns = 7 * TERN_MS, .percentile = 95, .slow_ns = 7 * TERN_MS};
    struct tern_hedge_state known = {0};

    (void)state;
    for (int i = 0; i < TERN_HEDGE_ANSWERS_MIN; i++) {
        assert_true(delay_of(&p95, &known) == TERN_OFF);
        assert_true(delay_of(&fixed, &known) == 7 * TERN_MS);
        tern_hedge_note(&known, TERN_S);
    }
    assert_true(delay_of(&p95, &known) != TERN_OFF);
    assert_true(delay_of(&fixed, &known) == TERN_OFF); /* it is slow */
}

static void test_extremes(void **state)
{
    struct tern_hedge_state known = {0};

    (void)state;
    for (int i = 0; i < TERN_HEDGE_ANSWERS_MIN; i++)
        tern_hedge_note(&known, 0);
    assert_true(delay_of(&p95, &known) == UINT64_C(1) << 18);
    for (int i = 0; i < 1000; i++)
        tern_hedge_note(&known, UINT64_MAX);
    assert_true(delay_of(&p95, &known) == TERN_OFF);
    assert_false(is_slow(&p95, &known)); /* TERN_OFF: never */
    for (int i = 0; i < 100000; i++)
        tern_hedge_note(&known, UINT64_C(9000) * TERN_MS);
    assert_true(delay_of(&p95, &known) == TERN_OFF); /* more than it tells apart */
    for (int i = 0; i < 100000; i++)
        tern_hedge_note(&known, UINT64_C(8500) * TERN_MS);
    assert_in_range(delay_of(&p95, &known), 8500 * TERN_MS, 8600 * TERN_MS);
}

/* Half of the answers, and no fewer. */
static void test_slow_as_a_whole(void **state)
{
    const struct tern_hedging config = {.percentile = 95, .slow_ns = 100 * TERN_MS};
    struct tern_hedge_state known = {0};

    (void)state;
    for (int i = 0; i < 50; i++)
        tern_hedge_note(&known, 10 * TERN_MS);
    for (int i = 0; i < 50; i++) {
        assert_false(is_slow(&config, &known));
        tern_hedge_note(&known, 500 * TERN_MS);
    }
    tern_hedge_note(&known, 500 * TERN_MS);
    assert_true(is_slow(&config, &known));
    tern_hedge_note(&known, 10 * TERN_MS);
    assert_false(is_slow(&config, &known));
}

/* What was long ago is forgotten: a host that has become fast is known as fast after as many answers as are kept. */
static void test_follows(void **state)
{
    struct tern_hedge_state known = {0};
    int answers = 0;

    (void)state;
    for (int i = 0; i < 100000; i++)
        tern_hedge_note(&known, TERN_S);
    while (delay_of(&p95, &known) > 20 * TERN_MS) {
        tern_hedge_note(&known, 10 * TERN_MS);
        assert_true(++answers < 5 * TERN_HEDGE_ANSWERS_MAX);
    }
    answers = 0;
    while (delay_of(&p95, &known) < TERN_S) {
        tern_hedge_note(&known, TERN_S);
        assert_true(++answers < TERN_HEDGE_ANSWERS_MAX / 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentile_within_a_quarter),
        cmocka_unit_test(test_nothing_is_known_at_first),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_slow_as_a_whole),
        cmocka_unit_test(test_follows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
