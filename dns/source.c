#include "dns/source.h"

/* Any port will do; 0 is refused by some systems. */
#define PROBE_PORT 53

void tern_dns_find_source(struct tern_engine *engine, struct tern_dns_address *address)
{
    struct tern_io *io = engine->io;
    struct tern_io_socket how = {.family = address->is_ipv6 ? AF_INET6 : AF_INET, .type = SOCK_DGRAM};
    struct tern_sockaddr peer = address->is_ipv6 ? tern_sockaddr_ipv6(address->ip.bytes, address->scope, PROBE_PORT)
                                                 : tern_sockaddr_ipv4(address->ip.bytes, PROBE_PORT);
    struct tern_sockaddr local;
    int fd;

    if (address->is_probed)
        return;
    address->is_probed = true;
    if ((fd = io->ops->socket(io, &how)) < 0)
        return;
    if (io->ops->connect(io, fd, &peer) == 0 && io->ops->names(io, fd, &local, NULL) == 0) {
        address->has_source = true;
        if (address->is_ipv6)
            memcpy(address->source.bytes, &local.u.in6.sin6_addr, 16);
        else
            memcpy(address->source.bytes, &local.u.in.sin_addr, 4);
    }
    io->ops->close(io, fd);
}
