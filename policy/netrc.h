/* policy/netrc.h - names and passwords by host, from a file as ftp(1), GNU inetutils and curl read it. Pure: the text
 * comes in.
 *
 *     machine HOST login NAME password PASSWORD [account ACCOUNT] [macdef NAME ... an empty line]
 *     default login NAME password PASSWORD
 *
 * Words are separated by blanks and line ends; one that starts with '"' goes on to the next '"' on its line, with \n,
 * \r, \t, \" and \\ in it; '#' where a keyword may stand begins a comment. Hosts are compared normalised and whole. Of
 * several entries that fit the first one holds, "default" stands behind all. One with a password and no login has an
 * empty name, as some tokens want it; one with neither says that there is nothing for its host. */
#ifndef TERN_POLICY_NETRC_H
#define TERN_POLICY_NETRC_H

#include "base/host.h"
#include "base/keep.h"

#define TERN_NETRC_BYTES_MAX (1024 * 1024)

struct tern_netrc_entry {
    struct tern_netrc_entry *next;
    bool is_default;
    struct tern_host host;          /* not of the default */
    struct tern_str user, password; /* ptr NULL in both: nothing */
};

struct tern_netrc {
    struct tern_netrc_entry *entries; /* in keep, in the order of the file, the default last */
};

/* Reads text into keep, which wipes what it frees. Errors: TERN_ECONFIG (fault says in which line), TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_netrc_parse(struct tern_netrc *out, struct tern_str text, struct tern_keep *keep,
                                               struct tern_fault *fault);

/* NULL: there is nothing for this host. */
const struct tern_netrc_entry *tern_netrc_find(const struct tern_netrc *netrc, const struct tern_host *host);

#endif
