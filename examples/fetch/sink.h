/* fetch/sink.h - where a response goes: the standard output, a device or pipe, or a file.
 *
 * A regular file is written under a temporary name in the same directory and gets its own name when it is whole and on
 * the disk: whoever looks sees the old file, or all of the new one. A symbolic link of that name is replaced, not
 * followed. What is not a regular file is written as it stands, and so are the names that mean a file already open
 * (/dev/stdout, /dev/fd/3). */
#ifndef FETCH_SINK_H
#define FETCH_SINK_H

#include "failure.h"

/* All zero: not open. */
struct sink {
    bool open;
    int fd;
    char *path;      /* NULL: the standard output */
    char *temporary; /* NULL: written as it stands */
    bool checked;    /* whether the first bytes may go to a terminal */
};

/* path NULL or "-": the standard output. create_dirs makes the missing directories of path. */
bool sink_open(struct sink *sink, const char *path, bool create_dirs, struct failure *failure);
bool sink_write(struct sink *sink, const void *data, size_t len, struct failure *failure);

/* Ends it well: data to the disk, name in place, directory to the disk. */
bool sink_commit(struct sink *sink, struct failure *failure);
/* Ends it badly: a temporary file is removed. Nothing happens to a sink that is not open. */
void sink_abort(struct sink *sink);

/* The file name that -O takes from a URL: the last part of its path. NULL where there is none. Owned by the caller. */
char *sink_name_of_url(const char *url);

#endif
