/* tls/mbedtls_provider.c - the provider's table over mbedTLS. */
#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "tls/mbedtls_stream.h"

static struct tern_tls_mbedtls *of(struct tern_tls_provider *provider)
{
    return TERN_CONTAINER_OF(provider, struct tern_tls_mbedtls, provider);
}

static bool provider_is_loaded(struct tern_tls_provider *provider, const struct tern_tls_profile *profile)
{
    (void)provider;
    return profile->material != NULL;
}

static enum tern_error provider_load(struct tern_tls_provider *provider, struct tern_tls_profile *profile,
                                     struct tern_tls_waiter *waiter)
{
    return tern_tls_profile_load(of(provider)->engine, profile, waiter);
}

static void provider_load_cancel(struct tern_tls_provider *provider, struct tern_tls_waiter *waiter)
{
    (void)provider;
    tern_tls_profile_load_cancel(waiter);
}

static enum tern_error provider_open(struct tern_tls_provider *provider, const struct tern_tls_open *how,
                                     struct tern_bytestream **out, struct tern_fault *fault)
{
    return tern_tls_stream_open(of(provider), how, out, fault);
}

static void provider_info(struct tern_tls_provider *provider, const struct tern_bytestream *stream,
                          struct tern_tls_info *out)
{
    const struct tern_tls_stream *tls = TERN_CONTAINER_OF(stream, struct tern_tls_stream, stream);

    (void)provider;
    *out = (struct tern_tls_info){
        .resumed = tls->is_resumed, .offered = tls->session_offered, .verify = &tls->verify.fault};
    if (tls->state != TERN_TLS_OPEN && tls->state != TERN_TLS_ENDED)
        return;
    out->version = mbedtls_ssl_get_version(&tls->ssl);
    out->suite = tern_tls_suite_name(mbedtls_ssl_get_ciphersuite_id_from_ssl(&tls->ssl));
    out->alpn = mbedtls_ssl_get_alpn_protocol(&tls->ssl); /* one of ours: mbedTLS gives the pointer it was given */
}

static bool provider_covers(struct tern_tls_provider *provider, const struct tern_bytestream *stream,
                            const struct tern_host *host)
{
    const struct tern_tls_stream *tls = TERN_CONTAINER_OF(stream, struct tern_tls_stream, stream);
    const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&tls->ssl);

    return crt != NULL && tls->verify.is_done && tls->verify.fault.error == TERN_OK && !tls->profile->config.insecure &&
           tls->profile->pin_count == 0 &&
           tern_engine_wall(of(provider)->engine) / TERN_S < tls->verify.valid_until_s && tern_verify_names(crt, host);
}

static void provider_free(struct tern_tls_provider *provider)
{
    struct tern_tls_mbedtls *tls = of(provider);

    TERN_ASSERT(tls->stream_count == 0);
    tern_session_cache_deinit(&tls->sessions);
    tern_tls_records_deinit(&tls->records);
    /* Plain text of the last exchanges. */
    tern_mem_wipe(&tls->buffers, sizeof(tls->buffers));
    tern_mem_free(tls);
}

static const struct tern_tls_provider_ops provider_ops = {
    .is_loaded = provider_is_loaded,
    .load = provider_load,
    .load_cancel = provider_load_cancel,
    .open = provider_open,
    .info = provider_info,
    .covers = provider_covers,
    .free = provider_free,
};

enum tern_error tern_tls_mbedtls_new(struct tern_engine *engine, struct tern_tls_provider **out,
                                     struct tern_fault *fault)
{
    enum tern_error error = tern_tls_mbedtls_ready(fault);
    struct tern_tls_mbedtls *tls;

    if (error != TERN_OK)
        return error;
    tls = tern_mem_alloc(sizeof(*tls));
    if (tls == NULL)
        return tern_fault_plain(fault, TERN_ENOMEM);
    tls->provider.ops = &provider_ops;
    tls->engine = engine;
    tls->stream_count = 0;
    tls->records = (struct tern_tls_record_spares){0};
    tern_session_cache_init(&tls->sessions);
    *out = &tls->provider;
    return TERN_OK;
}
