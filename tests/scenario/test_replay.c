/* The replay ledger: what becomes of a request whose exchange dies, for every method, point of death, connection, body
 * and protocol, against an oracle made from promise 4 and the RFCs alone. Run with --table it prints docs/REPLAY.md's
 * table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/h2_script.h"

#define BODY "twenty bytes of body"
#define BODY_LEN (sizeof(BODY) - 1)

enum method { GET, PUT, POST, POST_WITH_KEY, METHODS };
enum point {
    BEFORE_WRITTEN,
    PARTLY_WRITTEN,
    MID_UPLOAD,
    NO_ANSWER,
    GOAWAY_BELOW,
    GOAWAY_THEN_END,
    REFUSED_STREAM,
    RESET_STREAM,
    INFORMATIONAL,
    HEAD,
    BODY_PART,
    POINTS
};
enum body { NONE, MEMORY, REWINDS, A_FILE, ONE_SHOT, BODIES };

struct ledger_case {
    bool is_h2, is_reused;
    enum point point;
    enum method method;
    enum body body;
};

static bool applies(const struct ledger_case *c)
{
    bool is_of_h2 = c->point == GOAWAY_BELOW || c->point == GOAWAY_THEN_END || c->point == REFUSED_STREAM ||
                    c->point == RESET_STREAM;

    return (c->is_h2 || !is_of_h2) && (c->body != NONE || c->point != MID_UPLOAD);
}

static const char *const point_names[] = {"before anything of it was written", "a part of the head was written",
                                          "in the middle of the upload",       "all was written, no answer",
                                          "GOAWAY below the stream",           "GOAWAY above the stream, then the end",
                                          "RST_STREAM REFUSED_STREAM",         "RST_STREAM INTERNAL_ERROR",
                                          "after 103 (Early Hints)",           "after the head",
                                          "in the middle of the body"};

static const char *const method_names[] = {"GET", "PUT", "POST", "POST"};

/* A failure names the case. */
static void check(const struct ledger_case *c, bool holds, const char *what)
{
    static const char *const bodies[] = {"no", "memory", "rewinding", "file", "one-shot"};

    if (!holds)
        fail_msg("%s %s %s%s, %s body, %s: %s", c->is_h2 ? "h2" : "h1", c->is_reused ? "reused" : "fresh",
                 method_names[c->method], c->method == POST_WITH_KEY ? " with a key" : "", bodies[c->body],
                 point_names[c->point], what);
}

/* ---- the oracle ---- */

/* What the client can know of whether the request was processed. */
static enum tern_replay class_of(const struct ledger_case *c)
{
    switch (c->point) {
    case BEFORE_WRITTEN:
        return TERN_REPLAY_UNSENT;
    case GOAWAY_BELOW:   /* RFC 9113 6.8 */
    case REFUSED_STREAM: /* RFC 9113 8.7 */
        return TERN_REPLAY_REFUSED;
    case PARTLY_WRITTEN:
    case MID_UPLOAD:
    case NO_ANSWER:
    case GOAWAY_THEN_END:
        return c->is_reused ? TERN_REPLAY_STALE : TERN_REPLAY_MAYBE;
    case RESET_STREAM: /* the connection lives: the server has decided something about this request */
        return TERN_REPLAY_MAYBE;
    default:
        return TERN_REPLAY_ANSWERED;
    }
}

/* RFC 9110 9.2.2, and the field by which a client says so of any request. */
static bool is_idempotent(enum method method)
{
    return method != POST;
}

/* Promise 4: whether a server may come to see it twice. Once an answer has begun there is nothing to repeat. */
static bool may_see_twice(const struct ledger_case *c)
{
    return is_idempotent(c->method) && class_of(c) != TERN_REPLAY_ANSWERED;
}

/* Only safe replay is on unless asked for more; a connection that was new and died is for the retry policy. */
static bool is_safe(const struct ledger_case *c)
{
    enum tern_replay class = class_of(c);

    return class == TERN_REPLAY_UNSENT || class == TERN_REPLAY_REFUSED ||
           (class == TERN_REPLAY_STALE && is_idempotent(c->method));
}

/* What was not touched can be had again in any case. (What was may still be held: then the server gets all of it.) */
static bool must_go_again(const struct ledger_case *c, bool is_touched)
{
    return is_safe(c) && (c->body != ONE_SHOT || !is_touched);
}

/* ---- bodies ---- */

struct source {
    size_t at;
    bool is_touched; /* something was read of it */
    int fd;
};

static enum tern_read source_read(void *user, void *buffer, size_t capacity, size_t *n)
{
    struct source *source = user;

    source->is_touched = true;
    if (source->at == BODY_LEN)
        return TERN_READ_END;
    *n = BODY_LEN - source->at < capacity ? BODY_LEN - source->at : capacity;
    memcpy(buffer, &BODY[source->at], *n);
    source->at += *n;
    return TERN_READ_DATA;
}

static bool source_rewind(void *user)
{
    struct source *source = user;

    source->at = 0;
    return true;
}

static struct tern_body body_of(enum body kind, struct source *source)
{
    struct tern_body body = {.length = BODY_LEN, .user = source, .fd = -1};

    *source = (struct source){.fd = -1};
    if (kind == NONE)
        return (struct tern_body){0};
    if (kind == MEMORY) {
        body.kind = TERN_BODY_MEMORY;
        body.data = BODY;
    } else if (kind == A_FILE) {
        body.kind = TERN_BODY_FD;
        body.fd = source->fd = memfd_create("body", MFD_CLOEXEC);
        assert_int_equal(pwrite(body.fd, BODY, BODY_LEN, 0), BODY_LEN);
    } else {
        body.kind = TERN_BODY_CALLBACK;
        body.read = source_read;
        body.rewind = kind == REWINDS ? source_rewind : NULL;
    }
    return body;
}

static struct seen *start(struct scenario *s, const struct ledger_case *c, struct source *source)
{
    static const struct tern_field key = {TERN_STR("Idempotency-Key"), TERN_STR("1"), 0};
    struct tern_request request = {.url = TERN_STR("http://a.test/"), .method = tern_str(method_names[c->method])};

    request.body = body_of(c->body, source);
    if (c->method == POST_WITH_KEY) {
        request.fields = &key;
        request.field_count = 1;
    }
    return scenario_start(s, &request);
}

/* ---- the server ---- */

/* One connection, from both ends of the protocols. */
struct server {
    struct simio_peer *peer;
    struct h2_script h2;
    bool is_h2;
    int32_t id; /* of the stream that is answered */
};

static void server_open(struct server *server, struct scenario *s, bool is_h2)
{
    *server = (struct server){.is_h2 = is_h2, .id = 1};
    if (is_h2)
        h2_script_open(&server->h2, s);
    server->peer = is_h2 ? server->h2.peer : scenario_accept(s);
}

static void server_close(struct server *server)
{
    if (server->is_h2)
        h2_script_close(&server->h2);
}

static void server_head(struct server *server, const char *status, bool is_last)
{
    char text[64];

    if (server->is_h2) {
        snprintf(text, sizeof(text), ":status: %s", status);
        h2_put_head(&server->h2.out, server->id, is_last ? H2_END_STREAM : 0, text);
        h2_script_say(&server->h2);
        return;
    }
    snprintf(text, sizeof(text), "HTTP/1.1 %s x\r\n%s\r\n", status,
             is_last                 ? "Content-Length: 0\r\n"
             : strcmp(status, "103") ? "Content-Length: 9\r\n"
                                     : "");
    simio_say(server->peer, text);
}

/* How many bytes it has heard. Where is_request: without what an HTTP/2 connection begins with. */
static size_t heard_bytes(struct server *server, bool is_request)
{
    struct tern_str heard = simio_heard(server->peer);
    size_t at = 0;

    if (!server->is_h2 || !is_request)
        return heard.len;
    if (heard.len >= NGHTTP2_CLIENT_MAGIC_LEN && memcmp(heard.ptr, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN) == 0)
        at = NGHTTP2_CLIENT_MAGIC_LEN;
    while (heard.len - at >= 9) { /* RFC 9113 4.1 */
        const uint8_t *frame = (const uint8_t *)heard.ptr + at;

        if (frame[3] == NGHTTP2_HEADERS || frame[3] == NGHTTP2_DATA)
            break;
        at += 9 + ((size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2]);
        if (at > heard.len)
            return 0;
    }
    return heard.len - at;
}

/* Asserts that the whole request is there. */
static void hears_all(struct server *server, const struct ledger_case *c)
{
    char end[64];

    if (!server->is_h2) {
        assert_true(scenario_heard(server->peer, "HTTP/1.1\r\n"));
        assert_true(c->body == NONE || scenario_heard(server->peer, "\r\n\r\n" BODY));
        return;
    }
    if (c->body == NONE)
        snprintf(end, sizeof(end), "HEADERS %d END | ", server->id);
    else
        snprintf(end, sizeof(end), "DATA %d %zu END\n", server->id, BODY_LEN);
    const char *heard = h2_script_heard(&server->h2);
    if (strstr(heard, end) == NULL && c->body != NONE)
        snprintf(end, sizeof(end), "DATA %d 0 END\n", server->id); /* the end came by itself */
    assert_non_null(strstr(heard, end));
}

/* ---- one case ---- */

struct outcome {
    bool again;
    enum tern_replay class;
    enum tern_error error;
};

static void open_client(struct scenario *s, const struct ledger_case *c)
{
    scenario_open(s, c->is_h2 ? &h2_only
                              : &(struct tern_client_config){.user_agent = "t", .http_mode = TERN_HTTP_MODE_1_1});
}

static void warm_up(struct scenario *s, struct server *server, bool is_h2)
{
    struct seen *call = scenario_get(s, "http://a.test/");

    server_open(server, s, is_h2);
    server_head(server, "200", true);
    scenario_run(s, 0);
    seen_is(call, "head 200 | done");
    if (is_h2)
        h2_script_heard(&server->h2);
    simio_forget(server->peer);
    server->id = 3;
}

/* How much goes out for the case when all is well, and how much of it stands before the request. */
static size_t measure(const struct ledger_case *c, size_t *before)
{
    struct scenario s;
    struct server server;
    struct source source;
    size_t bytes;

    open_client(&s, c);
    if (c->is_reused)
        warm_up(&s, &server, c->is_h2);
    start(&s, c, &source);
    if (!c->is_reused) {
        server = (struct server){.is_h2 = c->is_h2, .peer = scenario_accept(&s)};
        bytes = heard_bytes(&server, false);
        *before = bytes - heard_bytes(&server, true);
    } else {
        bytes = heard_bytes(&server, false);
        *before = 0;
        server_close(&server);
    }
    if (source.fd >= 0)
        close(source.fd);
    scenario_close(&s);
    return bytes;
}

/* How many bytes the connection takes before it takes no more. */
static size_t window_of(const struct ledger_case *c)
{
    size_t before = 0, bytes;

    if (c->point == BEFORE_WRITTEN)
        return 0;
    if (c->point != PARTLY_WRITTEN && c->point != MID_UPLOAD)
        return SIZE_MAX;
    bytes = measure(c, &before);
    return c->point == PARTLY_WRITTEN ? before + 5 : bytes - 5;
}

static void die(struct server *server, enum point point)
{
    struct tern_buf *out = &server->h2.out;

    switch (point) {
    case GOAWAY_BELOW:
        h2_put_goaway(out, server->id - 2 > 0 ? server->id - 2 : 0, NGHTTP2_NO_ERROR, "");
        h2_script_say(&server->h2);
        return;
    case GOAWAY_THEN_END:
        h2_put_goaway(out, server->id, NGHTTP2_NO_ERROR, "");
        h2_script_say(&server->h2);
        simio_end(server->peer);
        return;
    case REFUSED_STREAM:
    case RESET_STREAM:
        h2_put_u32(out, NGHTTP2_RST_STREAM, server->id,
                   point == REFUSED_STREAM ? NGHTTP2_REFUSED_STREAM : NGHTTP2_INTERNAL_ERROR);
        h2_script_say(&server->h2);
        return;
    case INFORMATIONAL:
    case HEAD:
    case BODY_PART:
        server_head(server, point == INFORMATIONAL ? "103" : "200", false);
        if (point == BODY_PART && server->is_h2) {
            h2_put_data(out, server->id, 0, "part");
            h2_script_say(&server->h2);
        } else if (point == BODY_PART) {
            simio_say(server->peer, "part");
        }
        break;
    default:
        break;
    }
    simio_reset(server->peer);
}

/* Answers the next attempt, if there is one. */
static bool serve_again(struct scenario *s, struct server *first, const struct ledger_case *c)
{
    struct server second = {0};
    bool is_same = c->point == REFUSED_STREAM || c->point == RESET_STREAM;

    if (is_same && heard_bytes(first, true) > 0) {
        first->id += 2;
        hears_all(first, c);
        server_head(first, "200", true);
        scenario_run(s, 0);
        return true;
    }
    if (simio_connects(s->sim, SCENARIO_ADDRESS) == 1)
        return false;
    server_open(&second, s, c->is_h2);
    hears_all(&second, c);
    server_head(&second, "200", true);
    scenario_run(s, 0);
    server_close(&second);
    return true;
}

static struct outcome run_case(const struct ledger_case *c)
{
    struct scenario s;
    struct server server;
    struct source source;
    struct seen *call;
    size_t window = window_of(c);
    bool touched, reached;

    open_client(&s, c);
    if (c->is_reused)
        warm_up(&s, &server, c->is_h2);
    if (c->is_reused && window != SIZE_MAX)
        simio_window(server.peer, window);
    else if (window != SIZE_MAX)
        simio_window_all(s.sim, window);
    call = start(&s, c, &source);
    if (!c->is_reused)
        server_open(&server, &s, c->is_h2);
    simio_window_all(s.sim, SIZE_MAX);
    touched = source.is_touched;
    reached = heard_bytes(&server, true) > 0;
    check(c, reached == (c->point != BEFORE_WRITTEN), "what reached the server");
    if (window == SIZE_MAX)
        hears_all(&server, c);
    simio_forget(server.peer);
    die(&server, c->point);
    scenario_run(&s, 0);

    bool again = serve_again(&s, &server, c);
    bool was_refused = class_of(c) == TERN_REPLAY_REFUSED;
    check(c, !again || !reached || was_refused || may_see_twice(c), "promise 4: the server saw it twice");
    check(c, !again || is_safe(c), "went again");
    check(c, again || !must_go_again(c, touched), "did not go again");
    check(c, call->dones == 1 && call->result.attempt == (again ? 2 : 1), "ends and attempts");
    check(c, scenario_stats(&s).replayed == again, "the count of replays");
    check(c, again == (call->result.fault.error == TERN_OK), tern_error_name(call->result.fault.error));
    check(c, again || call->result.replay == class_of(c), "the class in the result");
    struct outcome outcome = {again, class_of(c), call->result.fault.error};
    if (source.fd >= 0)
        close(source.fd);
    server_close(&server);
    scenario_close(&s);
    return outcome;
}

/* ---- all of them ---- */

static struct outcome outcomes[2][2][POINTS][METHODS][BODIES];

static void test_ledger(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * 2 * POINTS * METHODS * BODIES; i++) {
        struct ledger_case c = {.is_h2 = i % 2,
                                .is_reused = i / 2 % 2,
                                .point = (enum point)(i / 4 % POINTS),
                                .method = (enum method)(i / 4 / POINTS % METHODS),
                                .body = (enum body)(i / 4 / POINTS / METHODS)};

        if (applies(&c))
            outcomes[c.is_h2][c.is_reused][c.point][c.method][c.body] = run_case(&c);
    }
}

/* Peers that refuse for ever: two replays, the last on a connection of its own. */
static void test_replays_are_bounded(void **state)
{
    struct h2_script first, last;
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &h2_only);
    call = scenario_get(&s, "http://a.test/");
    h2_script_open(&first, &s);
    for (int32_t id = 1; id <= 3; id += 2) {
        h2_put_u32(&first.out, NGHTTP2_RST_STREAM, id, NGHTTP2_REFUSED_STREAM);
        h2_script_say(&first);
    }
    h2_script_open(&last, &s);
    h2_put_u32(&last.out, NGHTTP2_RST_STREAM, 1, NGHTTP2_REFUSED_STREAM);
    h2_script_say(&last);
    seen_is(call, "done EPEER_REFUSED WAIT");
    assert_int_equal(call->result.attempt, 3);
    assert_int_equal(call->result.replay, TERN_REPLAY_REFUSED);
    assert_int_equal(simio_connects(s.sim, SCENARIO_ADDRESS), 2);
    h2_script_close(&first);
    h2_script_close(&last);
    scenario_close(&s);
}

/* ---- the table ---- */

/* One cell for several methods and bodies, which all came out the same. */
static void print_cell(const struct ledger_case *c, bool idempotent, enum body first, enum body last)
{
    const struct outcome *shown = NULL;

    for (enum method method = 0; method < METHODS; method++) {
        for (enum body body = first; body <= last; body++) {
            struct ledger_case one = {c->is_h2, c->is_reused, c->point, method, body};
            const struct outcome *outcome = &outcomes[c->is_h2][c->is_reused][c->point][method][body];

            if (!applies(&one) || is_idempotent(method) != idempotent)
                continue;
            shown = shown == NULL ? outcome : shown;
            check(&one, outcome->again == shown->again && outcome->error == shown->error, "the table would lie");
        }
    }
    printf(" | %s", shown->again ? "**again**" : tern_error_name(shown->error) + strlen("TERN_"));
}

static void print_table(void)
{
    static const char *const classes[] = {"UNSENT", "REFUSED", "STALE", "MAYBE", "ANSWERED"};

    printf("| the exchange dies | over | connection | class | any body, idempotent | any body, POST | one-shot, "
           "idempotent "
           "| one-shot, POST |\n"
           "|---|---|---|---|---|---|---|---|\n");
    for (enum point point = 0; point < POINTS; point++) {
        for (int i = 0; i < 4; i++) {
            struct ledger_case c = {.is_h2 = i / 2, .is_reused = i % 2, .point = point, .body = MEMORY};

            if (!applies(&c))
                continue;
            printf("| %s | %s | %s | %s", point_names[point], c.is_h2 ? "h2" : "h1", c.is_reused ? "reused" : "fresh",
                   classes[class_of(&c)]);
            print_cell(&c, true, NONE, A_FILE);
            print_cell(&c, false, NONE, A_FILE);
            print_cell(&c, true, ONE_SHOT, ONE_SHOT);
            print_cell(&c, false, ONE_SHOT, ONE_SHOT);
            printf(" |\n");
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger),
        cmocka_unit_test(test_replays_are_bounded),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    if (argc > 1 && strcmp(argv[1], "--table") == 0 && failed == 0)
        print_table();
    return failed;
}
