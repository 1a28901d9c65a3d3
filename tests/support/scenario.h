/* tests/support/scenario.h - a whole client on a scripted system: what the peer says, what the user sees.
 *
 *     struct scenario s;
 *     scenario_open(&s, NULL);                       // a.test is 192.0.2.1, and listens on port 80
 *     struct seen *call = scenario_get(&s, "http://a.test/");
 *     struct simio_peer *peer = scenario_accept(&s);
 *     simio_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
 *     scenario_run(&s, TERN_S);
 *     seen_is(call, "head 200 | body hi | done");
 *     scenario_close(&s);                            // checks that everything came back
 *
 * What a call's user sees is one line of text: each callback a word or two, with " | " between them. */
#ifndef TERN_TESTS_SUPPORT_SCENARIO_H
#define TERN_TESTS_SUPPORT_SCENARIO_H

#include "client/client.h"
#include "tests/support/fakedns.h"
#include "tests/support/simio.h"

#define SCENARIO_ADDRESS "192.0.2.1:80"
#define SEEN_CALLS_MAX 512

struct scenario;

/* One call and what its user saw of it. */
struct seen {
    struct scenario *scenario;
    tern_call_id id;
    char text[4096];
    size_t len;
    char host_config[64]; /* the pattern that held, or "" */
    size_t body_bytes;    /* bodies over 64 bytes are only counted: "body 1000 bytes" */
    bool in_body;
    uint32_t dones;
    char audit[2048]; /* of the redirects, a line each: "301 http://a.test/ > http://b.test/ GET -body -secrets", or the
                         same with "refused: why" at its end */
    struct tern_result result;
    /* Called last in each callback, with "head", "body", "done" …; may do whatever a user may. */
    void (*hook)(struct seen *seen, const char *event);
    void *hook_user;
};

struct scenario {
    struct simio *sim;
    struct tern_engine *engine;
    struct fakedns *servers; /* of the client's first profile */
    struct tern_client *client;
    struct seen *seen[SEEN_CALLS_MAX];
    size_t seen_count;
    bool is_client_closed;
};

/* An engine, a client with config (may be NULL), and a.test at SCENARIO_ADDRESS. */
void scenario_open(struct scenario *s, const struct tern_client_config *config);

/* Ends what is left through the callbacks, asserts that each call ended once, that no socket and no connection is left,
 * and frees everything. */
void scenario_close(struct scenario *s);

/* Of one whose engine the test has freed itself: nothing looks at it any more. */
void scenario_forget(const struct scenario *s);

/* For torture.h: every engine was shut down, so every call of the scenarios that are open has ended, once. Forgets
 * them. */
void scenario_all_ended(void);

/* Starts a call, which must not be refused, and takes the engine through what is due now. */
struct seen *scenario_get(struct scenario *s, const char *url);
struct seen *scenario_start(struct scenario *s, const struct tern_request *request);

/* Starts it, which may be refused: NULL then, and why is filled. */
struct seen *scenario_try(struct scenario *s, const struct tern_request *request, struct tern_fault *why);

/* Starts it, without a step. */
struct seen *scenario_start_only(struct scenario *s, const struct tern_request *request);

/* The oldest connection to SCENARIO_ADDRESS (or address) that was not accepted yet; there must be one. */
struct simio_peer *scenario_accept(struct scenario *s);
struct simio_peer *scenario_accept_at(struct scenario *s, const char *address);

/* Whether the peer has heard text, among other things. */
bool scenario_heard(struct simio_peer *peer, const char *text);

/* Lets time pass, and checks the pool's invariants. */
void scenario_run(struct scenario *s, uint64_t ns);

/* Asserts what was seen since the last time, and forgets it. "done" is an end without error, else it is "done ETIMEOUT
 * WAIT": the error without TERN_ and the phase. */
void seen_is(struct seen *seen, const char *expected);

struct tern_client_stats scenario_stats(struct scenario *s);

#endif
