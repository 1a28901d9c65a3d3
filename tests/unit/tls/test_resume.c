/* Resumption: when a session serves again, and when it must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/tls_rig.h"

static struct tls_rig rig;
static struct tern_tls_config config;
static const mbedtls_ssl_protocol_version versions[] = {MBEDTLS_SSL_VERSION_TLS1_2, MBEDTLS_SSL_VERSION_TLS1_3};

static void start(void)
{
    tls_rig_init(&rig, NULL);
    config = (struct tern_tls_config){.ca_pem = rig.root_pem, .ca_pem_len = strlen(rig.root_pem)};
}

/* Everything anew: no session is left from before. */
static void restart(void)
{
    tls_rig_deinit(&rig);
    start();
}

static void serve(mbedtls_ssl_protocol_version version)
{
    tls_rig_serve(&rig, &(struct tls_server_spec){.version_min = version, .version_max = version});
}

/* One connection, a little talk (TLS 1.3 tickets come with it), and an orderly end. */
static bool resumes(const char *host)
{
    struct tls_client *client = tls_rig_connect(&rig, &config, host);
    bool resumed;

    if (!client->is_open)
        fail_msg("%s", client->fault.text);
    tls_client_write(client, "ping");
    tls_rig_expect(&rig, "ping");
    resumed = client->info.resumed;
    assert_int_equal(client->info.verify->error, TERN_OK);
    tls_client_free(client);
    return resumed;
}

static void both_versions_resume(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        serve(versions[v]);
        assert_false(resumes("example.test"));
        for (int i = 0; i < 5; i++)
            assert_true(resumes("example.test"));
        restart();
    }
}

static void an_address_resumes_too(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        serve(versions[v]);
        assert_false(resumes("192.0.2.1"));
        assert_true(resumes("192.0.2.1"));
        /* the same server by its name is someone else */
        assert_false(resumes("example.test"));
        restart();
    }
}

static void another_configuration_does_not(mbedtls_ssl_protocol_version version, const struct tern_tls_config *other)
{
    const struct tern_tls_config own = config;

    serve(version);
    assert_false(resumes("example.test"));
    assert_true(resumes("example.test"));
    config = *other;
    assert_false(resumes("example.test"));
    config = own;
    assert_true(resumes("example.test"));
}

static void no_other_configuration_does(void **state)
{
    struct cert *own = cert_new((struct cert_spec){.name = "client", .usage = CERT_USAGE_CLIENT});
    struct cert *stranger = cert_new((struct cert_spec){.name = "x", .is_ca = true});
    char *key = cert_key_pem(own), *cert = certs_pem((const struct cert *[]){own}, 1);
    char *key_path = cert_file(key), *cert_path = cert_file(cert);

    (void)state;
    for (int v = 0; v < 2; v++) {
        for (int field = 0; field < 5; field++) {
            char *pin = cert_pin(rig.leaf), *more = certs_pem((const struct cert *[]){rig.root, stranger}, 2);
            struct tern_tls_config other = config;

            switch (field) {
            case 0:
                other.ca_pem = more;
                other.ca_pem_len = strlen(more);
                break;
            case 1:
                other.cert_file = cert_path;
                other.key_file = key_path;
                break;
            case 2:
                other.pins = pin;
                break;
            case 3:
                other.no_resumption = true;
                break;
            case 4:
                other.insecure = true;
                break;
            }
            another_configuration_does_not(versions[v], &other);
            free(pin);
            free(more);
            restart();
        }
    }
    unlink(key_path);
    unlink(cert_path);
    free(key_path);
    free(cert_path);
    free(key);
    free(cert);
    cert_free(own);
    cert_free(stranger);
}

/* The same path, other content: the session key has what was loaded, not what was named. */
static void another_content_of_the_file_does_not(void **state)
{
    struct cert *stranger = cert_new((struct cert_spec){.name = "x", .is_ca = true});
    char *more = certs_pem((const struct cert *[]){stranger}, 1);
    char *path = cert_file(rig.root_pem);
    FILE *file;

    (void)state;
    config.ca_pem = NULL;
    config.ca_pem_len = 0;
    config.ca_file = path;
    assert_false(resumes("example.test"));
    assert_true(resumes("example.test"));
    file = fopen(path, "a");
    assert_non_null(file);
    fputs(more, file);
    fclose(file);
    assert_false(resumes("example.test"));
    unlink(path);
    free(path);
    free(more);
    cert_free(stranger);
}

static void another_port_does_not(void **state)
{
    static const char *const alpn[] = {"http/1.1"};
    struct tls_client *client;

    (void)state;
    assert_false(resumes("example.test"));
    client = tls_rig_start(&rig, &config, "example.test", 8443, alpn, 1);
    tls_rig_run(&rig);
    assert_true(client->is_open);
    assert_false(client->info.resumed);
    tls_client_free(client);
}

/* The server has other ticket keys now: it answers with a full handshake. */
static void an_unknown_ticket_costs_a_full_handshake(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        serve(versions[v]);
        (void)resumes("example.test");
        serve(versions[v]);
        assert_false(resumes("example.test"));
        assert_true(resumes("example.test"));
        restart();
    }
}

/* mbedTLS offers no other version beside a session. */
static void a_server_that_went_back_to_1_2_is_met_at_the_second_try(void **state)
{
    struct tls_client *client;

    (void)state;
    tls_rig_serve(&rig, &(struct tls_server_spec){.ticket_count = 3});
    assert_false(resumes("example.test"));
    serve(MBEDTLS_SSL_VERSION_TLS1_2);
    client = tls_rig_connect(&rig, &config, "example.test");
    assert_int_equal(client->flow, TERN_FLOW_ERROR);
    rig.provider->ops->info(rig.provider, client->stream, &client->info);
    assert_true(client->info.offered);
    tls_client_free(client);
    assert_false(resumes("example.test"));
}

/* The server of the rig gives a day. */
static void a_ticket_is_good_for_its_lifetime(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        serve(versions[v]);
        assert_false(resumes("example.test"));
        simio_set_wall(rig.sim, SIMIO_WALL_START_S + 86400 - 60);
        assert_true(resumes("example.test"));
        simio_set_wall(rig.sim, SIMIO_WALL_START_S + 3 * 86400);
        assert_false(resumes("example.test"));
        restart();
    }
}

static void a_session_does_not_outlive_its_certificate(void **state)
{
    static const char *const names[] = {"example.test", NULL};
    struct cert *leaf = cert_new((struct cert_spec){
        .name = "example.test", .issuer = rig.root, .dns = names, .to = "20231114233000"}); /* an hour and a bit */
    const struct tls_server_spec spec = {.chain = (const struct cert *[]){leaf, NULL}};
    struct tls_client *client;

    (void)state;
    tls_rig_serve(&rig, &spec);
    assert_false(resumes("example.test"));
    assert_true(resumes("example.test"));
    simio_set_wall(rig.sim, SIMIO_WALL_START_S + 2 * 3600);
    client = tls_rig_connect(&rig, &config, "example.test");
    assert_int_equal(client->fault.error, TERN_ETLS_CERT_EXPIRED);
    tls_client_free(client);
    cert_free(leaf);
}

static void tickets_serve_as_many_connections_as_came(void **state)
{
    const struct tls_server_spec spec = {.ticket_count = 3};

    (void)state;
    tls_rig_serve(&rig, &spec);
    assert_false(resumes("example.test"));
    /* Without the talk no new tickets are read. */
    for (int i = 0; i < 3; i++) {
        struct tls_client *client = tls_rig_connect(&rig, &config, "example.test");

        assert_true(client->info.resumed);
        tls_client_free(client);
    }
}

static int setup(void **state)
{
    (void)state;
    start();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tls_rig_deinit(&rig);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_versions_resume),
        TEST(an_address_resumes_too),
        TEST(no_other_configuration_does),
        TEST(another_content_of_the_file_does_not),
        TEST(another_port_does_not),
        TEST(an_unknown_ticket_costs_a_full_handshake),
        TEST(a_server_that_went_back_to_1_2_is_met_at_the_second_try),
        TEST(a_ticket_is_good_for_its_lifetime),
        TEST(a_session_does_not_outlive_its_certificate),
        TEST(tickets_serve_as_many_connections_as_came),
    };

    return TLS_RIG_RUN_BOTH(tests, NULL, NULL);
}
