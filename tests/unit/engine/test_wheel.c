/* The timer wheel against a sorted list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/rand.h"
#include "engine/wheel.h"

#define TIMERS 200

/* The oracle keeps for each timer its deadline and the number of its arming; due is the least of both. */
struct probe {
    struct tern_timer timer;
    uint64_t deadline_ns;
    uint64_t order;
    bool armed;
};

static struct tern_wheel wheel;
static struct probe probes[TIMERS];
static uint64_t order, base_ns;

static void start(uint64_t now_ns)
{
    base_ns = now_ns;
    tern_wheel_init(&wheel, now_ns);
    for (size_t i = 0; i < TIMERS; i++) {
        tern_timer_init(&probes[i].timer, NULL);
        probes[i].armed = false;
    }
}

static void arm(struct probe *probe, uint64_t deadline_ns)
{
    probe->deadline_ns = deadline_ns > base_ns ? deadline_ns : base_ns;
    probe->order = order++;
    probe->armed = true;
    tern_wheel_arm(&wheel, &probe->timer, deadline_ns);
}

static void cancel(struct probe *probe)
{
    probe->armed = false;
    tern_wheel_cancel(&wheel, &probe->timer);
}

static struct probe *first(void)
{
    struct probe *best = NULL;
    for (size_t i = 0; i < TIMERS; i++) {
        struct probe *p = &probes[i];
        if (p->armed && (best == NULL || p->deadline_ns < best->deadline_ns ||
                         (p->deadline_ns == best->deadline_ns && p->order < best->order)))
            best = p;
    }
    return best;
}

static void check_next(void)
{
    struct probe *best = first();
    assert_int_equal(tern_wheel_next(&wheel), best != NULL ? best->deadline_ns : TERN_OFF);
}

static void advance(uint64_t now_ns)
{
    struct tern_list due;
    tern_list_init(&due);
    if (now_ns > base_ns)
        base_ns = now_ns;
    tern_wheel_expire(&wheel, now_ns, &due);
    for (struct probe *best; (best = first()) != NULL && best->deadline_ns <= base_ns;) {
        assert_ptr_equal(tern_wheel_pop_due(&due), &best->timer);
        assert_false(tern_timer_is_armed(&best->timer));
        best->armed = false;
    }
    assert_null(tern_wheel_pop_due(&due));
}

/* Distances of every magnitude, many of them equal. */
static uint64_t distance(struct tern_rand *rand)
{
    uint64_t d = tern_rand_next(rand) >> tern_rand_below(rand, 64);
    return tern_rand_below(rand, 3) == 0 ? d & ~UINT64_C(0xfff) : d;
}

static uint64_t saturating(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

static void random_ops(uint64_t seed, uint64_t from_ns, int bits, int steps)
{
    struct tern_rand rand;
    tern_rand_seed(&rand, seed);
    start(from_ns);
    for (int i = 0; i < steps; i++) {
        struct probe *probe = &probes[tern_rand_below(&rand, TIMERS)];
        uint64_t d = distance(&rand) >> (64 - bits);
        switch (tern_rand_below(&rand, 8)) {
        case 0:
            cancel(probe);
            break;
        case 1:
            advance(saturating(base_ns, d));
            break;
        case 2: /* just before, at and just after a deadline */
            if (probe->armed && probe->deadline_ns != 0)
                advance(probe->deadline_ns + tern_rand_below(&rand, 3) - 1);
            break;
        case 3:
            arm(probe, base_ns - (base_ns != 0 ? d % base_ns : 0));
            break;
        default:
            arm(probe, saturating(base_ns, d));
        }
        if (i % 4 == 0)
            check_next();
    }
}

static void test_against_oracle(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++)
        random_ops(seed, seed * TERN_S, 20 + 4 * (int)seed, 10000);
    random_ops(77, 0, 64, 2000);
    random_ops(78, UINT64_MAX - 1000, 10, 1000);
}

static void test_equal_deadlines_in_arming_order(void **state)
{
    (void)state;
    const uint64_t deadline_ns = 12345678901;
    start(0);
    /* Armed from different bases, so that they begin on different levels. */
    for (size_t i = 0; i < 60; i++) {
        arm(&probes[i], deadline_ns);
        advance(base_ns + (deadline_ns - base_ns) / 2);
    }
    arm(&probes[3], deadline_ns); /* again: now it is the last */
    advance(deadline_ns - 1);
    assert_true(tern_timer_is_armed(&probes[0].timer));
    advance(deadline_ns);
    assert_false(tern_timer_is_armed(&probes[3].timer));
}

static void test_next_is_exact_across_levels(void **state)
{
    (void)state;
    start(1);
    arm(&probes[0], UINT64_C(30000000001));
    arm(&probes[1], UINT64_C(30000000007));
    assert_int_equal(tern_wheel_next(&wheel), UINT64_C(30000000001));
    cancel(&probes[0]);
    assert_int_equal(tern_wheel_next(&wheel), UINT64_C(30000000007));
    cancel(&probes[1]);
    assert_int_equal(tern_wheel_next(&wheel), TERN_OFF);
}

static void test_arm_and_cancel_while_due(void **state)
{
    (void)state;
    struct tern_list due;
    tern_list_init(&due);
    start(10);
    for (size_t i = 0; i < 3; i++)
        arm(&probes[i], 20 + i);
    tern_wheel_expire(&wheel, 30, &due);
    assert_ptr_equal(tern_wheel_pop_due(&due), &probes[0].timer);
    tern_wheel_cancel(&wheel, &probes[1].timer); /* a callback cancels one that is due */
    tern_wheel_arm(&wheel, &probes[2].timer, 5); /* and moves another: not in this round */
    assert_null(tern_wheel_pop_due(&due));
    assert_int_equal(tern_wheel_next(&wheel), 30);
    tern_wheel_expire(&wheel, 30, &due);
    assert_ptr_equal(tern_wheel_pop_due(&due), &probes[2].timer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_oracle),
        cmocka_unit_test(test_equal_deadlines_in_arming_order),
        cmocka_unit_test(test_next_is_exact_across_levels),
        cmocka_unit_test(test_arm_and_cancel_while_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
