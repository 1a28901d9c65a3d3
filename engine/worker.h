/* engine/worker.h - the threads that work off the loop: what engine.c needs to know of them. Jobs are in
 * engine/files.h.
 */
#ifndef TERN_ENGINE_WORKER_H
#define TERN_ENGINE_WORKER_H

#include "engine/engine.h"

/* Ends the threads and waits for them; jobs that have not begun are not run. In a forked child, where there are no
 * threads, only the memory goes. After it tern_jobs_drop. */
void tern_workers_free(struct tern_engine *engine);

/* Ends every job that is still out, as cancelled: for those that no worker will bring back any more. */
void tern_jobs_drop(struct tern_engine *engine);

#endif
