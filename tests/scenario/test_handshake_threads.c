/* Handshakes on real threads over the real system: all well, cancelled, shut down, freed and forked in the middle of
 * them. What is looked for is a race, a leak, a deadlock; the same cases in virtual time are in unit.tls.handshake. */
#include <arpa/inet.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/psa_util.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tern/tern.h"
#include "engine/engine.h"
#include "tests/support/certs.h"
#include "tls/mbedtls_material.h"

#define CALLS 8
#define ROUNDS 12
#define TRUST_COPIES 1500

/* ---- a blocking server, one connection after the other; a process, for a fork waits for no threads but tern's ---- */

static struct {
    struct cert *root, *leaf;
    char *root_pem;
    char url[64];
    int listener;
    pid_t pid;
} server;

static void serve(const mbedtls_ssl_config *conf, int fd)
{
    static const unsigned char answer[] = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    mbedtls_net_context net = {.fd = fd};
    mbedtls_ssl_context ssl;
    unsigned char buf[1024];

    mbedtls_ssl_init(&ssl);
    if (mbedtls_ssl_setup(&ssl, conf) == 0) {
        mbedtls_ssl_set_bio(&ssl, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
        if (mbedtls_ssl_handshake(&ssl) == 0 && mbedtls_ssl_read(&ssl, buf, sizeof(buf)) > 0)
            (void)!mbedtls_ssl_write(&ssl, answer, sizeof(answer) - 1);
    }
    mbedtls_ssl_free(&ssl);
    close(fd);
}

static void server_run(void)
{
    mbedtls_ssl_config conf;
    mbedtls_x509_crt chain;
    int fd;

    mbedtls_ssl_config_init(&conf);
    mbedtls_x509_crt_init(&chain);
    if (mbedtls_ssl_config_defaults(&conf, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) == 0 &&
        mbedtls_x509_crt_parse_der(&chain, server.leaf->der, server.leaf->der_len) == 0 &&
        mbedtls_ssl_conf_own_cert(&conf, &chain, &server.leaf->key) == 0) {
        mbedtls_ssl_conf_rng(&conf, mbedtls_psa_get_random, NULL);
        while ((fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
            serve(&conf, fd);
    }
    mbedtls_x509_crt_free(&chain);
    mbedtls_ssl_config_free(&conf);
}

static int server_start(void **state)
{
    static const unsigned char ip[] = {127, 0, 0, 1};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    (void)state;
    assert_int_equal(tern_tls_mbedtls_ready(NULL), TERN_OK);
    server.root = cert_new((struct cert_spec){.name = "tern test root", .is_ca = true});
    server.leaf = cert_new((struct cert_spec){
        .name = "leaf", .issuer = server.root, .ip = ip, .ip_len = sizeof(ip), .usage = CERT_USAGE_SERVER});
    server.root_pem = certs_pem((const struct cert *[]){server.root}, 1);
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(server.listener, 1024), 0);
    assert_int_equal(getsockname(server.listener, (struct sockaddr *)&address, &len), 0);
    snprintf(server.url, sizeof(server.url), "https://127.0.0.1:%u/", ntohs(address.sin_port));
    server.pid = fork();
    assert_true(server.pid >= 0);
    if (server.pid == 0) {
        signal(SIGPIPE, SIG_IGN); /* it writes to who has gone */
        server_run();
        _exit(0);
    }
    return 0;
}

static int server_stop(void **state)
{
    (void)state;
    kill(server.pid, SIGKILL);
    assert_int_equal(waitpid(server.pid, NULL, 0), server.pid);
    close(server.listener);
    cert_free(server.leaf);
    cert_free(server.root);
    free(server.root_pem);
    return 0;
}

/* ---- calls, each on a connection of its own ---- */

struct calls {
    struct tern_engine *engine;
    struct tern_client *client;
    tern_call_id ids[CALLS];
    int ended, succeeded;
    enum tern_error error; /* of the last that did not */
};

static void on_done(void *user, tern_call_id id, const struct tern_result *result)
{
    struct calls *calls = user;

    (void)id;
    calls->ended++;
    calls->succeeded += result->fault.error == TERN_OK;
    if (result->fault.error != TERN_OK)
        calls->error = result->fault.error;
}

static void begin_with(struct calls *calls, const char *trust)
{
    static const struct tern_handlers handlers = {.on_done = on_done};
    const struct tern_engine_config engine = {.handshake_threads = 2};
    const struct tern_client_config config = {
        .http_mode = TERN_HTTP_MODE_1_1, .tls = {.ca_pem = trust, .ca_pem_len = strlen(trust), .no_resumption = true}};
    const struct tern_request request = {.url = tern_str(server.url)};

    *calls = (struct calls){0};
    assert_int_equal(tern_engine_new(&engine, &calls->engine, NULL), TERN_OK);
    assert_int_equal(tern_client_new(calls->engine, &config, &calls->client, NULL), TERN_OK);
    for (int i = 0; i < CALLS; i++)
        assert_int_equal(tern_call_start(calls->client, &request, &handlers, calls, &calls->ids[i], NULL), TERN_OK);
}

static void begin(struct calls *calls)
{
    begin_with(calls, server.root_pem);
}

static void until_ended(struct calls *calls)
{
    while (calls->ended < CALLS)
        assert_int_equal(tern_engine_turn(calls->engine, true), TERN_OK);
}

/* So many turns that wait: between them a worker is at any point of its work. */
static void some_turns(struct calls *calls, int turns)
{
    for (int i = 0; i < turns && calls->ended < CALLS; i++)
        assert_int_equal(tern_engine_turn(calls->engine, true), TERN_OK);
}

static void test_all_succeed(void **state)
{
    struct tern_client_stats stats;
    struct calls calls;

    (void)state;
    begin(&calls);
    until_ended(&calls);
    assert_int_equal(calls.succeeded, CALLS);
    tern_client_stats(calls.client, &stats);
    assert_true(stats.tls_handshakes >= 1);
    tern_engine_free(calls.engine);
}

static void test_cancelled_at_any_moment(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct calls calls;

        begin(&calls);
        some_turns(&calls, round * 5);
        for (int i = 0; i < CALLS; i++)
            (void)tern_call_cancel(calls.engine, calls.ids[i]);
        until_ended(&calls);
        tern_engine_free(calls.engine);
    }
}

static void test_shut_down_and_freed_at_any_moment(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct calls calls;

        begin(&calls);
        some_turns(&calls, round * 5);
        if (round % 2 == 0) {
            assert_int_equal(tern_engine_shutdown(calls.engine), TERN_OK);
            assert_int_equal(calls.ended, CALLS);
        }
        tern_engine_free(calls.engine);
    }
}

/* The child has none of the threads, but a whole library: it computes handshakes of its own. */
static void child(struct calls *calls)
{
    struct calls own;

    alarm(20); /* a lock that nobody will open */
    if (tern_engine_step(calls->engine) != TERN_EFORK || (calls->ended < CALLS))
        _exit(1);
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    _exit(0); /* a fork leaves the sanitizer's own locks as they were; `./run coverage` runs what follows */
#endif
    (void)tern_engine_free(calls->engine);
    begin(&own);
    until_ended(&own);
    (void)tern_engine_free(own.engine);
    _exit(own.succeeded == CALLS ? 0 : 2);
}

static void test_forked_at_any_moment(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct calls calls;
        int status = -1;
        pid_t pid;

        begin(&calls);
        some_turns(&calls, round * 5);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            child(&calls);
        until_ended(&calls);
        assert_int_equal(calls.succeeded, CALLS);
        tern_engine_free(calls.engine); /* before the wait: the server may be reading from an idle connection */
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
}

/* So much trust that a worker is at it when the fork comes. The child has trust of its own to parse. */
static void test_forked_while_trust_is_parsed(void **state)
{
    const struct cert *roots[TRUST_COPIES];
    char *trust;

    (void)state;
    for (int i = 0; i < TRUST_COPIES; i++)
        roots[i] = server.root;
    trust = certs_pem(roots, TRUST_COPIES);
    for (int turns = 0; turns < 4; turns++) {
        struct calls calls;
        int status = -1;
        pid_t pid;

        begin_with(&calls, trust);
        for (int i = 0; i < turns; i++)
            assert_int_equal(tern_engine_step(calls.engine), TERN_OK);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            child(&calls);
        until_ended(&calls);
        assert_int_equal(calls.succeeded, CALLS);
        tern_engine_free(calls.engine);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    free(trust);
}

/* A child that drew its parent's random bytes would share its keys: the library has to notice the fork. */
static void test_child_draws_its_own_random_bytes(void **state)
{
    uint8_t ours[16], of_child[16];
    int ends[2], status = -1;
    pid_t pid;

    (void)state;
    assert_int_equal(psa_generate_random(ours, sizeof(ours)), PSA_SUCCESS); /* seeded */
    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        bool is_drawn = psa_generate_random(of_child, sizeof(of_child)) == PSA_SUCCESS;

        _exit(is_drawn && write(ends[1], of_child, sizeof(of_child)) == sizeof(of_child) ? 0 : 1);
    }
    assert_int_equal(psa_generate_random(ours, sizeof(ours)), PSA_SUCCESS);
    assert_int_equal(read(ends[0], of_child, sizeof(of_child)), sizeof(of_child));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_memory_not_equal(ours, of_child, sizeof(ours));
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_succeed),
        cmocka_unit_test(test_cancelled_at_any_moment),
        cmocka_unit_test(test_shut_down_and_freed_at_any_moment),
        cmocka_unit_test(test_forked_at_any_moment),
        cmocka_unit_test(test_forked_while_trust_is_parsed),
        cmocka_unit_test(test_child_draws_its_own_random_bytes),
    };

    return cmocka_run_group_tests(tests, server_start, server_stop);
}
