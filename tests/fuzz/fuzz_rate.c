/* What answers say about rates: whatever stands in the fields, a host's calls are held back for a bounded time, never
 * for less than before, and hearing the same again changes nothing. The input: two bytes of options, then fields. */
#include "policy/rate.h"
#include "tests/fuzz/fuzz.h"

#define FIELDS_MAX 16
#define NOW_NS (1000 * TERN_S)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t statuses[] = {200, 429, 503, 301};
    struct tern_rate config = {.calls = 10,
                               .period_ns = TERN_RATE_PERIOD_NS,
                               .burst = 3,
                               .queue_max = TERN_RATE_QUEUE_MAX,
                               .wait_max_ns = TERN_RATE_WAIT_MAX_NS};
    struct tern_str rest = {(const char *)data, size};
    uint16_t status = statuses[fuzz_byte(&rest) % 4];
    uint64_t before_ns = NOW_NS + fuzz_byte(&rest) * TERN_S, held_ns;
    struct tern_rate_state state = {.hold_ns = before_ns};
    struct tern_field fields[FIELDS_MAX];
    size_t count = fuzz_fields(&rest, fields, FIELDS_MAX);

    tern_rate_heard(&config, &state, NOW_NS, 784111777, status, fields, count);
    held_ns = state.hold_ns;
    FUZZ_CHECK(held_ns >= before_ns && held_ns <= NOW_NS + TERN_RATE_HOLD_MAX_NS);
    tern_rate_heard(&config, &state, NOW_NS, 784111777, status, fields, count);
    FUZZ_CHECK(state.hold_ns == held_ns && state.full_ns == 0);
    FUZZ_CHECK(tern_rate_at(&config, &state, NOW_NS, 0) == held_ns);
    config.ignore_answers = true;
    state.hold_ns = 0;
    tern_rate_heard(&config, &state, NOW_NS, 784111777, status, fields, count);
    FUZZ_CHECK(state.hold_ns == 0);
    return 0;
}
