/* dns/cares.h - the resolver over c-ares, on the reactor.
 *
 * c-ares reads resolv.conf and its kin when a channel is made: that is done by a file job. When resolv.conf has changed
 * (looked at when a query comes, at most every TERN_DNS_CHECK_NS), a new channel takes the queries from then on and the
 * old one ends when its last query has. c-ares sees neither hosts files nor a cache of its own: tern has both. Its
 * sockets are opened through the OS seam; its memory comes from the C library, since its hooks are the whole
 * process's. */
#ifndef TERN_DNS_CARES_H
#define TERN_DNS_CARES_H

#include "dns/config.h"
#include "engine/engine.h"

/* settings and path are copied. Nothing is read or opened before the first query. On success *out is owned by the
 * caller.
 * Errors: TERN_ENOMEM, TERN_EOS. */
TERN_MUST_USE enum tern_error tern_cares_new(struct tern_engine *engine, const struct tern_dns_settings *settings,
                                             const char *resolv_conf_path, struct tern_resolver **out);

#endif
