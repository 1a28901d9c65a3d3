/* engine/addr.h - the address of a socket: a value to copy, compare and print. Memory only; any thread. */
#ifndef TERN_ENGINE_ADDR_H
#define TERN_ENGINE_ADDR_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tern/types.h"

/* Holds any address that tern_sockaddr_print writes, with its NUL: a Unix path is the longest, and each of its bytes
 * may take four when it is escaped. */
#define TERN_SOCKADDR_TEXT_MAX (4 * sizeof(((struct sockaddr_un *)0)->sun_path) + 1)

struct tern_sockaddr {
    socklen_t len; /* 0: no address */
    union {
        struct sockaddr any; /* any.sa_family tells which */
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } u;
};

static inline int tern_sockaddr_family(const struct tern_sockaddr *addr)
{
    return addr->len != 0 ? addr->u.any.sa_family : AF_UNSPEC;
}

/* From the 4 or 16 bytes of an address in network order. scope is the interface of a link-local IPv6 address, or 0. */
struct tern_sockaddr tern_sockaddr_ipv4(const uint8_t ip[4], uint16_t port);
struct tern_sockaddr tern_sockaddr_ipv6(const uint8_t ip[16], uint32_t scope, uint16_t port);

/* A Unix path; one that starts with '@' is in Linux's abstract space. False if it is empty, too long or has a NUL. */
TERN_MUST_USE bool tern_sockaddr_unix(struct tern_sockaddr *out, struct tern_str path);

/* Reads "192.0.2.1:80", "[2001:db8::1]:443", "[fe80::1%2]:80" (a numeric scope) or "unix:/path". False if text is
 * none. */
TERN_MUST_USE bool tern_sockaddr_parse(struct tern_sockaddr *out, struct tern_str text);

/* Writes the address the way tern_sockaddr_parse reads it, with NUL, and cuts it at cap; gives the length written.
 * What is not printable in a path is escaped. */
size_t tern_sockaddr_print(const struct tern_sockaddr *addr, char *out, size_t cap);

/* The port, or 0 where the family has none. */
uint16_t tern_sockaddr_port(const struct tern_sockaddr *addr);
void tern_sockaddr_set_port(struct tern_sockaddr *addr, uint16_t port);

/* Same family, address, scope and port. */
bool tern_sockaddr_equal(const struct tern_sockaddr *a, const struct tern_sockaddr *b);

#endif
