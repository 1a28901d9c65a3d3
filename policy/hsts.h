/* policy/hsts.h - HTTP Strict Transport Security (RFC 6797): which hosts are to be asked over TLS alone. Pure: the time
 * comes in, as seconds since 1970. Hosts are normalised, so that no spelling gets past (base/host.h).
 *
 * As text the list is in the format that curl reads and writes: a line "[.]host "YYYYMMDD HH:MM:SS"" each, with a dot
 * where hosts below it are meant too. */
#ifndef TERN_POLICY_HSTS_H
#define TERN_POLICY_HSTS_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/url.h"

/* Some 150 bytes each. Whoever meets more hosts that ask for it forgets the one not renewed for longest. */
#define TERN_HSTS_HOSTS_MAX 10000

struct tern_hsts {
    struct tern_hash table;
    struct tern_list order; /* the latest renewed in front */
    struct tern_hash_seed seed;
    uint32_t count;
};

void tern_hsts_init(struct tern_hsts *hsts, struct tern_hash_seed seed);
void tern_hsts_deinit(struct tern_hsts *hsts);

/* A host has said this over a secure connection whose certificate holds. What cannot be read is ignored (6.1), as is an
 * address for a host (8.1.1). Errors: TERN_ENOMEM; nothing has changed. */
TERN_MUST_USE enum tern_error tern_hsts_heard(struct tern_hsts *hsts, const struct tern_host *host,
                                              struct tern_str value, int64_t wall_s);

bool tern_hsts_knows(const struct tern_hsts *hsts, const struct tern_host *host, int64_t wall_s);

/* Makes url https where it is http and its host is known (8.3). Errors: TERN_ENOMEM, TERN_ELIMIT; url is then empty. */
TERN_MUST_USE enum tern_error tern_hsts_upgrade(const struct tern_hsts *hsts, struct tern_url *url, int64_t wall_s,
                                                bool *upgraded);

/* Adds the list in text; lines that cannot be read are left out and counted. Errors: TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_hsts_load(struct tern_hsts *hsts, struct tern_str text, int64_t wall_s,
                                             size_t *skipped);
/* Appends the list, without what has expired. Errors: TERN_ENOMEM, TERN_ELIMIT. */
TERN_MUST_USE enum tern_error tern_hsts_save(const struct tern_hsts *hsts, struct tern_buf *out, int64_t wall_s);

#endif
