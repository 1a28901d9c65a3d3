#include "base/date.h"

#include <stdio.h>

#include "base/str.h"

#define DAY_S 86400

static const char days[][10] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* Days since 1970-01-01 in the Gregorian calendar. The year is counted from March, so that the leap day is its last:
 * then the months before one with index m (March is 0) have (153 m + 2) / 5 days. */
static int64_t days_of(int64_t year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t m = month > 2 ? month - 3 : month + 9;

    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int month_days(int64_t year, int month)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month == 2 && is_leap(year) ? 29 : lengths[month - 1];
}

static int64_t seconds_of(const struct tern_civil *c)
{
    return days_of(c->year, c->month, c->day) * DAY_S + c->hour * 3600 + c->minute * 60 + c->second;
}

bool tern_civil_seconds(const struct tern_civil *c, int64_t *out_s)
{
    struct tern_civil settled = *c;

    if (c->month < 1 || c->month > 12 || c->day < 1 || c->day > month_days(c->year, c->month) || c->hour < 0 ||
        c->hour > 23 || c->minute < 0 || c->minute > 59 || c->second < 0 || c->second > 60)
        return false;
    if (c->second == 60)
        settled.second = 59;
    *out_s = seconds_of(&settled);
    return true;
}

/* Each take_* eats its piece off the front of s, or answers false. */
static bool take_text(struct tern_str *s, struct tern_str text)
{
    if (s->len < text.len || memcmp(s->ptr, text.ptr, text.len) != 0)
        return false;
    *s = tern_str_from(*s, text.len);
    return true;
}

static bool take_number(struct tern_str *s, size_t digits, int *out)
{
    int value = 0;

    if (s->len < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        if (!tern_ascii_is_digit(s->ptr[i]))
            return false;
        value = value * 10 + (s->ptr[i] - '0');
    }
    *s = tern_str_from(*s, digits);
    *out = value;
    return true;
}

static bool take_day_name(struct tern_str *s, bool whole)
{
    for (int i = 0; i < 7; i++) {
        struct tern_str name = tern_str(days[i]);

        if (!whole)
            name.len = 3;
        if (take_text(s, name))
            return true;
    }
    return false;
}

static bool take_month(struct tern_str *s, int *month)
{
    for (int i = 0; i < 12; i++)
        if (take_text(s, tern_str(months[i]))) {
            *month = i + 1;
            return true;
        }
    return false;
}

static bool take_time(struct tern_str *s, struct tern_civil *c)
{
    return take_number(s, 2, &c->hour) && take_text(s, TERN_STR(":")) && take_number(s, 2, &c->minute) &&
           take_text(s, TERN_STR(":")) && take_number(s, 2, &c->second);
}

static bool take_year(struct tern_str *s, size_t digits, struct tern_civil *c)
{
    int year;

    if (!take_number(s, digits, &year))
        return false;
    c->year = year;
    return true;
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool take_imf(struct tern_str s, struct tern_civil *c)
{
    return take_day_name(&s, false) && take_text(&s, TERN_STR(", ")) && take_number(&s, 2, &c->day) &&
           take_text(&s, TERN_STR(" ")) && take_month(&s, &c->month) && take_text(&s, TERN_STR(" ")) &&
           take_year(&s, 4, c) && take_text(&s, TERN_STR(" ")) && take_time(&s, c) && take_text(&s, TERN_STR(" GMT")) &&
           s.len == 0;
}

/* Sunday, 06-Nov-94 08:49:37 GMT */
static bool take_rfc850(struct tern_str s, struct tern_civil *c)
{
    return take_day_name(&s, true) && take_text(&s, TERN_STR(", ")) && take_number(&s, 2, &c->day) &&
           take_text(&s, TERN_STR("-")) && take_month(&s, &c->month) && take_text(&s, TERN_STR("-")) &&
           take_year(&s, 2, c) && take_text(&s, TERN_STR(" ")) && take_time(&s, c) && take_text(&s, TERN_STR(" GMT")) &&
           s.len == 0;
}

/* Sun Nov  6 08:49:37 1994 */
static bool take_asctime(struct tern_str s, struct tern_civil *c)
{
    return take_day_name(&s, false) && take_text(&s, TERN_STR(" ")) && take_month(&s, &c->month) &&
           take_text(&s, TERN_STR(" ")) &&
           (take_text(&s, TERN_STR(" ")) ? take_number(&s, 1, &c->day) : take_number(&s, 2, &c->day)) &&
           take_text(&s, TERN_STR(" ")) && take_time(&s, c) && take_text(&s, TERN_STR(" ")) && take_year(&s, 4, c) &&
           s.len == 0;
}

struct tern_civil tern_civil_of(int64_t seconds)
{
    static const int64_t seconds_max = INT64_C(253402300799); /* 9999-12-31 23:59:59 */
    int64_t second = seconds < 0 ? 0 : seconds < seconds_max ? seconds : seconds_max, day = second / DAY_S;
    struct tern_civil c = {.year = 1970 + day / 366, .month = 1, .day = 1};

    while (days_of(c.year + 1, 1, 1) <= day) /* the guess falls behind by two years a millennium */
        c.year++;
    while (c.month < 12 && days_of(c.year, c.month + 1, 1) <= day)
        c.month++;
    c.day = (int)(day - days_of(c.year, c.month, 1)) + 1;
    second %= DAY_S;
    c.hour = (int)(second / 3600);
    c.minute = (int)(second / 60 % 60);
    c.second = (int)(second % 60);
    return c;
}

/* The latest year with these two digits that is not more than 50 years ahead (RFC 9110 section 5.6.7). */
static void settle_century(struct tern_civil *c, int64_t now_s)
{
    struct tern_civil limit = tern_civil_of(now_s);

    c->year += limit.year / 100 * 100 + 100;
    limit.year += 50;
    while (seconds_of(c) > seconds_of(&limit))
        c->year -= 100;
}

bool tern_date_parse(struct tern_str text, int64_t now_s, int64_t *out_s)
{
    struct tern_civil c;
    bool short_year = false;

    if (!take_imf(text, &c) && !take_asctime(text, &c)) {
        if (!take_rfc850(text, &c))
            return false;
        short_year = true;
    }
    if (short_year)
        settle_century(&c, now_s);
    return tern_civil_seconds(&c, out_s);
}

const char *tern_date_format(char out[TERN_DATE_SIZE], int64_t seconds)
{
    struct tern_civil c = tern_civil_of(seconds);

    snprintf(out, TERN_DATE_SIZE, "%.3s, %02u %s %04u %02u:%02u:%02u GMT",
             days[(days_of(c.year, c.month, c.day) + 4) % 7], (unsigned)c.day, months[c.month - 1], (unsigned)c.year,
             (unsigned)c.hour, (unsigned)c.minute, (unsigned)c.second);
    return out;
}
