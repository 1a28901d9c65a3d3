/* base/fault.h - filling in struct tern_fault (tern/error.h), and making outside text safe to show. Any thread. */
#ifndef TERN_BASE_FAULT_H
#define TERN_BASE_FAULT_H

#include <stdarg.h>

#include "tern/error.h"

/* Writes error and the formatted text into fault, which may be NULL, and returns error:
 *     return tern_fault_set(fault, TERN_EURL, "URL port \"%s\": must be 1 to 65535", tern_escape(...));
 * Too long a text is cut. Whatever the arguments were, the text ends up as printable ASCII: any other byte becomes '?'.
 * os_errno and tls_code become 0. */
enum tern_error tern_fault_set(struct tern_fault *fault, enum tern_error error, const char *format, ...)
    TERN_PRINTF(3, 4);
enum tern_error tern_fault_vset(struct tern_fault *fault, enum tern_error error, const char *format, va_list args)
    TERN_PRINTF(3, 0);

/* The same with os_errno set and ": " and the system's text for it behind the text. */
enum tern_error tern_fault_errno(struct tern_fault *fault, enum tern_error error, int os_errno, const char *format, ...)
    TERN_PRINTF(4, 5);

/* The error and the sentence that the table has for it, where there is no more to say. */
enum tern_error tern_fault_plain(struct tern_fault *fault, enum tern_error error);

/* What an errno means while a socket is made and connected, and once it is connected. Never TERN_OK. */
enum tern_error tern_error_of_connect(int os_errno);
enum tern_error tern_error_of_stream(int os_errno);

#define TERN_ESCAPE_MAX 128 /* room for a value quoted in a fault's text */

/* Writes in to out as printable ASCII with a NUL behind it: '"' and '\' get a backslash, all else outside 0x20 to 0x7e
 * becomes \xHH. What does not fit is cut between characters and ends in "...". cap is at least 8. Returns out. */
const char *tern_escape(char *out, size_t cap, struct tern_str in);

#endif
