/* policy/gate.h - whether a URL, and then an address, is one that a client may go to. Pure, but for the user's
 * function.
 */
#ifndef TERN_POLICY_GATE_H
#define TERN_POLICY_GATE_H

#include "base/keep.h"
#include "base/url.h"
#include "policy/match.h"
#include "tern/policy.h"

/* More patterns than this are a list that belongs into the user's own function. */
#define TERN_GATE_PATTERNS_MAX 4096

struct tern_gate_rules {
    struct tern_gate config; /* its ports are in keep; its patterns are not looked at any more */
    struct tern_match *allow, *deny;
};

/* Copies and compiles config into keep. Errors: TERN_ECONFIG, TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_gate_compile(struct tern_gate_rules *out, const struct tern_gate *config,
                                                struct tern_keep *keep, struct tern_fault *why);

/* NULL: it may pass. Else why not, as static text. The second asks the user's function too, which takes a step. */
const char *tern_gate_rules_refuse(const struct tern_gate_rules *rules, const struct tern_url *url);
const char *tern_gate_refuses_url(const struct tern_gate_rules *rules, const struct tern_url *url, uint32_t hop);

/* The same for an address of a host: 4 or 16 bytes in network order, and as text for the user's function. */
const char *tern_gate_refuses_address(const struct tern_gate_rules *rules, const struct tern_gate_question *question,
                                      const uint8_t *address, size_t len);

/* Whether an address is globally reachable: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), with the
 * IPv4 address inside an IPv6 one judged too (RFC 4291 2.5.5, 6052, 3056). len is 4 or 16. */
bool tern_address_is_public(const uint8_t *address, size_t len);

#endif
