/* fetch/keep.h - what a run learns and the next one may know: cookies (-b, -c, -j) and hosts that want TLS (--hsts),
 * each in a file that is there whole or not at all. */
#ifndef FETCH_KEEP_H
#define FETCH_KEEP_H

#include "failure.h"

struct run;

/* All zero: nothing is kept. */
struct keep {
    struct tern_jar *jar; /* NULL: neither -c nor a file of -b */
    unsigned saving;      /* files under way */
    struct failure failure;
};

/* Between engine and client: makes the jar, with what -b's files hold, and has the setup's policy know of it. */
bool keep_init(struct run *run, struct failure *failure);
/* After the client: what --hsts's file holds. */
bool keep_load(struct run *run, struct failure *failure);
/* After the transfers: writes the files; runs the engine. */
bool keep_save(struct run *run, struct failure *failure);
void keep_deinit(struct keep *keep);

#endif
