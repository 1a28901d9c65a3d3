/* dns/stamp.h - has a file changed since it was last read? */
#ifndef TERN_DNS_STAMP_H
#define TERN_DNS_STAMP_H

#include "engine/files.h"

/* A file that is read for lookups is looked at again when a lookup comes and the last look is this long ago. */
#define TERN_DNS_CHECK_NS TERN_S

/* What is compared; all 0 for a file that is not there. */
static inline bool tern_stamp_equal(const struct tern_file_stat *a, const struct tern_file_stat *b)
{
    return a->size_bytes == b->size_bytes && a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns &&
           a->inode == b->inode && a->device == b->device;
}

#endif
