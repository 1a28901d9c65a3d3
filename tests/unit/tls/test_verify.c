/* Certificates, right ones and wrong ones, each through a whole handshake in both versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/str.h"
#include "tests/support/tls_rig.h"
#include "tls/mbedtls_verify.h"

static struct tls_rig rig;
static const char *const names[] = {"example.test", NULL};

/* A session would spare the certificate. */
static struct tern_tls_config trusting(void)
{
    return (struct tern_tls_config){.ca_pem = rig.root_pem, .ca_pem_len = strlen(rig.root_pem), .no_resumption = true};
}

/* The server shows chain; the client connects to host. NULL text: it holds. */
static void judge_in(mbedtls_ssl_protocol_version version, const struct cert *const *chain, const char *host,
                     const struct tern_tls_config *config, enum tern_error error, const char *text)
{
    const struct tls_server_spec spec = {.chain = chain, .version_min = version, .version_max = version};
    struct tls_client *client;

    tls_rig_serve(&rig, &spec);
    client = tls_rig_connect(&rig, config, host);
    assert_int_equal(client->error, TERN_OK);
    if (error == TERN_OK) {
        if (!client->is_open)
            fail_msg("%s: %s", host, client->fault.text);
        assert_int_equal(client->info.verify->error, TERN_OK);
        tls_client_write(client, "hello");
        tls_rig_expect(&rig, "hello");
    } else {
        assert_int_equal(client->flow, TERN_FLOW_ERROR);
        if (client->fault.error != error || strstr(client->fault.text, text) == NULL)
            fail_msg("%s: %s %s", host, tern_error_name(client->fault.error), client->fault.text);
        assert_false(client->is_open);
        /* The server hears of it. (In TLS 1.3 mbedTLS sends the alert in the clear, which the server's side cannot
         * read.) */
        assert_int_not_equal(tls_rig_server(&rig)->code, 0);
    }
    tls_client_free(client);
}

static void judge(const struct cert *const *chain, const char *host, enum tern_error error, const char *text)
{
    const struct tern_tls_config config = trusting();

    judge_in(MBEDTLS_SSL_VERSION_TLS1_3, chain, host, &config, error, text);
    judge_in(MBEDTLS_SSL_VERSION_TLS1_2, chain, host, &config, error, text);
}

static void judge_leaf(struct cert_spec spec, const char *host, enum tern_error error, const char *text)
{
    struct cert *leaf;

    if (spec.name == NULL)
        spec.name = "example.test";
    leaf = cert_new(spec);
    judge((const struct cert *[]){leaf, NULL}, host, error, text);
    cert_free(leaf);
}

/* Without a handshake: what mbedTLS's server would not show or could not send. */
static void judge_alone(struct cert_spec spec, enum tern_error error, const char *text)
{
    struct tern_tls_profile profile = {.pin_count = 0};
    struct tern_verify verify;
    struct tern_host host;
    mbedtls_x509_crt crt, root;
    struct cert *leaf;
    uint32_t flags;

    spec.name = "example.test";
    leaf = cert_new(spec);
    mbedtls_x509_crt_init(&crt);
    mbedtls_x509_crt_init(&root);
    assert_int_equal(mbedtls_x509_crt_parse_der(&crt, leaf->der, leaf->der_len), 0);
    assert_int_equal(mbedtls_x509_crt_parse_der(&root, rig.root->der, rig.root->der_len), 0);
    assert_int_equal(tern_host_parse(&host, TERN_STR("example.test"), NULL), TERN_OK);
    tern_verify_init(&verify, &host, &profile, SIMIO_WALL_START_S);
    assert_int_equal(mbedtls_x509_crt_verify_with_profile(&crt, &root, NULL, &tern_verify_strength, NULL, &flags,
                                                          tern_verify_on_cert, &verify),
                     MBEDTLS_ERR_X509_CERT_VERIFY_FAILED);
    assert_true(verify.is_done);
    assert_int_equal(verify.fault.error, error);
    assert_non_null(strstr(verify.fault.text, text));
    mbedtls_x509_crt_free(&crt);
    mbedtls_x509_crt_free(&root);
    cert_free(leaf);
}

/* The leaf under an intermediate authority. */
static void judge_intermediate(struct cert_spec spec, enum tern_error error, const char *text)
{
    struct cert *middle, *leaf;

    spec.name = "middle";
    if (spec.issuer == NULL)
        spec.issuer = rig.root;
    middle = cert_new(spec);
    leaf = cert_new((struct cert_spec){.name = "example.test", .issuer = middle, .dns = names});
    judge((const struct cert *[]){leaf, middle, NULL}, "example.test", error, text);
    cert_free(leaf);
    cert_free(middle);
}

static void host_must_match(void **state)
{
    (void)state;
    judge(NULL, "example.test", TERN_OK, NULL);
    judge(NULL, "EXAMPLE.test.", TERN_OK, NULL);
    judge(NULL, "other.test", TERN_ETLS_CERT_HOST, "not for other.test but for ");
    judge(NULL, "xexample.test", TERN_ETLS_CERT_HOST, "example.test");
    judge(NULL, "sub.example.test", TERN_ETLS_CERT_HOST, "example.test");
}

static void wildcards_are_one_label(void **state)
{
    static const char *const odd[] = {"a*.odd.test", "*.test", "x.*.odd.test", "*", "*.", "..", "", NULL};

    (void)state;
    judge(NULL, "a.wild.example.test", TERN_OK, NULL);
    judge(NULL, "wild.example.test", TERN_ETLS_CERT_HOST, "*.wild.example.test");
    judge(NULL, "a.b.wild.example.test", TERN_ETLS_CERT_HOST, "*.wild.example.test");
    judge_leaf((struct cert_spec){.issuer = rig.root, .dns = odd}, "ab.odd.test", TERN_ETLS_CERT_HOST, "a*.odd.test");
    judge_leaf((struct cert_spec){.issuer = rig.root, .dns = odd}, "odd.test", TERN_ETLS_CERT_HOST, "");
    judge_leaf((struct cert_spec){.issuer = rig.root, .dns = odd}, "x.y.odd.test", TERN_ETLS_CERT_HOST, "");
    judge_leaf((struct cert_spec){.issuer = rig.root, .dns = odd}, "test", TERN_ETLS_CERT_HOST, "");
}

static void addresses_are_matched_as_addresses(void **state)
{
    static const char *const text_only[] = {"192.0.2.1", "*.0.2.1", NULL};
    static const unsigned char v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};

    (void)state;
    judge(NULL, "192.0.2.1", TERN_OK, NULL);
    judge(NULL, "192.0.2.2", TERN_ETLS_CERT_HOST, "but for example.test, *.wild.example.test, 192.0.2.1");
    judge(NULL, "[2001:db8::1]", TERN_ETLS_CERT_HOST, "192.0.2.1");
    judge_leaf((struct cert_spec){.issuer = rig.root, .ip = v6, .ip_len = 16}, "[2001:db8::1]", TERN_OK, NULL);
    judge_leaf((struct cert_spec){.issuer = rig.root, .ip = v6, .ip_len = 16}, "[2001:db8::2]", TERN_ETLS_CERT_HOST,
               "2001:db8:0:0:0:0:0:1");
    judge_leaf((struct cert_spec){.issuer = rig.root, .dns = text_only}, "192.0.2.1", TERN_ETLS_CERT_HOST, "*.0.2.1");
}

static void common_name_is_no_host(void **state)
{
    (void)state;
    judge_leaf((struct cert_spec){.issuer = rig.root}, "example.test", TERN_ETLS_CERT_HOST, "no host at all");
}

static void names_are_escaped_and_shortened(void **state)
{
    static const char *const nasty[] = {"a\"\r\n\033[2J.test", NULL};

    (void)state;
    judge_leaf((struct cert_spec){.issuer = rig.root, .dns = nasty}, "example.test", TERN_ETLS_CERT_HOST,
               "a\\\"\\x0d\\x0a\\x1b[2J.test");
    judge_leaf((struct cert_spec){.issuer = rig.root, .dns_many = 500}, "example.test", TERN_ETLS_CERT_HOST,
               "and 496 more");
    judge_leaf((struct cert_spec){.issuer = rig.root, .dns_many = 500}, "n499.example", TERN_OK, NULL);
}

static void time_is_the_systems(void **state)
{
    (void)state;
    judge_leaf((struct cert_spec){.issuer = rig.root, .dns = names, .from = "20200101000000", .to = "20230601000000"},
               "example.test", TERN_ETLS_CERT_EXPIRED, "certificate of example.test expired on 2023-06-01");
    judge_leaf((struct cert_spec){.issuer = rig.root, .dns = names, .from = "20240201000000"}, "example.test",
               TERN_ETLS_CERT_FUTURE, "not valid before 2024-02-01");
    judge_intermediate((struct cert_spec){.is_ca = true, .to = "20230601000000"}, TERN_ETLS_CERT_EXPIRED,
                       "its authority \"middle\" expired on 2023-06-01");
    /* The same certificate, later. */
    simio_set_wall(rig.sim, 1706832000); /* 2024-02-02 */
    judge_leaf((struct cert_spec){.issuer = rig.root, .dns = names, .from = "20240201000000"}, "example.test", TERN_OK,
               NULL);
    simio_set_wall(rig.sim, UINT64_C(2524608001)); /* 2050-01-01 */
    judge(NULL, "example.test", TERN_ETLS_CERT_EXPIRED, "expired on 2049-12-31");
    simio_set_wall(rig.sim, SIMIO_WALL_START_S);
}

static void signer_must_be_trusted(void **state)
{
    struct cert *stranger = cert_new((struct cert_spec){.name = "stranger root", .is_ca = true});
    struct cert *twin = cert_new((struct cert_spec){.name = "tern test root", .is_ca = true});

    (void)state;
    judge_leaf((struct cert_spec){.dns = names}, "example.test", TERN_ETLS_CERT_SELF_SIGNED, "signed by itself alone");
    judge_leaf((struct cert_spec){.issuer = stranger, .dns = names}, "example.test", TERN_ETLS_CERT_UNKNOWN_CA,
               "signed by \"stranger root\"");
    judge_intermediate((struct cert_spec){.issuer = stranger, .is_ca = true}, TERN_ETLS_CERT_UNKNOWN_CA,
                       "\"stranger root\"");
    /* The right name with the wrong key. */
    judge_leaf((struct cert_spec){.issuer = twin, .dns = names}, "example.test", TERN_ETLS_CERT_UNKNOWN_CA,
               "\"tern test root\"");
    judge_leaf((struct cert_spec){.issuer = rig.root, .dns = names, .own_signature = true}, "example.test",
               TERN_ETLS_CERT_UNKNOWN_CA, "\"tern test root\"");
    /* What is wrong with an untrusted one besides does not matter. */
    judge_leaf((struct cert_spec){.issuer = stranger, .to = "20230601000000"}, "example.test",
               TERN_ETLS_CERT_UNKNOWN_CA, "stranger");
    cert_free(twin);
    cert_free(stranger);
}

static void self_signed_may_be_trusted_itself(void **state)
{
    struct cert *own = cert_new((struct cert_spec){.name = "example.test", .dns = names});
    char *pem = certs_pem((const struct cert *[]){own}, 1);
    const struct tern_tls_config config = {.ca_pem = pem, .ca_pem_len = strlen(pem)};
    const struct cert *const chain[] = {own, NULL};

    (void)state;
    judge_in(MBEDTLS_SSL_VERSION_TLS1_3, chain, "example.test", &config, TERN_OK, NULL);
    judge_in(MBEDTLS_SSL_VERSION_TLS1_3, chain, "other.test", &config, TERN_ETLS_CERT_HOST, "example.test");
    free(pem);
    cert_free(own);
}

static void weak_ones_are_refused(void **state)
{
    struct cert *rsa = cert_new((struct cert_spec){.name = "rsa", .issuer = rig.root, .is_ca = true, .rsa_bits = 2048});
    struct cert *md5 = cert_new((struct cert_spec){.name = "x", .issuer = rsa, .dns = names, .md = MBEDTLS_MD_MD5});
    struct cert *good = cert_new((struct cert_spec){.name = "x", .issuer = rsa, .dns = names});

    (void)state;
    judge((const struct cert *[]){good, rsa, NULL}, "example.test", TERN_OK, NULL);
    judge((const struct cert *[]){md5, rsa, NULL}, "example.test", TERN_ETLS_CERT_WEAK, "weak hash");
    judge_leaf((struct cert_spec){.issuer = rig.root, .dns = names, .md = MBEDTLS_MD_SHA1}, "example.test",
               TERN_ETLS_CERT_WEAK, "weak hash");
    judge_leaf((struct cert_spec){.issuer = rig.root, .dns = names, .rsa_bits = 1024}, "example.test",
               TERN_ETLS_CERT_WEAK, "weak key");
    judge_intermediate((struct cert_spec){.is_ca = true, .rsa_bits = 1024}, TERN_ETLS_CERT_WEAK, "weak key");
    cert_free(good);
    cert_free(md5);
    cert_free(rsa);
}

static void use_is_checked_on_every_level(void **state)
{
    (void)state;
    judge_alone((struct cert_spec){.issuer = rig.root, .dns = names, .usage = CERT_USAGE_CLIENT},
                TERN_ETLS_CERT_INVALID, "certificate of example.test is not meant for servers");
    judge_intermediate((struct cert_spec){.is_ca = true}, TERN_OK, NULL);
    judge_intermediate((struct cert_spec){.is_ca = true, .usage = CERT_USAGE_SERVER}, TERN_OK, NULL);
    judge_intermediate((struct cert_spec){.is_ca = true, .usage = CERT_USAGE_CLIENT}, TERN_ETLS_CERT_INVALID,
                       "its authority \"middle\" is not meant for servers");
    judge_intermediate((struct cert_spec){.is_ca = false}, TERN_ETLS_CERT_INVALID, "\"middle\", which is no authority");
    judge_intermediate((struct cert_spec){.no_constraints = true}, TERN_ETLS_CERT_INVALID, "which is no authority");
    judge_intermediate((struct cert_spec){.is_ca = true, .name_constraints = 1}, TERN_ETLS_CERT_INVALID,
                       "name constraints");
    judge_intermediate((struct cert_spec){.is_ca = true, .name_constraints = 2}, TERN_ETLS_CERT_INVALID,
                       "name constraints");
}

/* A chain with so many authorities between root and leaf. */
static void judge_depth(size_t count, enum tern_error error, const char *text)
{
    struct cert *certs[16];
    const struct cert *chain[17] = {NULL};

    for (size_t i = 0; i <= count; i++) {
        char name[32];

        snprintf(name, sizeof(name), "level %zu", i);
        certs[i] = cert_new((struct cert_spec){.name = i < count ? name : "example.test",
                                               .issuer = i == 0 ? rig.root : certs[i - 1],
                                               .is_ca = i < count,
                                               .dns = i == count ? names : NULL});
        chain[count - i] = certs[i];
    }
    judge(chain, "example.test", error, text);
    for (size_t i = 0; i <= count; i++)
        cert_free(certs[i]);
}

static void depth_is_limited(void **state)
{
    (void)state;
    judge_depth(8, TERN_OK, NULL);
    judge_depth(9, TERN_ETLS_CERT_INVALID, "longer than 8");
}

/* Longer than a server could send: a handshake message is at most 16 KiB. Each name is looked at once. */
static void ten_thousand_names_are_walked_once(void **state)
{
    (void)state;
    judge_alone((struct cert_spec){.issuer = rig.root, .dns_many = 10000}, TERN_ETLS_CERT_HOST, "and 9996 more");
}

static void insecure_lets_pass_and_tells(void **state)
{
    const struct tern_tls_config config = {
        .insecure = true, .ca_pem = rig.root_pem, .ca_pem_len = strlen(rig.root_pem)};
    struct cert *own = cert_new((struct cert_spec){.name = "example.test"});
    const struct tls_server_spec spec = {.chain = (const struct cert *[]){own, NULL}};
    struct tls_client *client;

    (void)state;
    tls_rig_serve(&rig, &spec);
    for (int i = 0; i < 2; i++) { /* never from a session: that would hide it */
        client = tls_rig_connect(&rig, &config, "example.test");
        assert_true(client->is_open);
        assert_int_equal(client->info.verify->error, TERN_ETLS_CERT_SELF_SIGNED);
        assert_false(client->info.resumed);
        tls_client_write(client, "hello");
        tls_rig_expect(&rig, "hello");
        tls_client_free(client);
    }
    cert_free(own);
}

static void pins_hold_besides_everything(void **state)
{
    struct cert *other = cert_new((struct cert_spec){.name = "x"});
    char *right = cert_pin(rig.leaf), *wrong = cert_pin(other);
    char both[160];
    struct tern_tls_config config = trusting();

    (void)state;
    for (int version = MBEDTLS_SSL_VERSION_TLS1_2; version <= MBEDTLS_SSL_VERSION_TLS1_3; version++) {
        config.insecure = false;
        config.pins = right;
        judge_in((mbedtls_ssl_protocol_version)version, NULL, "example.test", &config, TERN_OK, NULL);
        judge_in((mbedtls_ssl_protocol_version)version, NULL, "other.test", &config, TERN_ETLS_CERT_HOST, "");
        config.pins = wrong;
        judge_in((mbedtls_ssl_protocol_version)version, NULL, "example.test", &config, TERN_ETLS_PIN, "pinned");
        snprintf(both, sizeof(both), "%s;%s", wrong, right);
        config.pins = both;
        judge_in((mbedtls_ssl_protocol_version)version, NULL, "example.test", &config, TERN_OK, NULL);
        /* insecure excuses the certificate, never the pin */
        config.insecure = true;
        config.pins = wrong;
        judge_in((mbedtls_ssl_protocol_version)version, NULL, "other.test", &config, TERN_ETLS_PIN, "pinned");
    }
    free(right);
    free(wrong);
    cert_free(other);
}

static int setup(void **state)
{
    (void)state;
    tls_rig_init(&rig, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tls_rig_deinit(&rig);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_must_match),
        cmocka_unit_test(wildcards_are_one_label),
        cmocka_unit_test(addresses_are_matched_as_addresses),
        cmocka_unit_test(common_name_is_no_host),
        cmocka_unit_test(names_are_escaped_and_shortened),
        cmocka_unit_test(time_is_the_systems),
        cmocka_unit_test(signer_must_be_trusted),
        cmocka_unit_test(self_signed_may_be_trusted_itself),
        cmocka_unit_test(weak_ones_are_refused),
        cmocka_unit_test(use_is_checked_on_every_level),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(ten_thousand_names_are_walked_once),
        cmocka_unit_test(insecure_lets_pass_and_tells),
        cmocka_unit_test(pins_hold_besides_everything),
    };

    return TLS_RIG_RUN_BOTH(tests, setup, teardown);
}
