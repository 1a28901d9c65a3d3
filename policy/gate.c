#include "policy/gate.h"

#include "base/fault.h"
#include "base/str.h"

/* ---- addresses ---- */

struct block {
    uint8_t address[16];
    uint8_t bits;
    bool is_public;
};

/* The narrower block stands first. What is in none is public. */
static const struct block blocks4[] = {
    {{192, 0, 0, 9}, 32, true},  /* PCP anycast (RFC 7723) */
    {{192, 0, 0, 10}, 32, true}, /* TURN anycast (RFC 8155) */
    {{0}, 8, false},             /* this network (RFC 791) */
    {{10}, 8, false},            /* private (RFC 1918) */
    {{100, 64}, 10, false},      /* shared, CGNAT (RFC 6598) */
    {{127}, 8, false},           /* loopback (RFC 1122) */
    {{169, 254}, 16, false},     /* link-local (RFC 3927), cloud metadata */
    {{172, 16}, 12, false},      /* private (RFC 1918) */
    {{192, 0, 0}, 24, false},    /* protocol assignments (RFC 6890) */
    {{192, 0, 2}, 24, false},    /* documentation (RFC 5737) */
    {{192, 88, 99}, 24, false},  /* 6to4 relays, deprecated (RFC 7526) */
    {{192, 168}, 16, false},     /* private (RFC 1918) */
    {{198, 18}, 15, false},      /* benchmarking (RFC 2544) */
    {{198, 51, 100}, 24, false}, /* documentation (RFC 5737) */
    {{203, 0, 113}, 24, false},  /* documentation (RFC 5737) */
    {{224}, 3, false},           /* multicast (RFC 5771), reserved (RFC 1112), broadcast (RFC 8190) */
};

/* The same within 2000::/3, the one part of the space that is given out. */
static const struct block blocks6[] = {
    {{0x20, 0x01, 0x00, 0x01, [15] = 1}, 128, true},  /* PCP anycast (RFC 7723) */
    {{0x20, 0x01, 0x00, 0x01, [15] = 2}, 128, true},  /* TURN anycast (RFC 8155) */
    {{0x20, 0x01, 0x00, 0x01, [15] = 3}, 128, true},  /* DNS-SD registration anycast (RFC 9665) */
    {{0x20, 0x01, 0x00, 0x03}, 32, true},             /* AMT (RFC 7450) */
    {{0x20, 0x01, 0x00, 0x04, 0x01, 0x12}, 48, true}, /* AS112 (RFC 7535) */
    {{0x20, 0x01, 0x00, 0x20}, 28, true},             /* ORCHIDv2 (RFC 7343) */
    {{0x20, 0x01, 0x00, 0x30}, 28, true},             /* drone remote IDs (RFC 9374) */
    {{0x20, 0x01}, 23, false},                        /* protocol assignments (RFC 2928), Teredo among them */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, false},            /* documentation (RFC 3849) */
    {{0x3f, 0xff}, 20, false},                        /* documentation (RFC 9637) */
};

static bool is_public_in(const uint8_t *address, const struct block *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (tern_match_bits(address, blocks[i].address, blocks[i].bits))
            return blocks[i].is_public;
    return true;
}

static bool is_public4(const uint8_t *address)
{
    return is_public_in(address, blocks4, sizeof(blocks4) / sizeof(blocks4[0]));
}

bool tern_address_is_public(const uint8_t *address, size_t len)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};

    if (len == 4)
        return is_public4(address);
    if (memcmp(address, mapped, sizeof(mapped)) == 0 || memcmp(address, nat64, sizeof(nat64)) == 0)
        return is_public4(address + 12);
    if (address[0] >> 5 != 1)
        return false;
    if (address[0] == 0x20 && address[1] == 0x02) /* 6to4 holds its router's address */
        return is_public4(address + 2);
    return is_public_in(address, blocks6, sizeof(blocks6) / sizeof(blocks6[0]));
}

/* ---- rules ---- */

static enum tern_error compile(struct tern_match **out, const char *const *patterns, size_t count,
                               struct tern_keep *keep, struct tern_fault *why)
{
    struct tern_match *matches;

    if (count == 0)
        return TERN_OK;
    if (count > TERN_GATE_PATTERNS_MAX)
        return tern_fault_set(why, TERN_ECONFIG, "policy.gate: %zu host patterns, at most %d", count,
                              TERN_GATE_PATTERNS_MAX);
    matches = tern_keep_alloc(keep, count * sizeof(*matches));
    if (matches == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    for (size_t i = 0; i < count; i++) {
        enum tern_error error = tern_match_parse(&matches[i], tern_str(patterns[i]), why);

        if (error != TERN_OK)
            return error;
    }
    *out = matches;
    return TERN_OK;
}

enum tern_error tern_gate_compile(struct tern_gate_rules *out, const struct tern_gate *config, struct tern_keep *keep,
                                  struct tern_fault *why)
{
    enum tern_error error;

    *out = (struct tern_gate_rules){.config = *config};
    if (config->port_count > 0) {
        out->config.ports = tern_keep_copy(keep, config->ports, config->port_count * sizeof(*config->ports));
        if (out->config.ports == NULL)
            return tern_fault_plain(why, TERN_ENOMEM);
    }
    error = compile(&out->allow, config->allow, config->allow_count, keep, why);
    return error == TERN_OK ? compile(&out->deny, config->deny, config->deny_count, keep, why) : error;
}

static bool is_among(const struct tern_match *matches, size_t count, const struct tern_host *host)
{
    for (size_t i = 0; i < count; i++)
        if (tern_match_host(&matches[i], host))
            return true;
    return false;
}

static bool has_port(const struct tern_gate *config, uint16_t port)
{
    for (size_t i = 0; i < config->port_count; i++)
        if (config->ports[i] == port)
            return true;
    return config->port_count == 0;
}

const char *tern_gate_rules_refuse(const struct tern_gate_rules *rules, const struct tern_url *url)
{
    const struct tern_gate *config = &rules->config;
    const struct tern_host *host = &url->host;

    if (config->https_only && !tern_str_eq(url->scheme, TERN_STR("https")))
        return "only https is allowed";
    if (config->refuse_userinfo && url->user.ptr != NULL)
        return "a URL with a user name is not allowed";
    if (!has_port(config, url->port))
        return "the port is not among those allowed";
    if (is_among(rules->deny, config->deny_count, host))
        return "the host is denied";
    if (config->allow_count > 0 && !is_among(rules->allow, config->allow_count, host))
        return "the host is not among those allowed";
    if (config->public_only && host->kind != TERN_HOST_NAME &&
        !tern_address_is_public(host->address, host->kind == TERN_HOST_IPV4 ? 4 : 16))
        return "the address is not a public one";
    return NULL;
}

const char *tern_gate_refuses_url(const struct tern_gate_rules *rules, const struct tern_url *url, uint32_t hop)
{
    const struct tern_gate *config = &rules->config;
    const struct tern_gate_question question = {
        .scheme = url->scheme, .host = tern_host_text(&url->host), .port = url->port, .hop = hop};
    const char *refusal = tern_gate_rules_refuse(rules, url);

    return refusal == NULL && config->check != NULL ? config->check(config->user, &question) : refusal;
}

const char *tern_gate_refuses_address(const struct tern_gate_rules *rules, const struct tern_gate_question *question,
                                      const uint8_t *address, size_t len)
{
    if (rules->config.public_only && !tern_address_is_public(address, len))
        return "the address is not a public one";
    return rules->config.check != NULL ? rules->config.check(rules->config.user, question) : NULL;
}
