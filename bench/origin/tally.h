/* bench/origin/tally.h - how often each of a bounded set of names was seen. */
#ifndef BENCH_ORIGIN_TALLY_H
#define BENCH_ORIGIN_TALLY_H

#include "base/buf.h"

#define ORIGIN_TALLY_MAX 1024
#define ORIGIN_TALLY_NAME_MAX 64

struct origin_tally {
    struct origin_tally_item {
        char name[ORIGIN_TALLY_NAME_MAX];
        uint64_t count;
    } * items;
    size_t len;
    size_t max;
};

/* max names at most. Errors: TERN_ENOMEM. */
TERN_MUST_USE enum tern_error origin_tally_init(struct origin_tally *tally, size_t max);
void origin_tally_deinit(struct origin_tally *tally);

/* Counts name and returns how often it has been seen now; 0 where it is too long, or new and the table is full. */
uint64_t origin_tally_add(struct origin_tally *tally, struct tern_str name);

/* Appends a JSON object. Errors: as tern_buf_append. */
TERN_MUST_USE enum tern_error origin_tally_print(const struct origin_tally *tally, struct tern_buf *out);

#endif
