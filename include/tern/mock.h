/* tern/mock.h - tests of your own code, without a network.
 *
 *     tern_mock_engine_new(NULL, &engine, &why); // its time moves only when the test, or a blocking call, moves it
 *     tern_client_new(engine, &config, &client, &why);
 *     tern_mock_new(client, NULL, &mock, &why);       // from here on no call of the client reaches the network
 *
 *     const struct tern_mock_match items = {.method = "GET", .host = "api.test", .path = "/items"};
 *     tern_mock_expect(mock, &items, &(struct tern_mock_answer){.status = 503}, 1, &why);
 *     tern_mock_expect(mock, &items, &(struct tern_mock_answer){.body = TERN_STR("[]")}, 1, &why);
 *
 *     ... run the code under test on the client; tern_mock_advance(engine, 5 * TERN_S) lets time pass ...
 *
 *     tern_mock_verify(mock);                         // NULL: what came was expected, and what was expected came
 *     tern_mock_sent(mock, 0)->body;                  // what was sent
 *
 * Only what lies below a call is mocked: names, connections, bytes. Redirects, retries, the gate (but for its questions
 * about addresses), rate limits, breakers, safe replay, windows, pauses and every timeout work as they do in earnest.
 * examples/mock_test.c is a whole test.
 *
 * A request is taken whole before it is answered: a body that waits for 100 (Continue) goes at once, and no answer
 * comes early. Sizes of heads in results are those of HTTP/1.1's text; addresses and TLS fields stay empty.
 *
 * All functions belong to the engine's thread. */
#ifndef TERN_MOCK_H
#define TERN_MOCK_H

#include "tern/call.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- time ---- */

/* Makes an engine on which no time passes of itself: the clock begins at 2025-01-01 00:00:00 UTC and moves by
 * tern_mock_advance, and in tern_perform and tern_engine_run: what these would wait for comes at once, with the clock
 * moved to it. So a test of an hour of retries takes no time, and always the same: what is random on it (the jitter of
 * retries) comes from a fixed seed. Files are read on the calling thread. It makes no sockets: a call that is not
 * mocked ends with an error. config.spin_ns is not looked at. Mocks work on other engines too, in real time.
 * Otherwise as tern_engine_new. */
TERN_API TERN_MUST_USE enum tern_error tern_mock_engine_new(const struct tern_engine_config *config,
                                                            struct tern_engine **out, struct tern_fault *why);

/* Lets ns pass on an engine of tern_mock_engine_new: what is due is done in its order, each at its time. 0: what is due
 * now. What is found to take an end only later is not waited for.
 * Errors: TERN_EINVAL (another kind of engine, or more time than a clock holds), TERN_EBUSY (from a callback),
 * TERN_ELIMIT (100,000 turns in which no time passed: callbacks give each other work without end), TERN_EFORK. */
TERN_API TERN_MUST_USE enum tern_error tern_mock_advance(struct tern_engine *engine, uint64_t ns);

/* ---- the mock ---- */

struct tern_mock;

/* Attempts that one mock takes and keeps, and bytes of each one's body; more end their calls with TERN_ELIMIT. */
#define TERN_MOCK_REQUESTS_MAX 65536
#define TERN_MOCK_BODY_BYTES_MAX (64 * 1024 * 1024)

struct tern_mock_config {
    /* What was sent was not expected: text says what came and what was expected, in several lines; it is borrowed until
     * the function returns. It may do what a call's callbacks may, and has to return: a test framework's way of failing
     * that jumps out of it leaves the engine in the middle of a step. NULL: ask tern_mock_verify. */
    void (*on_unexpected)(void *user, const char *text);
    void *user;
};

/* Puts a mock in the place of the client's network, for good. config may be NULL. *out is owned by the caller and ended
 * with tern_mock_free, before or after the client.
 * Errors: TERN_EINVAL (the client has a call or a mock already), TERN_ENOMEM, TERN_ECLOSED, TERN_EFORK. */
TERN_API TERN_MUST_USE enum tern_error tern_mock_new(struct tern_client *client, const struct tern_mock_config *config,
                                                     struct tern_mock **out, struct tern_fault *why);

/* Gives the mock up. A client that is still there goes on with the answers that it has, and nobody is told of what is
 * not expected. NULL is ignored. */
TERN_API void tern_mock_free(struct tern_mock *mock);

/* ---- what was sent ---- */

/* One attempt of one hop of one call. */
struct tern_mock_request {
    struct tern_str method;
    struct tern_str url;             /* canonical, without userinfo and fragment; a NUL stands behind it */
    const struct tern_field *fields; /* as sent, Host first; not those that frame the message: Content-Length,
                                        Transfer-Encoding, Expect, Connection */
    size_t field_count;
    struct tern_str body;
    const struct tern_field *trailers;
    size_t trailer_count;
    bool is_whole; /* it was sent to its end: not cancelled before, nor failed before it could be written */
    bool is_expected;
    uint32_t attempt, hop; /* of its call: 1 for the first */
    uint64_t at_ns;        /* when the attempt began, on the engine's clock */
};

/* How many attempts there were, and the index-th in the order in which they began; NULL: there is none. Borrowed until
 * the mock's end; that of an attempt under way still grows. */
TERN_API size_t tern_mock_sent_count(const struct tern_mock *mock);
TERN_API const struct tern_mock_request *tern_mock_sent(const struct tern_mock *mock, size_t index);

/* ---- what is expected ---- */

/* Which requests. What is NULL or 0 fits all. */
struct tern_mock_match {
    const char *method;
    const char *host; /* alone, without a port; normalised as URLs are */
    const char *path; /* as it is sent. With a '?' in it the query counts too. A '*' at its end stands for
                                        any rest */
    const struct tern_field *fields; /* each must be there with this value; a NULL value pointer: with any */
    size_t field_count;
    /* Asked last, with the whole request, from a step. It and user are borrowed until the end of client and mock. */
    bool (*check)(void *user, const struct tern_mock_request *request);
    void *user;
};

/* An informational response (RFC 9110 15.2). */
struct tern_mock_informational {
    uint16_t status; /* 100 to 199, not 101 */
    const struct tern_field *fields;
    size_t field_count;
    uint64_t delay_ns; /* behind what came before it, or the end of the request */
};

struct tern_mock_piece {
    struct tern_str bytes; /* one on_body, as far as the call's window goes; empty: only a delay */
    uint64_t delay_ns;     /* behind what came before it */
};

/* What becomes of a request, in the order of the members. Delays pass on the engine's clock; TERN_OFF: nothing more
 * comes, so that a timeout has to end it. */
struct tern_mock_answer {
    const struct tern_mock_informational *informational;
    size_t informational_count;

    uint64_t delay_ns;              /* before the final head or, where there is none, before the error */
    uint16_t status;                /* 200 to 999. 0: 200; with an error: no head comes */
    enum tern_http_version version; /* Default HTTP/1.1 */
    const struct tern_field *fields;
    size_t field_count;

    struct tern_str body; /* in one piece; or */
    const struct tern_mock_piece *pieces;
    size_t piece_count;
    const struct tern_field *trailers; /* with a response that can have no body neither comes (RFC 9110 6.4.1) */
    size_t trailer_count;

    /* TERN_OK: the response is complete. Else the attempt fails, with the phase and the replay class that the network
     * would report: policies go by them. phase TERN_PHASE_START, which is 0: both are what this error usually comes
     * with. Before TERN_PHASE_WRITE nothing of the request is read, and the time until then is bound by connect_ns and
     * pool_ns. */
    enum tern_error error;
    enum tern_phase phase;
    enum tern_replay replay;
};

#define TERN_MOCK_ALWAYS UINT32_MAX

/* Has up to times (0: 1) requests that match (NULL: any) answered so; TERN_MOCK_ALWAYS: any number, none included. Of
 * several expectations the first one counts that fits and is not used up: so two on the same request are answered in
 * turn. All is copied. A request that fits none ends with TERN_EMOCK, which no policy tries again. why may be NULL.
 * Errors: TERN_EINVAL, TERN_EFIELD, TERN_EURL (the host), TERN_ENOMEM. */
TERN_API TERN_MUST_USE enum tern_error tern_mock_expect(struct tern_mock *mock, const struct tern_mock_match *match,
                                                        const struct tern_mock_answer *answer, uint32_t times,
                                                        struct tern_fault *why);

/* NULL: everything that was sent was expected, and all that was expected came. Else the text to fail with, a line or
 * more for each of both. Borrowed until the next call for this mock. */
TERN_API const char *tern_mock_verify(struct tern_mock *mock);

#ifdef __cplusplus
}
#endif
#endif
