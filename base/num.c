#include "base/num.h"

#include "base/str.h"

static bool parse(struct tern_str text, unsigned radix, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = tern_hex_value(text.ptr[i]);

        if (digit < 0 || (unsigned)digit >= radix || !tern_u64_mul(value, radix, &value) ||
            !tern_u64_add(value, (unsigned)digit, &value))
            return false;
    }
    if (value > max)
        return false;
    *out = value;
    return true;
}

bool tern_u64_parse(struct tern_str text, uint64_t max, uint64_t *out)
{
    return parse(text, 10, max, out);
}

bool tern_u64_parse_hex(struct tern_str text, uint64_t max, uint64_t *out)
{
    return parse(text, 16, max, out);
}

int tern_hex_value(char c)
{
    if (tern_ascii_is_digit(c))
        return c - '0';
    c = tern_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool tern_duration_parse(struct tern_str text, uint64_t *out_ns)
{
    size_t point = tern_str_find(text, '.');
    struct tern_str whole = {text.ptr, point};
    uint64_t seconds = 0, fraction = 0, ns;

    if (whole.len != 0 && !tern_u64_parse(whole, UINT64_MAX, &seconds))
        return false;
    if (point < text.len) {
        struct tern_str digits = tern_str_from(text, point + 1);

        if (digits.len > 9 || !tern_u64_parse(digits, UINT64_MAX, &fraction))
            return false;
        for (size_t i = digits.len; i < 9; i++)
            fraction *= 10;
    } else if (whole.len == 0) {
        return false;
    }
    if (!tern_u64_mul(seconds, TERN_S, &ns) || !tern_u64_add(ns, fraction, &ns) || ns == TERN_OFF)
        return false;
    *out_ns = ns;
    return true;
}
