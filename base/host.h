/* base/host.h - the one normaliser of hosts. Whatever compares hosts compares what comes out of here.
 *
 * A name becomes lower case A-labels without a trailing dot (UTS 46 non-transitional, by libidn2 where it is not plain
 * ASCII or has A-labels already); an IPv4 address the four decimal numbers; an IPv6 address the form of RFC 5952, with
 * its zone behind '%' where there is one. Normalising the result again gives the same. A plain ASCII host takes no
 * allocation. Any thread. */
#ifndef TERN_BASE_HOST_H
#define TERN_BASE_HOST_H

#include <string.h>

#include "tern/error.h"

#define TERN_HOST_TEXT_MAX 253   /* RFC 1035 section 2.3.4 as text, without the last dot */
#define TERN_HOST_LABEL_MAX 63   /* RFC 1035 section 2.3.4 */
#define TERN_HOST_INPUT_MAX 1024 /* bytes before normalising: UTF-8 may shrink, but not without end */
#define TERN_HOST_ZONE_MAX 31    /* an interface name or number */

enum tern_host_kind { TERN_HOST_NAME, TERN_HOST_IPV4, TERN_HOST_IPV6 };

/* Caller's storage; may be copied by assignment. */
struct tern_host {
    enum tern_host_kind kind;
    uint8_t address[16];               /* network order; 4 bytes used for IPv4, all for IPv6 */
    uint16_t len;                      /* of text */
    uint16_t zone_at;                  /* where the zone starts in text, behind the '%'; 0: no zone */
    char text[TERN_HOST_TEXT_MAX + 3]; /* and a NUL. No brackets */
};

static inline struct tern_str tern_host_text(const struct tern_host *host)
{
    return (struct tern_str){host->text, host->len};
}

/* The same as an assignment, without the room behind the text. */
static inline void tern_host_copy(struct tern_host *out, const struct tern_host *host)
{
    memcpy(out, host, offsetof(struct tern_host, text) + host->len + 1u);
}

/* The zone, or an empty view. */
static inline struct tern_str tern_host_zone(const struct tern_host *host)
{
    return host->zone_at != 0 ? (struct tern_str){host->text + host->zone_at, (size_t)host->len - host->zone_at}
                              : (struct tern_str){"", 0};
}

/* Normalises a host as people write it: a name, an IPv4 address, or an IPv6 address with or without brackets, its zone
 * (if any) behind '%'. IPv4 in odd forms (octal, hexadecimal, short) is refused, not reinterpreted. Nothing is
 * percent-decoded: the URL parser does that. Errors: TERN_EURL (the fault's text says which rule; *out is untouched),
 * TERN_ENOMEM. fault may be NULL. */
TERN_MUST_USE enum tern_error tern_host_parse(struct tern_host *out, struct tern_str in, struct tern_fault *fault);

/* Write an address, in network order, as it stands in tern_host.text, without a NUL, and give its length. */
#define TERN_IPV4_TEXT_MAX 15
#define TERN_IPV6_TEXT_MAX 39
size_t tern_ipv4_print(char *out, const uint8_t address[4]);
size_t tern_ipv6_print(char *out, const uint8_t address[16]);

/* Whether a name has more labels in front of domain, which is normalised. An address is below nothing. */
bool tern_host_is_below(const struct tern_host *host, struct tern_str domain);

/* Zones count: the same address on another interface is another host. */
bool tern_host_eq(const struct tern_host *a, const struct tern_host *b);

#endif
