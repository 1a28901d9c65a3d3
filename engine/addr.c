#include "engine/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/host.h"
#include "base/num.h"
#include "base/str.h"

#define UNIX_PREFIX "unix:"

struct tern_sockaddr tern_sockaddr_ipv4(const uint8_t ip[4], uint16_t port)
{
    struct tern_sockaddr addr = {.len = sizeof(addr.u.in)};

    addr.u.in.sin_family = AF_INET;
    addr.u.in.sin_port = htons(port);
    memcpy(&addr.u.in.sin_addr, ip, 4);
    return addr;
}

struct tern_sockaddr tern_sockaddr_ipv6(const uint8_t ip[16], uint32_t scope, uint16_t port)
{
    struct tern_sockaddr addr = {.len = sizeof(addr.u.in6)};

    addr.u.in6.sin6_family = AF_INET6;
    addr.u.in6.sin6_port = htons(port);
    addr.u.in6.sin6_scope_id = scope;
    memcpy(&addr.u.in6.sin6_addr, ip, 16);
    return addr;
}

bool tern_sockaddr_unix(struct tern_sockaddr *out, struct tern_str path)
{
    struct tern_sockaddr addr = {0};

    if (path.len == 0 || path.len >= sizeof(addr.u.un.sun_path) || memchr(path.ptr, '\0', path.len) != NULL)
        return false;
    addr.u.un.sun_family = AF_UNIX;
    memcpy(addr.u.un.sun_path, path.ptr, path.len);
    addr.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len);
    if (path.ptr[0] == '@') {
        if (path.len == 1)
            return false;
        addr.u.un.sun_path[0] = '\0'; /* unix(7): an abstract name is as long as the address says, without NUL */
    } else {
        addr.len++;
    }
    *out = addr;
    return true;
}

/* The text of an address and its scope as inet_pton wants it: NUL-terminated. */
static bool parse_ip(struct tern_sockaddr *out, struct tern_str host, bool is_ipv6, uint16_t port)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t ip[16];
    uint64_t scope = 0;
    size_t percent = is_ipv6 ? tern_str_find(host, '%') : host.len;

    if (percent < host.len && !tern_u64_parse(tern_str_from(host, percent + 1), UINT32_MAX, &scope))
        return false;
    if (percent >= sizeof(text))
        return false;
    memcpy(text, host.ptr, percent);
    text[percent] = '\0';
    if (inet_pton(is_ipv6 ? AF_INET6 : AF_INET, text, ip) != 1)
        return false;
    *out = is_ipv6 ? tern_sockaddr_ipv6(ip, (uint32_t)scope, port) : tern_sockaddr_ipv4(ip, port);
    return true;
}

bool tern_sockaddr_parse(struct tern_sockaddr *out, struct tern_str text)
{
    const size_t prefix = sizeof(UNIX_PREFIX) - 1;

    if (text.len > prefix && memcmp(text.ptr, UNIX_PREFIX, prefix) == 0)
        return tern_sockaddr_unix(out, tern_str_from(text, prefix));

    bool is_ipv6 = text.len != 0 && text.ptr[0] == '[';
    size_t end = tern_str_find(text, is_ipv6 ? ']' : ':');
    size_t colon = is_ipv6 ? end + 1 : end;
    uint64_t port;
    if (colon >= text.len || text.ptr[colon] != ':' ||
        !tern_u64_parse(tern_str_from(text, colon + 1), UINT16_MAX, &port))
        return false;
    struct tern_str host = is_ipv6 ? tern_str_n(text.ptr + 1, end - 1) : tern_str_n(text.ptr, end);
    return parse_ip(out, host, is_ipv6, (uint16_t)port);
}

static size_t print_unix(const struct tern_sockaddr *addr, char *out, size_t cap)
{
    size_t path_at = offsetof(struct sockaddr_un, sun_path);
    size_t len = addr->len > path_at ? addr->len - path_at : 0;
    const char *path = addr->u.un.sun_path;
    size_t at = (size_t)snprintf(out, cap, UNIX_PREFIX);

    if (at >= cap)
        return cap - 1;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)path[i];
        if (c == '\0' && i != 0 && i + 1 == len)
            break; /* the end of a path in the file system */
        char piece[5];
        if (c == '\0' && i == 0)
            snprintf(piece, sizeof(piece), "@");
        else if (c >= 0x20 && c < 0x7f && c != '\\' && c != '"')
            snprintf(piece, sizeof(piece), "%c", c);
        else
            snprintf(piece, sizeof(piece), "\\x%02x", c);
        size_t n = strlen(piece);
        if (at + n >= cap)
            break;
        memcpy(out + at, piece, n + 1);
        at += n;
    }
    return at;
}

#define IP_TEXT_MAX (sizeof("[%]:") - 1 + TERN_IPV6_TEXT_MAX + 2 * TERN_U32_TEXT_MAX)

/* Gives its length; no NUL. */
static size_t print_ip(const struct tern_sockaddr *addr, char *out)
{
    size_t len = 0;

    if (addr->u.any.sa_family == AF_INET) {
        len = tern_ipv4_print(out, (const uint8_t *)&addr->u.in.sin_addr);
    } else {
        out[len++] = '[';
        len += tern_ipv6_print(out + len, addr->u.in6.sin6_addr.s6_addr);
        if (addr->u.in6.sin6_scope_id != 0) {
            out[len++] = '%';
            len += tern_u32_print(out + len, addr->u.in6.sin6_scope_id);
        }
        out[len++] = ']';
    }
    out[len++] = ':';
    return len + tern_u32_print(out + len, tern_sockaddr_port(addr));
}

size_t tern_sockaddr_print(const struct tern_sockaddr *addr, char *out, size_t cap)
{
    char ip[IP_TEXT_MAX];
    struct tern_str text = TERN_STR("no address");

    if (cap == 0)
        return 0;
    switch (tern_sockaddr_family(addr)) {
    case AF_INET:
    case AF_INET6:
        text = tern_str_n(ip, print_ip(addr, ip));
        break;
    case AF_UNIX:
        return print_unix(addr, out, cap);
    default:
        break;
    }
    if (text.len >= cap)
        text.len = cap - 1;
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return text.len;
}

uint16_t tern_sockaddr_port(const struct tern_sockaddr *addr)
{
    switch (tern_sockaddr_family(addr)) {
    case AF_INET:
        return ntohs(addr->u.in.sin_port);
    case AF_INET6:
        return ntohs(addr->u.in6.sin6_port);
    default:
        return 0;
    }
}

void tern_sockaddr_set_port(struct tern_sockaddr *addr, uint16_t port)
{
    switch (tern_sockaddr_family(addr)) {
    case AF_INET:
        addr->u.in.sin_port = htons(port);
        break;
    case AF_INET6:
        addr->u.in6.sin6_port = htons(port);
        break;
    default:
        break;
    }
}

bool tern_sockaddr_equal(const struct tern_sockaddr *a, const struct tern_sockaddr *b)
{
    if (a->len != b->len || tern_sockaddr_family(a) != tern_sockaddr_family(b))
        return false;
    switch (tern_sockaddr_family(a)) {
    case AF_INET:
        return a->u.in.sin_port == b->u.in.sin_port && a->u.in.sin_addr.s_addr == b->u.in.sin_addr.s_addr;
    case AF_INET6: /* not the flow label: it names no place */
        return a->u.in6.sin6_port == b->u.in6.sin6_port && a->u.in6.sin6_scope_id == b->u.in6.sin6_scope_id &&
               memcmp(&a->u.in6.sin6_addr, &b->u.in6.sin6_addr, 16) == 0;
    default:
        return memcmp(&a->u, &b->u, a->len) == 0;
    }
}
