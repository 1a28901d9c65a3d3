/* bench/origin/body.h - the bytes of a response, made as they are needed.
 *
 * A pattern body never ends up in memory: byte i of /bytes/N?seed=S is table[(S + i) % ORIGIN_PERIOD], and the table is
 * the high byte of x = x * 1664525 + 1013904223 (mod 2^32), from x = 1 (Knuth, TAOCP 3.3.4; numbers of "Numerical
 * Recipes"). The period is a prime, so that a block of a power of two that is lost or moved changes the content. */
#ifndef BENCH_ORIGIN_BODY_H
#define BENCH_ORIGIN_BODY_H

#include "base/buf.h"

#define ORIGIN_PERIOD 65521
#define ORIGIN_TEXT_MAX (256 * 1024) /* /stats with every table full */

enum origin_body_kind {
    ORIGIN_BODY_TEXT,    /* what stands in text */
    ORIGIN_BODY_PATTERN, /* size bytes of the pattern */
    ORIGIN_BODY_ECHO     /* the request's own body, as it comes */
};

struct origin_body {
    enum origin_body_kind kind;
    uint64_t size; /* bytes in all; of an echo it is not known */
    uint64_t at;   /* bytes taken */
    uint64_t seed;
    struct tern_buf text; /* at most ORIGIN_TEXT_MAX */
};

/* Fills the table; once, before anything else here. */
void origin_pattern_init(void);

void origin_body_init(struct origin_body *body);
void origin_body_deinit(struct origin_body *body);

/* Makes it an empty text again; its memory is kept. */
void origin_body_clear(struct origin_body *body);

/* The next bytes, at most max; fewer only where the view ends, and none only at the end. Not of an echo. Borrows. */
struct tern_str origin_body_peek(const struct origin_body *body, uint64_t max);

#endif
