#include "base/str.h"

bool tern_bytes_ieq(const char *a, const char *b, size_t len)
{
    if (len == 0 || memcmp(a, b, len) == 0)
        return true; /* as most write it */
    for (size_t i = 0; i < len; i++)
        if (tern_ascii_lower(a[i]) != tern_ascii_lower(b[i]))
            return false;
    return true;
}

size_t tern_str_find(struct tern_str s, char c)
{
    const char *at = s.len != 0 ? memchr(s.ptr, c, s.len) : NULL;

    return at != NULL ? (size_t)(at - s.ptr) : s.len;
}
