#include "engine/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int result(int rc)
{
    return rc >= 0 ? rc : -errno;
}

static int files_open(struct tern_files *files, const char *path, int flags, mode_t mode)
{
    (void)files;
    return result(open(path, flags | O_CLOEXEC, mode));
}

static int files_dup(struct tern_files *files, int fd)
{
    (void)files;
    return result(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

static ssize_t files_read(struct tern_files *files, int fd, void *buf, size_t cap)
{
    ssize_t n;

    (void)files;
    do
        n = read(fd, buf, cap);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : -errno;
}

static ssize_t files_read_at(struct tern_files *files, int fd, void *buf, size_t cap, int64_t place)
{
    ssize_t n;

    (void)files;
    do
        n = pread(fd, buf, cap, place);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : -errno;
}

static int64_t files_place(struct tern_files *files, int fd)
{
    off_t place = lseek(fd, 0, SEEK_CUR);

    (void)files;
    return place >= 0 ? place : -errno;
}

static ssize_t files_write(struct tern_files *files, int fd, const void *buf, size_t len)
{
    ssize_t n;

    (void)files;
    do
        n = write(fd, buf, len);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : -errno;
}

static int files_fsync(struct tern_files *files, int fd)
{
    (void)files;
    return result(fsync(fd));
}

static int files_close(struct tern_files *files, int fd)
{
    (void)files;
    int rc = result(close(fd));
    return rc == -EINTR ? 0 : rc; /* it is closed on Linux */
}

static void fill_stat(struct tern_file_stat *out, const struct stat *st)
{
    *out = (struct tern_file_stat){
        .size_bytes = st->st_size > 0 ? (uint64_t)st->st_size : 0,
        .mtime_s = st->st_mtim.tv_sec,
        .mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
        .device = st->st_dev,
        .inode = st->st_ino,
        .mode = st->st_mode,
    };
}

static int files_fstat(struct tern_files *files, int fd, struct tern_file_stat *out)
{
    struct stat st;

    (void)files;
    if (fstat(fd, &st) != 0)
        return -errno;
    fill_stat(out, &st);
    return 0;
}

static int files_stat(struct tern_files *files, const char *path, struct tern_file_stat *out)
{
    struct stat st;

    (void)files;
    if (stat(path, &st) != 0)
        return -errno;
    fill_stat(out, &st);
    return 0;
}

static int files_rename(struct tern_files *files, const char *from, const char *to)
{
    (void)files;
    return result(rename(from, to));
}

static int files_unlink(struct tern_files *files, const char *path)
{
    (void)files;
    return result(unlink(path));
}

static int files_list(struct tern_files *files, const char *path, bool (*on_name)(void *user, const char *name),
                      void *user)
{
    (void)files;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return -errno;
    const struct dirent *entry;
    bool more = true;
    errno = 0;
    while (more && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            more = on_name(user, entry->d_name);
        errno = 0; /* readdir's NULL means an error only if this has changed */
    }
    int rc = -errno;
    closedir(dir);
    return rc;
}

static const struct tern_files_ops ops = {
    .open = files_open,
    .dup = files_dup,
    .read = files_read,
    .read_at = files_read_at,
    .place = files_place,
    .write = files_write,
    .fsync = files_fsync,
    .close = files_close,
    .fstat = files_fstat,
    .stat = files_stat,
    .rename = files_rename,
    .unlink = files_unlink,
    .list = files_list,
};

struct tern_files *tern_files_posix(void)
{
    static struct tern_files posix = {&ops};

    return &posix;
}
