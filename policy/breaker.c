#include "policy/breaker.h"

#include "base/assert.h"

static const uint8_t successors[] = {
    [TERN_BREAKER_CLOSED] = 1u << TERN_BREAKER_OPEN,
    [TERN_BREAKER_OPEN] = 1u << TERN_BREAKER_HALF_OPEN,
    [TERN_BREAKER_HALF_OPEN] = 1u << TERN_BREAKER_OPEN | 1u << TERN_BREAKER_CLOSED,
};

static void set_phase(struct tern_breaker_state *state, enum tern_breaker_phase phase)
{
    TERN_ASSERT((successors[state->phase] >> phase & 1u) != 0);
    *state = (struct tern_breaker_state){.phase = phase, .round = state->round + 1};
}

static void trip(struct tern_breaker_state *state, uint64_t now_ns)
{
    set_phase(state, TERN_BREAKER_OPEN);
    state->opened_ns = now_ns;
}

bool tern_breaker_admits(const struct tern_breaker *config, struct tern_breaker_state *state, uint64_t now_ns,
                         uint32_t *round)
{
    if (state->phase == TERN_BREAKER_OPEN && now_ns - state->opened_ns >= config->open_ns)
        set_phase(state, TERN_BREAKER_HALF_OPEN);
    if (state->phase == TERN_BREAKER_HALF_OPEN && state->well >= config->probes)
        set_phase(state, TERN_BREAKER_CLOSED); /* another configuration asks for fewer */
    *round = state->round;
    if (state->phase == TERN_BREAKER_CLOSED)
        return true;
    if (state->phase == TERN_BREAKER_OPEN || state->probing + state->well >= config->probes)
        return false;
    state->probing++;
    return true;
}

/* Halves follow one another without gaps, so that a window reaches back between one half and two. */
static void turn_window(const struct tern_breaker *config, struct tern_breaker_state *state, uint64_t now_ns)
{
    uint64_t half_ns = config->window_ns / 2 > 0 ? config->window_ns / 2 : 1;
    uint64_t halves = (now_ns - state->half_ns) / half_ns;

    if (halves == 0)
        return;
    state->halves[1] = state->halves[0];
    if (halves > 1)
        state->halves[1].calls = state->halves[1].failures = 0;
    state->halves[0].calls = state->halves[0].failures = 0;
    state->half_ns += halves * half_ns;
}

static bool fails_too_often(const struct tern_breaker *config, const struct tern_breaker_state *state)
{
    uint64_t calls = (uint64_t)state->halves[0].calls + state->halves[1].calls;
    uint64_t failures = (uint64_t)state->halves[0].failures + state->halves[1].failures;

    return state->in_a_row >= config->failures ||
           (calls >= config->window_calls_min && failures * 100 >= calls * config->failure_percent);
}

static void note_closed(const struct tern_breaker *config, struct tern_breaker_state *state, uint64_t now_ns,
                        bool is_failure)
{
    turn_window(config, state, now_ns);
    state->halves[0].calls++;
    state->halves[0].failures += is_failure;
    state->in_a_row = is_failure ? state->in_a_row + 1 : 0;
    if (is_failure && fails_too_often(config, state))
        trip(state, now_ns);
}

void tern_breaker_note(const struct tern_breaker *config, struct tern_breaker_state *state, uint64_t now_ns,
                       uint32_t round, enum tern_breaker_outcome outcome)
{
    if (round != state->round)
        return;
    if (state->phase == TERN_BREAKER_CLOSED) {
        if (outcome != TERN_BREAKER_UNKNOWN)
            note_closed(config, state, now_ns, outcome == TERN_BREAKER_BADLY);
        return;
    }
    TERN_ASSERT(state->phase == TERN_BREAKER_HALF_OPEN && state->probing > 0);
    state->probing--;
    state->well += outcome == TERN_BREAKER_WELL;
    if (outcome == TERN_BREAKER_BADLY)
        trip(state, now_ns);
    else if (state->well >= config->probes)
        set_phase(state, TERN_BREAKER_CLOSED);
}

enum tern_breaker_outcome tern_breaker_judge(const struct tern_breaker *config, uint16_t status, enum tern_error error)
{
    if (status != 0) {
        for (size_t i = 0; i < config->status_count; i++)
            if (config->statuses[i] == status)
                return TERN_BREAKER_BADLY;
        return TERN_BREAKER_WELL;
    }
    switch (tern_error_class(error)) {
    case TERN_CLASS_DNS:
    case TERN_CLASS_CONNECT:
    case TERN_CLASS_TLS:
    case TERN_CLASS_PEER:
    case TERN_CLASS_PROTOCOL:
        return TERN_BREAKER_BADLY;
    case TERN_CLASS_TIMEOUT: /* a wait in the own pool says nothing of the origin */
        return error == TERN_EPOOL_TIMEOUT ? TERN_BREAKER_UNKNOWN : TERN_BREAKER_BADLY;
    default:
        return TERN_BREAKER_UNKNOWN;
    }
}
