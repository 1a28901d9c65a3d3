/* tern/file.h - small files read and written whole, off the loop: what a client has learned and keeps (tern/jar.h,
 * tern_client_hsts_save). */
#ifndef TERN_FILE_H
#define TERN_FILE_H

#include "tern/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads the file at path. on_loaded comes once, from a step: error is TERN_OK, or TERN_EFILE (what the system said is
 * in fault->os_errno: ENOENT, say; more than bytes_max is EFBIG) or TERN_ENOMEM; bytes are borrowed until it returns.
 * It does not come where the engine is freed before. path is copied. Engine's thread.
 * Errors, and then on_loaded does not come: TERN_ENOMEM, TERN_EOS (no thread), TERN_ECLOSED, TERN_EFORK. */
TERN_API TERN_MUST_USE enum tern_error
tern_file_load(struct tern_engine *engine, const char *path, size_t bytes_max,
               void (*on_loaded)(void *user, const struct tern_fault *fault, struct tern_str bytes), void *user);

/* Puts bytes into the file at path, whole and durable or not at all: they go to a new file beside it, which then takes
 * its name. Its mode is that of the file it replaces (less the umask), or 0600. A symbolic link is replaced, not
 * followed; what is there and no regular file (a device, a pipe) is written as it stands. Of two who save at once the
 * last one wins. on_saved comes once, from a step, with TERN_OK, TERN_EFILE or TERN_ENOMEM in fault; not where the
 * engine is freed before, and then the file is the old one or the new one. path and bytes are copied. Engine's thread.
 * Errors as tern_file_load. */
TERN_API TERN_MUST_USE enum tern_error tern_file_save(struct tern_engine *engine, const char *path,
                                                      struct tern_str bytes,
                                                      void (*on_saved)(void *user, const struct tern_fault *fault),
                                                      void *user);

#ifdef __cplusplus
}
#endif
#endif
