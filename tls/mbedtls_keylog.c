/* tls/mbedtls_keylog.c - secrets in the SSLKEYLOGFILE format, one line each, appended off the loop. */
#include <fcntl.h>

#include "base/mem.h"
#include "tls/mbedtls_stream.h"

/* label, 32 bytes and at most 64 bytes in hex, blanks, newline */
#define LINE_BYTES_MAX 256

struct tern_tls_key_line {
    struct tern_job job;
    struct tern_tls_key_line *next;   /* until it is written */
    struct tern_tls_profile *profile; /* a count of it, for the path */
    size_t len;
    char text[LINE_BYTES_MAX];
};

static void on_run(struct tern_job *job, struct tern_files *files)
{
    struct tern_tls_key_line *line = TERN_CONTAINER_OF(job, struct tern_tls_key_line, job);
    int fd = files->ops->open(files, line->profile->config.keylog_path, O_WRONLY | O_APPEND | O_CREAT, 0600);

    /* Whether it can be written was checked at load. A disk that is full now is no reason to fail a call. One write, so
     * that the lines of several processes do not mix. */
    if (fd < 0)
        return;
    (void)!files->ops->write(files, fd, line->text, line->len);
    (void)files->ops->close(files, fd);
}

static void forget(struct tern_tls_key_line *line)
{
    tern_tls_profile_release(line->profile);
    tern_mem_wipe(line, sizeof(*line));
    tern_mem_free(line);
}

static void on_done(struct tern_job *job, bool cancelled)
{
    (void)cancelled;
    forget(TERN_CONTAINER_OF(job, struct tern_tls_key_line, job));
}

static const char *label(mbedtls_ssl_key_export_type type)
{
    switch (type) {
    case MBEDTLS_SSL_KEY_EXPORT_TLS12_MASTER_SECRET:
        return "CLIENT_RANDOM";
    case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_HANDSHAKE_TRAFFIC_SECRET:
        return "CLIENT_HANDSHAKE_TRAFFIC_SECRET";
    case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_HANDSHAKE_TRAFFIC_SECRET:
        return "SERVER_HANDSHAKE_TRAFFIC_SECRET";
    case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_APPLICATION_TRAFFIC_SECRET:
        return "CLIENT_TRAFFIC_SECRET_0";
    case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_APPLICATION_TRAFFIC_SECRET:
        return "SERVER_TRAFFIC_SECRET_0";
    default:
        return NULL;
    }
}

static size_t put_hex(char *out, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    return 2 * len;
}

void tern_tls_keylog(void *user, mbedtls_ssl_key_export_type type, const unsigned char *secret, size_t secret_len,
                     const unsigned char client_random[32], const unsigned char server_random[32],
                     mbedtls_tls_prf_types prf)
{
    struct tern_tls_stream *tls = user;
    const char *name = label(type);
    struct tern_tls_key_line *line;
    size_t at;

    (void)server_random;
    (void)prf;
    if (name == NULL || secret_len > 64)
        return;
    line = tern_mem_calloc(1, sizeof(*line));
    if (line == NULL)
        return;
    at = strlen(name);
    memcpy(line->text, name, at);
    line->text[at++] = ' ';
    at += put_hex(line->text + at, client_random, 32);
    line->text[at++] = ' ';
    at += put_hex(line->text + at, secret, secret_len);
    line->text[at++] = '\n';
    line->len = at;
    line->profile = tern_tls_profile_acquire(tls->profile);
    line->job.run = on_run;
    line->job.done = on_done;
    line->next = tls->key_lines;
    tls->key_lines = line;
}

void tern_tls_keylog_write(struct tern_tls_stream *tls)
{
    struct tern_tls_key_line *next, *line = NULL;

    for (; tls->key_lines != NULL; tls->key_lines = next) { /* the first one first again */
        next = tls->key_lines->next;
        tls->key_lines->next = line;
        line = tls->key_lines;
    }
    for (; line != NULL; line = next) {
        next = line->next;
        if (tern_job_start(tls->engine, &line->job) != TERN_OK)
            forget(line);
    }
}

void tern_tls_keylog_drop(struct tern_tls_stream *tls)
{
    struct tern_tls_key_line *line;

    while ((line = tls->key_lines) != NULL) {
        tls->key_lines = line->next;
        forget(line);
    }
}
