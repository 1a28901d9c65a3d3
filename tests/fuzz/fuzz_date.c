/* Dates, durations and numbers: a date that parses prints as one that parses to the same second, and Retry-After says
 * what the date or the number in it says. The input: four bytes of today's date, then the text. */
#include "base/date.h"
#include "base/num.h"
#include "policy/retry.h"
#include "tests/fuzz/fuzz.h"

#define YEAR_10000_S 253402300800

static void check_retry_after(struct tern_str text, int64_t now_s, bool is_date, int64_t date_s)
{
    uint64_t ns = 0, seconds = 0, expected;

    if (!tern_retry_after_parse(text, now_s, &ns))
        return;
    if (tern_u64_parse(text, UINT64_MAX, &seconds)) {
        expected = seconds > TERN_OFF / TERN_S ? TERN_OFF : seconds * TERN_S;
        FUZZ_CHECK(ns == expected);
    } else if (is_date) {
        FUZZ_CHECK(ns == (date_s > now_s ? (uint64_t)(date_s - now_s) * TERN_S : 0) || ns == TERN_OFF);
    } else {
        for (size_t i = 0; i < text.len; i++) /* a number that is too large saturates */
            FUZZ_CHECK(tern_ascii_is_digit(text.ptr[i]));
        FUZZ_CHECK(ns == TERN_OFF);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tern_str rest = {(const char *)data, size};
    int64_t now_s = 0, date_s = INT64_MIN, again_s = 0;
    char text[TERN_DATE_SIZE];
    bool is_date;

    for (int i = 0; i < 4; i++)
        now_s = now_s << 8 | fuzz_byte(&rest);
    rest = tern_str_trim(rest);
    is_date = tern_date_parse(rest, now_s, &date_s);
    FUZZ_CHECK(is_date || date_s == INT64_MIN);
    if (is_date && date_s >= 0) {
        FUZZ_CHECK(date_s < YEAR_10000_S);
        FUZZ_CHECK(tern_date_parse(tern_str(tern_date_format(text, date_s)), now_s, &again_s));
        FUZZ_CHECK(again_s == date_s);
    }
    check_retry_after(rest, now_s, is_date, date_s);
    return 0;
}
