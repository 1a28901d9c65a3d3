#include "failure.h"

#include <stdarg.h>
#include <stdio.h>

bool fail(struct failure *failure, enum code code, const char *format, ...)
{
    if (failure->code != CODE_OK)
        return false;
    failure->code = code;
    va_list args;
    va_start(args, format);
    vsnprintf(failure->text, sizeof failure->text, format, args);
    va_end(args);
    /* Names of files and lists of URLs may come from anywhere: they shall not steer the terminal. */
    for (char *c = failure->text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    return false;
}

static bool while_sending(enum tern_phase phase)
{
    return phase == TERN_PHASE_WRITE;
}

static enum code code_of_local(enum tern_error error, enum tern_phase phase)
{
    switch (error) {
    case TERN_ENOMEM:
        return CODE_MEMORY;
    case TERN_EDESCRIPTORS:
        return CODE_CONNECT;
    case TERN_EBODY_SOURCE:
    case TERN_EBODY_SIZE:
    case TERN_EFILE:
        return CODE_READ;
    case TERN_EBODY_MAX:
        return CODE_SIZE;
    case TERN_EOS:
        if (phase < TERN_PHASE_WRITE)
            return CODE_CONNECT;
        return while_sending(phase) ? CODE_SEND : CODE_RECEIVE;
    default:
        return CODE_USAGE;
    }
}

static enum code code_of_tls(enum tern_error error)
{
    switch (error) {
    case TERN_ETLS_HANDSHAKE:
        return CODE_TLS;
    case TERN_ETLS_RECORD:
        return CODE_RECEIVE;
    case TERN_ETLS_TRUST:
        return CODE_CA;
    case TERN_ETLS_IDENTITY:
        return CODE_CLIENT_CERT;
    case TERN_ETLS_PIN:
        return CODE_PIN;
    default:
        return CODE_CERT;
    }
}

static enum code code_of_peer(const struct tern_fault *fault, enum tern_phase phase)
{
    switch (fault->error) {
    case TERN_EPEER_EMPTY:
        return CODE_EMPTY;
    case TERN_EPEER_TRUNCATED:
        return CODE_PARTIAL;
    case TERN_EPEER_REFUSED:
        return CODE_STREAM;
    default:
        if (phase == TERN_PHASE_TLS)
            return CODE_TLS;
        if (fault->error == TERN_EPEER_RESET && fault->os_errno == 0) /* no socket's error: one stream's */
            return CODE_STREAM;
        return while_sending(phase) ? CODE_SEND : CODE_RECEIVE;
    }
}

static enum code code_of_policy(enum tern_error error)
{
    switch (error) {
    case TERN_EREDIRECTS:
        return CODE_REDIRECTS;
    case TERN_EGATE:
        return CODE_SCHEME; /* what curl answers to a protocol that --proto forbids */
    case TERN_EBREAKER:
        return CODE_CONNECT;
    default:
        return CODE_TIMEOUT;
    }
}

enum code code_of(const struct tern_fault *fault, enum tern_phase phase)
{
    enum tern_error error = fault->error;
    switch (tern_error_class(error)) {
    case TERN_CLASS_NONE:
        return CODE_OK;
    case TERN_CLASS_USAGE:
        if (error == TERN_EURL)
            return CODE_URL;
        if (error == TERN_ESCHEME)
            return CODE_SCHEME;
        return error == TERN_EFIELD || error == TERN_EINVAL ? CODE_ARGUMENT : CODE_USAGE;
    case TERN_CLASS_LOCAL:
        return code_of_local(error, phase);
    case TERN_CLASS_DNS:
        return CODE_RESOLVE;
    case TERN_CLASS_CONNECT:
        return CODE_CONNECT;
    case TERN_CLASS_TLS:
        return code_of_tls(error);
    case TERN_CLASS_PEER:
        return code_of_peer(fault, phase);
    case TERN_CLASS_PROTOCOL:
        if (error == TERN_EPROTO_VERSION)
            return CODE_SCHEME; /* what curl answers to HTTP/0.9 and to versions it does not know */
        return error == TERN_EHEAD_MAX ? CODE_RECEIVE : CODE_WEIRD_REPLY;
    case TERN_CLASS_TIMEOUT:
        return CODE_TIMEOUT;
    case TERN_CLASS_CANCELLED:
        return CODE_ABORTED;
    case TERN_CLASS_POLICY:
        return code_of_policy(error);
    }
    return CODE_USAGE;
}

bool fail_fault(struct failure *failure, const struct tern_fault *fault, enum tern_phase phase)
{
    const char *text = fault->text[0] != '\0' ? fault->text : tern_error_text(fault->error);
    return fail(failure, code_of(fault, phase), "%s", text);
}
