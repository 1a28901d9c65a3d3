/* tls/mbedtls_fault.c - a stream's states, and how it fails: what mbedTLS, the peer and the stream below say, as a
 * fault.
 */
#include <mbedtls/net_sockets.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/str.h"
#include "tls/mbedtls_stream.h"

/* ---- states ---- */

void tern_tls_set_state(struct tern_tls_stream *tls, enum tern_tls_state state)
{
    static const unsigned successors[] = {
        [TERN_TLS_LOWER] = 1u << TERN_TLS_SETUP | 1u << TERN_TLS_FAILED | 1u << TERN_TLS_CLOSED,
        [TERN_TLS_SETUP] = 1u << TERN_TLS_HANDSHAKE | 1u << TERN_TLS_FAILED | 1u << TERN_TLS_CLOSED,
        [TERN_TLS_HANDSHAKE] = 1u << TERN_TLS_OPEN | 1u << TERN_TLS_FAILED | 1u << TERN_TLS_CLOSED,
        [TERN_TLS_OPEN] = 1u << TERN_TLS_ENDED | 1u << TERN_TLS_FAILED | 1u << TERN_TLS_CLOSED,
        [TERN_TLS_ENDED] = 1u << TERN_TLS_FAILED | 1u << TERN_TLS_CLOSED,
        [TERN_TLS_FAILED] = 1u << TERN_TLS_CLOSED,
        [TERN_TLS_CLOSED] = 0,
    };

    TERN_ASSERT(successors[tls->state] & 1u << state);
    tls->state = state;
}

/* ---- failing ---- */

/* RFC 8446 6.2. What a person can do something about has a hint. */
static const char *alert_text(int alert)
{
    switch (alert) {
    case 10:
        return "unexpected_message";
    case 20:
        return "bad_record_mac";
    case 40:
        return "handshake_failure: no version, cipher or signature in common, or a client certificate is needed";
    case 42:
        return "bad_certificate: it does not take the client certificate";
    case 43:
        return "unsupported_certificate: it does not take the client certificate";
    case 44:
        return "certificate_revoked: the client certificate is revoked";
    case 45:
        return "certificate_expired: the client certificate has expired";
    case 46:
        return "certificate_unknown: it does not take the client certificate";
    case 47:
        return "illegal_parameter";
    case 48:
        return "unknown_ca: it does not trust the client certificate";
    case 49:
        return "access_denied";
    case 50:
        return "decode_error";
    case 51:
        return "decrypt_error";
    case 70:
        return "protocol_version: it speaks no TLS version that is allowed here";
    case 71:
        return "insufficient_security";
    case 80:
        return "internal_error";
    case 109:
        return "missing_extension";
    case 112:
        return "unrecognized_name: it does not know this host";
    case 116:
        return "certificate_required: set cert_file and key_file";
    case 120:
        return "no_application_protocol";
    default:
        return "see RFC 8446 section 6";
    }
}

/* The last alert that came; the library has no other way to tell. */
static int alert_of(const struct tern_tls_stream *tls)
{
    return tls->ssl.MBEDTLS_PRIVATE(in_msg) != NULL ? tls->ssl.MBEDTLS_PRIVATE(in_msg)[1] : 0;
}

static void fault_of_code(struct tern_tls_stream *tls, int code)
{
    bool in_handshake = tls->state == TERN_TLS_HANDSHAKE;
    enum tern_error error = in_handshake ? TERN_ETLS_HANDSHAKE : TERN_ETLS_RECORD;
    const char *what = in_handshake ? "TLS handshake" : "TLS session";
    struct tern_fault *fault = &tls->fault;
    char text[TERN_ESCAPE_MAX];

    if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
        int alert = alert_of(tls);

        tern_fault_set(fault, error, "%s with %s: the server sent alert %d (%s)", what, tls->host.text, alert,
                       alert_text(alert));
        fault->tls_code = alert;
        return;
    }
    if (code == MBEDTLS_ERR_SSL_BAD_INPUT_DATA)
        tern_fault_set(fault, error,
                       "%s with %s: the server sent more in one piece than is allowed, such as a "
                       "certificate with too many names",
                       what, tls->host.text);
    else if (in_handshake && code == MBEDTLS_ERR_SSL_INVALID_RECORD)
        tern_fault_set(fault, error, "%s with %s: the answer is not TLS (is it a plain-text port?)", what,
                       tls->host.text);
    else if (in_handshake && code == MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION)
        tern_fault_set(fault, error, "%s with %s: the server speaks no TLS version that is allowed here", what,
                       tls->host.text);
    else
        tern_fault_set(fault, error, "%s with %s: %s", what, tls->host.text,
                       tern_tls_code_text(code, text, sizeof(text)));
    fault->tls_code = code;
}

enum tern_flow tern_tls_fail(struct tern_tls_stream *tls, int code)
{
    uint32_t flags = mbedtls_ssl_get_verify_result(&tls->ssl);
    struct tern_fault *fault = &tls->fault;
    bool in_handshake = tls->state == TERN_TLS_HANDSHAKE;

    /* A session that may be to blame is not offered again. */
    if (in_handshake && tls->session_offered)
        tern_session_cache_drop(&tls->tls->sessions, tls->session_key);

    if (tls->bio.error != TERN_OK)
        tern_fault_plain(fault, tls->bio.error);
    else if (code == MBEDTLS_ERR_NET_RECV_FAILED || code == MBEDTLS_ERR_NET_SEND_FAILED)
        tern_bytestream_fault(tls->bio.lower, fault);
    else if (tern_tls_is_out_of_memory(code))
        tern_fault_plain(fault, TERN_ENOMEM);
    else if (code == MBEDTLS_ERR_SSL_CONN_EOF && in_handshake)
        tern_fault_set(fault, TERN_ETLS_HANDSHAKE, "TLS handshake with %s: the server closed the connection",
                       tls->host.text);
    else if (code == MBEDTLS_ERR_SSL_CONN_EOF)
        tern_fault_set(fault, TERN_EPEER_TRUNCATED, "%s closed the connection without ending TLS (no close_notify)",
                       tls->host.text);
    else if (in_handshake && tern_verify_explains(&tls->verify, code, flags))
        *fault = tls->verify.fault;
    else
        fault_of_code(tls, code);
    tern_tls_set_state(tls, TERN_TLS_FAILED);
    return TERN_FLOW_ERROR;
}

enum tern_flow tern_tls_fail_lower(struct tern_tls_stream *tls)
{
    if (tls->bio.error != TERN_OK)
        tern_fault_plain(&tls->fault, tls->bio.error);
    else
        tern_bytestream_fault(tls->bio.lower, &tls->fault);
    tern_tls_set_state(tls, TERN_TLS_FAILED);
    return TERN_FLOW_ERROR;
}

enum tern_flow tern_tls_fail_flood(struct tern_tls_stream *tls, unsigned max, const char *what)
{
    bool in_handshake = tls->state == TERN_TLS_HANDSHAKE;

    tern_fault_set(&tls->fault, in_handshake ? TERN_ETLS_HANDSHAKE : TERN_ETLS_RECORD,
                   "TLS %s with %s: more than %u %s", in_handshake ? "handshake" : "session", tls->host.text, max,
                   what);
    tern_tls_set_state(tls, TERN_TLS_FAILED);
    return TERN_FLOW_ERROR;
}
