/* engine/files.h - the seam to the file system, and work that is done off the loop.
 *
 * Only files of engine/files* call the file system. Every operation may block: they are called from a job (below),
 * never from the loop. Those that can fail give a negative errno. They may be called from several threads at once. */
#ifndef TERN_ENGINE_FILES_H
#define TERN_ENGINE_FILES_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/list.h"
#include "engine/mailbox.h"

struct tern_file_stat {
    uint64_t size_bytes;
    int64_t mtime_s;
    uint32_t mtime_ns;
    uint64_t device;
    uint64_t inode;
    uint32_t mode; /* S_IFMT and permissions */
};

struct tern_engine;
struct tern_files;

struct tern_files_ops {
    int (*open)(struct tern_files *files, const char *path, int flags, mode_t mode); /* always O_CLOEXEC */
    int (*dup)(struct tern_files *files, int fd); /* O_CLOEXEC; another number for the same, at the same place */
    ssize_t (*read)(struct tern_files *files, int fd, void *buf, size_t cap); /* 0: the end */
    /* As read, but from a place: what the descriptor's own place is does not matter and stays. */
    ssize_t (*read_at)(struct tern_files *files, int fd, void *buf, size_t cap, int64_t place);
    int64_t (*place)(struct tern_files *files, int fd);                              /* -ESPIPE: it has none */
    ssize_t (*write)(struct tern_files *files, int fd, const void *buf, size_t len); /* may write less */
    int (*fsync)(struct tern_files *files, int fd);
    int (*close)(struct tern_files *files, int fd);
    int (*fstat)(struct tern_files *files, int fd, struct tern_file_stat *out);
    int (*stat)(struct tern_files *files, const char *path, struct tern_file_stat *out); /* follows links */
    int (*rename)(struct tern_files *files, const char *from, const char *to);
    int (*unlink)(struct tern_files *files, const char *path);
    /* Gives each name but "." and "..", in no order, until on_name answers false. */
    int (*list)(struct tern_files *files, const char *path, bool (*on_name)(void *user, const char *name), void *user);
};

struct tern_files {
    const struct tern_files_ops *ops;
};

/* The real file system. Static; any thread. */
struct tern_files *tern_files_posix(void);

/* Appends all that is still to be read of fd, whatever size it tells. Gives 0, or a negative errno; -EFBIG where there
 * is more than bytes_max or than out takes. What was read by then stays in out. */
TERN_MUST_USE int tern_files_read_all(struct tern_files *files, int fd, size_t bytes_max, struct tern_buf *out);

/* Makes bytes the content of the file at path, whole and durable or not at all: they are written to beside, a path in
 * the same directory where nothing is yet, which then takes path's name. Its mode is that of what it replaces, less the
 * umask, or 0600. What is at path and no regular file is written as it stands. Gives 0, or a negative errno; then
 * beside is gone. */
TERN_MUST_USE int tern_files_replace(struct tern_files *files, const char *path, const char *beside,
                                     struct tern_str bytes);

/* Who does a job. Each kind has threads of its own: a disk that hangs holds up no handshake, nor the other way
 * round. */
enum tern_job_kind {
    TERN_JOB_FILES,     /* config.file_threads */
    TERN_JOB_HANDSHAKE, /* config.handshake_threads; to be started only where that is not 0 */
    TERN_JOB_KINDS
};

/* Work off the loop: bytes in, bytes out. Embedded in what it needs. From tern_job_start until done nobody but run
 * touches what run uses: it shares no object with the loop.
 * run: on a worker's thread; skipped where the job is cancelled before its turn.
 * done: on the engine's thread from inside a step (or from tern_engine_free), once, always. cancelled: the result is
 * unwanted or there is none; only release what the job holds. The job's memory is its owner's again. */
struct tern_job {
    void (*run)(struct tern_job *job, struct tern_files *files);
    void (*done)(struct tern_job *job, bool cancelled);
    enum tern_job_kind kind;

    /* The rest is the engine's. */
    struct tern_engine *engine;
    struct tern_message message; /* the way back */
    struct tern_list node;       /* among the engine's jobs */
    struct tern_job *next;       /* among those that wait for a worker */
    _Atomic bool is_cancelled;
};

/* Engine's thread. job->run, done and kind are set. On error done does not come.
 * Errors: TERN_EOS (no thread can be made), TERN_ENOMEM, TERN_EFORK, TERN_ECLOSED (the engine is being freed). */
TERN_MUST_USE enum tern_error tern_job_start(struct tern_engine *engine, struct tern_job *job);

/* Detaches from a started job: done comes later all the same, with cancelled true. Engine's thread. */
void tern_job_cancel(struct tern_job *job);

/* For a run that takes long: nobody wants its result any more. Any thread. */
static inline bool tern_job_is_cancelled(const struct tern_job *job)
{
    return atomic_load_explicit(&job->is_cancelled, memory_order_relaxed);
}

#endif
