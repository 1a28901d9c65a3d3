/* tests/support/tls_rig.h - a TLS client of tern and a server of mbedTLS, joined by the scripted OS in one process.
 *
 *     struct tls_rig rig;
 *     tls_rig_init(&rig, NULL);                    // a root, a certificate for example.test, a server
 *     struct tls_client *client = tls_rig_connect(&rig, &config, "example.test");
 *     assert_int_equal(client->flow, TERN_FLOW_OK);
 *     tls_client_write(client, "ping");
 *     tls_rig_expect(&rig, "ping");
 *     tls_server_say(tls_rig_server(&rig), "pong");
 *     ... */
#ifndef TERN_TESTS_SUPPORT_TLS_RIG_H
#define TERN_TESTS_SUPPORT_TLS_RIG_H

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>

#include "base/buf.h"
#include "engine/tcp.h"
#include "tests/support/certs.h"
#include "tests/support/simio.h"
#include "tls/provider.h"

#define TLS_RIG_CONNECTIONS_MAX 16

/* How the server is; all zero is a good one. */
struct tls_server_spec {
    const struct cert *const *chain; /* NULL-terminated, the leaf first; NULL: the rig's own leaf */
    mbedtls_ssl_protocol_version version_min, version_max;
    const char **alpn;
    const struct cert *client_ca; /* ask for a client certificate of this authority */
    const int *ciphersuites;
    bool no_tickets;
    uint16_t ticket_count; /* after a TLS 1.3 handshake; 0: mbedTLS's default of one */
};

struct tls_server_conn {
    struct tls_rig *rig;
    struct simio_peer *peer;
    mbedtls_ssl_context ssl;
    size_t taken; /* of what the peer heard */
    bool is_open; /* handshake over */
    int code;     /* why it broke, or 0 */
    bool at_end;  /* the client sent close_notify */
    struct tern_buf heard;
    bool is_gathering; /* what it sends waits in burst for tls_server_burst */
    struct tern_buf burst;
};

struct tls_rig {
    struct simio *sim;
    struct tern_engine *engine;
    struct tern_tls_provider *provider;
    struct cert *root, *leaf;
    char *root_pem;

    mbedtls_ssl_config conf;
    mbedtls_x509_crt chain, client_ca;
    mbedtls_ssl_ticket_context tickets;
    const mbedtls_pk_context *key;
    struct tls_server_conn conns[TLS_RIG_CONNECTIONS_MAX];
    size_t conn_count;
    struct tern_list clients;
};

struct tls_client {
    struct tern_list node;
    struct tls_rig *rig;
    struct tern_tls_profile *profile;
    struct tern_tcp tcp;
    struct tern_bytestream *stream;
    enum tern_error error;   /* of load or open */
    struct tern_fault fault; /* of load, open or stream */
    enum tern_flow flow;     /* of the handshake, later of the last read */
    bool is_open;
    bool is_held;    /* read nothing by itself */
    size_t read_max; /* bytes of one read; 0: 64 KiB */
    struct tern_buf got;
    struct tern_tls_info info;
    struct tern_tls_waiter waiter;
    bool is_loaded;
};

/* The engine's handshake_threads of rigs made from here on. Its jobs run on the test's own thread, as steps of the
 * loop. */
extern uint32_t tls_rig_handshake_threads;

/* Runs a cmocka group with handshakes on the loop, and again with handshakes as a worker does them: every result must
 * be the same. Gives the number of failures. */
#define TLS_RIG_RUN_BOTH(tests, setup, teardown)                                                                       \
    ({                                                                                                                 \
        tls_rig_handshake_threads = 0;                                                                                 \
        int failed_on_loop = cmocka_run_group_tests_name("on the loop", tests, setup, teardown);                       \
        tls_rig_handshake_threads = 1;                                                                                 \
        failed_on_loop + cmocka_run_group_tests_name("on a worker", tests, setup, teardown);                           \
    })

void tls_rig_init(struct tls_rig *rig, const struct tls_server_spec *spec);
void tls_rig_deinit(struct tls_rig *rig);

/* The server from here on; tickets of the old one are not known to it unless keep_tickets. */
void tls_rig_serve(struct tls_rig *rig, const struct tls_server_spec *spec);

/* A client that has connected and done what it can. config NULL: trusts the rig's root and resumes nothing. It ends
 * with tls_client_free, or the rig. */
struct tls_client *tls_rig_connect(struct tls_rig *rig, const struct tern_tls_config *config, const char *host);
/* The same in steps: up to the start of the connect, then the running. */
struct tls_client *tls_rig_start(struct tls_rig *rig, const struct tern_tls_config *config, const char *host,
                                 uint16_t port, const char *const *alpn, size_t alpn_count);
void tls_client_free(struct tls_client *client);
void tls_rig_run(struct tls_rig *rig);

/* The latest connection of the server. */
struct tls_server_conn *tls_rig_server(struct tls_rig *rig);
void tls_server_say(struct tls_server_conn *conn, const char *text);
void tls_server_say_bytes(struct tls_server_conn *conn, const void *bytes, size_t len);
/* All that was gathered arrives in one piece. */
void tls_server_burst(struct tls_server_conn *conn);
/* What the latest server connection has heard is just that; forgets it. */
void tls_rig_expect(struct tls_rig *rig, const char *text);

/* Writes all of it, running as long as it takes. */
void tls_client_write(struct tls_client *client, const char *text);
void tls_client_read(struct tls_client *client);

#endif
