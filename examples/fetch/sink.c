#include "sink.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail_path(struct failure *failure, const char *what, const char *path)
{
    return fail(failure, CODE_WRITE, "cannot %s '%s': %s", what, path, strerror(errno));
}

/* The directory part with its slash; "" where there is none. Owned by the caller. */
static struct text directory_of(const char *path)
{
    struct text directory = {0};
    const char *slash = strrchr(path, '/');
    text_add(&directory, path, slash != NULL ? (size_t)(slash - path) + 1 : 0);
    return directory;
}

static bool make_directories(const char *path, struct failure *failure)
{
    struct text directory = directory_of(path);
    bool ok = true;
    for (char *slash = strchr(directory.ptr + (directory.len != 0), '/'); ok && slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        ok = mkdir(directory.ptr, 0750) == 0 || errno == EEXIST || fail_path(failure, "make directory", directory.ptr);
        *slash = '/';
    }
    text_free(&directory);
    return ok;
}

/* Whether path must be written as it stands. Sets *mode to that of the file which is to be replaced, if any. */
static bool stands(const char *path, mode_t *mode)
{
    struct stat st;
    if (strncmp(path, "/dev/fd/", 8) == 0 || strcmp(path, "/dev/stderr") == 0 || strncmp(path, "/proc/", 6) == 0)
        return true;
    if (stat(path, &st) != 0)
        return false;
    if (!S_ISREG(st.st_mode))
        return true;
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
        *mode = st.st_mode & 0777;
    return false;
}

static bool open_temporary(struct sink *sink, mode_t mode, struct failure *failure)
{
    struct text name = directory_of(sink->path);
    text_adds(&name, ".fetch-XXXXXX");
    /* mkostemp opens with O_CREAT and O_EXCL, and so neither takes over a file nor follows a link. */
    sink->fd = mkostemp(name.ptr, O_CLOEXEC | O_NOFOLLOW);
    if (sink->fd < 0) {
        fail(failure, CODE_WRITE, "cannot make a temporary file beside '%s': %s", sink->path, strerror(errno));
        text_free(&name);
        return false;
    }
    sink->temporary = name.ptr;
    sink->open = true;
    if (fchmod(sink->fd, mode) == 0)
        return true;
    fail_path(failure, "set the mode of", sink->temporary);
    sink_abort(sink);
    return false;
}

bool sink_open(struct sink *sink, const char *path, bool create_dirs, struct failure *failure)
{
    if (path == NULL || strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0) {
        sink->fd = STDOUT_FILENO;
        /* A body that would garble the terminal is refused unless "-o -" asks for it. */
        sink->checked = path != NULL || isatty(STDOUT_FILENO) == 0;
        sink->open = true;
        return true;
    }
    if (create_dirs && !make_directories(path, failure))
        return false;
    mode_t mask = umask(0);
    umask(mask);
    mode_t mode = 0666 & ~mask;
    bool as_it_stands = stands(path, &mode);
    struct text copy = {0};
    text_adds(&copy, path);
    sink->path = copy.ptr;
    sink->checked = true;
    if (as_it_stands) {
        sink->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
        sink->open = sink->fd >= 0 || fail_path(failure, "open", path);
    } else {
        open_temporary(sink, mode, failure);
    }
    if (!sink->open) {
        free(sink->path);
        sink->path = NULL;
    }
    return sink->open;
}

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n >= 0) {
            data += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            /* Whoever started fetch has set its output not to block. */
            struct pollfd wait = {fd, POLLOUT, 0};
            if (poll(&wait, 1, -1) < 0)
                return false;
        } else {
            return false; /* EINTR too: only the signals that end fetch have a handler */
        }
    }
    return true;
}

bool sink_write(struct sink *sink, const void *data, size_t len, struct failure *failure)
{
    if (!sink->checked && len > 0) {
        sink->checked = true;
        if (memchr(data, '\0', len) != NULL)
            return fail(failure, CODE_WRITE, "the body is not text: -o FILE stores it, -o - shows it all the same");
    }
    if (write_all(sink->fd, data, len))
        return true;
    return fail_path(failure, "write to", sink->path != NULL ? sink->path : "standard output");
}

static void forget(struct sink *sink)
{
    free(sink->path);
    free(sink->temporary);
    *sink = (struct sink){0};
}

/* Makes the new name last. A file system that cannot sync a directory says EINVAL. */
static bool sync_directory(const char *path)
{
    struct text directory = directory_of(path);
    int fd = open(directory.len != 0 ? directory.ptr : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    text_free(&directory);
    return ok;
}

/* Data to the disk, name in place, name to the disk. */
static bool give_name(struct sink *sink, struct failure *failure)
{
    if (fsync(sink->fd) != 0)
        return fail_path(failure, "store", sink->path);
    if (rename(sink->temporary, sink->path) != 0)
        return fail_path(failure, "replace", sink->path);
    free(sink->temporary);
    sink->temporary = NULL; /* nothing is left to remove */
    return sync_directory(sink->path) || fail_path(failure, "store the name of", sink->path);
}

bool sink_commit(struct sink *sink, struct failure *failure)
{
    if (sink->path != NULL && sink->temporary != NULL && !give_name(sink, failure)) {
        sink_abort(sink);
        return false;
    }
    bool ok = sink->path == NULL || close(sink->fd) == 0 || fail_path(failure, "close", sink->path);
    forget(sink);
    return ok;
}

void sink_abort(struct sink *sink)
{
    if (!sink->open)
        return;
    if (sink->path != NULL)
        close(sink->fd);
    if (sink->temporary != NULL)
        unlink(sink->temporary);
    forget(sink);
}

char *sink_name_of_url(const char *url)
{
    const char *authority = strstr(url, "://");
    const char *start = authority != NULL ? authority + 3 : url;
    size_t len = strcspn(start, "?#");
    const char *slash = memrchr(start, '/', len);
    if (slash == NULL)
        return NULL;
    struct text name = {0};
    text_add(&name, slash + 1, (size_t)(start + len - slash) - 1);
    if (name.len != 0 && strcmp(name.ptr, ".") != 0 && strcmp(name.ptr, "..") != 0)
        return name.ptr;
    text_free(&name);
    return NULL;
}
