/* tests/support/fakedns.h - the name servers as a script, in virtual time.
 *
 *     struct fakedns *servers = fakedns_new(engine);
 *     fakedns_answer(servers, "a.test", "192.0.2.1 2001:db8::1", 60);
 *     fakedns_takes(servers, "a.test", TERN_IP_V6, 30 * TERN_MS);
 *     tern_dns_new(engine, &config, fakedns_resolver(servers), &dns, NULL);
 *
 * A name nobody spoke of is not found. Rules may change at any time: what counts is how they stand when the answer is
 * due. It belongs to the tern_dns that it is given to. */
#ifndef TERN_TESTS_SUPPORT_FAKEDNS_H
#define TERN_TESTS_SUPPORT_FAKEDNS_H

#include "dns/resolver.h"
#include "engine/engine.h"

struct fakedns;

struct fakedns *fakedns_new(struct tern_engine *engine);
struct tern_resolver *fakedns_resolver(struct fakedns *servers);

/* From now on name has these addresses, written with spaces between them; a family without any is not found. */
void fakedns_answer(struct fakedns *servers, const char *name, const char *addresses, uint32_t ttl_s);

/* From now on the question for name in family (TERN_IP_ANY: both) ends with status, which is not FOUND; FOUND takes
 * that back. */
void fakedns_fails(struct fakedns *servers, const char *name, enum tern_ip_family family, enum tern_dns_status status);

/* Questions asked from now on are answered after ns; TERN_OFF: never. */
void fakedns_takes(struct fakedns *servers, const char *name, enum tern_ip_family family, uint64_t ns);

/* Questions that came in. */
uint32_t fakedns_asked(const struct fakedns *servers, const char *name, enum tern_ip_family family);

#endif
