/* The bench's histogram against the sorted list of what was added to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rand.h"
#include "bench/harness/hist.h"

#define VALUES 2000

static struct bench_hist hist;
static uint64_t values[VALUES];

static int ascending(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static int setup(void **state)
{
    (void)state;
    memset(&hist, 0, sizeof(hist));
    return 0;
}

static void test_is_empty_when_zeroed(void **state)
{
    (void)state;
    assert_int_equal(bench_hist_at(&hist, 0.5), 0);
    assert_int_equal(bench_hist_at(&hist, 1), 0);
}

/* Every value on both sides of every boundary: told no less than it is, and at most one part in 128 more. */
static void test_tells_each_value_within_its_step(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int around = -2; around <= 2; around++) {
            uint64_t value = (UINT64_C(1) << bit) + (uint64_t)around;
            uint64_t told;

            memset(&hist, 0, sizeof(hist));
            bench_hist_add(&hist, value);
            bench_hist_add(&hist, UINT64_MAX); /* else told would be cut to the largest */
            told = bench_hist_at(&hist, 0.5);
            assert_true(told >= value);
            assert_true(told - value <= value >> BENCH_HIST_STEP_BITS);
        }
    }
}

static void test_small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t value = 0; value < 256; value++)
        bench_hist_add(&hist, value);
    for (uint64_t value = 0; value < 256; value++)
        assert_int_equal(bench_hist_at(&hist, (double)(value + 1) / 256), value);
}

static void test_percentiles_as_in_a_sorted_list(void **state)
{
    struct tern_rand rand;

    (void)state;
    tern_rand_seed(&rand, 7);
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = tern_rand_next(&rand) >> (tern_rand_next(&rand) % 64);
        bench_hist_add(&hist, values[i]);
    }
    qsort(values, VALUES, sizeof(values[0]), ascending);
    assert_int_equal(hist.count, VALUES);
    assert_int_equal(hist.max, values[VALUES - 1]);
    for (size_t rank = 1; rank <= VALUES; rank++) {
        uint64_t told = bench_hist_at(&hist, (double)rank / VALUES);
        uint64_t exact = values[rank - 1];

        assert_true(told >= exact);
        assert_true(told - exact <= exact >> BENCH_HIST_STEP_BITS);
    }
}

static void test_merging_is_adding(void **state)
{
    static struct bench_hist other, both;

    (void)state;
    for (uint64_t i = 1; i <= 1000; i++) {
        bench_hist_add(i % 3 == 0 ? &hist : &other, i * i);
        bench_hist_add(&both, i * i);
    }
    bench_hist_merge(&hist, &other);
    assert_memory_equal(&hist, &both, sizeof(hist));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_is_empty_when_zeroed, setup),
        cmocka_unit_test_setup(test_tells_each_value_within_its_step, setup),
        cmocka_unit_test_setup(test_small_values_are_exact, setup),
        cmocka_unit_test_setup(test_percentiles_as_in_a_sorted_list, setup),
        cmocka_unit_test_setup(test_merging_is_adding, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
