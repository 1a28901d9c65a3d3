#include "tests/sim/server.h"

#include <stdio.h>

#include "tests/sim/seams.h"

static struct sim_peer *all;
static unsigned count;

/* ---- where they are ---- */

/* The origin that is served at an address; SIM_ORIGINS_ALL: all of them, by a Unix socket. False: nobody is there. */
static bool find(const struct tern_sockaddr *address, unsigned *origin)
{
    unsigned ip[4], port;
    char text[TERN_SOCKADDR_TEXT_MAX];

    tern_sockaddr_print(address, text, sizeof(text));
    *origin = SIM_ORIGINS_ALL;
    if (strcmp(text, "unix:" SIM_UNIX_PATH) == 0)
        return true;
    if (sscanf(text, "10.0.%u.%u:%u", &ip[2], &ip[3], &port) != 3) {
        ip[2] = 0;
        if (sscanf(text, "[2001:db8:%x::%x]:%u", &ip[2], &ip[3], &port) != 3 &&
            (ip[2] = 0, sscanf(text, "[2001:db8::%x]:%u", &ip[3], &port)) != 2)
            return false;
    }
    *origin = ip[2];
    return ip[2] < SIM_ORIGINS && ip[3] >= 1 && ip[3] <= 3 && port == sim_origins[ip[2]].port;
}

bool sim_server_is_at(const struct tern_sockaddr *address)
{
    unsigned origin;

    return find(address, &origin);
}

unsigned sim_peer_number(const struct sim_peer *peer)
{
    return peer->number;
}

/* ---- life ---- */

struct sim_peer *sim_peer_new(struct sim_socket *socket)
{
    struct sim_peer *peer = sim_alloc(sizeof(*peer));

    peer->number = count++;
    peer->socket = socket;
    sim_stream(&peer->rand, 'p', peer->number);
    (void)find(&socket->address, &peer->origin);
    if (peer->origin != SIM_ORIGINS_ALL && sim_origins[peer->origin].is_secure)
        peer->tls = SIM_TLS_HELLO;
    if (sim_fault(SIM_FAULT_DEAF))
        peer->is_deaf = true;
    peer->next = all;
    all = peer;
    return peer;
}

static void let_go(struct sim_peer *peer)
{
    if (peer->h1 != NULL)
        sim_h1_free(peer->h1);
    if (peer->h2 != NULL)
        sim_h2_free(peer->h2);
    peer->h1 = NULL;
    peer->h2 = NULL;
    sim_bytes_free(&peer->records);
    sim_bytes_free(&peer->first);
}

void sim_peers_calm(void)
{
    for (struct sim_peer *peer = all; peer != NULL; peer = peer->next)
        if (!peer->has_left && (peer->is_deaf || peer->is_silent))
            sim_peer_reset(peer);
}

void sim_peers_end(void)
{
    while (all != NULL) {
        struct sim_peer *peer = all;

        all = peer->next;
        let_go(peer);
        sim_free(peer);
    }
    count = 0;
}

/* ---- what comes ---- */

void sim_peer_hear(struct sim_peer *peer, const unsigned char *bytes, size_t len)
{
    if (peer->is_over) {
        sim_note("peer %u, which is over, gets %zu bytes", peer->number, len);
        sim_socket_reset(peer->socket);
        return;
    }
    sim_note("peer %u gets %zu bytes", peer->number, len);
    if (peer->origin == SIM_ORIGINS_ALL && peer->tls == SIM_TLS_NONE && peer->h1 == NULL && peer->h2 == NULL &&
        peer->first.len == 0 && bytes[0] == 0x16)
        peer->tls = SIM_TLS_HELLO;
    if (peer->tls != SIM_TLS_NONE)
        sim_tls_hear(peer, bytes, len);
    else
        sim_peer_plain(peer, bytes, len);
}

void sim_peer_plain(struct sim_peer *peer, const unsigned char *bytes, size_t len)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    struct sim_bytes first;

    if (peer->h1 != NULL)
        sim_h1_hear(peer->h1, bytes, len);
    if (peer->h2 != NULL)
        sim_h2_hear(peer->h2, bytes, len);
    if (peer->h1 != NULL || peer->h2 != NULL)
        return;
    sim_bytes_add(&peer->first, bytes, len);
    if (peer->first.len < 4)
        return;
    first = peer->first;
    peer->first = (struct sim_bytes){0};
    if (memcmp(first.data, preface, 4) == 0) {
        SIM_CHECK(peer->tls == SIM_TLS_NONE || peer->tls_chose_h2, "HTTP/2 where HTTP/1.1 was agreed");
        if (peer->origin != SIM_ORIGINS_ALL && !sim_origins[peer->origin].speaks_h2) {
            sim_peer_say(peer, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", 47);
            sim_peer_end(peer);
        } else {
            peer->h2 = sim_h2_new(peer);
            sim_h2_hear(peer->h2, first.data, first.len);
        }
    } else {
        SIM_CHECK(!peer->tls_chose_h2, "HTTP/1.1 where HTTP/2 was agreed");
        peer->h1 = sim_h1_new(peer);
        sim_h1_hear(peer->h1, first.data, first.len);
    }
    sim_bytes_free(&first);
}

void sim_peer_left(struct sim_peer *peer)
{
    peer->has_left = true;
    peer->is_over = true;
    let_go(peer);
}

/* ---- what goes ---- */

void sim_peer_say(struct sim_peer *peer, const void *bytes, size_t len)
{
    if (peer->is_over || peer->is_silent || len == 0)
        return;
    if (peer->tls != SIM_TLS_NONE)
        sim_tls_say(peer, bytes, len);
    else
        sim_socket_send(peer->socket, bytes, len);
}

void sim_peer_end(struct sim_peer *peer)
{
    if (peer->is_over)
        return;
    if (peer->tls != SIM_TLS_NONE)
        sim_tls_close_notify(peer);
    peer->is_over = true;
    sim_socket_end(peer->socket);
}

void sim_peer_reset(struct sim_peer *peer)
{
    peer->is_over = true;
    sim_socket_reset(peer->socket);
}

bool sim_peer_strikes(struct sim_peer *peer)
{
    if (sim_fault(SIM_FAULT_RST))
        sim_peer_reset(peer);
    else if (sim_fault(SIM_FAULT_HALF_CLOSE))
        sim_peer_end(peer);
    if (sim_fault(SIM_FAULT_STALL))
        peer->is_silent = true;
    if (sim_fault(SIM_FAULT_DEAF))
        peer->is_deaf = true;
    return peer->is_over || peer->is_silent;
}
