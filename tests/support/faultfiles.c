#include "tests/support/faultfiles.h"

#include <errno.h>

#include "tests/support/torture.h"

static bool fails(void)
{
    return torture_fails(TORTURE_FILES);
}

static int fault_open(struct tern_files *files, const char *path, int flags, mode_t mode)
{
    (void)files;
    return fails() ? -EMFILE : tern_files_posix()->ops->open(tern_files_posix(), path, flags, mode);
}

static int fault_dup(struct tern_files *files, int fd)
{
    (void)files;
    return fails() ? -EMFILE : tern_files_posix()->ops->dup(tern_files_posix(), fd);
}

static ssize_t fault_read(struct tern_files *files, int fd, void *buf, size_t cap)
{
    (void)files;
    return fails() ? -EIO : tern_files_posix()->ops->read(tern_files_posix(), fd, buf, cap);
}

static ssize_t fault_read_at(struct tern_files *files, int fd, void *buf, size_t cap, int64_t place)
{
    (void)files;
    return fails() ? -EIO : tern_files_posix()->ops->read_at(tern_files_posix(), fd, buf, cap, place);
}

static int64_t fault_place(struct tern_files *files, int fd)
{
    (void)files;
    return fails() ? -ESPIPE : tern_files_posix()->ops->place(tern_files_posix(), fd);
}

static ssize_t fault_write(struct tern_files *files, int fd, const void *buf, size_t len)
{
    (void)files;
    return fails() ? -ENOSPC : tern_files_posix()->ops->write(tern_files_posix(), fd, buf, len);
}

static int fault_fsync(struct tern_files *files, int fd)
{
    (void)files;
    return fails() ? -EIO : tern_files_posix()->ops->fsync(tern_files_posix(), fd);
}

static int fault_rename(struct tern_files *files, const char *from, const char *to)
{
    (void)files;
    return fails() ? -EACCES : tern_files_posix()->ops->rename(tern_files_posix(), from, to);
}

static int fault_unlink(struct tern_files *files, const char *path)
{
    (void)files;
    return fails() ? -EACCES : tern_files_posix()->ops->unlink(tern_files_posix(), path);
}

/* Closed it is all the same, as on Linux. */
static int fault_close(struct tern_files *files, int fd)
{
    int rc = tern_files_posix()->ops->close(tern_files_posix(), fd);

    (void)files;
    return fails() ? -EIO : rc;
}

static int fault_fstat(struct tern_files *files, int fd, struct tern_file_stat *out)
{
    (void)files;
    return fails() ? -EIO : tern_files_posix()->ops->fstat(tern_files_posix(), fd, out);
}

static int fault_stat(struct tern_files *files, const char *path, struct tern_file_stat *out)
{
    (void)files;
    return fails() ? -EACCES : tern_files_posix()->ops->stat(tern_files_posix(), path, out);
}

static int fault_list(struct tern_files *files, const char *path, bool (*on_name)(void *user, const char *name),
                      void *user)
{
    (void)files;
    return fails() ? -EACCES : tern_files_posix()->ops->list(tern_files_posix(), path, on_name, user);
}

struct tern_files *faultfiles(void)
{
    static const struct tern_files_ops ops = {
        .open = fault_open,
        .dup = fault_dup,
        .read = fault_read,
        .read_at = fault_read_at,
        .place = fault_place,
        .write = fault_write,
        .fsync = fault_fsync,
        .close = fault_close,
        .fstat = fault_fstat,
        .stat = fault_stat,
        .rename = fault_rename,
        .unlink = fault_unlink,
        .list = fault_list,
    };
    static struct tern_files files = {&ops};

    return &files;
}
