#include "tests/support/certs.h"

#include <mbedtls/asn1write.h>
#include <mbedtls/base64.h>
#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/rsa.h>
#include <mbedtls/sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tls/mbedtls_material.h"

#define DER_MAX (512 * 1024)

static void must(int code, const char *what)
{
    if (code != 0) {
        fprintf(stderr, "certs: %s: -0x%x\n", what, (unsigned)-code);
        abort();
    }
}

static void *grab(size_t count, size_t size)
{
    void *block = calloc(count, size);

    if (block == NULL)
        abort();
    return block;
}

static void make_key(mbedtls_pk_context *key, unsigned rsa_bits)
{
    must(tern_tls_mbedtls_ready(NULL) == TERN_OK ? 0 : -1, "mbedtls_ready"); /* a test may begin with a key */
    mbedtls_pk_init(key);
    if (rsa_bits != 0) {
        must(mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_RSA)), "pk_setup");
        must(mbedtls_rsa_gen_key(mbedtls_pk_rsa(*key), mbedtls_psa_get_random, NULL, rsa_bits, 65537), "rsa_gen_key");
    } else {
        must(mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), "pk_setup");
        must(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), mbedtls_psa_get_random, NULL),
             "gen_key");
    }
}

static mbedtls_x509_san_list *push_san(mbedtls_x509_san_list *list, int type, const void *bytes, size_t len)
{
    mbedtls_x509_san_list *node = grab(1, sizeof(*node));

    node->node.type = type;
    node->node.san.unstructured_name.p = grab(len + 1, 1);
    memcpy(node->node.san.unstructured_name.p, bytes, len);
    node->node.san.unstructured_name.len = len;
    node->next = list;
    return node;
}

static void set_sans(mbedtls_x509write_cert *ctx, const struct cert_spec *spec)
{
    mbedtls_x509_san_list *list = NULL;

    for (size_t i = 0; spec->dns != NULL && spec->dns[i] != NULL; i++)
        list = push_san(list, MBEDTLS_X509_SAN_DNS_NAME, spec->dns[i], strlen(spec->dns[i]));
    for (size_t i = 0; i < spec->dns_many; i++) {
        char name[32];

        snprintf(name, sizeof(name), "n%zu.example", i);
        list = push_san(list, MBEDTLS_X509_SAN_DNS_NAME, name, strlen(name));
    }
    if (spec->ip != NULL)
        list = push_san(list, MBEDTLS_X509_SAN_IP_ADDRESS, spec->ip, spec->ip_len);
    if (list != NULL)
        must(mbedtls_x509write_crt_set_subject_alternative_name(ctx, list), "san");
    while (list != NULL) {
        mbedtls_x509_san_list *next = list->next;

        free(list->node.san.unstructured_name.p);
        free(list);
        list = next;
    }
}

static void set_extensions(mbedtls_x509write_cert *ctx, const struct cert_spec *spec)
{
    static const char server[] = MBEDTLS_OID_SERVER_AUTH, client[] = MBEDTLS_OID_CLIENT_AUTH;
    /* NameConstraints { permittedSubtrees [0] { { dNSName [2] "a.test" } } } */
    static const unsigned char constraints[] = {0x30, 0x0c, 0xa0, 0x0a, 0x30, 0x08, 0x82,
                                                0x06, 'a',  '.',  't',  'e',  's',  't'};

    if (!spec->no_constraints)
        must(mbedtls_x509write_crt_set_basic_constraints(ctx, spec->is_ca, -1), "basic constraints");
    if (spec->is_ca)
        must(mbedtls_x509write_crt_set_key_usage(ctx, MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN),
             "usage");
    if (spec->usage != CERT_USAGE_NONE) {
        const char *oid = spec->usage == CERT_USAGE_SERVER ? server : client;
        mbedtls_asn1_sequence sequence = {
            .buf = {.tag = MBEDTLS_ASN1_OID, .p = (unsigned char *)oid, .len = sizeof(server) - 1}};

        must(mbedtls_x509write_crt_set_ext_key_usage(ctx, &sequence), "eku");
    }
    if (spec->name_constraints != 0)
        must(mbedtls_x509write_crt_set_extension(ctx, MBEDTLS_OID_NAME_CONSTRAINTS,
                                                 MBEDTLS_OID_SIZE(MBEDTLS_OID_NAME_CONSTRAINTS),
                                                 spec->name_constraints == 2, constraints, sizeof(constraints)),
             "name constraints");
    if (spec->padding != 0) {
        unsigned char *bytes = grab(spec->padding, 1);

        must(mbedtls_x509write_crt_set_extension(ctx, "\x2a\x03\x04", 3, 0, bytes, spec->padding), "padding");
        free(bytes);
    }
}

struct cert *cert_new(struct cert_spec spec)
{
    static unsigned char serial = 1;
    struct cert *cert = grab(1, sizeof(*cert));
    unsigned char *der = grab(1, DER_MAX);
    mbedtls_x509write_cert ctx;
    const struct cert *issuer = spec.issuer != NULL ? spec.issuer : cert;
    int len;

    make_key(&cert->key, spec.rsa_bits);
    cert->issuer = spec.issuer;
    snprintf(cert->subject, sizeof(cert->subject), "CN=%s,O=tern tests", spec.name);
    mbedtls_x509write_crt_init(&ctx);
    mbedtls_x509write_crt_set_version(&ctx, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&ctx, spec.md != MBEDTLS_MD_NONE ? spec.md : MBEDTLS_MD_SHA256);
    must(mbedtls_x509write_crt_set_subject_name(&ctx, cert->subject), "subject");
    must(mbedtls_x509write_crt_set_issuer_name(&ctx, issuer->subject), "issuer");
    mbedtls_x509write_crt_set_subject_key(&ctx, &cert->key);
    mbedtls_x509write_crt_set_issuer_key(&ctx, (mbedtls_pk_context *)(spec.own_signature ? &cert->key : &issuer->key));
    must(mbedtls_x509write_crt_set_serial_raw(&ctx, &serial, 1), "serial");
    serial = (unsigned char)(serial % 127 + 1);
    must(mbedtls_x509write_crt_set_validity(&ctx, spec.from != NULL ? spec.from : "20230101000000",
                                            spec.to != NULL ? spec.to : "20491231235959"),
         "validity");
    set_sans(&ctx, &spec);
    set_extensions(&ctx, &spec);
    len = mbedtls_x509write_crt_der(&ctx, der, DER_MAX, mbedtls_psa_get_random, NULL);
    must(len < 0 ? len : 0, "write");
    mbedtls_x509write_crt_free(&ctx);
    cert->der_len = (size_t)len;
    cert->der = grab(cert->der_len, 1);
    memcpy(cert->der, der + DER_MAX - len, cert->der_len);
    free(der);
    return cert;
}

void cert_free(struct cert *cert)
{
    mbedtls_pk_free(&cert->key);
    free(cert->der);
    free(cert);
}

char *certs_pem(const struct cert *const *certs, size_t count)
{
    size_t cap = 1, at = 0;
    char *pem;

    for (size_t i = 0; i < count; i++)
        cap += certs[i]->der_len * 2 + 256;
    pem = grab(cap, 1);
    for (size_t i = 0; i < count; i++) {
        size_t len = 0;

        must(mbedtls_pem_write_buffer("-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n", certs[i]->der,
                                      certs[i]->der_len, (unsigned char *)pem + at, cap - at, &len),
             "pem");
        at += len - 1;
    }
    return pem;
}

char *cert_key_pem(const struct cert *cert)
{
    char *pem = grab(8192, 1);

    must(mbedtls_pk_write_key_pem(&cert->key, (unsigned char *)pem, 8192), "key pem");
    return pem;
}

char *cert_pin(const struct cert *cert)
{
    unsigned char der[1024], digest[32];
    int len = mbedtls_pk_write_pubkey_der(&cert->key, der, sizeof(der));
    char *pin = grab(64, 1);
    size_t n;

    must(len < 0 ? len : 0, "public key");
    must(mbedtls_sha256(der + sizeof(der) - len, (size_t)len, digest, 0), "sha256");
    strcpy(pin, "sha256//");
    must(mbedtls_base64_encode((unsigned char *)pin + 8, 56, &n, digest, sizeof(digest)), "base64");
    return pin;
}

char *cert_file(const char *text)
{
    char *path = strdup("/tmp/tern-test-XXXXXX");
    int fd = mkstemp(path);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) != 0)
        abort();
    return path;
}
