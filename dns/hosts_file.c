#include "dns/hosts_file.h"

#include <fcntl.h>

#include "base/mem.h"
#include "dns/stamp.h"

/* The first read; it doubles from there, whatever size stat gave: the file may grow meanwhile. */
#define READ_BYTES_FIRST 8192

struct tern_hosts_job {
    struct tern_job job;
    struct tern_hosts_file *file; /* NULL: cancelled */
    struct tern_file_stat stamp;  /* in: of the table in use; out: of the file */
    bool is_read;                 /* out: table is the new one */
    struct tern_hosts *table;
    char path[];
};

/* All of the file, or its first TERN_HOSTS_BYTES_MAX bytes. False: it cannot be read; *out is then empty. */
static bool read_all(struct tern_files *files, int fd, char **out, size_t *len)
{
    size_t cap = READ_BYTES_FIRST;
    char *bytes = tern_mem_alloc(cap);
    ssize_t n = 1;

    *len = 0;
    while (bytes != NULL && n > 0 && *len < TERN_HOSTS_BYTES_MAX) {
        if (*len == cap) {
            char *more = tern_mem_realloc(bytes, cap *= 2, 1);

            if (more == NULL)
                break;
            bytes = more;
        }
        if ((n = files->ops->read(files, fd, bytes + *len, cap - *len)) > 0)
            *len += (size_t)n;
    }
    if (n != 0 && *len < TERN_HOSTS_BYTES_MAX) { /* failed */
        tern_mem_free(bytes);
        bytes = NULL;
    }
    *out = bytes;
    return bytes != NULL;
}

/* On a worker. A failure leaves stamp as it was not for any file, so that the next check tries again. */
static void job_run(struct tern_job *base, struct tern_files *files)
{
    struct tern_hosts_job *job = TERN_CONTAINER_OF(base, struct tern_hosts_job, job);
    struct tern_file_stat stamp = {0};
    char *bytes;
    size_t len;
    int fd = files->ops->open(files, job->path, O_RDONLY | O_NONBLOCK, 0);

    if (fd < 0 || files->ops->fstat(files, fd, &stamp) < 0)
        stamp = (struct tern_file_stat){0};
    if (!tern_stamp_equal(&stamp, &job->stamp)) {
        if (fd < 0) {
            job->is_read = true; /* it is gone: an empty table */
        } else if (read_all(files, fd, &bytes, &len)) {
            job->is_read = tern_hosts_parse((struct tern_str){bytes, len}, &job->table) == TERN_OK;
            tern_mem_free(bytes);
        }
    }
    if (fd >= 0)
        files->ops->close(files, fd);
    job->stamp = stamp;
}

static void job_done(struct tern_job *base, bool cancelled)
{
    struct tern_hosts_job *job = TERN_CONTAINER_OF(base, struct tern_hosts_job, job);
    struct tern_hosts_file *file = cancelled ? NULL : job->file;

    if (file != NULL) {
        file->job = NULL;
        file->checked_ns = tern_engine_now(file->engine);
        if (job->is_read) {
            tern_hosts_free(file->table);
            file->table = job->table;
            file->stamp = job->stamp;
        }
    } else {
        tern_hosts_free(job->table);
    }
    tern_mem_free(job);
    if (file != NULL)
        file->on_checked(file);
}

enum tern_error tern_hosts_file_init(struct tern_hosts_file *file, struct tern_engine *engine, const char *path,
                                     void (*on_checked)(struct tern_hosts_file *file))
{
    *file = (struct tern_hosts_file){.engine = engine, .on_checked = on_checked};
    if (path != NULL && (file->path = tern_mem_dup(tern_str(path))) == NULL)
        return TERN_ENOMEM;
    return TERN_OK;
}

void tern_hosts_file_deinit(struct tern_hosts_file *file)
{
    if (file->job != NULL) {
        file->job->file = NULL;
        tern_job_cancel(&file->job->job);
    }
    tern_hosts_free(file->table);
    tern_mem_free(file->path);
    *file = (struct tern_hosts_file){0};
}

bool tern_hosts_file_check(struct tern_hosts_file *file)
{
    uint64_t now_ns = tern_engine_now(file->engine);
    size_t path_size;

    if (file->job != NULL)
        return false;
    if (file->path == NULL || (file->checked_ns != 0 && now_ns - file->checked_ns < TERN_DNS_CHECK_NS))
        return true;
    path_size = strlen(file->path) + 1;
    file->job = tern_mem_calloc(1, sizeof(*file->job) + path_size);
    if (file->job == NULL)
        return true;
    file->job->job.run = job_run;
    file->job->job.done = job_done;
    file->job->file = file;
    file->job->stamp = file->stamp;
    memcpy(file->job->path, file->path, path_size);
    if (tern_job_start(file->engine, &file->job->job) == TERN_OK)
        return false;
    tern_mem_free(file->job);
    file->job = NULL;
    return true;
}
