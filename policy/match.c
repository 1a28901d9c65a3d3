#include "policy/match.h"

#include "base/fault.h"
#include "base/num.h"
#include "base/str.h"

static enum tern_error bad(struct tern_fault *fault, struct tern_str pattern, const char *rule)
{
    char shown[TERN_ESCAPE_MAX];

    return tern_fault_set(fault, TERN_ECONFIG, "host pattern \"%s\": %s", tern_escape(shown, sizeof(shown), pattern),
                          rule);
}

static uint8_t bits_max(const struct tern_host *host)
{
    return host->kind == TERN_HOST_IPV4 ? 32 : 128;
}

bool tern_match_bits(const uint8_t *a, const uint8_t *b, uint8_t bits)
{
    uint8_t whole = bits / 8, rest = bits % 8;

    return memcmp(a, b, whole) == 0 && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

static enum tern_error parse_network(struct tern_match *out, struct tern_str pattern, size_t slash,
                                     struct tern_fault *fault)
{
    uint64_t bits;

    if (tern_host_parse(&out->host, tern_str_n(pattern.ptr, slash), NULL) != TERN_OK ||
        out->host.kind == TERN_HOST_NAME || out->host.zone_at != 0)
        return bad(fault, pattern, "before '/' must stand an IP address");
    if (!tern_u64_parse(tern_str_n(pattern.ptr + slash + 1, pattern.len - slash - 1), bits_max(&out->host), &bits))
        return bad(fault, pattern, "behind '/' must stand the number of bits, at most 32 or 128");
    out->kind = TERN_MATCH_NETWORK;
    out->bits = (uint8_t)bits;
    for (uint8_t i = out->bits; i < bits_max(&out->host); i++)
        if ((out->host.address[i / 8] & 0x80 >> i % 8) != 0)
            return bad(fault, pattern, "has bits behind its network part");
    return TERN_OK;
}

enum tern_error tern_match_parse(struct tern_match *out, struct tern_str pattern, struct tern_fault *fault)
{
    const char *slash = pattern.len > 0 ? memchr(pattern.ptr, '/', pattern.len) : NULL;
    bool is_below = pattern.len > 2 && memcmp(pattern.ptr, "*.", 2) == 0;
    struct tern_str name = is_below ? tern_str_n(pattern.ptr + 2, pattern.len - 2) : pattern;
    enum tern_error error;

    *out = (struct tern_match){.kind = TERN_MATCH_ANY};
    if (tern_str_eq(pattern, TERN_STR("*")))
        return TERN_OK;
    if (slash != NULL)
        return parse_network(out, pattern, (size_t)(slash - pattern.ptr), fault);
    error = tern_host_parse(&out->host, name, NULL);
    if (error == TERN_ENOMEM)
        return tern_fault_plain(fault, error);
    if (error != TERN_OK || (is_below && out->host.kind != TERN_HOST_NAME))
        return bad(fault, pattern, "must be a host, \"*.\" and a domain, an address and '/' and bits, or \"*\"");
    out->kind = is_below ? TERN_MATCH_BELOW : TERN_MATCH_HOST;
    return TERN_OK;
}

bool tern_match_host(const struct tern_match *match, const struct tern_host *host)
{
    switch (match->kind) {
    case TERN_MATCH_ANY:
        return true;
    case TERN_MATCH_NETWORK:
        return host->kind == match->host.kind && tern_match_bits(host->address, match->host.address, match->bits);
    case TERN_MATCH_BELOW:
        return tern_host_is_below(host, tern_host_text(&match->host));
    case TERN_MATCH_HOST:
        return tern_host_eq(&match->host, host);
    }
    return false;
}

uint32_t tern_match_rank(const struct tern_match *match)
{
    uint32_t detail = match->kind == TERN_MATCH_NETWORK ? match->bits : match->host.len;

    return (uint32_t)match->kind << 16 | (match->kind == TERN_MATCH_ANY ? 0 : detail);
}
