#include "policy/set_cookie.h"

#include "base/date.h"
#include "base/num.h"
#include "base/str.h"

/* ---- dates (5.1.1) ---- */

struct date {
    bool has_time, has_day, has_month, has_year;
    struct tern_civil civil;
};

static bool is_delimiter(char c)
{
    return c == '\t' || (c >= ' ' && c <= '/') || (c >= ';' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
}

/* A number of least to most digits at the front of *s, and no digit behind it. */
static bool take_number(struct tern_str *s, unsigned least, unsigned most, int *out)
{
    unsigned digits = 0;
    int value = 0;

    while (digits < s->len && digits <= most && tern_ascii_is_digit(s->ptr[digits]))
        value = value * 10 + (s->ptr[digits++] - '0');
    if (digits < least || digits > most)
        return false;
    *s = tern_str_from(*s, digits);
    *out = value;
    return true;
}

static bool take_colon(struct tern_str *s)
{
    if (s->len == 0 || s->ptr[0] != ':')
        return false;
    *s = tern_str_from(*s, 1);
    return true;
}

static bool is_time(struct tern_str token, struct tern_civil *civil)
{
    return take_number(&token, 1, 2, &civil->hour) && take_colon(&token) && take_number(&token, 1, 2, &civil->minute) &&
           take_colon(&token) && take_number(&token, 1, 2, &civil->second);
}

static const char months[][4] = {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};

static bool is_month(struct tern_str token, int *month)
{
    for (int i = 0; token.len >= 3 && i < 12; i++)
        if (tern_bytes_ieq(token.ptr, months[i], 3)) {
            *month = i + 1;
            return true;
        }
    return false;
}

/* Each token is the first thing that is still missing and that it can be. */
static void take_token(struct date *date, struct tern_str token)
{
    struct tern_civil *civil = &date->civil;
    struct tern_str rest = token;
    int year;

    if (!date->has_time && is_time(token, civil)) {
        date->has_time = true;
    } else if (!date->has_day && take_number(&rest, 1, 2, &civil->day)) {
        date->has_day = true;
    } else if (!date->has_month && is_month(token, &civil->month)) {
        date->has_month = true;
    } else if (!date->has_year && take_number(&rest, 2, 4, &year)) {
        date->has_year = true;
        civil->year = year >= 100 ? year : year < 70 ? 2000 + year : 1900 + year;
    }
}

bool tern_cookie_date_parse(struct tern_str text, int64_t *out_s)
{
    struct date date = {0};

    for (size_t at = 0, end; at < text.len; at = end + 1) {
        for (end = at; end < text.len && !is_delimiter(text.ptr[end]);)
            end++;
        if (end > at)
            take_token(&date, tern_str_n(text.ptr + at, end - at));
    }
    return date.has_time && date.has_day && date.has_month && date.has_year && date.civil.year >= 1601 &&
           date.civil.second <= 59 && tern_civil_seconds(&date.civil, out_s);
}

/* ---- attributes (5.6.1 to 5.6.7) ---- */

struct lifetime {
    bool has_age;
    int64_t by_age_s, by_date_s; /* INT64_MAX: not said */
};

static void take_max_age(struct lifetime *life, struct tern_str value, int64_t now_s)
{
    bool is_negative = value.len > 0 && value.ptr[0] == '-';
    struct tern_str digits = is_negative ? tern_str_from(value, 1) : value;
    uint64_t seconds;

    for (size_t i = 0; i < digits.len; i++)
        if (!tern_ascii_is_digit(digits.ptr[i]))
            return;
    if (value.len == 0)
        return;
    life->has_age = true;
    if (is_negative)
        seconds = 0;
    else if (!tern_u64_parse(digits, TERN_COOKIE_AGE_MAX_S, &seconds))
        seconds = TERN_COOKIE_AGE_MAX_S;
    life->by_age_s = seconds == 0 ? INT64_MIN : now_s + (int64_t)seconds;
}

static void take_expires(struct lifetime *life, struct tern_str value, int64_t now_s)
{
    int64_t when_s;

    if (!tern_cookie_date_parse(value, &when_s))
        return;
    if (when_s > now_s + TERN_COOKIE_AGE_MAX_S)
        when_s = now_s + TERN_COOKIE_AGE_MAX_S;
    life->by_date_s = when_s;
}

static enum tern_same_site same_site_of(struct tern_str value)
{
    if (tern_str_ieq(value, TERN_STR("Strict")))
        return TERN_SAME_SITE_STRICT;
    if (tern_str_ieq(value, TERN_STR("Lax")))
        return TERN_SAME_SITE_LAX;
    return tern_str_ieq(value, TERN_STR("None")) ? TERN_SAME_SITE_NONE : TERN_SAME_SITE_DEFAULT;
}

/* Of several with a name the last one counts. */
static void take_attribute(struct tern_set_cookie *out, struct lifetime *life, struct tern_str name,
                           struct tern_str value, int64_t now_s)
{
    if (value.len > TERN_COOKIE_ATTRIBUTE_MAX)
        return;
    if (tern_str_ieq(name, TERN_STR("Expires")))
        take_expires(life, value, now_s);
    else if (tern_str_ieq(name, TERN_STR("Max-Age")))
        take_max_age(life, value, now_s);
    else if (tern_str_ieq(name, TERN_STR("Domain")))
        out->domain = value.len > 0 && value.ptr[0] == '.' ? tern_str_from(value, 1) : value;
    else if (tern_str_ieq(name, TERN_STR("Path")))
        out->path = value.len > 0 && value.ptr[0] == '/' ? value : TERN_STR("");
    else if (tern_str_ieq(name, TERN_STR("Secure")))
        out->secure = true;
    else if (tern_str_ieq(name, TERN_STR("HttpOnly")))
        out->http_only = true;
    else if (tern_str_ieq(name, TERN_STR("SameSite")))
        out->same_site = same_site_of(value);
}

/* ---- the whole ---- */

/* Takes what stands before the next ';'. False: there is nothing more. */
static bool take_piece(struct tern_str *rest, struct tern_str *piece)
{
    size_t end = tern_str_find(*rest, ';');

    if (rest->len == 0)
        return false;
    *piece = tern_str_n(rest->ptr, end);
    *rest = tern_str_from(*rest, end < rest->len ? end + 1 : end);
    return true;
}

/* False: there is no '=', and all of it is the value. */
static bool split(struct tern_str piece, struct tern_str *name, struct tern_str *value)
{
    size_t equals = tern_str_find(piece, '=');
    bool has_equals = equals < piece.len;

    *name = has_equals ? tern_str_trim(tern_str_n(piece.ptr, equals)) : TERN_STR("");
    *value = tern_str_trim(tern_str_from(piece, has_equals ? equals + 1 : 0));
    return has_equals;
}

bool tern_cookie_has_control(struct tern_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (((unsigned char)s.ptr[i] < ' ' && s.ptr[i] != '\t') || s.ptr[i] == 0x7f)
            return true;
    return false;
}

const char *tern_cookie_refuses(struct tern_str name, struct tern_str value)
{
    if (name.len == 0 && value.len == 0)
        return "neither a name nor a value";
    if (name.len + value.len > TERN_COOKIE_BYTES_MAX)
        return "longer than 4,096 bytes";
    if (tern_cookie_has_control(name) || tern_cookie_has_control(value))
        return "a control character";
    if (tern_str_find(name, '\t') < name.len || tern_str_find(value, '\t') < value.len)
        return "a tab, which a file could not keep";
    if (tern_str_find(name, '=') < name.len || tern_str_find(name, ';') < name.len ||
        tern_str_find(value, ';') < value.len)
        return "a sign that would end the name or value";
    return NULL;
}

static bool starts_with(struct tern_str s, struct tern_str prefix)
{
    return s.len >= prefix.len && tern_bytes_ieq(s.ptr, prefix.ptr, prefix.len);
}

const char *tern_cookie_breaks_prefix(struct tern_str name, struct tern_str value, bool secure, bool is_whole_host)
{
    static const struct tern_str is_secure = {"__Secure-", 9}, is_host = {"__Host-", 7};

    if (name.len == 0)
        return starts_with(value, is_secure) || starts_with(value, is_host) ? "a value that looks like a prefixed name"
                                                                            : NULL;
    if (starts_with(name, is_secure) && !secure)
        return "__Secure- without Secure";
    if (starts_with(name, is_host) && !(secure && is_whole_host))
        return "__Host- without Secure, with Domain or without Path=/";
    return NULL;
}

const char *tern_set_cookie_parse(struct tern_set_cookie *out, struct tern_str text, int64_t now_s)
{
    struct lifetime life = {.by_age_s = INT64_MAX, .by_date_s = INT64_MAX};
    struct tern_str piece = {"", 0}, rest = text;
    const char *refusal;

    *out = (struct tern_set_cookie){.domain = TERN_STR(""), .path = TERN_STR("")};
    if (tern_cookie_has_control(text))
        return "a control character";
    (void)take_piece(&rest, &piece);
    (void)split(piece, &out->name, &out->value);
    refusal = tern_cookie_refuses(out->name, out->value);
    if (refusal != NULL)
        return refusal;
    while (take_piece(&rest, &piece)) {
        struct tern_str name, value;

        if (!split(piece, &name, &value)) { /* here it is the name */
            name = value;
            value = TERN_STR("");
        }
        take_attribute(out, &life, name, value, now_s);
    }
    out->expires_s = life.has_age ? life.by_age_s : life.by_date_s;
    if (tern_str_find(out->path, '\t') < out->path.len)
        return "a tab, which a file could not keep";
    return NULL;
}
