/* dns/source.h - from which of this machine's addresses a destination would be dialled. Engine's thread. */
#ifndef TERN_DNS_SOURCE_H
#define TERN_DNS_SOURCE_H

#include "dns/sort.h"
#include "engine/engine.h"

/* Fills in source, has_source and is_probed, unless that was done before. Asks the routing table by connecting a UDP
 * socket, which sends nothing. */
void tern_dns_find_source(struct tern_engine *engine, struct tern_dns_address *address);

#endif
