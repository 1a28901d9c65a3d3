/* policy/suffix.h - where one owner's names end and another's begin: the public suffix list, as it was when libpsl was
 * built (its own copy; nothing is read from files). Without libpsl (TERN_PSL) every host is a site of its own.
 * Pure. Any thread. */
#ifndef TERN_POLICY_SUFFIX_H
#define TERN_POLICY_SUFFIX_H

#include "base/url.h"

/* Whether anybody may have a name below it: "com", "co.uk", "github.io", and every name of one label. Not an
 * address. */
bool tern_suffix_is_public(const struct tern_host *host);

/* The registrable domain that host is part of, "example.co.uk"; an address or a public suffix is its own. Borrows. */
struct tern_str tern_suffix_site(const struct tern_host *host);

/* Schemes count ("schemefully same-site"): what came over http may be anybody's. */
bool tern_suffix_same_site(const struct tern_url *a, const struct tern_url *b);

#endif
