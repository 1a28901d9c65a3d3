/* tests/sim/play.h - plays one history from its first event to the last free. */
#ifndef TERN_TESTS_SIM_PLAY_H
#define TERN_TESTS_SIM_PLAY_H

#include "tests/sim/world.h"

/* How a history ends: in the first way once all calls have ended by themselves, and everything has come back. */
enum sim_ending { SIM_ENDING_CALM, SIM_ENDING_SHUTDOWN, SIM_ENDING_FREE, SIM_ENDING_FORK };

struct sim_report {
    uint64_t digest, notes;
    uint32_t planned, started, refused, ended, succeeded, attempts;
    uint64_t virtual_ns;
    uint64_t faults[SIM_FAULT_COUNT];
};

/* Ends the process if a promise is broken. */
void sim_play(const struct sim_options *options, struct sim_report *report);

#endif
