/* client/settings.h - all that a client goes by, once it has been checked: what shapes and bounds its connections (the
 * profile, which the pool knows) and what it decides about its calls (the policy, which the pool does not).
 * Immutable and counted: a call keeps those that it started under. */
#ifndef TERN_CLIENT_SETTINGS_H
#define TERN_CLIENT_SETTINGS_H

#include "base/keep.h"
#include "policy/auth.h"
#include "policy/gate.h"
#include "pool/profile.h"

/* How a part of the world is treated. */
struct tern_site {
    const char *pattern;                /* NULL: the client's own configuration */
    struct tern_match match;            /* of it */
    struct tern_profile *profile;       /* owned count */
    struct tern_policy policy;          /* every default filled in */
    const struct tern_gate_rules *gate; /* policy.gate, compiled. The profile's: its connections may outlive these */
    const struct tern_auth_rules *auth; /* policy.auth, compiled */
    /* What its calls send that add nothing of their own: the profile's, with Accept-Encoding where they are decoded.
     * They have passed tern_request_fields_check, which gave fields_bytes. */
    const struct tern_field *fields;
    size_t field_count, fields_bytes;
};

struct tern_settings {
    uint32_t refs;
    struct tern_site own;
    struct tern_site *hosts; /* host_count of them */
    size_t host_count;
    struct tern_keep keep; /* what policies point at */
};

#define TERN_HOST_CONFIGS_MAX 4096

/* Checks and copies config (NULL: all defaults). On success *out has one reference. Errors: as tern_client_new. */
TERN_MUST_USE enum tern_error tern_settings_new(struct tern_engine *engine, const struct tern_client_config *config,
                                                const struct tern_pool_seams *seams, struct tern_settings **out,
                                                struct tern_fault *why);
struct tern_settings *tern_settings_acquire(struct tern_settings *settings);
void tern_settings_release(struct tern_settings *settings);

/* What holds for a host: the most specific pattern that matches, of equal ones the first. Borrowed from settings. */
const struct tern_site *tern_settings_site(const struct tern_settings *settings, const struct tern_host *host);

/* Why, as tern_client_explain. */
void tern_settings_explain(const struct tern_settings *settings, const struct tern_host *host, char *out, size_t size);

/* The parts of a policy that a call may have of its own, checked and with defaults filled in; the lists in them are
 * borrowed. Errors: TERN_ECONFIG. */
TERN_MUST_USE enum tern_error tern_settings_check_redirects(struct tern_redirects *config, struct tern_fault *why);
TERN_MUST_USE enum tern_error tern_settings_check_retries(struct tern_retries *config, struct tern_fault *why);
TERN_MUST_USE enum tern_error tern_settings_check_hedging(struct tern_hedging *config, struct tern_fault *why);
TERN_MUST_USE enum tern_error tern_settings_check_decoding(struct tern_decoding *config, struct tern_fault *why);

#endif
