/* Breakers: random histories in virtual time beside a model that keeps every call and counts anew each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "policy/breaker.h"

#define LOG_MAX 4096
#define UNDER_WAY_MAX 64

struct model {
    enum tern_breaker_phase phase;
    uint64_t opened_ns;
    uint32_t epoch; /* counts the changes of phase */
    uint32_t probes, well;
    uint32_t in_a_row;
    size_t count; /* of the calls that ended since it closed */
    struct {
        uint64_t at_ns;
        bool failed;
    } log[LOG_MAX];
};

static void become(struct model *model, enum tern_breaker_phase phase, uint64_t now_ns)
{
    model->phase = phase;
    model->epoch++;
    model->opened_ns = now_ns;
    model->probes = model->well = model->in_a_row = 0;
    model->count = 0;
}

static bool model_admits(struct model *model, const struct tern_breaker *config, uint64_t now_ns)
{
    if (model->phase == TERN_BREAKER_OPEN && now_ns >= model->opened_ns + config->open_ns)
        become(model, TERN_BREAKER_HALF_OPEN, now_ns);
    if (model->phase == TERN_BREAKER_HALF_OPEN && model->probes + model->well < config->probes) {
        model->probes++;
        return true;
    }
    return model->phase == TERN_BREAKER_CLOSED;
}

/* Whether failures are failure_percent or more of window_calls_min or more calls since then. */
static bool is_bad_since(const struct model *model, const struct tern_breaker *config, uint64_t since_ns)
{
    uint64_t calls = 0, failures = 0;

    for (size_t i = model->count; i-- > 0 && model->log[i].at_ns >= since_ns;) {
        calls++;
        failures += model->log[i].failed;
    }
    return calls >= config->window_calls_min && failures * 100 >= calls * config->failure_percent;
}

/* A window is looked at in halves: it reaches back between one half of window_ns and all of it. Where the answer hangs
 * on how far, either is right: 1 must, 0 may, -1 must not. */
static int must_open(const struct model *model, const struct tern_breaker *config, uint64_t now_ns)
{
    bool any = false, all = true;

    if (model->in_a_row >= config->failures)
        return 1;
    for (size_t i = 0; i <= model->count; i++) {
        uint64_t since_ns = i < model->count ? model->log[i].at_ns : now_ns - config->window_ns / 2;

        if (since_ns + config->window_ns < now_ns)
            since_ns = now_ns - config->window_ns;
        if (since_ns > now_ns - config->window_ns / 2)
            since_ns = now_ns - config->window_ns / 2;
        if (is_bad_since(model, config, since_ns) || is_bad_since(model, config, since_ns + 1))
            any = true;
        if (!is_bad_since(model, config, since_ns) || !is_bad_since(model, config, since_ns + 1))
            all = false;
    }
    return any ? (all ? 1 : 0) : -1;
}

struct under_way {
    uint32_t round, epoch;
};

/* The call ends; the model follows, and says where the real one has gone astray. */
static void end_one(struct model *model, struct tern_breaker_state *state, const struct tern_breaker *config,
                    uint64_t now_ns, const struct under_way *call, enum tern_breaker_outcome outcome)
{
    enum tern_breaker_phase before = state->phase;

    tern_breaker_note(config, state, now_ns, call->round, outcome);
    if (call->epoch != model->epoch) { /* of another time */
        assert_int_equal(state->phase, before);
        return;
    }
    if (model->phase == TERN_BREAKER_HALF_OPEN) {
        model->probes--;
        model->well += outcome == TERN_BREAKER_WELL;
        if (outcome == TERN_BREAKER_BADLY)
            become(model, TERN_BREAKER_OPEN, now_ns);
        else if (model->well == config->probes)
            become(model, TERN_BREAKER_CLOSED, now_ns);
    } else if (outcome != TERN_BREAKER_UNKNOWN) {
        assert_true(model->count < LOG_MAX);
        model->log[model->count].at_ns = now_ns;
        model->log[model->count++].failed = outcome == TERN_BREAKER_BADLY;
        model->in_a_row = outcome == TERN_BREAKER_BADLY ? model->in_a_row + 1 : 0;
        if (outcome == TERN_BREAKER_BADLY) {
            int must = must_open(model, config, now_ns);

            if (must == 1 || (must == 0 && state->phase == TERN_BREAKER_OPEN))
                become(model, TERN_BREAKER_OPEN, now_ns);
        }
    }
    assert_int_equal(state->phase, model->phase);
}

static uint32_t one_history(uint64_t seed)
{
    static struct model model;
    struct under_way calls[UNDER_WAY_MAX];
    size_t count = 0;
    struct tern_rand rand;
    struct tern_breaker_state state = {0};
    uint64_t now_ns = 1000 * TERN_S, percent_bad = 0;
    uint32_t openings = 0;

    tern_rand_seed(&rand, seed);
    const struct tern_breaker config = {.failures = 3 + (uint32_t)tern_rand_below(&rand, 40),
                                        .failure_percent = 1 + (uint32_t)tern_rand_below(&rand, 100),
                                        .window_ns = TERN_S,
                                        .window_calls_min = 1 + (uint32_t)tern_rand_below(&rand, 30),
                                        .open_ns = 3 * TERN_S,
                                        .probes = 1 + (uint32_t)tern_rand_below(&rand, 4)};
    memset(&model, 0, sizeof(model));
    for (int step = 0; step < 1500; step++) {
        enum tern_breaker_phase before = state.phase;

        if (tern_rand_below(&rand, 200) == 0)
            percent_bad = tern_rand_below(&rand, 2) * tern_rand_below(&rand, 101);
        now_ns += tern_rand_below(&rand, tern_rand_below(&rand, 50) == 0 ? 4 * TERN_S : 40 * TERN_MS);
        if (count < UNDER_WAY_MAX && tern_rand_below(&rand, 2) == 0) {
            bool may = model_admits(&model, &config, now_ns);
            uint32_t round;

            assert_int_equal(tern_breaker_admits(&config, &state, now_ns, &round), may);
            if (may)
                calls[count++] = (struct under_way){round, model.epoch};
        } else if (count > 0) {
            size_t which = tern_rand_below(&rand, count);
            enum tern_breaker_outcome outcome = tern_rand_below(&rand, 20) == 0             ? TERN_BREAKER_UNKNOWN
                                                : tern_rand_below(&rand, 100) < percent_bad ? TERN_BREAKER_BADLY
                                                                                            : TERN_BREAKER_WELL;

            end_one(&model, &state, &config, now_ns, &calls[which], outcome);
            calls[which] = calls[--count];
        }
        assert_int_equal(state.phase, model.phase);
        openings += before != TERN_BREAKER_OPEN && state.phase == TERN_BREAKER_OPEN;
        /* Legal: from closed to open, from open to half-open, from there to either. */
        assert_false(before == TERN_BREAKER_CLOSED && state.phase == TERN_BREAKER_HALF_OPEN);
        assert_false(before == TERN_BREAKER_OPEN && state.phase == TERN_BREAKER_CLOSED);
        assert_true(state.probing + state.well <= config.probes);
    }
    return openings;
}

static void test_random_histories(void **state)
{
    uint32_t openings = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++)
        openings += one_history(seed);
    assert_true(openings > 1000); /* they were worth living */
}

/* What counts as failure: tern/policy.h, struct tern_breaker. */
static void test_what_is_a_failure(void **state)
{
    static const uint16_t statuses[] = {500, 502, 503, 504};
    const struct tern_breaker config = {.statuses = statuses, .status_count = 4};

    (void)state;
    for (uint16_t status = 200; status < 600; status++) {
        bool is_bad = status == 500 || status == 502 || status == 503 || status == 504;

        assert_int_equal(tern_breaker_judge(&config, status, TERN_OK), is_bad ? TERN_BREAKER_BADLY : TERN_BREAKER_WELL);
    }
    for (enum tern_error error = 0; error < TERN_ERROR_COUNT; error++) {
        enum tern_breaker_outcome outcome = tern_breaker_judge(&config, 0, error);

        switch (tern_error_class(error)) {
        case TERN_CLASS_DNS:
        case TERN_CLASS_CONNECT:
        case TERN_CLASS_TLS:
        case TERN_CLASS_PEER:
        case TERN_CLASS_PROTOCOL:
            assert_int_equal(outcome, TERN_BREAKER_BADLY);
            break;
        case TERN_CLASS_TIMEOUT:
            assert_int_equal(outcome, error == TERN_EPOOL_TIMEOUT ? TERN_BREAKER_UNKNOWN : TERN_BREAKER_BADLY);
            break;
        default: /* the user's doing, or this machine's */
            assert_int_equal(outcome, TERN_BREAKER_UNKNOWN);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_histories),
        cmocka_unit_test(test_what_is_a_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
