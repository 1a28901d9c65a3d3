#include "base/str.h"

bool tern_str_ieq(struct tern_str a, struct tern_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (tern_ascii_lower(a.ptr[i]) != tern_ascii_lower(b.ptr[i]))
            return false;
    return true;
}

size_t tern_str_find(struct tern_str s, char c)
{
    const char *at = s.len != 0 ? memchr(s.ptr, c, s.len) : NULL;

    return at != NULL ? (size_t)(at - s.ptr) : s.len;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct tern_str tern_str_trim(struct tern_str s)
{
    while (s.len != 0 && is_blank(s.ptr[0]))
        s = tern_str_from(s, 1);
    while (s.len != 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}
