/* tests/sim/net.h - the operating system of the simulation: engines' sockets, the network between them and servers, and
 * readiness.
 *
 * Each engine has an io of its own over the one network. What a server sends arrives in order, in pieces, later. A
 * socket is the client's end; a server's end is a sim_peer (server.h), which the network tells what arrives.
 * Descriptors are used again at once, as the kernel does; sockets and peers live until the world's end. */
#ifndef TERN_TESTS_SIM_NET_H
#define TERN_TESTS_SIM_NET_H

#include "engine/engine.h"
#include "tests/sim/world.h"

#define SIM_FD_FIRST 1000

struct sim_peer;
struct sim_io;

struct sim_socket {
    struct sim_socket *next; /* all of them */
    struct sim_io *io;       /* NULL once the engine has closed it */
    int fd;
    struct tern_watch *watch;
    uint32_t edges; /* not told yet */
    bool connected, refused, ended, reset;
    int so_error;
    struct tern_sockaddr local, address;
    uint64_t latency_ns;
    uint64_t last_arrival_ns;
    struct sim_bytes in; /* arrived, not read */
    struct sim_bytes up; /* written by the engine, on its way or not read by a deaf server */
    size_t up_max;
    bool is_up_due; /* its arrival is an event already */
    struct sim_peer *peer;
};

struct sim_io {
    struct tern_io io;
    int number;
    bool woken, is_child;
    uint64_t armed_ns;
    uint32_t open; /* sockets */
    uint32_t watched;
    uint64_t waited_ns; /* when last */
    struct tern_sockaddr probed;
};

struct sim_io *sim_io_new(int number);
/* Whether the engine's descriptor is readable; and, apart from that, whether one of its descriptors is ready. */
bool sim_io_is_readable(const struct sim_io *io);
bool sim_io_has_ready(const struct sim_io *io);
void sim_net_end(void); /* frees all sockets */

/* ---- the server's end ---- */

/* Bytes, then FIN, or RST, to the client: in order, in pieces, with the network's delay. */
void sim_socket_send(struct sim_socket *socket, const void *bytes, size_t len);
void sim_socket_end(struct sim_socket *socket);
void sim_socket_reset(struct sim_socket *socket);
/* The server reads again after it was deaf. */
void sim_socket_listen(struct sim_socket *socket);

#endif
