#include "base/base64.h"

#include "base/str.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum tern_error tern_base64_append(struct tern_buf *out, const void *bytes, size_t len)
{
    const uint8_t *in = bytes;
    enum tern_error error;
    char *to;

    if (len == 0)
        return TERN_OK;
    if (len > SIZE_MAX / 2)
        return TERN_ELIMIT;
    error = tern_buf_reserve(out, (len + 2) / 3 * 4);
    if (error != TERN_OK)
        return error;
    to = tern_buf_tail(out);
    for (size_t i = 0; i < len; i += 3, to += 4) {
        uint32_t group = (uint32_t)in[i] << 16;

        if (i + 1 < len)
            group |= (uint32_t)in[i + 1] << 8;
        if (i + 2 < len)
            group |= in[i + 2];
        to[0] = alphabet[group >> 18];
        to[1] = alphabet[group >> 12 & 63];
        to[2] = '=';
        to[3] = '=';
        if (i + 1 < len)
            to[2] = alphabet[group >> 6 & 63];
        if (i + 2 < len)
            to[3] = alphabet[group & 63];
    }
    tern_buf_commit(out, (len + 2) / 3 * 4);
    return TERN_OK;
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (tern_ascii_is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool tern_base64_decode(struct tern_str text, uint8_t *out, size_t cap, size_t *out_len)
{
    size_t padding = 0, len, at = 0;
    uint32_t group = 0;

    if (text.len % 4 != 0)
        return false;
    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    len = text.len / 4 * 3 - padding;
    if (len > cap)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int value = i < text.len - padding ? value_of(text.ptr[i]) : 0;

        if (value < 0)
            return false;
        group = group << 6 | (uint32_t)value;
        if (i % 4 != 3)
            continue;
        for (int shift = 16; shift >= 0; shift -= 8) {
            uint8_t byte = (uint8_t)(group >> shift);

            if (at < len)
                out[at++] = byte;
            else if (byte != 0) /* RFC 4648 section 3.5: bits that stand for nothing are zero */
                return false;
        }
        group = 0;
    }
    *out_len = len;
    return true;
}
