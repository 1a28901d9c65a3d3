/* policy/breaker.h - whether an origin that kept failing is asked (Nygard, "Release It!", 2007). Pure: the time comes
 * in.
 *
 *     CLOSED --failures in a row, or their share of a window--> OPEN --open_ns--> HALF_OPEN --probes did well--> CLOSED
 *                                                                 ^-------------------+ one did not */
#ifndef TERN_POLICY_BREAKER_H
#define TERN_POLICY_BREAKER_H

#include "tern/policy.h"

#define TERN_BREAKER_FAILURES 5
#define TERN_BREAKER_FAILURE_PERCENT 50
#define TERN_BREAKER_WINDOW_NS (10 * TERN_S)
#define TERN_BREAKER_WINDOW_CALLS_MIN 20
#define TERN_BREAKER_OPEN_NS (30 * TERN_S)
#define TERN_BREAKER_PROBES 1

enum tern_breaker_phase { TERN_BREAKER_CLOSED, TERN_BREAKER_OPEN, TERN_BREAKER_HALF_OPEN };

/* All zero: closed. The window is two halves: the present one and the one before. */
struct tern_breaker_state {
    enum tern_breaker_phase phase;
    uint32_t in_a_row;
    struct {
        uint32_t calls, failures;
    } halves[2];
    uint64_t half_ns;   /* when the present half began */
    uint64_t opened_ns; /* with OPEN */
    uint32_t probing;   /* with HALF_OPEN: probes under way, and those that did well */
    uint32_t well;
    uint32_t round; /* counts openings: a call that began before the latest one says nothing any more */
};

enum tern_breaker_outcome { TERN_BREAKER_WELL, TERN_BREAKER_BADLY, TERN_BREAKER_UNKNOWN };

/* True: the attempt may start; *round goes to its tern_breaker_note. config has its defaults filled in. */
bool tern_breaker_admits(const struct tern_breaker *config, struct tern_breaker_state *state, uint64_t now_ns,
                         uint32_t *round);

/* An attempt that was admitted in that round has ended; UNKNOWN where it was given up. */
void tern_breaker_note(const struct tern_breaker *config, struct tern_breaker_state *state, uint64_t now_ns,
                       uint32_t round, enum tern_breaker_outcome outcome);

/* What an answer, or with status 0 a failure, says of the origin. */
enum tern_breaker_outcome tern_breaker_judge(const struct tern_breaker *config, uint16_t status, enum tern_error error);

#endif
