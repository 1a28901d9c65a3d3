/* The grammar that base/fields.h declares: what a name, a value, a target may hold. */
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/fault.h"
#include "base/fields.h"
#include "base/str.h"

/* RFC 9110 section 5.6.2: tchar. */
static const bool token_bytes[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,
    ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0'] = 1,  ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1,
    ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['A'] = 1,  ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1,
    ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1,  ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1,
    ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1,  ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1,
    ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1,  ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1,
    ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1,  ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1,
    ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1,  ['z'] = 1,
};

/* How far there are letters and '-', sixteen at a time: what nearly all names are made of. */
static size_t skip_word(struct tern_str s)
{
    size_t i = 0;

#ifdef __SSE2__
    for (; s.len - i >= sizeof(__m128i); i += sizeof(__m128i)) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(s.ptr + i));
        __m128i place = _mm_sub_epi8(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
        __m128i letter = _mm_cmpeq_epi8(_mm_min_epu8(place, _mm_set1_epi8('z' - 'a')), place);
        __m128i hyphen = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-'));
        int found = _mm_movemask_epi8(_mm_or_si128(letter, hyphen));
        if (found != 0xffff)
            return i + (size_t)__builtin_ctz(~(unsigned)found);
    }
#else
    (void)s;
#endif
    return i;
}

size_t tern_token_length(struct tern_str s)
{
    size_t i = skip_word(s);

    while (i < s.len && token_bytes[(unsigned char)s.ptr[i]])
        i++;
    return i;
}

bool tern_is_token(struct tern_str s)
{
    return s.len != 0 && tern_token_length(s) == s.len;
}

static bool is_control(char byte)
{
    unsigned char c = (unsigned char)byte;

    return c < 0x20 || c == 0x7f;
}

/* How far nothing is a control: sixteen bytes at a time, or eight. */
#ifdef __SSE2__
static size_t skip_text(struct tern_str s)
{
    size_t i;

    for (i = 0; s.len - i >= sizeof(__m128i); i += sizeof(__m128i)) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(s.ptr + i));
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        __m128i delete = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
        int found = _mm_movemask_epi8(_mm_or_si128(low, delete));
        if (found != 0)
            return i + (size_t)__builtin_ctz((unsigned)found);
    }
    return i;
}
#else
static size_t skip_text(struct tern_str s)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t bytes;
    size_t i;

    for (i = 0; s.len - i >= sizeof(bytes); i += sizeof(bytes)) {
        memcpy(&bytes, s.ptr + i, sizeof(bytes));
        uint64_t delete = bytes ^ ones * 0x7f;
        /* Borrows run from lower bytes to higher ones, and only where there is such a byte. */
        if ((((bytes - ones * 0x20) & ~bytes) | ((delete - ones) & ~delete)) & tops)
            return i;
    }
    return i;
}
#endif

size_t tern_text_length(struct tern_str s)
{
    size_t i = skip_text(s);

    while (i < s.len && !is_control(s.ptr[i]))
        i++;
    return i;
}

bool tern_field_value_valid(struct tern_str s)
{
    size_t i = tern_text_length(s);

    while (i < s.len && s.ptr[i] == '\t')
        i += 1 + tern_text_length(tern_str_from(s, i + 1));
    return i == s.len && (i == 0 || (!tern_ascii_is_blank(s.ptr[0]) && !tern_ascii_is_blank(s.ptr[i - 1])));
}

bool tern_target_valid(struct tern_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < 0x21 || s.ptr[i] > 0x7e)
            return false;
    return s.len != 0;
}

enum tern_error tern_field_check(struct tern_str name, struct tern_str value, struct tern_fault *fault)
{
    char shown[TERN_ESCAPE_MAX];

    if (!tern_is_token(name))
        return tern_fault_set(fault, TERN_EFIELD,
                              "header field name \"%s\": must be a token: letters, digits and !#$%%&'*+-.^_`|~",
                              tern_escape(shown, sizeof(shown), name));
    if (!tern_field_value_valid(tern_str_trim(value)))
        return tern_fault_set(fault, TERN_EFIELD,
                              "value of header field \"%s\": must not hold CR, LF, NUL or another control",
                              tern_escape(shown, sizeof(shown), name));
    return TERN_OK;
}

/* The length of the element that s starts with, up to its comma or the end (RFC 9110 section 5.6.4: in a quoted string
 * a backslash takes the next byte with it). */
static size_t element_length(struct tern_str s)
{
    bool quoted = false;
    size_t i;

    for (i = 0; i < s.len && (quoted || s.ptr[i] != ','); i++) {
        if (s.ptr[i] == '"')
            quoted = !quoted;
        else if (quoted && s.ptr[i] == '\\' && i + 1 < s.len)
            i++;
    }
    return i;
}

bool tern_field_list_next(struct tern_str *rest, struct tern_str *element)
{
    while (rest->len != 0) {
        size_t n = element_length(*rest);

        *element = tern_str_trim(tern_str_n(rest->ptr, n));
        *rest = tern_str_from(*rest, n < rest->len ? n + 1 : n);
        if (element->len != 0)
            return true;
    }
    return false;
}
