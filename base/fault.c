#include "base/fault.h"

#include <errno.h>
#include <stdio.h>

#include "base/assert.h"

#define CUT "..."

enum tern_error tern_fault_vset(struct tern_fault *fault, enum tern_error error, const char *format, va_list args)
{
    char text[TERN_FAULT_TEXT_MAX]; /* the old text of fault may be one of the arguments */
    int length;

    if (fault == NULL)
        return error;
    length = vsnprintf(text, sizeof(text), format, args);
    if (length < 0)
        text[0] = '\0';
    else if ((size_t)length >= sizeof(text))
        memcpy(text + sizeof(text) - sizeof(CUT), CUT, sizeof(CUT));
    for (char *c = text; *c != '\0'; c++)
        if (*c < 0x20 || *c > 0x7e)
            *c = '?';
    fault->error = error;
    fault->os_errno = 0;
    fault->tls_code = 0;
    memcpy(fault->text, text, sizeof(text));
    return error;
}

enum tern_error tern_fault_set(struct tern_fault *fault, enum tern_error error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tern_fault_vset(fault, error, format, args);
    va_end(args);
    return error;
}

enum tern_error tern_fault_errno(struct tern_fault *fault, enum tern_error error, int os_errno, const char *format, ...)
{
    char text[TERN_FAULT_TEXT_MAX], system[128];
    va_list args;

    if (fault == NULL)
        return error;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    tern_fault_set(fault, error, "%s: %s", text, strerror_r(os_errno, system, sizeof(system)));
    fault->os_errno = os_errno;
    return error;
}

enum tern_error tern_fault_plain(struct tern_fault *fault, enum tern_error error)
{
    return tern_fault_set(fault, error, "%s", tern_error_text(error));
}

static enum tern_error error_of_resource(int os_errno, enum tern_error otherwise)
{
    switch (os_errno) {
    case EMFILE:
    case ENFILE:
        return TERN_EDESCRIPTORS;
    case ENOMEM:
    case ENOBUFS:
        return TERN_ENOMEM;
    default:
        return otherwise;
    }
}

enum tern_error tern_error_of_connect(int os_errno)
{
    switch (os_errno) {
    case ECONNREFUSED:
        return TERN_ECONNECT_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EADDRNOTAVAIL:
        return TERN_ECONNECT_UNREACHABLE;
    case ETIMEDOUT:
        return TERN_ECONNECT_TIMEOUT;
    default:
        return error_of_resource(os_errno, TERN_ECONNECT_FAILED);
    }
}

enum tern_error tern_error_of_stream(int os_errno)
{
    switch (os_errno) {
    /* The kernel gave up on the peer, or an ICMP told it to: the connection is as gone as after a reset. */
    case ETIMEDOUT:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return TERN_EPEER_RESET;
    default:
        return error_of_resource(os_errno, TERN_EOS);
    }
}

/* Writes c to out as tern_escape shows it; returns the length, 1 to 4. */
static size_t escape_byte(char out[4], unsigned char c)
{
    static const char hex[] = "0123456789abcdef";

    if (c < 0x20 || c > 0x7e) {
        memcpy(out, (char[]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4);
        return 4;
    }
    if (c == '"' || c == '\\') {
        memcpy(out, (char[]){'\\', (char)c}, 2);
        return 2;
    }
    out[0] = (char)c;
    return 1;
}

const char *tern_escape(char *out, size_t cap, struct tern_str in)
{
    size_t len = 0, cut = 0; /* cut: the last place where the dots still fit */

    TERN_ASSERT(cap >= 8);
    for (size_t i = 0; i < in.len; i++) {
        char piece[4];
        size_t n = escape_byte(piece, (unsigned char)in.ptr[i]);

        if (n >= cap - len) {
            memcpy(out + cut, CUT, sizeof(CUT));
            return out;
        }
        memcpy(out + len, piece, n);
        len += n;
        if (sizeof(CUT) <= cap - len)
            cut = len;
    }
    out[len] = '\0';
    return out;
}
