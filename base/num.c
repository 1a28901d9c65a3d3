#include "base/num.h"

#include "base/str.h"

bool tern_u64_parse(struct tern_str text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!tern_ascii_is_digit(text.ptr[i]) || !tern_u64_mul(value, 10, &value) ||
            !tern_u64_add(value, (unsigned)(text.ptr[i] - '0'), &value))
            return false;
    if (value > max)
        return false;
    *out = value;
    return true;
}

size_t tern_u32_print(char *out, uint32_t value)
{
    size_t len = 1;

    for (uint32_t rest = value; rest >= 10; rest /= 10)
        len++;
    for (size_t i = len; i-- > 0; value /= 10)
        out[i] = (char)('0' + value % 10);
    return len;
}

int tern_hex_value(char c)
{
    if (tern_ascii_is_digit(c))
        return c - '0';
    c = tern_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
