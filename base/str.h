/* base/str.h - small helpers on byte views (struct tern_str of tern/types.h). Nothing here allocates or keeps a view.
 */
#ifndef TERN_BASE_STR_H
#define TERN_BASE_STR_H

#include "tern/types.h"

/* printf("%.*s", TERN_ARG(s)): only for text known to be printable; text from outside goes through tern_escape. */
#define TERN_ARG(s) (int)(s).len, (s).len != 0 ? (s).ptr : ""

static inline struct tern_str tern_str_n(const char *ptr, size_t len)
{
    return (struct tern_str){ptr, len};
}

/* s from byte from on; from <= s.len. */
static inline struct tern_str tern_str_from(struct tern_str s, size_t from)
{
    return (struct tern_str){s.ptr + from, s.len - from};
}

static inline char tern_ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline bool tern_ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool tern_ascii_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool tern_str_eq(struct tern_str a, struct tern_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Equal but for the case of ASCII letters, whatever the locale. */
bool tern_bytes_ieq(const char *a, const char *b, size_t len);

/* The same of views. Most names differ in length or in their first letter: that is settled without a call. */
static inline bool tern_str_ieq(struct tern_str a, struct tern_str b)
{
    return a.len == b.len &&
           (a.len == 0 || (((a.ptr[0] ^ b.ptr[0]) & ~0x20) == 0 && tern_bytes_ieq(a.ptr, b.ptr, a.len)));
}

/* Where c first stands in s, or s.len. */
size_t tern_str_find(struct tern_str s, char c);

/* OWS is made of these (RFC 9110 section 5.6.3). */
static inline bool tern_ascii_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* s without the spaces and tabs around it. */
static inline struct tern_str tern_str_trim(struct tern_str s)
{
    while (s.len != 0 && tern_ascii_is_blank(s.ptr[0]))
        s = tern_str_from(s, 1);
    while (s.len != 0 && tern_ascii_is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

#endif
