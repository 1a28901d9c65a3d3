/* client/mock.h - the mock transport inside: what is expected (mock_expect.c), what was sent (mock_sent.c), and the
 * exchanges that join the two (mock.c).
 *
 * 1. A mock is the caller's and the client's: it is freed when both have let go.
 * 2. Expectations and records stay until then, so whatever runs may point to them. */
#ifndef TERN_CLIENT_MOCK_H
#define TERN_CLIENT_MOCK_H

#include "base/buf.h"
#include "base/keep.h"
#include "client/client.h"
#include "tern/mock.h"

/* Of all that was not expected. What is too much for it is left out: the first lines tell. */
#define TERN_MOCK_TEXT_MAX (64 * 1024)

enum tern_mock_act_kind {
    TERN_MOCK_INFORMATIONAL,
    TERN_MOCK_HEAD,
    TERN_MOCK_PIECE,
    TERN_MOCK_TRAILERS,
    TERN_MOCK_END /* well or with the error */
};

/* One thing that comes, and how long after the one before it. */
struct tern_mock_act {
    enum tern_mock_act_kind kind;
    uint64_t delay_ns;
    struct tern_head head; /* TRAILERS: its fields */
    struct tern_str bytes; /* PIECE */
};

struct tern_mock_rule {
    struct tern_list node;
    struct tern_mock_match match;
    struct tern_host host; /* where match.host is not NULL */
    uint32_t times, used;
    struct tern_mock_act *acts; /* END is the last */
    size_t act_count;
    enum tern_error error;
    enum tern_phase phase; /* with an error, as for replay */
    enum tern_replay replay;
    struct tern_keep keep; /* all that it points at, and itself */
};

struct tern_mock_record {
    struct tern_mock_request request; /* its body is a view of: */
    struct tern_buf body;
    struct tern_keep keep;
};

struct tern_mock {
    struct tern_transport transport; /* first */
    struct tern_client *client;      /* alive while exchanges run */
    uint32_t refs;
    struct tern_mock_config config;
    struct tern_list rules; /* tern_mock_rule.node, in the order in which they were given */
    struct tern_mock_record **records;
    size_t record_count, record_cap;
    struct tern_buf complaints;
    struct tern_buf report; /* what verify gave last */
    bool lost_complaint;    /* for want of memory */
};

void tern_mock_release(struct tern_mock *mock);

/* ---- what is expected ---- */

void tern_mock_rules_free(struct tern_mock *mock);

/* The expectation that answers a whole request to host; it is used once more. NULL: none. */
struct tern_mock_rule *tern_mock_find(struct tern_mock *mock, const struct tern_mock_request *request,
                                      const struct tern_host *host);

/* The same before anything of the request is read: only where that is sure to fail before it could be written. */
struct tern_mock_rule *tern_mock_find_early(struct tern_mock *mock, const struct tern_mock_request *request,
                                            const struct tern_host *host);

/* Notes and tells that the request was not expected. Runs the user's callback. */
void tern_mock_complain(struct tern_mock *mock, const struct tern_mock_request *request);

/* ---- what was sent ---- */

void tern_mock_records_free(struct tern_mock *mock);

/* Errors: TERN_ENOMEM, TERN_ELIMIT. */
TERN_MUST_USE enum tern_error tern_mock_record_add(struct tern_mock *mock, const struct tern_exchange *exchange,
                                                   struct tern_mock_record **out, struct tern_fault *why);
TERN_MUST_USE enum tern_error tern_mock_record_body(struct tern_mock_record *record, struct tern_str bytes,
                                                    struct tern_fault *why);

/* Its body is complete: checks and copies the trailers. Errors: TERN_EFIELD, TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_mock_record_end(struct tern_mock_record *record, const struct tern_outgoing *message,
                                                   struct tern_fault *why);

#endif
