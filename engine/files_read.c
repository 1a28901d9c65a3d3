#include <errno.h>

#include "engine/files.h"

/* Asked for at a time. The size that stat tells is not asked: files of /proc say 0, others grow. */
#define READ_BYTES 16384

int tern_files_read_all(struct tern_files *files, int fd, size_t bytes_max, struct tern_buf *out)
{
    size_t before = out->len;

    while (out->len - before <= bytes_max) {
        enum tern_error error = tern_buf_reserve(out, READ_BYTES);
        ssize_t n;

        if (error != TERN_OK)
            return error == TERN_ELIMIT ? -EFBIG : -ENOMEM;
        n = files->ops->read(files, fd, tern_buf_tail(out), READ_BYTES);
        if (n <= 0)
            return (int)n;
        tern_buf_commit(out, (size_t)n);
    }
    return -EFBIG;
}
