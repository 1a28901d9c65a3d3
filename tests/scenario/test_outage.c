/* An outage: an origin that answers 503 for 30 s under 1,000 calls a second, and a healthy one beside it. How much is
 * sent to it, how soon calls do well again, and what the other one notices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/scenario.h"

#define B_ADDRESS "192.0.2.2:80"
#define ANSWER_NS (20 * TERN_MS) /* the servers take so long */
#define BEFORE_MS 1000u
#define OUTAGE_MS 30000u
#define AFTER_MS 12000u
#define OPEN_NS (5 * TERN_S)

struct host {
    struct scenario *s;
    bool is_down;
    uint32_t calls, well, attempts;
    uint64_t longest_ns, latest_failure_ns;
};

static void on_heard(struct simio_peer *peer, void *user)
{
    struct host *host = user;

    host->attempts++;
    simio_forget(peer);
    simio_say_after(peer, ANSWER_NS,
                    host->is_down ? "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n" : "HTTP/1.1 204 X\r\n\r\n");
}

static void on_done(void *user, tern_call_id call, const struct tern_result *result)
{
    struct host *host = user;

    (void)call;
    if (result->status == 204)
        host->well++;
    else
        host->latest_failure_ns = simio_now(host->s->sim);
    if (result->times.total_ns > host->longest_ns)
        host->longest_ns = result->times.total_ns;
}

static void call(struct host *host, const char *url)
{
    static const struct tern_handlers handlers = {.on_done = on_done};
    const struct tern_request request = {.url = tern_str(url)};

    host->calls++;
    assert_int_equal(tern_call_start(host->s->client, &request, &handlers, host, NULL, NULL), TERN_OK);
}

static void load(struct host *failing, struct host *healthy, uint32_t ms)
{
    for (uint32_t i = 0; i < ms; i++) {
        call(failing, "http://a.test/");
        if (i % 10 == 0)
            call(healthy, "http://b.test/");
        simio_run(failing->s->sim, TERN_MS);
    }
}

struct drill {
    uint32_t before, during; /* attempts at the failing host */
    uint64_t recovery_ns;    /* from its first good answer until no call fails any more */
};

static struct drill run_drill(const char *name, const struct tern_retries *retries, const struct tern_breaker *breaker)
{
    const struct tern_policy policy = {.retries = retries, .breaker = breaker};
    const struct tern_client_config config = {
        .policy = &policy, .limits = {.idle_max = 200, .connections_max = 200, .connections_per_host_max = 100}};
    struct scenario s;
    struct host failing = {.s = &s}, healthy = {.s = &s};
    struct drill drill;
    uint64_t up_ns;

    scenario_open(&s, &config);
    fakedns_answer(s.servers, "a.test", "192.0.2.1", 600);
    fakedns_answer(s.servers, "b.test", "192.0.2.2", 600);
    simio_serve(s.sim, SCENARIO_ADDRESS, on_heard, &failing);
    simio_serve(s.sim, B_ADDRESS, on_heard, &healthy);
    load(&failing, &healthy, BEFORE_MS);
    drill.before = failing.attempts;
    failing.is_down = true;
    load(&failing, &healthy, OUTAGE_MS);
    drill.during = failing.attempts - drill.before;
    failing.is_down = false;
    up_ns = simio_now(s.sim);
    load(&failing, &healthy, AFTER_MS);
    scenario_run(&s, 30 * TERN_S); /* the last retries */
    drill.recovery_ns = failing.latest_failure_ns > up_ns ? failing.latest_failure_ns - up_ns : 0;

    print_message("%-28s %8u %8u %9.2f %8u %10llu ms | %u of %u, %llu ms at most\n", name, OUTAGE_MS, drill.during,
                  (double)drill.during / OUTAGE_MS, failing.well, (unsigned long long)(drill.recovery_ns / TERN_MS),
                  healthy.well, healthy.calls, (unsigned long long)(healthy.longest_ns / TERN_MS));
    assert_int_equal(healthy.well, healthy.calls);
    assert_int_equal(healthy.attempts, healthy.calls);
    assert_true(healthy.longest_ns <= ANSWER_NS + TERN_MS);
    scenario_close(&s);
    return drill;
}

static void test_outage(void **state)
{
    const struct tern_retries budgeted = {0};
    const struct tern_retries unbounded = {.budget_percent = 100, .budget_min = UINT32_MAX};
    const struct tern_breaker breaker = {.open_ns = OPEN_NS};
    struct drill drill;

    (void)state;
    print_message("%-28s %8s %8s %9s %8s %13s | %s\n", "30 s of 503", "calls", "attempts", "per call", "well",
                  "recovery", "the healthy host");
    drill = run_drill("no retries", NULL, NULL);
    assert_in_range(drill.during, OUTAGE_MS - 100, OUTAGE_MS + 100);
    drill = run_drill("retries without a budget", &unbounded, NULL);
    assert_in_range(drill.during, 3 * OUTAGE_MS, 4 * OUTAGE_MS);
    drill = run_drill("retries with a budget", &budgeted, NULL);
    assert_in_range(drill.during, OUTAGE_MS, OUTAGE_MS * 12 / 10);
    assert_true(drill.recovery_ns <= ANSWER_NS);
    drill = run_drill("breaker, no budget", &unbounded, &breaker);
    assert_in_range(drill.during, 1, 200);
    assert_true(drill.recovery_ns <= OPEN_NS + ANSWER_NS);
    drill = run_drill("breaker and budget", &budgeted, &breaker);
    assert_in_range(drill.during, 1, 100);
    assert_true(drill.recovery_ns <= OPEN_NS + ANSWER_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_outage)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
