/* policy/match.h - host patterns (tern/policy.h), parsed once and compared with normalised hosts. Pure. */
#ifndef TERN_POLICY_MATCH_H
#define TERN_POLICY_MATCH_H

#include "base/host.h"

enum tern_match_kind {
    TERN_MATCH_ANY,     /* "*" */
    TERN_MATCH_NETWORK, /* "192.0.2.0/24" */
    TERN_MATCH_BELOW,   /* "*.example.com" */
    TERN_MATCH_HOST     /* "api.example.com", "192.0.2.7" */
};

struct tern_match {
    enum tern_match_kind kind;
    uint8_t bits;          /* NETWORK: that count */
    struct tern_host host; /* HOST, BELOW (without "*."), NETWORK */
};

/* Errors: TERN_ECONFIG (fault says which rule), TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_match_parse(struct tern_match *out, struct tern_str pattern,
                                               struct tern_fault *fault);

bool tern_match_host(const struct tern_match *match, const struct tern_host *host);

/* Of two patterns that match a host the one with the higher rank is the more specific: a host, then the longest part of
 * a name, then the narrowest network, then "*". */
uint32_t tern_match_rank(const struct tern_match *match);

/* Whether a and b agree in their first bits. */
bool tern_match_bits(const uint8_t *a, const uint8_t *b, uint8_t bits);

#endif
