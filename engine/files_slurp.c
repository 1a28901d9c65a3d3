/* A whole file into memory, off the loop. */
#include <errno.h>
#include <fcntl.h>

#include "base/fault.h"
#include "base/mem.h"
#include "engine/engine.h"

#define FIRST_BYTES ((size_t)4096)

struct tern_slurp {
    struct tern_job job;
    char *path;
    size_t bytes_max;
    char *data;
    size_t len, cap;
    enum tern_error error;
    int os_errno;
    void (*on_done)(void *user, struct tern_str bytes, const struct tern_fault *why);
    void *user;
};

/* Room for at least one more byte. The size that stat tells is not asked: files of /proc say 0, others grow. */
static enum tern_error make_room(struct tern_slurp *slurp)
{
    if (slurp->len < slurp->cap)
        return TERN_OK;
    size_t cap = slurp->cap == 0 ? FIRST_BYTES : slurp->cap * 2; /* cap <= bytes_max + 1 <= SIZE_MAX / 2 */
    if (cap > slurp->bytes_max + 1)
        cap = slurp->bytes_max + 1; /* the byte beyond shows that there is more than allowed */
    char *data = tern_mem_realloc(slurp->data, 1, cap);
    if (data == NULL)
        return TERN_ENOMEM;
    slurp->data = data;
    slurp->cap = cap;
    return TERN_OK;
}

static enum tern_error read_all(struct tern_slurp *slurp, struct tern_files *files, int fd)
{
    for (;;) {
        if (make_room(slurp) != TERN_OK)
            return TERN_ENOMEM;
        ssize_t n = files->ops->read(files, fd, slurp->data + slurp->len, slurp->cap - slurp->len);
        if (n < 0) {
            slurp->os_errno = (int)-n;
            return TERN_EFILE;
        }
        if (n == 0)
            return TERN_OK;
        slurp->len += (size_t)n;
        if (slurp->len > slurp->bytes_max)
            return TERN_ELIMIT;
    }
}

static void run(struct tern_job *job, struct tern_files *files)
{
    struct tern_slurp *slurp = TERN_CONTAINER_OF(job, struct tern_slurp, job);
    int fd = files->ops->open(files, slurp->path, O_RDONLY, 0);
    if (fd < 0) {
        slurp->error = TERN_EFILE;
        slurp->os_errno = -fd;
        return;
    }
    slurp->error = read_all(slurp, files, fd);
    files->ops->close(files, fd);
}

static void free_slurp(struct tern_slurp *slurp)
{
    tern_mem_free(slurp->data);
    tern_mem_free(slurp->path);
    tern_mem_free(slurp);
}

static void done(struct tern_job *job, bool cancelled)
{
    struct tern_slurp *slurp = TERN_CONTAINER_OF(job, struct tern_slurp, job);
    if (!cancelled) {
        struct tern_fault why = {0};
        char path[TERN_ESCAPE_MAX];
        tern_escape(path, sizeof path, tern_str(slurp->path));
        if (slurp->error == TERN_EFILE)
            tern_fault_errno(&why, TERN_EFILE, slurp->os_errno, "read \"%s\"", path);
        else if (slurp->error == TERN_ELIMIT)
            tern_fault_set(&why, TERN_ELIMIT, "read \"%s\": it is longer than %zu bytes", path, slurp->bytes_max);
        else if (slurp->error != TERN_OK)
            tern_fault_plain(&why, slurp->error);
        bool is_good = slurp->error == TERN_OK;
        slurp->on_done(slurp->user, (struct tern_str){is_good ? slurp->data : "", is_good ? slurp->len : 0}, &why);
    }
    free_slurp(slurp);
}

enum tern_error tern_files_slurp(struct tern_engine *engine, const char *path, size_t bytes_max,
                                 void (*on_done)(void *user, struct tern_str bytes, const struct tern_fault *why),
                                 void *user, struct tern_slurp **out)
{
    if (bytes_max > SIZE_MAX / 2 - 1)
        bytes_max = SIZE_MAX / 2 - 1;
    struct tern_slurp *slurp = tern_mem_calloc(1, sizeof *slurp);
    if (slurp == NULL)
        return TERN_ENOMEM;
    slurp->job.run = run;
    slurp->job.done = done;
    slurp->bytes_max = bytes_max;
    slurp->on_done = on_done;
    slurp->user = user;
    slurp->path = tern_mem_dup(tern_str(path));
    enum tern_error error = slurp->path != NULL ? tern_job_start(engine, &slurp->job) : TERN_ENOMEM;
    if (error != TERN_OK) {
        free_slurp(slurp);
        return error;
    }
    if (out != NULL)
        *out = slurp;
    return TERN_OK;
}

void tern_slurp_cancel(struct tern_slurp *slurp)
{
    tern_job_cancel(&slurp->job);
}
