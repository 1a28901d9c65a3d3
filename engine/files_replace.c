#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/str.h"
#include "engine/files.h"

#define PATH_BYTES_MAX 4096 /* PATH_MAX: no longer one can be opened */

static int write_all(struct tern_files *files, int fd, struct tern_str bytes)
{
    while (bytes.len > 0) {
        ssize_t n = files->ops->write(files, fd, bytes.ptr, bytes.len);

        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        bytes = tern_str_from(bytes, (size_t)n);
    }
    return 0;
}

static int write_to(struct tern_files *files, const char *path, int flags, mode_t mode, struct tern_str bytes)
{
    int fd = files->ops->open(files, path, O_WRONLY | O_NOCTTY | flags, mode);
    int status, closed;

    if (fd < 0)
        return fd;
    status = write_all(files, fd, bytes);
    if (status == 0 && (flags & O_EXCL) != 0)
        status = files->ops->fsync(files, fd);
    closed = files->ops->close(files, fd);
    return status != 0 ? status : closed;
}

/* Of a directory: the new name outlives a power cut. Some file systems cannot do that, and say so. */
static int sync_directory_of(struct tern_files *files, const char *path)
{
    char directory[PATH_BYTES_MAX] = ".";
    const char *slash = strrchr(path, '/');
    size_t len = slash == path ? 1 : slash != NULL ? (size_t)(slash - path) : 0;
    int fd, status;

    if (len >= sizeof(directory))
        return -ENAMETOOLONG;
    if (len > 0) {
        memcpy(directory, path, len);
        directory[len] = '\0';
    }
    fd = files->ops->open(files, directory, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    status = files->ops->fsync(files, fd);
    (void)files->ops->close(files, fd); /* nothing was written to it */
    return status == -EINVAL ? 0 : status;
}

int tern_files_replace(struct tern_files *files, const char *path, const char *beside, struct tern_str bytes)
{
    struct tern_file_stat old;
    mode_t mode = 0600;
    int status = files->ops->stat(files, path, &old);

    if (status == 0) {
        if (!S_ISREG(old.mode))
            return write_to(files, path, 0, 0, bytes);
        mode = old.mode & 0777;
    } else if (status != -ENOENT) {
        return status;
    }
    status = write_to(files, beside, O_CREAT | O_EXCL | O_NOFOLLOW, mode, bytes);
    if (status == -EEXIST)
        return status; /* somebody else's */
    if (status == 0)
        status = files->ops->rename(files, beside, path);
    if (status != 0) {
        (void)files->ops->unlink(files, beside); /* the first failure is the one to tell */
        return status;
    }
    return sync_directory_of(files, path);
}
