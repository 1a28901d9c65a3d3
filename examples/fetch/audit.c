#include "audit.h"

#include <stdio.h>
#include <string.h>

/* URLs come from outside: what could steer a terminal is shown as %HH. */
static void add_url(struct text *out, struct tern_str url)
{
    for (size_t i = 0; i < url.len; i++) {
        unsigned char c = (unsigned char)url.ptr[i];
        text_addf(out, c > 0x20 && c < 0x7f ? "%c" : "%%%02X", c);
    }
}

/* The URL behind its userinfo; what stands in front of that is added to out. */
static struct tern_str without_userinfo(struct tern_str url, struct text *out)
{
    const char *authority = strstr(url.ptr, "://") + 3;
    size_t len = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', len);
    if (at == NULL)
        return url;
    add_url(out, (struct tern_str){url.ptr, (size_t)(authority - url.ptr)});
    return tern_str(at + 1);
}

static const char *dropped(const struct tern_hop *hop)
{
    if (hop->secrets_dropped)
        return hop->body_dropped ? "body,secrets" : "secrets";
    return hop->body_dropped ? "body" : "-";
}

/* A hop that was to be followed and whose URL, or each address of its host, the gate then refused. */
static bool is_gated(const struct tern_result *result, size_t index)
{
    return result->fault.error == TERN_EGATE && index + 1 == result->hop_count;
}

static const char *verdict(const struct tern_hop *hop, bool followed)
{
    if (followed)
        return "followed";
    return !hop->followed && hop->error == TERN_OK ? "ignored" : "refused";
}

static void add_hop(struct text *out, size_t index, const char **method, const struct tern_result *result)
{
    const struct tern_hop *hop = &result->hops[index];
    bool followed = hop->followed && !is_gated(result, index);
    const char *reason = hop->followed ? result->fault.text : hop->reason;
    char change[64];
    snprintf(change, sizeof change, "%s%s", *method, hop->method_changed ? ">GET" : "");
    if (hop->method_changed)
        *method = "GET";
    text_addf(out, "  %3zu  %6u  %-10s  %-12s  %-8s  ", index + 1, hop->status, change, dropped(hop),
              verdict(hop, followed));
    add_url(out, hop->from);
    text_adds(out, " -> ");
    add_url(out, hop->to);
    if (!followed)
        text_addf(out, ": %s", reason);
    text_adds(out, "\n");
}

void audit_format(struct text *out, const char *url, const char *method, const struct tern_result *result,
                  const struct failure *failure)
{
    text_adds(out, "audit of ");
    add_url(out, without_userinfo(tern_str(url), out));
    text_adds(out, "\n");
    if (result->hop_count != 0)
        text_adds(out, "  hop  status  method      dropped       verdict   from -> to\n");
    for (size_t i = 0; i < result->hop_count; i++)
        add_hop(out, i, &method, result);
    if (failure->code != CODE_OK)
        text_addf(out, "  end: (%d) %s\n", (int)failure->code, failure->text);
    else
        text_addf(out, "  end: %s gave status %u\n", method, result->status);
}
