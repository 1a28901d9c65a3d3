#include "dns/sort.h"

#include "base/assert.h"

/* RFC 6724 section 2.1, the longest prefix first. IPv4 addresses are looked up as ::ffff:0:0/96. */
static const struct policy {
    uint8_t prefix[16];
    uint8_t bits, precedence, label;
} policies[] = {
    {{[15] = 1}, 128, 50, 0},                /* ::1 */
    {{[10] = 0xff, [11] = 0xff}, 96, 35, 4}, /* ::ffff:0:0/96 */
    {{0}, 96, 1, 3},                         /* ::/96 */
    {{0x20, 0x01}, 32, 5, 5},                /* 2001::/32 */
    {{0x20, 0x02}, 16, 30, 2},               /* 2002::/16 */
    {{0x3f, 0xfe}, 16, 1, 12},               /* 3ffe::/16 */
    {{0xfe, 0xc0}, 10, 1, 11},               /* fec0::/10 */
    {{0xfc}, 7, 3, 13},                      /* fc00::/7 */
    {{0}, 0, 40, 1},                         /* ::/0 */
};

/* RFC 4291 section 2.7, as RFC 6724 section 3 uses them. */
enum scope { SCOPE_LINK = 0x2, SCOPE_SITE = 0x5, SCOPE_GLOBAL = 0xe };

static unsigned common_bits(const uint8_t a[16], const uint8_t b[16], unsigned max)
{
    unsigned bits = 0;

    while (bits < max && ((a[bits / 8] ^ b[bits / 8]) & (0x80u >> bits % 8)) == 0)
        bits++;
    return bits;
}

static const struct policy *policy_of(bool is_ipv6, const struct tern_dns_ip *ip)
{
    uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *bytes = is_ipv6 ? ip->bytes : mapped;
    const struct policy *policy = policies;

    memcpy(mapped + 12, ip->bytes, 4);
    while (common_bits(bytes, policy->prefix, policy->bits) < policy->bits)
        policy++; /* ends at ::/0 */
    return policy;
}

/* RFC 6724 sections 3.1 and 3.2. */
static unsigned scope_of(bool is_ipv6, const struct tern_dns_ip *ip)
{
    static const uint8_t loopback[16] = {[15] = 1};
    const uint8_t *b = ip->bytes;

    if (!is_ipv6)
        return b[0] == 127 || (b[0] == 169 && b[1] == 254) ? SCOPE_LINK : SCOPE_GLOBAL;
    if (b[0] == 0xff)
        return b[1] & 0x0f;
    if (memcmp(b, loopback, 16) == 0 || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80))
        return SCOPE_LINK;
    return b[0] == 0xfe && (b[1] & 0xc0) == 0xc0 ? SCOPE_SITE : SCOPE_GLOBAL;
}

/* Rule 9 looks no further than the 64 bits that name a network: what follows is the host's own. */
static unsigned prefix_bits(const struct tern_dns_address *a)
{
    return common_bits(a->ip.bytes, a->source.bytes, 64);
}

/* RFC 6724 section 6: does a come before b? */
static bool is_before(const struct tern_dns_address *a, const struct tern_dns_address *b)
{
    if (a->has_failed != b->has_failed)
        return b->has_failed;
    if (!a->has_source || !b->has_source) /* rule 1 */
        return a->has_source && !b->has_source;

    unsigned scope_a = scope_of(a->is_ipv6, &a->ip), scope_b = scope_of(b->is_ipv6, &b->ip);
    bool fits_a = scope_a == scope_of(a->is_ipv6, &a->source), fits_b = scope_b == scope_of(b->is_ipv6, &b->source);
    if (fits_a != fits_b) /* rule 2 */
        return fits_a;

    const struct policy *policy_a = policy_of(a->is_ipv6, &a->ip), *policy_b = policy_of(b->is_ipv6, &b->ip);
    fits_a = policy_a->label == policy_of(a->is_ipv6, &a->source)->label;
    fits_b = policy_b->label == policy_of(b->is_ipv6, &b->source)->label;
    if (fits_a != fits_b) /* rule 5 */
        return fits_a;
    if (policy_a->precedence != policy_b->precedence) /* rule 6 */
        return policy_a->precedence > policy_b->precedence;
    if (scope_a != scope_b) /* rule 8 */
        return scope_a < scope_b;
    if (a->is_ipv6 && b->is_ipv6 && prefix_bits(a) != prefix_bits(b)) /* rule 9 */
        return prefix_bits(a) > prefix_bits(b);
    return a->is_ipv6 == b->is_ipv6 && a->turn < b->turn; /* rule 10 */
}

void tern_dns_sort(struct tern_dns_address *list, size_t count)
{
    /* By insertion: stable, and count is at most two families of TERN_DNS_IPS_MAX. */
    for (size_t i = 1; i < count; i++) {
        struct tern_dns_address moving = list[i];
        size_t at = i;

        for (; at > 0 && is_before(&moving, &list[at - 1]); at--)
            list[at] = list[at - 1];
        list[at] = moving;
    }
}

void tern_dns_interleave(struct tern_dns_address *list, size_t count, bool first_is_ipv6)
{
    struct tern_dns_address sorted[2 * TERN_DNS_IPS_MAX];
    size_t next[2] = {0, 0}; /* by is_ipv6: where to look for the next of that family */
    bool wanted = first_is_ipv6;

    TERN_ASSERT(count <= 2 * TERN_DNS_IPS_MAX);
    memcpy(sorted, list, count * sizeof(*list));
    for (size_t i = 0; i < count; i++) {
        while (next[0] < count && sorted[next[0]].is_ipv6)
            next[0]++;
        while (next[1] < count && !sorted[next[1]].is_ipv6)
            next[1]++;
        bool family = next[wanted] < count ? wanted : !wanted;
        list[i] = sorted[next[family]++];
        wanted = !family;
    }
}
