#include "tests/support/tls_rig.h"

#include <mbedtls/psa_util.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/support/torture.h"

#define ADDRESS "192.0.2.1:443"

/* ---- the server ---- */

static int server_recv(void *user, unsigned char *buf, size_t len)
{
    struct tls_server_conn *conn = user;
    struct tern_str heard = simio_heard(conn->peer);
    size_t n = heard.len - conn->taken;

    if (n == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    if (n > len)
        n = len;
    memcpy(buf, heard.ptr + conn->taken, n);
    conn->taken += n;
    return (int)n;
}

static int server_send(void *user, const unsigned char *buf, size_t len)
{
    struct tls_server_conn *conn = user;

    if (conn->is_gathering)
        assert_int_equal(tern_buf_append(&conn->burst, buf, len), TERN_OK);
    else
        simio_say_bytes(conn->peer, buf, len);
    return (int)len;
}

void tls_server_burst(struct tls_server_conn *conn)
{
    struct tern_str bytes = tern_buf_view(&conn->burst);

    simio_say_bytes(conn->peer, bytes.ptr, bytes.len);
    tern_buf_clear(&conn->burst);
}

static void server_go_on(struct tls_server_conn *conn)
{
    unsigned char buf[4096];
    int code = 0;

    while (conn->code == 0 && !conn->at_end) {
        code = conn->is_open ? mbedtls_ssl_read(&conn->ssl, buf, sizeof(buf)) : mbedtls_ssl_handshake(&conn->ssl);
        if (code == MBEDTLS_ERR_SSL_WANT_READ)
            break;
        if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
            conn->at_end = true;
        } else if (code < 0) {
            conn->code = code;
            simio_end(conn->peer);
        } else if (!conn->is_open) {
            conn->is_open = true;
        } else {
            assert_int_equal(tern_buf_append(&conn->heard, buf, (size_t)code), TERN_OK);
        }
    }
}

static void on_heard(struct simio_peer *peer, void *user)
{
    struct tls_rig *rig = user;
    struct tls_server_conn *conn = simio_user(peer);

    if (conn == NULL) {
        assert_true(rig->conn_count < TLS_RIG_CONNECTIONS_MAX);
        conn = &rig->conns[rig->conn_count++];
        *conn = (struct tls_server_conn){.rig = rig, .peer = peer};
        tern_buf_init(&conn->heard, SIZE_MAX);
        tern_buf_init(&conn->burst, SIZE_MAX);
        mbedtls_ssl_init(&conn->ssl);
        conn->code = mbedtls_ssl_setup(&conn->ssl, &rig->conf);
        if (conn->code != 0)
            simio_end(peer);
        mbedtls_ssl_set_bio(&conn->ssl, conn, server_send, server_recv, NULL);
        simio_set_user(peer, conn);
    }
    server_go_on(conn);
}

struct tls_server_conn *tls_rig_server(struct tls_rig *rig)
{
    assert_true(rig->conn_count > 0);
    return &rig->conns[rig->conn_count - 1];
}

void tls_server_say_bytes(struct tls_server_conn *conn, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;

    while (len > 0) {
        int n = mbedtls_ssl_write(&conn->ssl, at, len);

        assert_true(n > 0);
        at += n;
        len -= (size_t)n;
    }
}

void tls_server_say(struct tls_server_conn *conn, const char *text)
{
    tls_server_say_bytes(conn, text, strlen(text));
}

void tls_rig_expect(struct tls_rig *rig, const char *text)
{
    struct tls_server_conn *conn = tls_rig_server(rig);
    struct tern_str heard = tern_buf_view(&conn->heard);

    assert_int_equal(conn->code, 0);
    assert_int_equal(heard.len, strlen(text));
    assert_memory_equal(heard.ptr, text, heard.len);
    tern_buf_clear(&conn->heard);
}

static void server_deinit(struct tls_rig *rig)
{
    for (size_t i = 0; i < rig->conn_count; i++) {
        mbedtls_ssl_free(&rig->conns[i].ssl);
        tern_buf_deinit(&rig->conns[i].heard);
        tern_buf_deinit(&rig->conns[i].burst);
    }
    rig->conn_count = 0;
    mbedtls_ssl_config_free(&rig->conf);
    mbedtls_ssl_ticket_free(&rig->tickets);
    mbedtls_x509_crt_free(&rig->chain);
    mbedtls_x509_crt_free(&rig->client_ca);
}

/* The server shows what it is given, also what mbedTLS would refuse to read. */
static int any_extension(void *user, const mbedtls_x509_crt *crt, const mbedtls_x509_buf *oid, int critical,
                         const unsigned char *p, const unsigned char *end)
{
    (void)user, (void)crt, (void)oid, (void)critical, (void)p, (void)end;
    return 0;
}

static void set_chain(struct tls_rig *rig, const struct tls_server_spec *spec)
{
    const struct cert *const own[] = {rig->leaf, NULL};
    const struct cert *const *chain = spec->chain != NULL ? spec->chain : own;

    for (size_t i = 0; chain[i] != NULL; i++)
        assert_int_equal(mbedtls_x509_crt_parse_der_with_ext_cb(&rig->chain, chain[i]->der, chain[i]->der_len, 1,
                                                                any_extension, NULL),
                         0);
    assert_int_equal(mbedtls_ssl_conf_own_cert(&rig->conf, &rig->chain, (mbedtls_pk_context *)&chain[0]->key), 0);
}

static void server_init(struct tls_rig *rig, const struct tls_server_spec *spec)
{
    mbedtls_ssl_config *conf = &rig->conf;

    mbedtls_ssl_config_init(conf);
    mbedtls_ssl_ticket_init(&rig->tickets);
    mbedtls_x509_crt_init(&rig->chain);
    mbedtls_x509_crt_init(&rig->client_ca);
    assert_int_equal(mbedtls_ssl_config_defaults(conf, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                                 MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    mbedtls_ssl_conf_rng(conf, mbedtls_psa_get_random, NULL);
    set_chain(rig, spec);
    if (spec->version_min != 0)
        mbedtls_ssl_conf_min_tls_version(conf, spec->version_min);
    if (spec->version_max != 0)
        mbedtls_ssl_conf_max_tls_version(conf, spec->version_max);
    if (spec->alpn != NULL)
        assert_int_equal(mbedtls_ssl_conf_alpn_protocols(conf, spec->alpn), 0);
    if (spec->ciphersuites != NULL)
        mbedtls_ssl_conf_ciphersuites(conf, spec->ciphersuites);
    mbedtls_ssl_conf_authmode(conf, MBEDTLS_SSL_VERIFY_NONE);
    if (spec->client_ca != NULL) {
        assert_int_equal(mbedtls_x509_crt_parse_der(&rig->client_ca, spec->client_ca->der, spec->client_ca->der_len),
                         0);
        mbedtls_ssl_conf_ca_chain(conf, &rig->client_ca, NULL);
        mbedtls_ssl_conf_authmode(conf, MBEDTLS_SSL_VERIFY_REQUIRED);
    }
    if (!spec->no_tickets) {
        assert_int_equal(
            mbedtls_ssl_ticket_setup(&rig->tickets, mbedtls_psa_get_random, NULL, MBEDTLS_CIPHER_AES_256_GCM, 86400),
            0);
        mbedtls_ssl_conf_session_tickets_cb(conf, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse, &rig->tickets);
        if (spec->ticket_count != 0)
            mbedtls_ssl_conf_new_session_tickets(conf, spec->ticket_count);
    }
}

/* ---- the rig ---- */

uint32_t tls_rig_handshake_threads;

void tls_rig_init(struct tls_rig *rig, const struct tls_server_spec *spec)
{
    static const char *const names[] = {"example.test", "*.wild.example.test", NULL};
    static const unsigned char ip[] = {192, 0, 2, 1};
    static const struct tls_server_spec good = {0};
    struct tern_fault fault;

    *rig = (struct tls_rig){0};
    torture_fixture_keeps_memory();
    torture_hold();
    tern_list_init(&rig->clients);
    rig->sim = simio_new(&(struct tern_engine_config){.handshake_threads = tls_rig_handshake_threads}, &rig->engine);
    assert_int_equal(tern_tls_mbedtls_new(rig->engine, &rig->provider, &fault), TERN_OK);
    rig->root = cert_new((struct cert_spec){.name = "tern test root", .is_ca = true});
    rig->leaf = cert_new((struct cert_spec){
        .name = "example.test", .issuer = rig->root, .dns = names, .ip = ip, .ip_len = 4, .usage = CERT_USAGE_SERVER});
    rig->root_pem = certs_pem((const struct cert *[]){rig->root}, 1);
    simio_serve(rig->sim, ADDRESS, on_heard, rig);
    server_init(rig, spec != NULL ? spec : &good);
    torture_release();
}

void tls_rig_serve(struct tls_rig *rig, const struct tls_server_spec *spec)
{
    server_deinit(rig);
    server_init(rig, spec);
}

void tls_rig_deinit(struct tls_rig *rig)
{
    TERN_LIST_FOREACH(node, &rig->clients)
        tls_client_free(TERN_CONTAINER_OF(node, struct tls_client, node));
    simio_run(rig->sim, 0);
    rig->provider->ops->free(rig->provider);
    tern_engine_free(rig->engine);
    server_deinit(rig);
    cert_free(rig->leaf);
    cert_free(rig->root);
    free(rig->root_pem);
}

void tls_rig_run(struct tls_rig *rig)
{
    simio_run(rig->sim, TERN_S);
}

/* ---- the client ---- */

void tls_client_read(struct tls_client *client)
{
    static char buf[65536];

    do {
        size_t n = 0;

        client->flow =
            tern_bytestream_read(client->stream, buf, client->read_max != 0 ? client->read_max : sizeof(buf), &n);
        if (client->flow == TERN_FLOW_OK)
            assert_int_equal(tern_buf_append(&client->got, buf, n), TERN_OK);
    } while (client->flow == TERN_FLOW_OK);
    if (client->flow == TERN_FLOW_ERROR)
        tern_bytestream_fault(client->stream, &client->fault);
}

static void on_ready(struct tern_bytestream *stream)
{
    struct tls_client *client = stream->owner;

    if (!client->is_open) {
        client->flow = tern_bytestream_handshake(stream);
        if (client->flow == TERN_FLOW_ERROR)
            tern_bytestream_fault(stream, &client->fault);
        if (client->flow != TERN_FLOW_OK)
            return;
        client->is_open = true;
        client->rig->provider->ops->info(client->rig->provider, stream, &client->info);
    }
    if (!client->is_held)
        tls_client_read(client);
}

static void on_loaded(struct tern_tls_waiter *waiter, const struct tern_fault *fault)
{
    struct tls_client *client = TERN_CONTAINER_OF(waiter, struct tls_client, waiter);

    client->is_loaded = true;
    client->fault = *fault;
}

static void load(struct tls_client *client)
{
    struct tern_tls_provider *provider = client->rig->provider;

    client->waiter.on_loaded = on_loaded;
    client->error = provider->ops->load(provider, client->profile, &client->waiter);
    if (client->error != TERN_OK) {
        client->fault.error = client->error;
        return;
    }
    assert_false(client->is_loaded);
    simio_run(client->rig->sim, 0);
    assert_true(client->is_loaded);
    client->error = client->fault.error;
}

struct tls_client *tls_rig_start(struct tls_rig *rig, const struct tern_tls_config *config, const char *host,
                                 uint16_t port, const char *const *alpn, size_t alpn_count)
{
    const struct tern_tls_config own = {
        .ca_pem = rig->root_pem, .ca_pem_len = strlen(rig->root_pem), .no_resumption = true};
    struct tls_client *client = calloc(1, sizeof(*client));
    static struct tern_sockaddr address; /* borrowed, always the same */
    struct tern_host parsed;

    assert_non_null(client);
    client->rig = rig;
    tern_list_push_back(&rig->clients, &client->node);
    tern_buf_init(&client->got, SIZE_MAX);
    client->flow = TERN_FLOW_WANT_READ;
    client->error = tern_tls_profile_new(config != NULL ? config : &own, &client->profile, &client->fault);
    if (client->error == TERN_OK)
        load(client);
    if (client->error != TERN_OK)
        return client;

    assert_true(tern_sockaddr_parse(&address, TERN_STR(ADDRESS)));
    assert_int_equal(tern_host_parse(&parsed, tern_str(host), NULL), TERN_OK);
    client->error = tern_tcp_start(rig->engine, &client->tcp, &address, NULL, &client->fault);
    if (client->error != TERN_OK)
        return client;
    client->error = rig->provider->ops->open(rig->provider,
                                             &(struct tern_tls_open){.lower = &client->tcp.stream,
                                                                     .profile = client->profile,
                                                                     .host = &parsed,
                                                                     .port = port,
                                                                     .alpn = alpn,
                                                                     .alpn_count = alpn_count},
                                             &client->stream, &client->fault);
    if (client->error != TERN_OK) {
        tern_bytestream_close(&client->tcp.stream);
        return client;
    }
    client->stream->owner = client;
    client->stream->on_ready = on_ready;
    return client;
}

struct tls_client *tls_rig_connect(struct tls_rig *rig, const struct tern_tls_config *config, const char *host)
{
    static const char *const alpn[] = {"http/1.1"};
    struct tls_client *client = tls_rig_start(rig, config, host, 443, alpn, 1);

    if (client->error == TERN_OK)
        tls_rig_run(rig);
    return client;
}

void tls_client_write(struct tls_client *client, const char *text)
{
    size_t len = strlen(text);

    for (int i = 0; len > 0; i++) {
        struct iovec iov = {(char *)text, len};
        size_t n = 0;
        enum tern_flow flow = tern_bytestream_writev(client->stream, &iov, 1, &n);

        assert_int_not_equal(flow, TERN_FLOW_ERROR);
        assert_true(i < 10000);
        if (flow == TERN_FLOW_OK) {
            text += n;
            len -= n;
        }
        tls_rig_run(client->rig);
    }
    tls_rig_run(client->rig);
}

void tls_client_free(struct tls_client *client)
{
    tern_list_remove(&client->node);
    if (client->stream != NULL)
        tern_bytestream_close(client->stream);
    client->rig->provider->ops->load_cancel(client->rig->provider, &client->waiter);
    tern_tls_profile_release(client->profile);
    /* The tcp stream must outlive the batch. */
    simio_run(client->rig->sim, 0);
    tern_buf_deinit(&client->got);
    free(client);
}
