/* base/num.h - checked arithmetic and strict parsing of numbers from outside. Any thread. */
#ifndef TERN_BASE_NUM_H
#define TERN_BASE_NUM_H

#include "tern/types.h"

/* *out = a + b, a * b; false on overflow, and then *out is not to be used. */
TERN_MUST_USE static inline bool tern_u64_add(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

TERN_MUST_USE static inline bool tern_u64_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

/* a + b, or UINT64_MAX (TERN_OFF: never) where that overflows: for deadlines. */
static inline uint64_t tern_u64_add_sat(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* One or more decimal digits and nothing else, at most max. Leading zeros are allowed (Content-Length, RFC 9110
 * section 8.6). False otherwise; *out is then untouched. */
TERN_MUST_USE bool tern_u64_parse(struct tern_str text, uint64_t max, uint64_t *out);

/* Writes value in decimal, without a NUL, and gives its length: at most TERN_U32_TEXT_MAX. What is printed for each
 * connection does not go through printf, which costs twenty times as much. */
#define TERN_U32_TEXT_MAX 10
size_t tern_u32_print(char *out, uint32_t value);

/* The value of a hexadecimal digit of either case, 0 to 15, or -1. */
int tern_hex_value(char c);

#endif
