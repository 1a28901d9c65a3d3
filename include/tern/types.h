/* tern/types.h - the small types that every other public header uses.
 *
 * Text and bytes are views: a pointer and a length, never assumed to end in NUL. A view borrows; each function
 * and callback says how long what it points at stays valid. Times are uint64_t nanoseconds. In every
 * configuration struct 0 or NULL means the documented default and TERN_OFF means off. */
#ifndef TERN_TYPES_H
#define TERN_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define TERN_API __attribute__((visibility("default")))
#define TERN_MUST_USE __attribute__((warn_unused_result))
#define TERN_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define TERN_API
#define TERN_MUST_USE
#define TERN_PRINTF(fmt, args)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* For a limit or a time: off, unlimited, never. */
#define TERN_OFF UINT64_MAX

#define TERN_MS UINT64_C(1000000)
#define TERN_S UINT64_C(1000000000)

/* A borrowed run of text or bytes. ptr may be NULL only if len is 0. */
struct tern_str {
    const char *ptr;
    size_t len;
};

/* The view of a string literal. */
#define TERN_STR(literal) ((struct tern_str){"" literal, sizeof(literal) - 1})

/* The view of a NUL-terminated string; NULL gives the empty view. Borrows z. */
static inline struct tern_str tern_str(const char *z)
{
    return (struct tern_str){z, z != NULL ? strlen(z) : 0};
}

/* One header field. Names are compared without case (RFC 9110 section 5.1) and values carry no surrounding blanks. */
struct tern_field {
    struct tern_str name;
    struct tern_str value;
    uint32_t flags; /* TERN_FIELD_* */
};

/* The value belongs to the origin of the call's URL and is shown to nobody: not in traces, not in errors.
 * Authorization, Proxy-Authorization and Cookie always have this flag, whether it is given or not. */
#define TERN_FIELD_SECRET 1u

enum tern_http_version { TERN_HTTP_NONE = 0, TERN_HTTP_1_0 = 10, TERN_HTTP_1_1 = 11, TERN_HTTP_2 = 20 };

/* The head of a response, final or informational. */
struct tern_head {
    uint16_t status; /* 100 to 999 */
    enum tern_http_version version;
    struct tern_str reason; /* empty where the protocol has none; from outside, not escaped */
    const struct tern_field *fields;
    size_t field_count;
    bool decoded; /* on_body gets the content of what Content-Encoding speaks of (tern/policy.h, tern_decoding) */
};

/* The value of the first field called name, or an empty view with a NULL pointer where there is none.
 * Borrows from fields. Any thread. */
TERN_API struct tern_str tern_fields_get(const struct tern_field *fields, size_t count, const char *name);

/* The library's version, "MAJOR.MINOR.PATCH", and those of the libraries inside it, for a person to read. Static. */
TERN_API const char *tern_version(void);
TERN_API const char *tern_version_details(void);

#ifdef __cplusplus
}
#endif
#endif
