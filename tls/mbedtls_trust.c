/* tls/mbedtls_trust.c - finding, reading and parsing trusted certificates, once for the process.
 *
 * All bytes that make up a trust are read first; their SHA-256 names it. So the table never serves stale trust,
 * whatever happened to the files, and two engines with the same trust share one parsed copy. */
#include <errno.h>
#include <fcntl.h>
#include <mbedtls/sha256.h>
#include <pthread.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/files.h"
#include "tls/mbedtls_material.h"

/* Where Debian, Fedora, Alpine and SUSE keep the system's certificates; the first that is there is taken. */
static const char *const system_files[] = {
    "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Alpine */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora */
    "/etc/pki/tls/certs/ca-bundle.crt",                  /* Fedora, older */
    "/etc/ssl/ca-bundle.pem",                            /* SUSE */
    "/etc/ssl/cert.pem",                                 /* Alpine */
};
static const char system_dir[] = "/etc/ssl/certs";

/* Parsed trusts. parse_lock is held by workers while one of them parses, so that another that wants the same waits
 * and finds it; table_lock only while the list or a count changes, so that a loop that releases never waits for a
 * parse. */
static pthread_mutex_t parse_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tern_list table = {&table, &table};

/* What was read: parts of {length, bytes, NUL} one after the other. The NUL is what the PEM parser wants. */
struct gather {
    struct tern_files *files;
    struct tern_buf bytes;
    size_t part_count;
};

/* ---- reading ---- */

int tern_tls_read_file(struct tern_files *files, const char *path, size_t max_bytes, struct tern_buf *out)
{
    int fd = files->ops->open(files, path, O_RDONLY, 0);
    int status;

    if (fd < 0)
        return fd;
    status = tern_files_read_all(files, fd, max_bytes, out);
    (void)files->ops->close(files, fd);
    return status;
}

/* Takes a failed part back. */
static int part_end(struct gather *gather, size_t start, int status)
{
    uint64_t len;

    if (status == 0 && tern_buf_append_byte(&gather->bytes, '\0') != TERN_OK)
        status = -ENOMEM;
    if (status != 0) {
        tern_buf_truncate(&gather->bytes, gather->bytes.len - start);
        return status;
    }
    len = gather->bytes.len - start - sizeof(len);
    memcpy(gather->bytes.data + gather->bytes.head + start, &len, sizeof(len));
    gather->part_count++;
    return 0;
}

static int gather_file(struct gather *gather, const char *path)
{
    size_t start = gather->bytes.len;
    uint64_t len = 0;

    if (tern_buf_append(&gather->bytes, &len, sizeof(len)) != TERN_OK)
        return -ENOMEM;
    return part_end(gather, start,
                    tern_tls_read_file(gather->files, path, TERN_TLS_TRUST_FILE_BYTES_MAX, &gather->bytes));
}

static int gather_memory(struct gather *gather, const void *bytes, size_t size)
{
    size_t start = gather->bytes.len;
    uint64_t len = 0;
    bool ok = tern_buf_append(&gather->bytes, &len, sizeof(len)) == TERN_OK &&
              tern_buf_append(&gather->bytes, bytes, size) == TERN_OK;

    return part_end(gather, start, ok ? 0 : -ENOMEM);
}

/* "*.pem", "*.crt", and the eight hex digits, a dot and a number that c_rehash gives. */
static bool is_certificate_name(struct tern_str name)
{
    size_t dot = tern_str_find(name, '.');

    if (name.len > 4 &&
        (memcmp(name.ptr + name.len - 4, ".pem", 4) == 0 || memcmp(name.ptr + name.len - 4, ".crt", 4) == 0))
        return true;
    if (dot != 8 || name.len < 10)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (i < 8 ? strchr("0123456789abcdef", name.ptr[i]) == NULL : i > 8 && !tern_ascii_is_digit(name.ptr[i]))
            return false;
    return true;
}

struct listing {
    struct tern_buf names; /* each with its NUL */
    size_t count;
    int status;
};

static bool on_name(void *user, const char *name)
{
    struct listing *listing = user;

    if (!is_certificate_name(tern_str(name)))
        return true;
    if (listing->count >= TERN_TLS_TRUST_FILES_MAX)
        listing->status = -EFBIG;
    else if (tern_buf_append(&listing->names, name, strlen(name) + 1) != TERN_OK)
        listing->status = -ENOMEM;
    listing->count++;
    return listing->status == 0;
}

/* A file of the directory that cannot be read (a dangling link) is passed over; none at all is -ENOENT. */
static int gather_dir(struct gather *gather, const char *dir)
{
    struct listing listing = {.status = 0};
    size_t before = gather->part_count;
    struct tern_buf path;
    int status;

    tern_buf_init(&listing.names, TERN_TLS_TRUST_BYTES_MAX);
    tern_buf_init(&path, TERN_TLS_TRUST_BYTES_MAX);
    status = gather->files->ops->list(gather->files, dir, on_name, &listing);
    if (status == 0)
        status = listing.status;
    while (status == 0 && listing.names.len != 0) {
        const char *name = listing.names.data + listing.names.head;

        tern_buf_clear(&path);
        if (tern_buf_printf(&path, "%s/%s", dir, name) != TERN_OK || tern_buf_append_byte(&path, '\0') != TERN_OK)
            status = -ENOMEM;
        else
            status = gather_file(gather, path.data);
        if (status != -ENOMEM && status != -EFBIG)
            status = 0;
        tern_buf_consume(&listing.names, strlen(name) + 1);
    }
    tern_buf_deinit(&listing.names);
    tern_buf_deinit(&path);
    return status == 0 && gather->part_count == before ? -ENOENT : status;
}

/* ---- what a profile trusts ---- */

static enum tern_error trust_fault(struct tern_fault *fault, int status, const char *what, const char *path)
{
    char escaped[TERN_ESCAPE_MAX];

    if (status == -ENOMEM)
        return tern_fault_plain(fault, TERN_ENOMEM);
    return tern_fault_errno(fault, TERN_ETLS_TRUST, -status, "%s \"%s\" cannot be read", what,
                            tern_escape(escaped, sizeof(escaped), tern_str(path)));
}

static enum tern_error gather_configured(struct gather *gather, const struct tern_tls_config *config,
                                         struct tern_fault *fault)
{
    int status;

    if (config->ca_file != NULL && (status = gather_file(gather, config->ca_file)) != 0)
        return trust_fault(fault, status, "ca_file", config->ca_file);
    if (config->ca_dir != NULL && (status = gather_dir(gather, config->ca_dir)) != 0)
        return trust_fault(fault, status, "ca_dir", config->ca_dir);
    if (config->ca_pem != NULL && (status = gather_memory(gather, config->ca_pem, config->ca_pem_len)) != 0)
        return trust_fault(fault, status, "ca_pem", "");
    return TERN_OK;
}

static enum tern_error gather_system(struct gather *gather, const struct tern_tls_profile *profile,
                                     struct tern_fault *fault)
{
    int status = -ENOENT;

    if (profile->env_ca_file != NULL && (status = gather_file(gather, profile->env_ca_file)) != 0)
        return trust_fault(fault, status, "SSL_CERT_FILE", profile->env_ca_file);
    if (profile->env_ca_dir != NULL && (status = gather_dir(gather, profile->env_ca_dir)) != 0)
        return trust_fault(fault, status, "SSL_CERT_DIR", profile->env_ca_dir);
    for (size_t i = 0; status == -ENOENT && i < sizeof(system_files) / sizeof(system_files[0]); i++)
        status = gather_file(gather, system_files[i]);
    if (status == -ENOENT)
        status = gather_dir(gather, system_dir);
    if (status == 0)
        return TERN_OK;
    if (status == -ENOMEM)
        return tern_fault_plain(fault, TERN_ENOMEM);
    if (profile->config.insecure)
        return TERN_OK;
    return tern_fault_errno(fault, TERN_ETLS_TRUST, -status,
                            "the system's trusted certificates were not found (install ca-certificates, or set "
                            "ca_file or SSL_CERT_FILE)");
}

/* ---- parsing ---- */

/* PEM with any number of certificates, or one in DER. Some that cannot be parsed among others are passed over, as every
 * bundle has some old ones; the code of the last is kept in case that there is no other. */
static int parse_part(mbedtls_x509_crt *chain, const char *part, size_t size)
{
    if (memmem(part, size, "-----BEGIN", 10) != NULL)
        return mbedtls_x509_crt_parse(chain, (const unsigned char *)part, size);
    return mbedtls_x509_crt_parse_der(chain, (const unsigned char *)part, size - 1);
}

static enum tern_error parse(const struct gather *gather, const struct tern_tls_config *config,
                             struct tern_tls_trust *trust, struct tern_fault *fault)
{
    struct tern_str rest = tern_buf_view(&gather->bytes);
    char text[TERN_ESCAPE_MAX], escaped[TERN_ESCAPE_MAX];
    const char *name = config->ca_file != NULL ? config->ca_file : config->ca_dir;
    int code = 0;

    while (rest.len != 0) {
        uint64_t len;
        int status;

        memcpy(&len, rest.ptr, sizeof(len));
        status = parse_part(&trust->chain, rest.ptr + sizeof(len), (size_t)len);
        if (tern_tls_is_out_of_memory(status))
            return tern_fault_plain(fault, TERN_ENOMEM);
        code = status < 0 ? status : code;
        rest = tern_str_from(rest, sizeof(len) + (size_t)len);
    }
    if (trust->chain.raw.p != NULL)
        return TERN_OK;
    tern_fault_set(fault, TERN_ETLS_TRUST,
                   "%s \"%s\" holds no certificate that can be used (%s); it must hold PEM "
                   "certificates",
                   config->ca_file != NULL  ? "ca_file"
                   : config->ca_dir != NULL ? "ca_dir"
                                            : "trust",
                   tern_escape(escaped, sizeof(escaped), tern_str(name != NULL ? name : "ca_pem")),
                   tern_tls_code_text(code, text, sizeof(text)));
    if (fault != NULL)
        fault->tls_code = code;
    return TERN_ETLS_TRUST;
}

/* ---- the table ---- */

static struct tern_tls_trust *table_find(const uint8_t digest[TERN_TLS_SHA256_BYTES])
{
    struct tern_tls_trust *found = NULL;

    pthread_mutex_lock(&table_lock);
    TERN_LIST_FOREACH(node, &table) {
        struct tern_tls_trust *trust = TERN_CONTAINER_OF(node, struct tern_tls_trust, node);

        if (memcmp(trust->digest, digest, TERN_TLS_SHA256_BYTES) == 0) {
            trust->count++;
            found = trust;
            break;
        }
    }
    pthread_mutex_unlock(&table_lock);
    return found;
}

static void table_add(struct tern_tls_trust *trust)
{
    pthread_mutex_lock(&table_lock);
    tern_list_push_back(&table, &trust->node);
    pthread_mutex_unlock(&table_lock);
}

static void trust_free(struct tern_tls_trust *trust)
{
    mbedtls_x509_crt_free(&trust->chain);
    tern_mem_free(trust);
}

static enum tern_error find_or_parse(const struct gather *gather, const struct tern_tls_config *config,
                                     struct tern_tls_trust **out, struct tern_fault *fault)
{
    struct tern_str bytes = tern_buf_view(&gather->bytes);
    uint8_t digest[TERN_TLS_SHA256_BYTES];
    struct tern_tls_trust *trust;
    enum tern_error error;

    if (mbedtls_sha256((const unsigned char *)bytes.ptr, bytes.len, digest, 0) != 0)
        return tern_fault_plain(fault, TERN_ENOMEM);
    *out = table_find(digest);
    if (*out != NULL)
        return TERN_OK;
    trust = tern_mem_calloc(1, sizeof(*trust));
    if (trust == NULL)
        return tern_fault_plain(fault, TERN_ENOMEM);
    trust->count = 1;
    memcpy(trust->digest, digest, sizeof(digest));
    mbedtls_x509_crt_init(&trust->chain);
    error = parse(gather, config, trust, fault);
    if (error != TERN_OK) {
        trust_free(trust);
        return error;
    }
    table_add(trust);
    *out = trust;
    return TERN_OK;
}

enum tern_error tern_tls_trust_acquire(struct tern_files *files, const struct tern_tls_profile *profile,
                                       struct tern_tls_trust **out, struct tern_fault *fault)
{
    const struct tern_tls_config *config = &profile->config;
    bool is_named = config->ca_file != NULL || config->ca_dir != NULL || config->ca_pem != NULL;
    struct gather gather = {.files = files};
    enum tern_error error;

    *out = NULL;
    tern_buf_init(&gather.bytes, TERN_TLS_TRUST_BYTES_MAX);
    error = is_named ? gather_configured(&gather, config, fault) : gather_system(&gather, profile, fault);
    if (error == TERN_OK && gather.part_count != 0) {
        tern_tls_fork_lock();
        pthread_mutex_lock(&parse_lock);
        error = find_or_parse(&gather, config, out, fault);
        pthread_mutex_unlock(&parse_lock);
        tern_tls_fork_unlock();
    }
    tern_buf_deinit(&gather.bytes);
    return error;
}

void tern_tls_trust_release(struct tern_tls_trust *trust)
{
    bool is_last;

    if (trust == NULL)
        return;
    tern_tls_fork_lock();
    pthread_mutex_lock(&table_lock);
    is_last = --trust->count == 0;
    if (is_last)
        tern_list_remove(&trust->node);
    pthread_mutex_unlock(&table_lock);
    tern_tls_fork_unlock();
    if (is_last)
        trust_free(trust);
}
