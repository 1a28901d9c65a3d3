/* fetch/progress.h - one line on the terminal while something long goes on. */
#ifndef FETCH_PROGRESS_H
#define FETCH_PROGRESS_H

#include <tern/tern.h>

struct progress {
    bool on;
    bool drawn; /* the line stands on the terminal */
    uint64_t started_ns;
    uint64_t drawn_ns;
    uint64_t bytes;    /* received so far, all transfers together */
    uint64_t expected; /* of the one transfer; 0: not known */
    size_t done;
    size_t total; /* transfers */
};

/* Starts the clock. on is what the options say; the line is drawn only where the standard error is a terminal. */
void progress_start(struct progress *p, bool on, size_t total);
/* Counts, and draws the line now and then once a second has passed. */
void progress_add(struct progress *p, uint64_t bytes);
/* Takes the line away: call before anything else is written to the terminal. */
void progress_clear(struct progress *p);

#endif
