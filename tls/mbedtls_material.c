/* tls/mbedtls_material.c - a profile's files, loaded on a file worker. See tls/mbedtls_material.h. */
#include "tls/mbedtls_material.h"

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/error.h>
#include <mbedtls/pem.h>
#include <mbedtls/platform.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/sha256.h>
#include <mbedtls/ssl.h>
#include <psa/crypto.h>
#include <pthread.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/files.h"
#include "tls/mbedtls_stream.h"

/* ---- the library ---- */

static pthread_mutex_t ready_lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_ready;

enum tern_error tern_tls_mbedtls_ready(struct tern_fault *fault)
{
    psa_status_t status = PSA_SUCCESS;

    pthread_mutex_lock(&ready_lock);
    if (!is_ready) {
        mbedtls_platform_set_calloc_free(tern_mem_calloc, tern_mem_free);
        status = psa_crypto_init();
        if (status == PSA_SUCCESS && !tern_tls_fork_ready())
            status = PSA_ERROR_INSUFFICIENT_MEMORY;
        is_ready = status == PSA_SUCCESS;
    }
    pthread_mutex_unlock(&ready_lock);
    if (status == PSA_ERROR_INSUFFICIENT_MEMORY)
        return tern_fault_plain(fault, TERN_ENOMEM);
    if (status != PSA_SUCCESS)
        return tern_fault_set(fault, TERN_EOS, "the TLS library has no random source (PSA status %d)", (int)status);
    return TERN_OK;
}

bool tern_tls_is_out_of_memory(int code)
{
    /* A code is the sum of a module's (a multiple of 0x80) and a lower one's (below 0x80). */
    int low = -(-code & 0x7f), high = code - low;

    if (code >= 0)
        return false;
    return high == MBEDTLS_ERR_SSL_ALLOC_FAILED || high == MBEDTLS_ERR_X509_ALLOC_FAILED ||
           high == MBEDTLS_ERR_PK_ALLOC_FAILED || high == MBEDTLS_ERR_MD_ALLOC_FAILED ||
           high == MBEDTLS_ERR_CIPHER_ALLOC_FAILED || high == MBEDTLS_ERR_ECP_ALLOC_FAILED ||
           high == MBEDTLS_ERR_PEM_ALLOC_FAILED || low == MBEDTLS_ERR_ASN1_ALLOC_FAILED ||
           low == MBEDTLS_ERR_MPI_ALLOC_FAILED || code == PSA_ERROR_INSUFFICIENT_MEMORY;
}

const char *tern_tls_code_text(int code, char *out, size_t cap)
{
    mbedtls_strerror(code, out, cap);
    return out;
}

/* ---- identity ---- */

static enum tern_error identity_fault(struct tern_fault *fault, int code, const char *field, const char *path,
                                      const char *hint)
{
    char text[TERN_ESCAPE_MAX], escaped[TERN_ESCAPE_MAX];

    if (tern_tls_is_out_of_memory(code))
        return tern_fault_plain(fault, TERN_ENOMEM);
    tern_fault_set(fault, TERN_ETLS_IDENTITY, "%s \"%s\" cannot be used: %s (%s)", field,
                   tern_escape(escaped, sizeof(escaped), tern_str(path)), hint,
                   tern_tls_code_text(code, text, sizeof(text)));
    if (fault != NULL)
        fault->tls_code = code;
    return TERN_ETLS_IDENTITY;
}

static const char *key_hint(int code)
{
    if (code == MBEDTLS_ERR_PK_PASSWORD_REQUIRED)
        return "the key is encrypted, set key_password";
    if (code == MBEDTLS_ERR_PK_PASSWORD_MISMATCH)
        return "key_password is wrong";
    return "it must hold a private key in PEM or DER";
}

/* Reads path, with a NUL behind as the PEM parser wants it. */
static enum tern_error read_identity(struct tern_files *files, const char *field, const char *path,
                                     struct tern_buf *out, struct tern_fault *fault)
{
    char escaped[TERN_ESCAPE_MAX];
    int status;

    tern_buf_init(out, 2 * TERN_TLS_IDENTITY_BYTES_MAX);
    status = tern_tls_read_file(files, path, TERN_TLS_IDENTITY_BYTES_MAX, out);
    if (status == 0 && tern_buf_append_byte(out, '\0') != TERN_OK)
        status = -ENOMEM;
    if (status == -ENOMEM)
        return tern_fault_plain(fault, TERN_ENOMEM);
    if (status != 0)
        return tern_fault_errno(fault, TERN_ETLS_IDENTITY, -status, "%s \"%s\" cannot be read", field,
                                tern_escape(escaped, sizeof(escaped), tern_str(path)));
    return TERN_OK;
}

static void wipe(struct tern_buf *buf)
{
    if (buf->data != NULL)
        tern_mem_wipe(buf->data, buf->cap);
    tern_buf_deinit(buf);
}

static enum tern_error load_certificate(struct tern_tls_material *material, struct tern_files *files,
                                        const struct tern_tls_config *config, struct tern_fault *fault)
{
    struct tern_buf bytes;
    enum tern_error error = read_identity(files, "cert_file", config->cert_file, &bytes, fault);

    if (error == TERN_OK) {
        int code = mbedtls_x509_crt_parse(&material->identity, (unsigned char *)bytes.data, bytes.len);

        /* Above 0: so many were passed over, and the chain has a hole. */
        if (code != 0)
            error = identity_fault(fault, code < 0 ? code : MBEDTLS_ERR_X509_CERT_UNKNOWN_FORMAT, "cert_file",
                                   config->cert_file, "it must hold the certificate and its chain in PEM");
    }
    wipe(&bytes);
    return error;
}

/* Both draw from the library's one random generator, which has a lock. */
static int parse_key(mbedtls_pk_context *key, const struct tern_buf *bytes, const char *password)
{
    /* The NUL belongs to PEM only. */
    size_t size = memmem(bytes->data, bytes->len, "-----BEGIN", 10) != NULL ? bytes->len : bytes->len - 1;
    int code;

    tern_tls_fork_lock();
    code =
        mbedtls_pk_parse_key(key, (unsigned char *)bytes->data, size, (const unsigned char *)password,
                             password != NULL ? strlen(password) : 0, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    tern_tls_fork_unlock();
    return code;
}

static int check_pair(const mbedtls_x509_crt *identity, const mbedtls_pk_context *key)
{
    int code;

    tern_tls_fork_lock();
    code = mbedtls_pk_check_pair(&identity->pk, key, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    tern_tls_fork_unlock();
    return code;
}

static enum tern_error load_key(struct tern_tls_material *material, struct tern_files *files,
                                const struct tern_tls_config *config, struct tern_fault *fault)
{
    const char *field = config->key_file != NULL ? "key_file" : "cert_file";
    const char *path = config->key_file != NULL ? config->key_file : config->cert_file;
    struct tern_buf bytes;
    enum tern_error error = read_identity(files, field, path, &bytes, fault);

    if (error == TERN_OK) {
        int code = parse_key(&material->key, &bytes, config->key_password);

        if (code != 0)
            error = identity_fault(fault, code, field, path, key_hint(code));
        else if ((code = check_pair(&material->identity, &material->key)) != 0)
            error = identity_fault(fault, code, field, path, "the key does not belong to the certificate");
    }
    wipe(&bytes);
    return error;
}

/* A secret that cannot be logged should be known before the first handshake, not after. */
static enum tern_error check_keylog(struct tern_files *files, const char *path, struct tern_fault *fault)
{
    char escaped[TERN_ESCAPE_MAX];
    int fd;

    if (path == NULL)
        return TERN_OK;
    fd = files->ops->open(files, path, O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (fd < 0)
        return tern_fault_errno(fault, TERN_EFILE, -fd, "keylog_path \"%s\" cannot be written",
                                tern_escape(escaped, sizeof(escaped), tern_str(path)));
    (void)files->ops->close(files, fd);
    return TERN_OK;
}

/* ---- material ---- */

static bool digest_material(struct tern_tls_material *material)
{
    mbedtls_sha256_context hash;
    bool ok;

    mbedtls_sha256_init(&hash);
    ok = mbedtls_sha256_starts(&hash, 0) == 0;
    if (material->trust != NULL)
        ok = ok && mbedtls_sha256_update(&hash, material->trust->digest, sizeof(material->trust->digest)) == 0;
    for (mbedtls_x509_crt *crt = &material->identity; ok && crt != NULL && crt->raw.p != NULL; crt = crt->next)
        ok = mbedtls_sha256_update(&hash, crt->raw.p, crt->raw.len) == 0;
    ok = ok && mbedtls_sha256_finish(&hash, material->digest) == 0;
    mbedtls_sha256_free(&hash);
    return ok;
}

enum tern_error tern_tls_material_new(struct tern_files *files, const struct tern_tls_profile *profile,
                                      struct tern_tls_material **out, struct tern_fault *fault)
{
    struct tern_tls_material *material = tern_mem_calloc(1, sizeof(*material));
    enum tern_error error;

    if (material == NULL)
        return tern_fault_plain(fault, TERN_ENOMEM);
    mbedtls_x509_crt_init(&material->identity);
    mbedtls_pk_init(&material->key);
    material->has_identity = profile->config.cert_file != NULL;

    error = tern_tls_trust_acquire(files, profile, &material->trust, fault);
    if (error == TERN_OK && material->has_identity)
        error = load_certificate(material, files, &profile->config, fault);
    if (error == TERN_OK && material->has_identity)
        error = load_key(material, files, &profile->config, fault);
    if (error == TERN_OK)
        error = check_keylog(files, profile->config.keylog_path, fault);
    if (error == TERN_OK && !digest_material(material))
        error = tern_fault_plain(fault, TERN_ENOMEM);
    if (error != TERN_OK) {
        tern_tls_material_free(material);
        return error;
    }
    *out = material;
    return TERN_OK;
}

void tern_tls_material_free(struct tern_tls_material *material)
{
    if (material == NULL)
        return;
    tern_tls_trust_release(material->trust);
    mbedtls_x509_crt_free(&material->identity);
    mbedtls_pk_free(&material->key);
    tern_mem_free(material);
}

/* ---- loading off the loop ---- */

struct load {
    struct tern_job job;
    struct tern_tls_profile *profile; /* a count of it; run reads its configuration, which nobody changes */
    struct tern_tls_material *material;
    struct tern_fault fault;
};

static void tell_waiters(struct tern_tls_profile *profile, const struct tern_fault *fault)
{
    struct tern_list told;
    struct tern_list *node;

    /* A waiter may go, or load again: it then joins the profile's list, not this one. */
    tern_list_init(&told);
    tern_list_splice_back(&told, &profile->waiters);
    tern_tls_profile_acquire(profile);
    while ((node = tern_list_pop_front(&told)) != NULL) {
        struct tern_tls_waiter *waiter = TERN_CONTAINER_OF(node, struct tern_tls_waiter, node);

        waiter->is_waiting = false;
        waiter->on_loaded(waiter, fault);
    }
    tern_tls_profile_release(profile);
}

static void on_run(struct tern_job *job, struct tern_files *files)
{
    struct load *load = TERN_CONTAINER_OF(job, struct load, job);

    if (tern_tls_material_new(files, load->profile, &load->material, &load->fault) != TERN_OK)
        load->material = NULL;
}

static void on_done(struct tern_job *job, bool cancelled)
{
    struct load *load = TERN_CONTAINER_OF(job, struct load, job);
    struct tern_tls_profile *profile = load->profile;

    profile->is_loading = false;
    if (cancelled) {
        tern_tls_material_free(load->material);
        TERN_LIST_FOREACH(node, &profile->waiters) {
            TERN_CONTAINER_OF(node, struct tern_tls_waiter, node)->is_waiting = false;
            tern_list_remove(node);
        }
    } else {
        profile->material = load->material;
        tell_waiters(profile, &load->fault);
    }
    tern_tls_profile_release(profile);
    tern_mem_free(load);
}

static enum tern_error start_load(struct tern_engine *engine, struct tern_tls_profile *profile)
{
    struct load *load = tern_mem_calloc(1, sizeof(*load));
    enum tern_error error;

    if (load == NULL)
        return TERN_ENOMEM;
    load->job.run = on_run;
    load->job.done = on_done;
    load->profile = tern_tls_profile_acquire(profile);
    profile->is_loading = true;
    error = tern_job_start(engine, &load->job);
    if (error != TERN_OK) {
        profile->is_loading = false;
        tern_tls_profile_release(profile);
        tern_mem_free(load);
    }
    return error;
}

enum tern_error tern_tls_profile_load(struct tern_engine *engine, struct tern_tls_profile *profile,
                                      struct tern_tls_waiter *waiter)
{
    TERN_ASSERT(!waiter->is_waiting);
    TERN_ASSERT(profile->engine == NULL || profile->engine == engine);
    profile->engine = engine;
    if (profile->material != NULL) {
        tern_engine_defer(engine, &profile->tell);
    } else if (!profile->is_loading) {
        enum tern_error error = start_load(engine, profile);

        if (error != TERN_OK)
            return error;
    }
    waiter->is_waiting = true;
    tern_list_push_back(&profile->waiters, &waiter->node);
    return TERN_OK;
}

void tern_tls_profile_load_cancel(struct tern_tls_waiter *waiter)
{
    if (!waiter->is_waiting)
        return;
    waiter->is_waiting = false;
    tern_list_remove(&waiter->node);
}

void tern_tls_profile_tell(struct tern_task *task)
{
    const struct tern_fault fault = {.error = TERN_OK};

    tell_waiters(TERN_CONTAINER_OF(task, struct tern_tls_profile, tell), &fault);
}
