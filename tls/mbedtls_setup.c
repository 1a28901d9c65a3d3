/* tls/mbedtls_setup.c - a stream's mbedTLS context: versions, suites, trust, identity, ALPN, and the session to
 * resume. */
#include <mbedtls/psa_util.h>
#include <mbedtls/sha256.h>

#include "base/fault.h"
#include "base/mem.h"
#include "tls/mbedtls_stream.h"

#if defined(__aarch64__)
#include <sys/auxv.h>
#ifndef HWCAP_AES
#define HWCAP_AES (1 << 3)
#endif
#endif

/* ---- suites ---- */

/* Forward secrecy and AEAD only (as RFC 9325 4.2 recommends). AES-GCM is the faster where the CPU has AES, ChaCha20
 * elsewhere. */
#define AES_SUITES                                                                                                     \
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256, MBEDTLS_TLS1_3_AES_256_GCM_SHA384,                                              \
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,                \
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
#define CHACHA_SUITES                                                                                                  \
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256, MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,                    \
        MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256

static const int suites_aes_first[] = {AES_SUITES, CHACHA_SUITES, 0};
static const int suites_chacha_first[] = {CHACHA_SUITES, AES_SUITES, 0};

/* Their names in the IANA registry of TLS cipher suites; mbedTLS has names of its own. */
static const struct {
    int id;
    const char *name;
} suite_names[] = {
    {MBEDTLS_TLS1_3_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256"},
    {MBEDTLS_TLS1_3_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384"},
    {MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256"},
    {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
    {MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
    {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
    {MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
    {MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
    {MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
};

const char *tern_tls_suite_name(int id)
{
    for (size_t i = 0; i < sizeof(suite_names) / sizeof(suite_names[0]); i++)
        if (suite_names[i].id == id)
            return suite_names[i].name;
    return NULL;
}

static bool cpu_has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
    return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
    return false;
#endif
}

static mbedtls_ssl_protocol_version version_of(enum tern_tls_version version)
{
    return version == TERN_TLS_1_3 ? MBEDTLS_SSL_VERSION_TLS1_3 : MBEDTLS_SSL_VERSION_TLS1_2;
}

static int set_config(struct tern_tls_stream *tls)
{
    const struct tern_tls_config *config = &tls->profile->config;
    struct tern_tls_material *material = tls->profile->material;
    mbedtls_ssl_config *conf = &tls->conf;
    int code = mbedtls_ssl_config_defaults(conf, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                           MBEDTLS_SSL_PRESET_DEFAULT);

    if (code != 0)
        return code;
    mbedtls_ssl_conf_rng(conf, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    mbedtls_ssl_conf_min_tls_version(conf, version_of(config->version_min));
    mbedtls_ssl_conf_max_tls_version(conf, version_of(config->version_max));
    mbedtls_ssl_conf_ciphersuites(conf, cpu_has_aes() ? suites_aes_first : suites_chacha_first);
    mbedtls_ssl_conf_tls13_key_exchange_modes(conf, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ALL);

    mbedtls_ssl_conf_authmode(conf, config->insecure ? MBEDTLS_SSL_VERIFY_OPTIONAL : MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_cert_profile(conf, &tern_verify_strength);
    mbedtls_ssl_conf_verify(conf, tern_verify_on_cert, &tls->verify);
    if (material->trust != NULL)
        mbedtls_ssl_conf_ca_chain(conf, &material->trust->chain, NULL);

    mbedtls_ssl_conf_session_tickets(conf, config->no_resumption ? MBEDTLS_SSL_SESSION_TICKETS_DISABLED
                                                                 : MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
    /* Without it TLS 1.3 tickets are dropped unseen, and their number could not be held either. */
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(conf,
                                                             MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
    if (tls->alpn[0] != NULL)
        code = mbedtls_ssl_conf_alpn_protocols(conf, tls->alpn);
    if (code == 0 && material->has_identity)
        code = mbedtls_ssl_conf_own_cert(conf, &material->identity, &material->key);
    return code;
}

/* ---- sessions ---- */

static bool hash_part(mbedtls_sha256_context *hash, const void *bytes, size_t len)
{
    uint64_t prefix = len;

    return mbedtls_sha256_update(hash, (const unsigned char *)&prefix, sizeof(prefix)) == 0 &&
           mbedtls_sha256_update(hash, bytes, len) == 0;
}

/* All that a session may depend on, each part length-prefixed: what is configured, what the files held, and the
 * server. */
static bool make_session_key(struct tern_tls_stream *tls)
{
    struct tern_str shape = tern_tls_profile_shape(tls->profile);
    const uint8_t *digest = tls->profile->material->digest;
    mbedtls_sha256_context hash;
    bool ok;

    mbedtls_sha256_init(&hash);
    ok = mbedtls_sha256_starts(&hash, 0) == 0 && hash_part(&hash, shape.ptr, shape.len) &&
         hash_part(&hash, digest, TERN_TLS_SHA256_BYTES) && hash_part(&hash, tls->host.text, tls->host.len) &&
         hash_part(&hash, &tls->port, sizeof(tls->port));
    for (size_t i = 0; ok && tls->alpn[i] != NULL; i++)
        ok = hash_part(&hash, tls->alpn[i], strlen(tls->alpn[i]));
    ok = ok && mbedtls_sha256_finish(&hash, tls->session_key) == 0;
    mbedtls_sha256_free(&hash);
    return ok;
}

/* A session that cannot be offered costs a full handshake and nothing else. */
static void offer_session(struct tern_tls_stream *tls)
{
    struct tern_session *session;
    mbedtls_ssl_session parsed;

    session = tern_session_cache_take(&tls->tls->sessions, tls->session_key, tls->verify.now_s);
    if (session == NULL)
        return;
    mbedtls_ssl_session_init(&parsed);
    tls->session_offered = mbedtls_ssl_session_load(&parsed, session->bytes, session->len) == 0 &&
                           mbedtls_ssl_set_session(&tls->ssl, &parsed) == 0;
    mbedtls_ssl_session_free(&parsed);
    /* A resumed handshake shows no certificate: what comes of it may not outlive the one that it goes back to. */
    tls->verify.valid_until_s = session->valid_until_s;
    if (session->is_single_use)
        tern_session_free(session);
}

static uint64_t expiry(const struct tern_tls_stream *tls, const mbedtls_ssl_session *session)
{
    uint64_t lifetime_s = session->MBEDTLS_PRIVATE(ticket_lifetime);

    if (lifetime_s == 0)
        lifetime_s = TERN_TLS_SESSION_S_DEFAULT;
    if (lifetime_s > TERN_TLS_SESSION_S_MAX)
        lifetime_s = TERN_TLS_SESSION_S_MAX;
    return tern_engine_wall(tls->engine) / TERN_S + lifetime_s;
}

void tern_tls_session_save(struct tern_tls_stream *tls)
{
    mbedtls_ssl_session session;
    unsigned char *bytes;
    size_t len = 0;

    /* One made under a certificate that only insecure let pass is not kept: its successor could not say what was
     * wrong. */
    if (tls->profile->config.no_resumption || tls->verify.fault.error != TERN_OK)
        return;
    /* mbedTLS gives each session out once, so that it has to be taken even if it is not kept. */
    mbedtls_ssl_session_init(&session);
    if (mbedtls_ssl_get_session(&tls->ssl, &session) != 0 || session.MBEDTLS_PRIVATE(ticket_len) == 0 ||
        mbedtls_ssl_session_save(&session, NULL, 0, &len) != MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL ||
        len > TERN_SESSION_BYTES_MAX || (bytes = tern_mem_alloc(len)) == NULL) {
        mbedtls_ssl_session_free(&session);
        return;
    }
    if (mbedtls_ssl_session_save(&session, bytes, len, &len) == 0)
        tern_session_cache_add(&tls->tls->sessions, tls->session_key, bytes, len, expiry(tls, &session),
                               tls->verify.valid_until_s,
                               mbedtls_ssl_get_version_number(&tls->ssl) == MBEDTLS_SSL_VERSION_TLS1_3);
    tern_mem_wipe(bytes, len);
    tern_mem_free(bytes);
    mbedtls_ssl_session_free(&session);
}

/* ---- all of it ---- */

enum tern_error tern_tls_setup(struct tern_tls_stream *tls, struct tern_fault *fault)
{
    char text[TERN_ESCAPE_MAX];
    int code = set_config(tls);

    if (code == 0)
        code = mbedtls_ssl_setup(&tls->ssl, &tls->conf);
    /* RFC 6066 3: the name for the server to choose its certificate by; an address is none. Either way mbedTLS wants
     * to hear that the host is dealt with: tern_verify_on_cert does. */
    if (code == 0)
        code = mbedtls_ssl_set_hostname(&tls->ssl, tls->host.kind == TERN_HOST_NAME ? tls->host.text : NULL);
    if (code == 0 && !make_session_key(tls))
        code = MBEDTLS_ERR_SSL_ALLOC_FAILED;
    if (code != 0) {
        if (tern_tls_is_out_of_memory(code))
            return tern_fault_plain(fault, TERN_ENOMEM);
        return tern_fault_set(fault, TERN_ETLS_HANDSHAKE, "TLS cannot be set up: %s",
                              tern_tls_code_text(code, text, sizeof(text)));
    }
    mbedtls_ssl_set_bio(&tls->ssl, &tls->bio, tern_tls_bio_send, tern_tls_bio_recv, NULL);
    if (tls->profile->config.keylog_path != NULL)
        mbedtls_ssl_set_export_keys_cb(&tls->ssl, tern_tls_keylog, tls);
    offer_session(tls);
    return TERN_OK;
}
