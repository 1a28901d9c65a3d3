/* The public API for small files (tern/file.h): one job each. */
#include "tern/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/engine.h"

struct whole {
    struct tern_job job;
    char *path;
    char *beside; /* to save */
    size_t bytes_max;
    struct tern_buf bytes;
    int status;
    void (*on_loaded)(void *user, const struct tern_fault *fault, struct tern_str bytes); /* or the next */
    void (*on_saved)(void *user, const struct tern_fault *fault);
    void *user;
};

/* What is in such files are secrets. */
static void whole_free(struct whole *whole)
{
    if (whole->bytes.data != NULL)
        tern_mem_wipe(whole->bytes.data, whole->bytes.cap);
    tern_buf_deinit(&whole->bytes);
    tern_mem_free(whole->path);
    tern_mem_free(whole->beside);
    tern_mem_free(whole);
}

static void on_done(struct tern_job *job, bool cancelled)
{
    struct whole *whole = TERN_CONTAINER_OF(job, struct whole, job);
    struct tern_fault fault = {0};
    char shown[TERN_ESCAPE_MAX];

    if (whole->status == -ENOMEM)
        tern_fault_plain(&fault, TERN_ENOMEM);
    else if (whole->status != 0)
        tern_fault_errno(&fault, TERN_EFILE, -whole->status, "file \"%s\" cannot be %s",
                         tern_escape(shown, sizeof(shown), tern_str(whole->path)),
                         whole->on_loaded != NULL ? "read" : "written");
    if (!cancelled && whole->on_loaded != NULL)
        whole->on_loaded(whole->user, &fault, whole->status == 0 ? tern_buf_view(&whole->bytes) : TERN_STR(""));
    if (!cancelled && whole->on_saved != NULL)
        whole->on_saved(whole->user, &fault);
    whole_free(whole);
}

static struct whole *whole_new(const char *path, size_t bytes_max)
{
    struct whole *whole = tern_mem_calloc(1, sizeof(*whole));

    if (whole == NULL)
        return NULL;
    whole->job.done = on_done;
    whole->job.kind = TERN_JOB_FILES;
    whole->bytes_max = bytes_max;
    tern_buf_init(&whole->bytes, SIZE_MAX); /* a reader looks beyond bytes_max */
    whole->path = tern_mem_dup(tern_str(path));
    if (whole->path == NULL) {
        whole_free(whole);
        return NULL;
    }
    return whole;
}

static enum tern_error start(struct tern_engine *engine, struct whole *whole)
{
    enum tern_error error = engine->state == TERN_ENGINE_SHUT ? TERN_ECLOSED : tern_job_start(engine, &whole->job);

    if (error != TERN_OK)
        whole_free(whole);
    return error;
}

/* ---- load ---- */

static void run_load(struct tern_job *job, struct tern_files *files)
{
    struct whole *whole = TERN_CONTAINER_OF(job, struct whole, job);
    int fd = files->ops->open(files, whole->path, O_RDONLY | O_NOCTTY, 0);

    whole->status = fd;
    if (fd < 0)
        return;
    whole->status = tern_files_read_all(files, fd, whole->bytes_max, &whole->bytes);
    (void)files->ops->close(files, fd); /* nothing was written to it */
}

enum tern_error tern_file_load(struct tern_engine *engine, const char *path, size_t bytes_max,
                               void (*on_loaded)(void *user, const struct tern_fault *fault, struct tern_str bytes),
                               void *user)
{
    struct whole *whole = whole_new(path, bytes_max);

    if (whole == NULL)
        return TERN_ENOMEM;
    whole->job.run = run_load;
    whole->on_loaded = on_loaded;
    whole->user = user;
    return start(engine, whole);
}

/* ---- save ---- */

static void run_save(struct tern_job *job, struct tern_files *files)
{
    struct whole *whole = TERN_CONTAINER_OF(job, struct whole, job);

    whole->status = tern_files_replace(files, whole->path, whole->beside, tern_buf_view(&whole->bytes));
}

/* A name that nobody has: 64 random bits. */
static enum tern_error choose_beside(struct tern_engine *engine, struct whole *whole)
{
    size_t size = strlen(whole->path) + 18;
    uint64_t random;

    if (engine->io->ops->random(engine->io, &random, sizeof(random)) != 0)
        return TERN_EOS;
    whole->beside = tern_mem_alloc(size);
    if (whole->beside == NULL)
        return TERN_ENOMEM;
    snprintf(whole->beside, size, "%s.%016llx", whole->path, (unsigned long long)random);
    return TERN_OK;
}

enum tern_error tern_file_save(struct tern_engine *engine, const char *path, struct tern_str bytes,
                               void (*on_saved)(void *user, const struct tern_fault *fault), void *user)
{
    struct whole *whole = whole_new(path, bytes.len);
    enum tern_error error;

    if (whole == NULL)
        return TERN_ENOMEM;
    error = choose_beside(engine, whole);
    if (error == TERN_OK)
        error = tern_buf_append_str(&whole->bytes, bytes);
    if (error != TERN_OK) {
        whole_free(whole);
        return error;
    }
    whole->job.run = run_save;
    whole->on_saved = on_saved;
    whole->user = user;
    return start(engine, whole);
}
