/* fetch/failure.h - exit codes as curl has them, and one failure with its text. */
#ifndef FETCH_FAILURE_H
#define FETCH_FAILURE_H

#include <tern/tern.h>

enum code {
    CODE_OK = 0,
    CODE_SCHEME = 1,
    CODE_USAGE = 2,
    CODE_URL = 3,
    CODE_RESOLVE = 6,
    CODE_CONNECT = 7,
    CODE_WEIRD_REPLY = 8,
    CODE_PARTIAL = 18,
    CODE_STATUS = 22, /* -f and a status of 400 or above */
    CODE_WRITE = 23,
    CODE_READ = 26,
    CODE_MEMORY = 27,
    CODE_TIMEOUT = 28,
    CODE_TLS = 35,
    CODE_ABORTED = 42,
    CODE_ARGUMENT = 43,
    CODE_REDIRECTS = 47,
    CODE_SYNTAX = 49, /* of --resolve and --connect-to */
    CODE_EMPTY = 52,
    CODE_SEND = 55,
    CODE_RECEIVE = 56,
    CODE_CLIENT_CERT = 58,
    CODE_CERT = 60,
    CODE_SIZE = 63,
    CODE_REWIND = 65, /* a redirect asks for a body that cannot be sent again */
    CODE_CA = 77,
    CODE_PIN = 90,
    CODE_STREAM = 92
};

/* All zero: none. */
struct failure {
    enum code code;
    char text[512];
};

/* Sets failure unless it is set already, since the first one is the cause of those after it. Always false, so that
 * `return fail(…)` reads as it should. */
bool fail(struct failure *failure, enum code code, const char *format, ...) TERN_PRINTF(3, 4);

/* The exit code for a fault. phase decides where an error of the system or of the connection is told apart by it. */
enum code code_of(const struct tern_fault *fault, enum tern_phase phase);

/* Takes over a fault that tern gave. */
bool fail_fault(struct failure *failure, const struct tern_fault *fault, enum tern_phase phase);

#endif
