/* tls/mbedtls_verify.c - see tls/mbedtls_verify.h. */
#include "tls/mbedtls_verify.h"

#include <mbedtls/asn1.h>
#include <mbedtls/oid.h>
#include <mbedtls/sha256.h>
#include <mbedtls/ssl.h>
#include <time.h>

#include "base/fault.h"
#include "base/str.h"
#include "tls/mbedtls_material.h"

#define SHOWN_NAMES_MAX 4
#define SHOWN_BYTES_MAX 64

const mbedtls_x509_crt_profile tern_verify_strength = {
    .allowed_mds = MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256) | MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA384) |
                   MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA512),
    .allowed_pks = MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_RSA) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_RSASSA_PSS) |
                   MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECKEY) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECDSA),
    .allowed_curves = MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1) | MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP384R1) |
                      MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP521R1),
    .rsa_min_bitlen = 2048,
};

/* ---- the most telling fault ---- */

/* Who signed it comes before what it says: an untrusted certificate can say anything. */
static int rank(enum tern_error error)
{
    static const enum tern_error order[] = {
        TERN_ETLS_CERT_SELF_SIGNED, TERN_ETLS_CERT_UNKNOWN_CA, TERN_ETLS_CERT_INVALID, TERN_ETLS_CERT_WEAK,
        TERN_ETLS_CERT_EXPIRED,     TERN_ETLS_CERT_FUTURE,     TERN_ETLS_CERT_HOST,    TERN_ETLS_PIN,
    };
    int i = 0;

    while (i < (int)(sizeof(order) / sizeof(order[0])) && order[i] != error)
        i++;
    return i;
}

static void note(struct tern_verify *verify, enum tern_error error, const char *format, ...) TERN_PRINTF(3, 4);

static void note(struct tern_verify *verify, enum tern_error error, const char *format, ...)
{
    va_list args;

    if (verify->fault.error != TERN_OK && rank(verify->fault.error) <= rank(error))
        return;
    va_start(args, format);
    tern_fault_vset(&verify->fault, error, format, args);
    va_end(args);
}

/* The common name of a subject or issuer, or else the whole of it: to show, never to compare. */
static const char *name_text(const mbedtls_x509_name *name, char *out, size_t cap)
{
    char whole[512];

    for (const mbedtls_x509_name *part = name; part != NULL; part = part->next)
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &part->oid) == 0)
            return tern_escape(out, cap, tern_str_n((const char *)part->val.p, part->val.len));
    if (mbedtls_x509_dn_gets(whole, sizeof(whole), name) <= 0)
        return "(no name)";
    return tern_escape(out, cap, tern_str(whole));
}

/* "certificate of example.test", or of which authority above it. */
static const char *whose(const struct tern_verify *verify, const mbedtls_x509_crt *crt, int depth, char *out,
                         size_t cap)
{
    char subject[SHOWN_BYTES_MAX];

    if (depth == 0)
        snprintf(out, cap, "certificate of %s", verify->host->text);
    else
        snprintf(out, cap, "certificate of %s: its authority \"%s\"", verify->host->text,
                 name_text(&crt->subject, subject, sizeof(subject)));
    return out;
}

#define WHOSE_MAX (TERN_HOST_TEXT_MAX + SHOWN_BYTES_MAX + 40)

/* ---- time ---- */

static uint64_t seconds_of(const mbedtls_x509_time *time)
{
    struct tm tm = {.tm_year = time->year - 1900,
                    .tm_mon = time->mon - 1,
                    .tm_mday = time->day,
                    .tm_hour = time->hour,
                    .tm_min = time->min,
                    .tm_sec = time->sec};
    time_t seconds = timegm(&tm);

    return seconds > 0 ? (uint64_t)seconds : 0;
}

static void check_time(struct tern_verify *verify, const mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    const mbedtls_x509_time *from = &crt->valid_from, *to = &crt->valid_to;
    uint64_t until_s = seconds_of(to);
    char who[WHOSE_MAX];

    /* mbedTLS's own are by another clock. */
    *flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE);
    if (until_s < verify->valid_until_s)
        verify->valid_until_s = until_s;
    whose(verify, crt, depth, who, sizeof(who));
    if (until_s < verify->now_s) {
        *flags |= MBEDTLS_X509_BADCERT_EXPIRED;
        note(verify, TERN_ETLS_CERT_EXPIRED, "%s expired on %04d-%02d-%02d (it has to be renewed%s)", who, to->year,
             to->mon, to->day, depth > 0 ? ", or pass the right authority with ca_file" : " by the server's owner");
    }
    if (seconds_of(from) > verify->now_s) {
        *flags |= MBEDTLS_X509_BADCERT_FUTURE;
        note(verify, TERN_ETLS_CERT_FUTURE, "%s is not valid before %04d-%02d-%02d (is this machine's clock right?)",
             who, from->year, from->mon, from->day);
    }
}

/* ---- strength and use ---- */

static void check_strength(struct tern_verify *verify, const mbedtls_x509_crt *crt, int depth, uint32_t flags)
{
    char who[WHOSE_MAX];

    whose(verify, crt, depth, who, sizeof(who));
    if (flags & MBEDTLS_X509_BADCERT_BAD_MD)
        note(verify, TERN_ETLS_CERT_WEAK, "%s is signed with a weak hash such as SHA-1 (SHA-256 or better is needed)",
             who);
    if (flags & (MBEDTLS_X509_BADCERT_BAD_KEY | MBEDTLS_X509_BADCERT_BAD_PK))
        note(verify, TERN_ETLS_CERT_WEAK,
             "%s, or who signed it, has a weak key (RSA of 2048 bits, or a NIST curve of 256, or better is needed)",
             who);
}

static bool oid_is(const unsigned char *p, size_t len, const char *oid, size_t oid_len)
{
    return len == oid_len && memcmp(p, oid, oid_len) == 0;
}

/* RFC 5280 4.1: Extensions ::= SEQUENCE OF SEQUENCE { extnID OID, critical BOOLEAN DEFAULT FALSE, extnValue }.
 * mbedTLS has parsed them before; what does not parse here counts as there. */
static bool has_name_constraints(const mbedtls_x509_crt *crt)
{
    unsigned char *p = crt->v3_ext.p;
    const unsigned char *end = p + crt->v3_ext.len;
    size_t len;

    if (p == NULL)
        return false;
    if (mbedtls_asn1_get_tag(&p, end, &len, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE) != 0)
        return true;
    while (p < end) {
        unsigned char *next;

        if (mbedtls_asn1_get_tag(&p, end, &len, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE) != 0)
            return true;
        next = p + len;
        if (mbedtls_asn1_get_tag(&p, next, &len, MBEDTLS_ASN1_OID) != 0)
            return true;
        if (oid_is(p, len, MBEDTLS_OID_NAME_CONSTRAINTS, MBEDTLS_OID_SIZE(MBEDTLS_OID_NAME_CONSTRAINTS)))
            return true;
        p = next;
    }
    return false;
}

static void check_use(struct tern_verify *verify, const mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    char who[WHOSE_MAX];

    whose(verify, crt, depth, who, sizeof(who));
    if (mbedtls_x509_crt_check_extended_key_usage(crt, MBEDTLS_OID_SERVER_AUTH,
                                                  MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)) != 0) {
        *flags |= MBEDTLS_X509_BADCERT_EXT_KEY_USAGE;
        note(verify, TERN_ETLS_CERT_INVALID, "%s is not meant for servers (extended key usage)", who);
    }
    /* RFC 5280 4.2.1.10 lets them on authorities alone; on a leaf they would constrain nothing. */
    if (depth > 0 && has_name_constraints(crt)) {
        *flags |= MBEDTLS_X509_BADCERT_OTHER;
        note(verify, TERN_ETLS_CERT_INVALID, "%s has name constraints, which tern cannot check and so does not trust",
             who);
    }
}

/* ---- host ---- */

static bool wildcard_matches(struct tern_str pattern, struct tern_str host)
{
    struct tern_str base = tern_str_from(pattern, 2); /* behind "*." */
    size_t dot = tern_str_find(host, '.');

    /* RFC 9525 6.3: the whole leftmost label, and only that. One above a single label ("*.test") covers too much. */
    return dot > 0 && dot < host.len && tern_str_find(base, '.') < base.len &&
           tern_str_ieq(base, tern_str_from(host, dot + 1));
}

static bool name_matches(const mbedtls_x509_buf *san, const struct tern_host *host)
{
    int type = san->tag & MBEDTLS_ASN1_TAG_VALUE_MASK;
    struct tern_str name = tern_str_n((const char *)san->p, san->len);

    if (type == MBEDTLS_X509_SAN_IP_ADDRESS)
        return (host->kind == TERN_HOST_IPV4 && san->len == 4 && memcmp(san->p, host->address, 4) == 0) ||
               (host->kind == TERN_HOST_IPV6 && san->len == 16 && memcmp(san->p, host->address, 16) == 0);
    if (type != MBEDTLS_X509_SAN_DNS_NAME || host->kind != TERN_HOST_NAME)
        return false;
    if (name.len > 2 && name.ptr[0] == '*' && name.ptr[1] == '.')
        return wildcard_matches(name, tern_host_text(host));
    return tern_str_ieq(name, tern_host_text(host));
}

static const char *san_text(const mbedtls_x509_buf *san, char *out, size_t cap)
{
    const unsigned char *p = san->p;

    if ((san->tag & MBEDTLS_ASN1_TAG_VALUE_MASK) != MBEDTLS_X509_SAN_IP_ADDRESS)
        return tern_escape(out, cap, tern_str_n((const char *)p, san->len));
    if (san->len == 4)
        snprintf(out, cap, "%d.%d.%d.%d", p[0], p[1], p[2], p[3]);
    else if (san->len == 16)
        snprintf(out, cap, "%x:%x:%x:%x:%x:%x:%x:%x", p[0] << 8 | p[1], p[2] << 8 | p[3], p[4] << 8 | p[5],
                 p[6] << 8 | p[7], p[8] << 8 | p[9], p[10] << 8 | p[11], p[12] << 8 | p[13], p[14] << 8 | p[15]);
    else
        snprintf(out, cap, "(no IP address)");
    return out;
}

/* "a.test, b.test and 3 more" */
static void list_names(const mbedtls_x509_crt *crt, char *out, size_t cap)
{
    size_t shown = 0, more = 0, at = 0;

    for (const mbedtls_x509_sequence *san = &crt->subject_alt_names; san != NULL && san->buf.p != NULL;
         san = san->next) {
        int type = san->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK;
        char text[SHOWN_BYTES_MAX];
        size_t len;

        if (type != MBEDTLS_X509_SAN_DNS_NAME && type != MBEDTLS_X509_SAN_IP_ADDRESS)
            continue;
        san_text(&san->buf, text, sizeof(text));
        len = strlen(text) + 2;
        if (shown >= SHOWN_NAMES_MAX || at + len + 24 > cap) {
            more++;
            continue;
        }
        at += (size_t)snprintf(out + at, cap - at, "%s%s", shown != 0 ? ", " : "", text);
        shown++;
    }
    if (more != 0)
        snprintf(out + at, cap - at, " and %zu more", more);
    else if (shown == 0)
        snprintf(out, cap, "no host at all");
}

bool tern_verify_names(const mbedtls_x509_crt *crt, const struct tern_host *host)
{
    for (const mbedtls_x509_sequence *san = &crt->subject_alt_names; san != NULL && san->buf.p != NULL; san = san->next)
        if (name_matches(&san->buf, host))
            return true;
    return false;
}

static void check_host(struct tern_verify *verify, const mbedtls_x509_crt *crt, uint32_t *flags)
{
    char names[TERN_ESCAPE_MAX];

    *flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_CN_MISMATCH;
    if (tern_verify_names(crt, verify->host))
        return;
    *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    list_names(crt, names, sizeof(names));
    note(verify, TERN_ETLS_CERT_HOST, "certificate is not for %s but for %s", verify->host->text, names);
}

/* ---- trust ---- */

static bool same_name(const mbedtls_x509_buf *a, const mbedtls_x509_buf *b)
{
    return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

/* The one that the server sent as the signer of crt but that may sign nothing, or NULL. */
static const mbedtls_x509_crt *false_authority(const mbedtls_x509_crt *crt, const mbedtls_x509_crt *leaf)
{
    for (const mbedtls_x509_crt *other = leaf->next; other != NULL; other = other->next)
        if (other != crt && same_name(&other->subject_raw, &crt->issuer_raw) &&
            (mbedtls_x509_crt_get_ca_istrue(other) != 1 ||
             mbedtls_x509_crt_check_key_usage(other, MBEDTLS_X509_KU_KEY_CERT_SIGN) != 0))
            return other;
    return NULL;
}

static void explain_untrusted(struct tern_verify *verify, const mbedtls_x509_crt *leaf)
{
    const mbedtls_x509_crt *crt = verify->untrusted;
    const mbedtls_x509_crt *not_ca = false_authority(crt, leaf);
    const char *host = verify->host->text;
    char issuer[SHOWN_BYTES_MAX];

    name_text(&crt->issuer, issuer, sizeof(issuer));
    if (not_ca != NULL)
        note(verify, TERN_ETLS_CERT_INVALID,
             "certificate of %s is signed by \"%s\", which is no authority (CA bit or key usage missing)", host,
             issuer);
    else if (crt == leaf && same_name(&crt->subject_raw, &crt->issuer_raw))
        note(verify, TERN_ETLS_CERT_SELF_SIGNED,
             "certificate of %s is signed by itself alone (to trust just this one, pass it with ca_file)", host);
    else
        note(verify, TERN_ETLS_CERT_UNKNOWN_CA,
             "certificate of %s is signed by \"%s\", which is not trusted (pass that authority with ca_file)", host,
             issuer);
}

/* ---- pins ---- */

static bool is_pinned(const struct tern_tls_profile *profile, const mbedtls_x509_crt *leaf)
{
    uint8_t digest[TERN_TLS_SHA256_BYTES];

    if (mbedtls_sha256(leaf->pk_raw.p, leaf->pk_raw.len, digest, 0) != 0)
        return false;
    for (size_t i = 0; i < profile->pin_count; i++)
        if (memcmp(profile->pins[i], digest, sizeof(digest)) == 0)
            return true;
    return false;
}

/* ---- all of it ---- */

void tern_verify_init(struct tern_verify *verify, const struct tern_host *host, const struct tern_tls_profile *profile,
                      uint64_t now_s)
{
    *verify = (struct tern_verify){.host = host, .profile = profile, .now_s = now_s, .valid_until_s = UINT64_MAX};
}

static void judge_rest(struct tern_verify *verify, uint32_t flags)
{
    const uint32_t explained =
        MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE | MBEDTLS_X509_BADCERT_NOT_TRUSTED |
        MBEDTLS_X509_BADCERT_CN_MISMATCH | MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_KEY |
        MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE | MBEDTLS_X509_BADCERT_OTHER;

    if ((flags & ~explained) != 0)
        note(verify, TERN_ETLS_CERT_INVALID, "certificate of %s is not valid (mbedTLS flags 0x%x)", verify->host->text,
             (unsigned)(flags & ~explained));
}

int tern_verify_on_cert(void *user, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    struct tern_verify *verify = user;

    /* In TLS 1.2 mbedTLS goes on with an empty certificate where it does not know the algorithms of the real one. */
    if (crt->raw.p == NULL)
        return MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG;
    check_time(verify, crt, depth, flags);
    check_strength(verify, crt, depth, *flags);
    check_use(verify, crt, depth, flags);
    judge_rest(verify, *flags);
    if (*flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
        verify->untrusted = crt;
    if (depth != 0)
        return 0;

    if (verify->untrusted != NULL)
        explain_untrusted(verify, crt);
    verify->untrusted = NULL;
    check_host(verify, crt, flags);
    verify->is_done = true;
    if (verify->profile->pin_count == 0 || is_pinned(verify->profile, crt))
        return 0;
    verify->is_pin_wrong = true;
    note(verify, TERN_ETLS_PIN, "the public key of %s is none of the pinned ones", verify->host->text);
    return MBEDTLS_ERR_X509_FATAL_ERROR;
}

/* What mbedTLS says of a key or signature of a kind that it does not have. */
static bool is_unknown_kind(int module)
{
    return module == MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG || module == MBEDTLS_ERR_PK_UNKNOWN_PK_ALG ||
           module == MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE;
}

bool tern_verify_explains(struct tern_verify *verify, int code, uint32_t flags)
{
    int module = code - -(-code & 0x7f);
    const char *host = verify->host->text;

    if (verify->is_pin_wrong) {
        /* Besides a pin nothing else counts where insecure excuses all the rest. */
        if (verify->profile->config.insecure)
            tern_fault_set(&verify->fault, TERN_ETLS_PIN, "the public key of %s is none of the pinned ones", host);
    } else if (code == MBEDTLS_ERR_X509_FATAL_ERROR && !verify->is_done) {
        tern_fault_set(&verify->fault, TERN_ETLS_CERT_INVALID, "the certificate chain of %s is longer than %d", host,
                       MBEDTLS_X509_MAX_INTERMEDIATE_CA);
    } else if (code == MBEDTLS_ERR_SSL_BAD_CERTIFICATE && verify->fault.error == TERN_OK) {
        if (flags & MBEDTLS_X509_BADCERT_BAD_KEY)
            tern_fault_set(&verify->fault, TERN_ETLS_CERT_WEAK, "certificate of %s has a key on a weak curve", host);
        else
            tern_fault_set(&verify->fault, TERN_ETLS_CERT_INVALID,
                           "certificate of %s is malformed or may not sign handshakes (key usage)", host);
    } else if (!verify->is_done && is_unknown_kind(module)) {
        tern_fault_set(&verify->fault, TERN_ETLS_CERT_INVALID,
                       "certificate of %s has a key or signature of a kind that tern does not know, such as Ed25519",
                       host);
    } else if (!verify->is_done && module <= MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE &&
               module >= MBEDTLS_ERR_X509_FATAL_ERROR && !tern_tls_is_out_of_memory(code)) {
        tern_fault_set(&verify->fault, TERN_ETLS_CERT_INVALID,
                       "certificate of %s is malformed, or has a critical extension that tern does not know, such as "
                       "name constraints",
                       host);
    } else if (code != MBEDTLS_ERR_X509_CERT_VERIFY_FAILED && code != MBEDTLS_ERR_SSL_BAD_CERTIFICATE) {
        return false;
    }
    verify->fault.tls_code = code;
    return verify->fault.error != TERN_OK;
}
