/* tls/mbedtls_material.h - what a profile names, read and parsed: trust and the client's own certificate.
 *
 * Made on a file worker, then handed to the profile and never changed. Trust is counted and shared by all profiles
 * of the process whose files have the same content. */
#ifndef TERN_TLS_MBEDTLS_MATERIAL_H
#define TERN_TLS_MBEDTLS_MATERIAL_H

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include "tls/profile.h"

/* One file with certificates: the largest system bundles have half a MiB. */
#define TERN_TLS_TRUST_FILE_BYTES_MAX (16u * 1024 * 1024)

/* All files of a directory together, and their number. */
#define TERN_TLS_TRUST_BYTES_MAX (64u * 1024 * 1024)
#define TERN_TLS_TRUST_FILES_MAX 8192

/* A client certificate with its chain, or a key. */
#define TERN_TLS_IDENTITY_BYTES_MAX (1024u * 1024)

struct tern_tls_trust {
    struct tern_list node;
    uint32_t count;                        /* under the table's lock */
    uint8_t digest[TERN_TLS_SHA256_BYTES]; /* of the files' content, each length-prefixed */
    mbedtls_x509_crt chain;
};

struct tern_tls_material {
    struct tern_tls_trust *trust; /* NULL: none was found and the profile is insecure */
    bool has_identity;
    mbedtls_x509_crt identity;
    mbedtls_pk_context key;
    uint8_t digest[TERN_TLS_SHA256_BYTES]; /* of all of it: part of the session key */
};

/* Readies the library: its memory and its random source. Once for the process; any thread. Errors: TERN_EOS,
 * TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_tls_mbedtls_ready(struct tern_fault *fault);

/* True where the code means that memory ran out. */
bool tern_tls_is_out_of_memory(int code);

/* The library's sentence for a code. Returns out. */
const char *tern_tls_code_text(int code, char *out, size_t cap);

/* Reads and parses, blocking. On success *out is the caller's. Errors: TERN_ETLS_TRUST, TERN_ETLS_IDENTITY, TERN_EFILE,
 * TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_tls_material_new(struct tern_files *files, const struct tern_tls_profile *profile,
                                                    struct tern_tls_material **out, struct tern_fault *fault);

/* NULL is ignored. Any thread. */
void tern_tls_material_free(struct tern_tls_material *material);

/* One more count of the parsed trust of a profile; *out is NULL where there is none and the profile is insecure. A
 * worker's thread. Errors: TERN_ETLS_TRUST, TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_tls_trust_acquire(struct tern_files *files, const struct tern_tls_profile *profile,
                                                     struct tern_tls_trust **out, struct tern_fault *fault);
void tern_tls_trust_release(struct tern_tls_trust *trust);

/* Appends a whole file to out, as it is. A worker's thread. Gives 0, a negative errno, or -EFBIG over max_bytes. */
TERN_MUST_USE int tern_tls_read_file(struct tern_files *files, const char *path, size_t max_bytes,
                                     struct tern_buf *out);

/* The bodies of the provider's load and load_cancel. Engine's thread. */
TERN_MUST_USE enum tern_error tern_tls_profile_load(struct tern_engine *engine, struct tern_tls_profile *profile,
                                                    struct tern_tls_waiter *waiter);
void tern_tls_profile_load_cancel(struct tern_tls_waiter *waiter);

/* The body of profile->tell. */
void tern_tls_profile_tell(struct tern_task *task);

/* ---- forks: mbedtls_fork.c ---- */

/* Whoever is inside of mbedTLS on a worker, or holds a lock of the process's, holds this too, together with others; a
 * fork waits until nobody does. So a child finds no half-changed context and no lock that is held for ever. Not taken
 * twice: a fork that came between would wait for ever. */
void tern_tls_fork_lock(void);
void tern_tls_fork_unlock(void);

/* Once for the process, before the first lock. False: out of memory. */
TERN_MUST_USE bool tern_tls_fork_ready(void);

#endif
