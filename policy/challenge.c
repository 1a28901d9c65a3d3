#include "policy/challenge.h"

#include "base/fields.h"
#include "base/str.h"

static void skip_blanks(struct tern_str *rest)
{
    while (rest->len > 0 && tern_ascii_is_blank(rest->ptr[0]))
        *rest = tern_str_from(*rest, 1);
}

/* Between elements of a list, some of which may be empty (RFC 9110 5.6.1.2). */
static void skip_commas(struct tern_str *rest)
{
    while (rest->len > 0 && (tern_ascii_is_blank(rest->ptr[0]) || rest->ptr[0] == ','))
        *rest = tern_str_from(*rest, 1);
}

static struct tern_str take(struct tern_str *rest, size_t len)
{
    struct tern_str taken = tern_str_n(rest->ptr, len);

    *rest = tern_str_from(*rest, len);
    return taken;
}

static bool starts_with(struct tern_str rest, char c)
{
    return rest.len > 0 && rest.ptr[0] == c;
}

/* At a comma or the end, blanks before it taken. */
static bool ends_element(struct tern_str *rest)
{
    skip_blanks(rest);
    return rest->len == 0 || rest->ptr[0] == ',';
}

static bool is_token68_byte(char c)
{
    return tern_ascii_is_alpha(c) || tern_ascii_is_digit(c) || memchr("-._~+/", c, 6) != NULL;
}

static bool take_token68(struct tern_str *rest, struct tern_str *out)
{
    struct tern_str at = *rest, taken;
    size_t len = 0;

    while (len < at.len && is_token68_byte(at.ptr[len]))
        len++;
    if (len == 0)
        return false;
    while (len < at.len && at.ptr[len] == '=')
        len++;
    taken = take(&at, len);
    if (!ends_element(&at))
        return false;
    *out = taken;
    *rest = at;
    return true;
}

/* The length of a quoted string's inside, rest standing behind its first quote; rest.len where it does not end. */
static size_t quoted_length(struct tern_str rest)
{
    size_t i = 0;

    while (i < rest.len && rest.ptr[i] != '"')
        i += rest.ptr[i] == '\\' && i + 1 < rest.len ? 2 : 1;
    return i < rest.len ? i : rest.len;
}

static bool take_value(struct tern_str *rest, struct tern_auth_param *out)
{
    size_t len;

    out->is_quoted = starts_with(*rest, '"');
    if (!out->is_quoted) {
        len = tern_token_length(*rest);
        out->value = take(rest, len);
        return len > 0;
    }
    (void)take(rest, 1);
    len = quoted_length(*rest);
    if (len == rest->len)
        return false;
    out->value = take(rest, len);
    (void)take(rest, 1);
    return true;
}

bool tern_auth_param_next(struct tern_str *rest, struct tern_auth_param *out)
{
    struct tern_str at;

    skip_commas(rest);
    at = *rest;
    out->name = take(&at, tern_token_length(at));
    skip_blanks(&at);
    if (out->name.len == 0 || !starts_with(at, '='))
        return false;
    (void)take(&at, 1);
    skip_blanks(&at);
    if (!take_value(&at, out) || !ends_element(&at))
        return false;
    *rest = at;
    return true;
}

/* Whether a challenge may begin here: a token that is no parameter's name. */
static bool is_scheme(struct tern_str rest)
{
    size_t len = tern_token_length(rest);
    struct tern_str behind = tern_str_from(rest, len);

    if (len == 0 || (behind.len > 0 && !tern_ascii_is_blank(behind.ptr[0]) && behind.ptr[0] != ','))
        return false;
    skip_blanks(&behind);
    return !starts_with(behind, '=');
}

bool tern_challenge_next(struct tern_str *rest, struct tern_challenge *out)
{
    struct tern_auth_param param;
    const char *begin, *end;

    *out = (struct tern_challenge){.params = {"", 0}};
    skip_commas(rest);
    if (!is_scheme(*rest)) {
        *rest = tern_str_from(*rest, rest->len);
        return false;
    }
    out->scheme = take(rest, tern_token_length(*rest));
    skip_blanks(rest);
    begin = end = rest->ptr;
    if (!starts_with(*rest, ',') && !tern_auth_param_next(&(struct tern_str){rest->ptr, rest->len}, &param) &&
        take_token68(rest, &out->token68))
        return true;
    while (tern_auth_param_next(rest, &param))
        end = rest->ptr;
    out->params = tern_str_n(begin, (size_t)(end - begin));
    if (rest->len == 0 || (is_scheme(*rest) && memchr(end, ',', (size_t)(rest->ptr - end)) != NULL))
        return true;
    *rest = tern_str_from(*rest, rest->len);
    return false;
}

bool tern_auth_param_is(const struct tern_auth_param *param, const char *name)
{
    return tern_str_ieq(param->name, tern_str(name));
}

bool tern_auth_param_says(const struct tern_auth_param *param, const char *value)
{
    return tern_str_ieq(param->value, tern_str(value));
}

enum tern_error tern_auth_param_append(struct tern_buf *out, const struct tern_auth_param *param)
{
    struct tern_str rest = param->value;
    enum tern_error error = TERN_OK;

    while (error == TERN_OK && rest.len > 0) {
        size_t plain = param->is_quoted ? tern_str_find(rest, '\\') : rest.len;

        error = tern_buf_append_str(out, take(&rest, plain));
        if (rest.len > 0) { /* what follows it stands for itself */
            (void)take(&rest, 1);
            if (error == TERN_OK && rest.len > 0)
                error = tern_buf_append_str(out, take(&rest, 1));
        }
    }
    return error;
}
