/* tests/support/h2_server.h - nghttp2's server behind a scripted address: for flows too long to be written by hand.
 *
 * It answers every complete request with 200 and body_bytes of 'x', as fast as the client's windows allow, and takes
 * uploads as fast as its own windows, which it opens at once. */
#ifndef TERN_TESTS_H2_SERVER_H
#define TERN_TESTS_H2_SERVER_H

#include <nghttp2/nghttp2.h>

#include "tests/support/simio.h"

#define H2_SERVER_CONNECTIONS_MAX 16

struct h2_server;

/* One connection: nghttp2's session, and where it speaks. */
struct h2_server_link {
    struct h2_server *server;
    struct simio_peer *peer;
    nghttp2_session *session;
};

struct h2_server {
    uint64_t body_bytes;
    uint32_t streams_max;  /* SETTINGS_MAX_CONCURRENT_STREAMS; 0: 100 */
    uint32_t window_bytes; /* SETTINGS_INITIAL_WINDOW_SIZE; 0: 65,535 */

    /* What it has seen. */
    uint64_t received_bytes; /* of bodies */
    uint64_t sent_bytes;
    uint32_t pings;
    uint32_t resets;
    uint32_t requests;
    uint64_t sent_bytes_at_ping; /* when the latest PING came */
    uint32_t bare_pings;         /* PINGs without a body's bytes since the one before: what some servers punish */

    struct h2_server_link links[H2_SERVER_CONNECTIONS_MAX];
    uint32_t connections;
};

/* In the test's storage, all zero but what is asked of it; it outlives the engine. */
void h2_server_listen(struct h2_server *server, struct simio *sim, const char *address);

/* Frees the connections. After the engine, before the storage goes. */
void h2_server_end(struct h2_server *server);

#endif
