#include "dns/hosts_file.h"

#include <errno.h>
#include <fcntl.h>

#include "base/mem.h"
#include "dns/stamp.h"

struct tern_hosts_job {
    struct tern_job job;
    struct tern_hosts_file *file; /* NULL: cancelled */
    struct tern_file_stat stamp;  /* in: of the table in use; out: of the file */
    bool is_read;                 /* out: table is the new one */
    struct tern_hosts *table;
    char path[];
};

/* Makes a table of all of the file, or of its first TERN_HOSTS_BYTES_MAX bytes. False: it cannot be read, or kept. */
static bool read_table(struct tern_files *files, int fd, struct tern_hosts **out)
{
    struct tern_buf bytes;
    int status;
    bool ok;

    tern_buf_init(&bytes, TERN_HOSTS_BYTES_MAX);
    status = tern_files_read_all(files, fd, TERN_HOSTS_BYTES_MAX, &bytes);
    ok = (status == 0 || status == -EFBIG) && tern_hosts_parse(tern_buf_view(&bytes), out) == TERN_OK;
    tern_buf_deinit(&bytes);
    return ok;
}

/* On a worker. A failure leaves stamp as it was not for any file, so that the next check tries again. */
static void job_run(struct tern_job *base, struct tern_files *files)
{
    struct tern_hosts_job *job = TERN_CONTAINER_OF(base, struct tern_hosts_job, job);
    struct tern_file_stat stamp = {0};
    int fd = files->ops->open(files, job->path, O_RDONLY | O_NONBLOCK, 0);

    if (fd < 0 || files->ops->fstat(files, fd, &stamp) < 0)
        stamp = (struct tern_file_stat){0};
    if (!tern_stamp_equal(&stamp, &job->stamp))
        job->is_read = fd < 0 || read_table(files, fd, &job->table); /* gone: an empty table */
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
