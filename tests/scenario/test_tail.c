/* The tail at scale: an origin that is fast but for one answer in fifty. How long calls take and what is sent, with
 * hedges and without; and what becomes of it when the origin as a whole is slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/scenario.h"

#define CALLS 5000
#define EACH_NS (5 * TERN_MS) /* 200 calls a second */
#define FAST_NS (10 * TERN_MS)
#define SLOW_NS TERN_S

struct origin {
    struct scenario *s;
    struct tern_rand rand;
    bool is_slow; /* as a whole */
    uint32_t requests;
    uint32_t count, failed;
    uint64_t took_ns[CALLS];
};

static void on_heard(struct simio_peer *peer, void *user)
{
    struct origin *origin = user;
    bool is_slow = origin->is_slow || tern_rand_below(&origin->rand, 50) == 0;

    origin->requests++;
    simio_forget(peer);
    simio_say_after(peer, is_slow ? SLOW_NS : FAST_NS, "HTTP/1.1 204 X\r\n\r\n");
}

static void on_done(void *user, tern_call_id call, const struct tern_result *result)
{
    struct origin *origin = user;

    (void)call;
    origin->failed += result->status != 204;
    origin->took_ns[origin->count++] = result->times.total_ns;
}

static void load(struct origin *origin)
{
    static const struct tern_handlers handlers = {.on_done = on_done};
    const struct tern_request request = {.url = TERN_STR("http://a.test/")};

    origin->count = origin->failed = origin->requests = 0;
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(tern_call_start(origin->s->client, &request, &handlers, origin, NULL, NULL), TERN_OK);
        simio_run(origin->s->sim, EACH_NS);
    }
    scenario_run(origin->s, 2 * SLOW_NS);
    assert_int_equal(origin->count, CALLS);
    assert_int_equal(origin->failed, 0);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

struct figures {
    uint64_t p50_ns, p99_ns, p999_ns;
    double extra_percent;
};

static struct figures measure(struct origin *origin, const char *name)
{
    struct figures figures;

    qsort(origin->took_ns, CALLS, sizeof(origin->took_ns[0]), compare);
    figures = (struct figures){.p50_ns = origin->took_ns[CALLS / 2],
                               .p99_ns = origin->took_ns[CALLS * 99 / 100],
                               .p999_ns = origin->took_ns[CALLS * 999 / 1000],
                               .extra_percent = (origin->requests - CALLS) * 100.0 / CALLS};
    print_message("%-32s %5llu ms %5llu ms %5llu ms %9.2f %%\n", name, (unsigned long long)(figures.p50_ns / TERN_MS),
                  (unsigned long long)(figures.p99_ns / TERN_MS), (unsigned long long)(figures.p999_ns / TERN_MS),
                  figures.extra_percent);
    return figures;
}

static void run(const struct tern_hedging *hedging, const char *names[2], struct figures out[2])
{
    const struct tern_policy policy = {.hedging = hedging};
    const struct tern_client_config config = {
        .policy = &policy, .limits = {.connections_max = 1000, .connections_per_host_max = 1000, .idle_max = 1000}};
    static struct origin origin;
    struct scenario s;

    origin = (struct origin){.s = &s};
    tern_rand_seed(&origin.rand, 1);
    scenario_open(&s, &config);
    simio_serve(s.sim, SCENARIO_ADDRESS, on_heard, &origin);
    load(&origin); /* so that its latencies are known, too */
    load(&origin);
    out[0] = measure(&origin, names[0]);
    origin.is_slow = true;
    load(&origin);
    out[1] = measure(&origin, names[1]);
    scenario_close(&s);
}

static void test_tail(void **state)
{
    const struct tern_hedging fixed = {.delay_ns = 30 * TERN_MS}, p95 = {.slow_ns = 500 * TERN_MS};
    struct figures is[2];

    (void)state;
    print_message("%-32s %8s %8s %8s %11s\n", "one answer in 50 takes 1 s", "p50", "p99", "p99.9", "extra load");
    run(NULL, (const char *[]){"no hedges", "  and all answers take 1 s"}, is);
    assert_true(is[0].p50_ns == FAST_NS && is[0].p99_ns == SLOW_NS && is[0].p999_ns == SLOW_NS);
    assert_true(is[0].extra_percent == 0 && is[1].extra_percent == 0);
    run(&fixed, (const char *[]){"after 30 ms", "  and all answers take 1 s"}, is);
    assert_true(is[0].p50_ns == FAST_NS && is[0].p99_ns == 30 * TERN_MS + FAST_NS);
    assert_true(is[0].extra_percent > 1 && is[0].extra_percent < 3);
    assert_true(is[1].p50_ns == SLOW_NS && is[1].extra_percent < 5);
    run(&p95, (const char *[]){"behind the 95th percentile", "  and all answers take 1 s"}, is);
    assert_true(is[0].p50_ns == FAST_NS && is[0].p99_ns <= FAST_NS * 5 / 4 + FAST_NS);
    assert_true(is[0].extra_percent > 1 && is[0].extra_percent < 3);
    assert_true(is[1].p50_ns == SLOW_NS && is[1].extra_percent < 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tail)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
