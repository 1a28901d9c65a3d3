#include "bench/origin/cert.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>

#define DAY_S (24 * 60 * 60)
#define CA_NAME "CN=tern origin CA"
#define LEAF_NAME "CN=localhost"

struct random_source {
    origin_random *run;
    void *user;
};

static int make_key(mbedtls_pk_context *key, struct random_source random)
{
    int error = mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));

    return error != 0 ? error
                      : mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), random.run, random.user);
}

static void format_date(char out[15], time_t when)
{
    struct tm tm;

    gmtime_r(&when, &tm);
    strftime(out, 15, "%Y%m%d%H%M%S", &tm);
}

/* What the authority's certificate and the other have in common. */
static int set_common(mbedtls_x509write_cert *write, struct random_source random, bool is_ca)
{
    unsigned char serial[16];
    char from[15];
    char until[15];
    time_t now = time(NULL);
    int error = random.run(random.user, serial, sizeof(serial));

    serial[0] &= 0x7f; /* positive (RFC 5280 4.1.2.2) */
    format_date(from, now - DAY_S);
    format_date(until, now + 365 * DAY_S);
    mbedtls_x509write_crt_set_version(write, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(write, MBEDTLS_MD_SHA256);
    if (error == 0)
        error = mbedtls_x509write_crt_set_issuer_name(write, CA_NAME);
    if (error == 0)
        error = mbedtls_x509write_crt_set_subject_name(write, is_ca ? CA_NAME : LEAF_NAME);
    if (error == 0)
        error = mbedtls_x509write_crt_set_serial_raw(write, serial, sizeof(serial));
    if (error == 0)
        error = mbedtls_x509write_crt_set_validity(write, from, until);
    if (error == 0)
        error = mbedtls_x509write_crt_set_basic_constraints(write, is_ca, is_ca ? 0 : -1);
    if (error == 0)
        error = mbedtls_x509write_crt_set_subject_key_identifier(write);
    if (error == 0)
        error = mbedtls_x509write_crt_set_authority_key_identifier(write);
    return error;
}

static int write_pem(mbedtls_x509write_cert *write, char pem[ORIGIN_PEM_MAX], struct random_source random)
{
    return mbedtls_x509write_crt_pem(write, (unsigned char *)pem, ORIGIN_PEM_MAX, random.run, random.user);
}

static int make_ca(mbedtls_pk_context *key, char pem[ORIGIN_PEM_MAX], struct random_source random)
{
    mbedtls_x509write_cert write;
    int error;

    mbedtls_x509write_crt_init(&write);
    mbedtls_x509write_crt_set_subject_key(&write, key);
    mbedtls_x509write_crt_set_issuer_key(&write, key);
    error = set_common(&write, random, true);
    if (error == 0)
        error = mbedtls_x509write_crt_set_key_usage(&write, MBEDTLS_X509_KU_KEY_CERT_SIGN);
    if (error == 0)
        error = write_pem(&write, pem, random);
    mbedtls_x509write_crt_free(&write);
    return error;
}

static int set_names(mbedtls_x509write_cert *write)
{
    static unsigned char dns[] = "localhost";
    static unsigned char v4[4] = {127, 0, 0, 1};
    static unsigned char v6[16] = {[15] = 1};
    mbedtls_x509_san_list names[3] = {0};

    names[0].node.type = MBEDTLS_X509_SAN_DNS_NAME;
    names[0].node.san.unstructured_name = (mbedtls_x509_buf){.p = dns, .len = sizeof(dns) - 1};
    names[0].next = &names[1];
    names[1].node.type = MBEDTLS_X509_SAN_IP_ADDRESS;
    names[1].node.san.unstructured_name = (mbedtls_x509_buf){.p = v4, .len = sizeof(v4)};
    names[1].next = &names[2];
    names[2].node.type = MBEDTLS_X509_SAN_IP_ADDRESS;
    names[2].node.san.unstructured_name = (mbedtls_x509_buf){.p = v6, .len = sizeof(v6)};
    return mbedtls_x509write_crt_set_subject_alternative_name(write, names);
}

static int make_leaf(mbedtls_pk_context *key, mbedtls_pk_context *ca_key, char pem[ORIGIN_PEM_MAX],
                     struct random_source random)
{
    static const char server_auth[] = MBEDTLS_OID_SERVER_AUTH;
    mbedtls_asn1_sequence usage = {0};
    mbedtls_x509write_cert write;
    int error;

    usage.buf.tag = MBEDTLS_ASN1_OID;
    usage.buf.p = (unsigned char *)server_auth;
    usage.buf.len = sizeof(server_auth) - 1;
    mbedtls_x509write_crt_init(&write);
    mbedtls_x509write_crt_set_subject_key(&write, key);
    mbedtls_x509write_crt_set_issuer_key(&write, ca_key);
    error = set_common(&write, random, false);
    if (error == 0)
        error = mbedtls_x509write_crt_set_key_usage(&write, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
    if (error == 0)
        error = mbedtls_x509write_crt_set_ext_key_usage(&write, &usage);
    if (error == 0)
        error = set_names(&write);
    if (error == 0)
        error = write_pem(&write, pem, random);
    mbedtls_x509write_crt_free(&write);
    return error;
}

int origin_cert_make(mbedtls_x509_crt *leaf, mbedtls_pk_context *key, char ca_pem[ORIGIN_PEM_MAX], origin_random *run,
                     void *user)
{
    struct random_source random = {run, user};
    char pem[ORIGIN_PEM_MAX];
    mbedtls_pk_context ca_key;
    int error;

    mbedtls_pk_init(&ca_key);
    error = make_key(&ca_key, random);
    if (error == 0)
        error = make_key(key, random);
    if (error == 0)
        error = make_ca(&ca_key, ca_pem, random);
    if (error == 0)
        error = make_leaf(key, &ca_key, pem, random);
    if (error == 0) /* mbedTLS wants the NUL counted. */
        error = mbedtls_x509_crt_parse(leaf, (unsigned char *)pem, strlen(pem) + 1);
    mbedtls_pk_free(&ca_key);
    return error;
}
