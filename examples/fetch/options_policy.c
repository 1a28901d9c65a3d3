/* fetch/options_policy.c - where redirects may lead, what is tried again, how often is asked. */
#include "option.h"

#include <string.h>

#define MAX_REDIRS_DEFAULT 50 /* curl's */

static bool call_max_redirs(struct options *o, const char *value, unsigned depth, struct failure *failure)
{
    (void)depth;
    uint64_t number = UINT32_MAX;
    if (strcmp(value, "-1") != 0 && !parse_number(value, INT32_MAX, &number))
        return fail(failure, CODE_USAGE,
                    "option --max-redirs: '%s' is not a whole number up to %d, nor -1 for any number", value,
                    INT32_MAX);
    o->max_redirs = (uint32_t)number;
    o->has_max_redirs = true;
    return true;
}

/* The bits of one protocol's name, 0 for those that curl speaks and fetch does not. False: nobody's. */
static bool parse_proto(struct tern_str name, unsigned *out)
{
    static const char *const others[] = {
        "dict", "file", "ftp", "ftps", "gopher", "gophers", "imap", "imaps", "ldap",   "ldaps", "mqtt", "pop3", "pop3s",
        "rtmp", "rtsp", "scp", "sftp", "smb",    "smbs",    "smtp", "smtps", "telnet", "tftp",  "ws",   "wss"};
    *out = 0;
    if (str_same(name, TERN_STR("all")))
        *out = PROTO_ALL;
    else if (str_same(name, TERN_STR("http")))
        *out = PROTO_HTTP;
    else if (str_same(name, TERN_STR("https")))
        *out = PROTO_HTTPS;
    for (size_t i = 0; i < sizeof others / sizeof others[0] && *out == 0; i++) {
        if (str_same(name, tern_str(others[i])))
            return true;
    }
    return *out != 0;
}

/* Names with commas between them, each allowed (also with '+'), denied ('-') or allowed alone ('='); one after the
 * other, beginning with all. */
static bool parse_protos(const char *option, const char *value, unsigned *denied, struct failure *failure)
{
    unsigned allowed = PROTO_ALL;
    for (const char *at = value; *at != '\0';) {
        size_t len = strcspn(at, ",");
        struct tern_str name = {at, len};
        char sign = *at;
        if (strchr("+-=", sign) != NULL) {
            name.ptr++;
            name.len--;
        }
        unsigned bits;
        if (!parse_proto(name, &bits))
            return fail(failure, CODE_USAGE, "option %s: '%s': '%.*s' is no protocol: try http, https or all", option,
                        value, (int)name.len, name.ptr);
        if (sign == '-')
            allowed &= ~bits;
        else
            allowed = sign == '=' ? bits : allowed | bits;
        at += len + (at[len] == ',');
    }
    *denied = PROTO_ALL & ~allowed;
    return true;
}

static bool call_proto(struct options *o, const char *value, unsigned depth, struct failure *failure)
{
    (void)depth;
    return parse_protos("--proto", value, &o->proto_denied, failure);
}

static bool call_proto_redir(struct options *o, const char *value, unsigned depth, struct failure *failure)
{
    (void)depth;
    o->has_proto_redir = true;
    return parse_protos("--proto-redir", value, &o->proto_redir_denied, failure);
}

/* "N", which means an hour, "N/U" or "N/MU": N transfers in M units of a second, minute, hour or day. */
static bool parse_rate(const char *value, uint64_t *calls, uint64_t *period_ns)
{
    static const char units[] = "smhd";
    static const uint64_t seconds[] = {1, 60, 3600, 86400};
    struct text part = {0};
    size_t len = strcspn(value, "/");
    uint64_t count = 1;
    uint64_t second_count = 3600;
    text_add(&part, value, len);
    bool ok = parse_number(part.ptr, 1000000000, calls) && *calls != 0;
    if (ok && value[len] == '/') {
        const char *period = value + len + 1;
        size_t digits = strspn(period, "0123456789");
        const char *unit = period[digits] != '\0' ? strchr(units, period[digits]) : NULL;
        ok = unit != NULL && period[digits + 1] == '\0';
        part.len = 0;
        text_add(&part, period, digits);
        if (digits != 0)
            ok = ok && parse_number(part.ptr, 10000, &count) && count != 0;
        if (ok)
            second_count = seconds[unit - units];
    }
    text_free(&part);
    *period_ns = count * second_count * TERN_S;
    return ok;
}

static bool call_rate(struct options *o, const char *value, unsigned depth, struct failure *failure)
{
    (void)depth;
    if (parse_rate(value, &o->rate_calls, &o->rate_period_ns))
        return true;
    return fail(failure, CODE_USAGE, "option --rate: '%s' is none of N, N/s, N/m, N/h and N/d, such as 2/s or 10/5m",
                value);
}

static bool call_gate(struct options *o, const char *value, unsigned depth, struct failure *failure)
{
    (void)depth;
    o->gate_public = strcmp(value, "public") == 0;
    if (o->gate_public || strcmp(value, "any") == 0)
        return true;
    return fail(failure, CODE_USAGE, "option --gate: '%s' is neither public nor any", value);
}

/* "PERCENT" or "PERCENT,LEAST", also with a '%'. */
static bool call_budget(struct options *o, const char *value, unsigned depth, struct failure *failure)
{
    (void)depth;
    struct text part = {0};
    size_t len = strcspn(value, "%,");
    const char *rest = value + len + (value[len] == '%');
    uint64_t percent = 0;
    uint64_t least = 0;
    text_add(&part, value, len);
    bool ok = parse_number(part.ptr, 100, &percent) && percent != 0;
    if (*rest == ',')
        ok = ok && parse_number(rest + 1, INT32_MAX, &least) && least != 0;
    else
        ok = ok && *rest == '\0';
    text_free(&part);
    if (!ok)
        return fail(failure, CODE_USAGE, "option --budget: '%s' is not PERCENT or PERCENT,LEAST, such as 20 or 10,1",
                    value);
    o->budget_percent = (uint32_t)percent;
    o->budget_min = (uint32_t)least;
    return true;
}

static const struct option rows[] = {
    {0, "budget", CALL, 0, 0, call_budget},
    {0, "gate", CALL, 0, 0, call_gate},
    {0, "hedge", SECONDS, AT(hedge_ns), 0, NULL},
    {'L', "location", SWITCH, AT(location), 0, NULL},
    {0, "location-trusted", SWITCH, AT(location_trusted), 0, NULL},
    {0, "max-redirs", CALL, 0, 0, call_max_redirs},
    {0, "post301", SWITCH, AT(post301), 0, NULL},
    {0, "post302", SWITCH, AT(post302), 0, NULL},
    {0, "post303", SWITCH, AT(post303), 0, NULL},
    {0, "proto", CALL, 0, 0, call_proto},
    {0, "proto-redir", CALL, 0, 0, call_proto_redir},
    {0, "rate", CALL, 0, 0, call_rate},
    {0, "retry", NUMBER, AT(retry), INT32_MAX, NULL},
    {0, "retry-all-errors", SWITCH, AT(retry_all_errors), 0, NULL},
    {0, "retry-connrefused", SWITCH, AT(retry_connrefused), 0, NULL},
    {0, "retry-delay", SECONDS, AT(retry_delay_ns), 0, NULL},
    {0, "retry-max-time", SECONDS, AT(retry_max_time_ns), 0, NULL},
};

static bool check(struct options *o, struct failure *failure)
{
    (void)failure;
    o->location |= o->location_trusted;
    if (!o->has_max_redirs)
        o->max_redirs = MAX_REDIRS_DEFAULT;
    return true;
}

const struct option_group options_policy = OPTION_GROUP(rows, check);
