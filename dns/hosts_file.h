/* dns/hosts_file.h - keeps the table of a hosts file up to date, with all file work off the loop.
 *
 * A file that cannot be read counts as empty: a machine without one still resolves names. Belongs to the engine's
 * thread. */
#ifndef TERN_DNS_HOSTS_FILE_H
#define TERN_DNS_HOSTS_FILE_H

#include "dns/hosts.h"
#include "engine/engine.h"

struct tern_hosts_job;

struct tern_hosts_file {
    struct tern_engine *engine;
    char *path; /* NULL: there is no file */
    void (*on_checked)(struct tern_hosts_file *file);
    struct tern_hosts *table; /* NULL: empty */
    struct tern_file_stat stamp;
    uint64_t checked_ns; /* 0: never */
    struct tern_hosts_job *job;
};

/* path (NULL: none) is copied. on_checked comes from inside a step, never from inside check. Errors: TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_hosts_file_init(struct tern_hosts_file *file, struct tern_engine *engine,
                                                   const char *path, void (*on_checked)(struct tern_hosts_file *file));
void tern_hosts_file_deinit(struct tern_hosts_file *file);

/* True: the table is recent enough (TERN_DNS_CHECK_NS), or nothing better is to be had. False: it is being looked at,
 * and on_checked comes. */
TERN_MUST_USE bool tern_hosts_file_check(struct tern_hosts_file *file);

#endif
