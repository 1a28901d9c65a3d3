/* The window that a path needs, from what arrives between a PING and its answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pool/bdp.h"

#define KIB 1024u
#define MIB (1024u * 1024u)
#define START_NS (1000 * TERN_S)

/* One sample of so many bytes within so long; true if the window has grown. */
static bool sample(struct tern_bdp *bdp, uint64_t *now_ns, uint64_t round_trip_ns, size_t bytes)
{
    tern_bdp_arrived(bdp, TERN_BDP_BULK_BYTES);
    if (*now_ns < bdp->due_ns)
        *now_ns = bdp->due_ns;
    assert_true(tern_bdp_is_due(bdp, *now_ns));
    tern_bdp_begin(bdp, *now_ns);
    assert_false(tern_bdp_is_due(bdp, *now_ns));
    tern_bdp_arrived(bdp, bytes);
    *now_ns += round_trip_ns;
    return tern_bdp_end(bdp, *now_ns);
}

/* A path that could bring more than the window lets through, until the window is beyond what it can bring. */
static void test_grows_to_what_the_path_can_bring(void **state)
{
    const uint64_t round_trip_ns = 50 * TERN_MS, path_bytes = 6250000; /* 1 Gbit/s over 50 ms */
    struct tern_bdp bdp;
    uint64_t now_ns = START_NS;
    int samples = 0;

    (void)state;
    tern_bdp_init(&bdp, 256 * KIB, 64 * MIB);
    while (bdp.window_bytes < 2 * path_bytes) {
        size_t bytes = bdp.window_bytes < path_bytes ? bdp.window_bytes : path_bytes;

        assert_true(sample(&bdp, &now_ns, round_trip_ns, bytes));
        assert_true(++samples <= 3);
    }
    assert_int_equal(now_ns - START_NS, (2 * 3 - 1) * round_trip_ns); /* two round trips for each step */
    assert_int_equal(bdp.window_bytes, 16 * MIB);
    assert_false(sample(&bdp, &now_ns, round_trip_ns, path_bytes));
    assert_int_equal(bdp.window_bytes, 16 * MIB);
}

/* The queue in front of a narrow path is full of whatever window there is: a larger one brings nothing faster. */
static void test_a_full_queue_is_no_reason(void **state)
{
    struct tern_bdp bdp;
    uint64_t now_ns = START_NS;

    (void)state;
    tern_bdp_init(&bdp, 256 * KIB, 64 * MIB);
    assert_true(sample(&bdp, &now_ns, 50 * TERN_MS, 256 * KIB));
    assert_false(sample(&bdp, &now_ns, 200 * TERN_MS, 1024 * KIB));
    assert_false(sample(&bdp, &now_ns, 200 * TERN_MS, 1024 * KIB + 1024 * KIB / 10)); /* a tenth faster: chance */
    assert_true(sample(&bdp, &now_ns, 200 * TERN_MS, 1280 * KIB));                    /* a quarter */
    assert_int_equal(bdp.window_bytes, 4096 * KIB);
}

static void test_a_slow_peer_is_no_reason(void **state)
{
    struct tern_bdp bdp;
    uint64_t now_ns = START_NS;

    (void)state;
    tern_bdp_init(&bdp, 300 * KIB, 64 * MIB);
    assert_false(sample(&bdp, &now_ns, 50 * TERN_MS, 200 * KIB - 1)); /* not two thirds of the window */
    assert_true(sample(&bdp, &now_ns, 50 * TERN_MS, 200 * KIB));
    assert_int_equal(bdp.window_bytes, 1200 * KIB);
    assert_true(sample(&bdp, &now_ns, 50 * TERN_MS, 5000 * KIB)); /* of several streams */
    assert_int_equal(bdp.window_bytes, 10000 * KIB);
}

static void test_samples_become_rarer_and_start_anew(void **state)
{
    static const uint64_t rests_ms[] = {50, 100, 200, 400, 800, 1000, 1000};
    struct tern_bdp bdp;
    uint64_t now_ns = START_NS;

    (void)state;
    tern_bdp_init(&bdp, 256 * KIB, 64 * MIB);
    for (size_t i = 0; i < sizeof(rests_ms) / sizeof(rests_ms[0]); i++) {
        assert_false(sample(&bdp, &now_ns, 50 * TERN_MS, 1000));
        assert_int_equal(bdp.due_ns - now_ns, rests_ms[i] * TERN_MS);
    }
    assert_true(sample(&bdp, &now_ns, 50 * TERN_MS, 256 * KIB));
    tern_bdp_arrived(&bdp, TERN_BDP_BULK_BYTES);
    assert_false(tern_bdp_is_due(&bdp, now_ns + 50 * TERN_MS - 1)); /* what comes now was sent under the old window */
    assert_true(tern_bdp_is_due(&bdp, now_ns + 50 * TERN_MS));
    assert_false(sample(&bdp, &now_ns, 50 * TERN_MS, 1000));
    assert_int_equal(bdp.due_ns - now_ns, 50 * TERN_MS);
}

static void test_no_sample_without_bulk(void **state)
{
    struct tern_bdp bdp;
    uint64_t now_ns = START_NS;

    (void)state;
    tern_bdp_init(&bdp, 256 * KIB, 64 * MIB);
    assert_false(tern_bdp_is_due(&bdp, START_NS));
    tern_bdp_arrived(&bdp, TERN_BDP_BULK_BYTES - 1);
    assert_false(tern_bdp_is_due(&bdp, START_NS));
    tern_bdp_arrived(&bdp, 1);
    assert_true(tern_bdp_is_due(&bdp, START_NS));
    assert_true(sample(&bdp, &now_ns, 50 * TERN_MS, 256 * KIB));
    assert_false(tern_bdp_is_due(&bdp, now_ns + TERN_S)); /* what came in the sample is not counted again */
}

static void test_stops_at_its_limit(void **state)
{
    struct tern_bdp bdp;
    uint64_t now_ns = START_NS;

    (void)state;
    tern_bdp_init(&bdp, 256 * KIB, 700 * KIB);
    assert_true(sample(&bdp, &now_ns, TERN_MS, 256 * KIB));
    assert_int_equal(bdp.window_bytes, 700 * KIB);
    tern_bdp_arrived(&bdp, MIB);
    assert_false(tern_bdp_is_due(&bdp, TERN_OFF)); /* nothing is left to be found out */
}

/* A PING answered in the turn that sent it: no time has passed, so no speed can be told. Nor do huge numbers matter. */
static void test_odd_facts(void **state)
{
    struct tern_bdp bdp;
    uint64_t now_ns = START_NS;

    (void)state;
    tern_bdp_init(&bdp, 256 * KIB, INT32_MAX);
    assert_false(sample(&bdp, &now_ns, 0, MIB));
    assert_int_equal(bdp.due_ns - now_ns, TERN_MS);
    assert_true(sample(&bdp, &now_ns, 50 * TERN_MS, 256 * KIB));
    assert_true(sample(&bdp, &now_ns, 1, SIZE_MAX));
    assert_int_equal(bdp.window_bytes, INT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_to_what_the_path_can_bring),
        cmocka_unit_test(test_a_full_queue_is_no_reason),
        cmocka_unit_test(test_a_slow_peer_is_no_reason),
        cmocka_unit_test(test_samples_become_rarer_and_start_anew),
        cmocka_unit_test(test_no_sample_without_bulk),
        cmocka_unit_test(test_stops_at_its_limit),
        cmocka_unit_test(test_odd_facts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
