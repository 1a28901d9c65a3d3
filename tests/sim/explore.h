/* tests/sim/explore.h - many histories: progress, what fails, and the least of it that still fails. */
#ifndef TERN_TESTS_SIM_EXPLORE_H
#define TERN_TESTS_SIM_EXPLORE_H

#include "tests/sim/play.h"

struct sim_exploration {
    uint64_t first;   /* seed */
    uint64_t seconds; /* 0: no bound */
    uint64_t count;   /* of seeds; 0: no bound */
};

/* Plays seeds until the bound, or until one fails. Prints what was played; gives the exit status. */
int sim_explore(const struct sim_exploration *plan);

#endif
