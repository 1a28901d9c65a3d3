/* A server's HTTP/1.1: one request after the other, each answered as planned. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "tests/sim/server.h"
#include "tests/sim/user.h"

enum state { HEAD, BODY, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILERS, COMPLETE };

struct sim_h1 {
    struct sim_peer *peer;
    enum state state;
    struct sim_bytes in;
    uint64_t left; /* of the body, or of a chunk */
    struct sim_request request;
    unsigned exchange;    /* counts them: what is planned for an earlier one is void */
    struct sim_bytes out; /* of the answer, not said yet */
    bool is_said;         /* the whole answer is */
    bool has_planned;     /* an answer is on its way */
};

struct sim_h1 *sim_h1_new(struct sim_peer *peer)
{
    struct sim_h1 *h1 = sim_alloc(sizeof(*h1));

    h1->peer = peer;
    h1->request.peer = peer;
    return h1;
}

void sim_h1_free(struct sim_h1 *h1)
{
    sim_bytes_free(&h1->in);
    sim_bytes_free(&h1->out);
    sim_free(h1);
}

/* ---- the answer ---- */

static void put_body(struct sim_h1 *h1)
{
    const struct sim_answer *answer = &h1->request.answer;
    unsigned char piece[4096];

    for (uint64_t at = 0; at < answer->wire_len;) {
        size_t n = answer->wire_len - at < sizeof(piece) ? (size_t)(answer->wire_len - at) : 1 + sim_below(4096);

        sim_answer_fill(answer, piece, at, n);
        if (answer->framing == SIM_CHUNKED)
            sim_bytes_print(&h1->out, "%zx%s\r\n", n, sim_chance(50) ? ";x=y" : "");
        sim_bytes_add(&h1->out, piece, n);
        if (answer->framing == SIM_CHUNKED)
            sim_bytes_print(&h1->out, "\r\n");
        at += n;
    }
    if (answer->framing == SIM_CHUNKED)
        sim_bytes_print(&h1->out, "0\r\n%s\r\n", answer->has_trailers ? "X-Trailer: yes\r\n" : "");
}

static void put_answer(struct sim_h1 *h1)
{
    struct sim_request *request = &h1->request;
    const struct sim_answer *answer = &request->answer;
    bool has_body = sim_answer_has_body(request);

    for (unsigned i = 0; i < answer->informational; i++)
        sim_bytes_print(&h1->out, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    sim_bytes_print(&h1->out, "HTTP/1.1 %u Of the seed\r\nX-Id: %u\r\n", answer->status, request->id);
    if (answer->framing == SIM_UNTIL_CLOSE)
        sim_bytes_print(&h1->out, "X-Body: %llu close\r\n", (unsigned long long)answer->body_seed);
    else
        sim_bytes_print(&h1->out, "X-Body: %llu %llu\r\n", (unsigned long long)answer->body_seed,
                        (unsigned long long)answer->body_len);
    for (size_t i = 0; i < answer->field_count; i++)
        sim_bytes_print(&h1->out, "%s: %s\r\n", answer->fields[i].name, answer->fields[i].value);
    if (answer->closes)
        sim_bytes_print(&h1->out, "Connection: close\r\n");
    else if (sim_chance(100))
        sim_bytes_print(&h1->out, "Keep-Alive: timeout=%u\r\n", (unsigned)sim_below(10));
    if (answer->status != 204 && answer->framing == SIM_LENGTH)
        sim_bytes_print(&h1->out, "Content-Length: %llu\r\n", (unsigned long long)answer->wire_len);
    if (answer->status != 204 && answer->framing == SIM_CHUNKED)
        sim_bytes_print(&h1->out, "Transfer-Encoding: chunked\r\n");
    sim_bytes_print(&h1->out, "\r\n");
    if (has_body)
        put_body(h1);
}

/* What no server may say. */
static void put_rudeness(struct sim_h1 *h1)
{
    struct sim_request *request = &h1->request;
    struct sim_bytes *out = &h1->out;
    unsigned kind = (unsigned)sim_below(12);

    sim_note("peer %u is rude in way %u to call %u", h1->peer->number, kind, request->id);
    h1->peer->is_tainted = true;
    switch (kind) {
    case 0:
        for (int i = 0; i < 100; i++)
            sim_bytes_print(out, "%c", (char)(1 + sim_below(255)));
        break;
    case 1:
        sim_bytes_print(out, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab");
        break;
    case 2:
        sim_bytes_print(out, "HTTP/1.1 200 OK\r\nX-Long: ");
        for (int i = 0; i < 3000; i++)
            sim_bytes_print(out, "a long line that goes on and on and on and on and ");
        break;
    case 3:
        sim_bytes_print(out, "HTTP/1.1 200 OK\nX-Id: %u\n\n", request->id);
        break;
    case 4:
        sim_bytes_print(out, "HTTP/1.1 200 OK\r\nX-Id: %u\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", request->id);
        break;
    case 5: /* an answer that nobody has asked for, behind the right one */
        put_answer(h1);
        if (request->answer.framing == SIM_UNTIL_CLOSE)
            break;
        sim_bytes_print(out, "HTTP/1.1 200 OK\r\nX-Id: intruder\r\nContent-Length: 2\r\n\r\nab");
        break;
    case 6:
        for (int i = 0; i < 200; i++)
            sim_bytes_print(out, "HTTP/1.1 103 Early Hints\r\n\r\n");
        break;
    case 7:
        sim_bytes_print(out, "HTTP/1.1 99 no\r\n\r\n");
        break;
    case 8:
        sim_bytes_print(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nsomething");
        break;
    case 9:
        sim_bytes_print(out, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
        break;
    case 10:
        sim_bytes_print(out, "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < 1000; i++)
            sim_bytes_print(out, "X-%d: y\r\n", i);
        sim_bytes_print(out, "\r\n");
        break;
    default: /* nothing at all, and away */
        sim_peer_end(h1->peer);
        break;
    }
}

static void next_request(struct sim_h1 *h1);

static void on_idle(void *context, uint64_t number)
{
    struct sim_peer *peer = context;

    if (peer->h1 != NULL && peer->h1->exchange == number && peer->h1->state == HEAD)
        sim_peer_end(peer);
}

/* The answer is said, and the request is here. */
static void finish(struct sim_h1 *h1)
{
    const struct sim_answer *answer = &h1->request.answer;

    if (h1->peer->is_over || !h1->is_said || h1->state != COMPLETE)
        return;
    if (answer->closes || answer->framing == SIM_UNTIL_CLOSE || (answer->is_rude && sim_chance(700))) {
        sim_peer_end(h1->peer);
        return;
    }
    h1->exchange++;
    if (sim_fault(SIM_FAULT_IDLE_CLOSE))
        sim_after(sim_some_time(50 * TERN_MS), on_idle, h1->peer, h1->exchange);
    next_request(h1);
}

/* Says the next piece of the answer. */
static void on_say(void *context, uint64_t number)
{
    struct sim_peer *peer = context;
    struct sim_h1 *h1 = peer->h1;
    size_t n;

    if (h1 == NULL || h1->exchange != number || peer->is_over || sim_peer_strikes(peer))
        return;
    n = h1->out.len;
    if (h1->request.answer.is_slow && !sim.is_calm && n > 1)
        n = 1 + sim_below(n < 2000 ? n : n / 2);
    sim_peer_say(peer, h1->out.data, n);
    sim_bytes_drop(&h1->out, n);
    if (h1->out.len > 0) {
        sim_after(sim_some_time(100 * TERN_MS), on_say, peer, number);
        return;
    }
    if (h1->request.answer.cut_at != TERN_OFF) {
        if (sim_chance(500))
            sim_peer_end(peer);
        else
            sim_peer_reset(peer);
        return;
    }
    h1->is_said = true;
    if (h1->request.answer.framing == SIM_UNTIL_CLOSE)
        sim_peer_end(peer);
    finish(h1);
}

static void on_answer(void *context, uint64_t number)
{
    struct sim_peer *peer = context;
    struct sim_h1 *h1 = peer->h1;
    const struct sim_answer *answer;

    if (h1 == NULL || h1->exchange != number || peer->is_over)
        return;
    answer = &h1->request.answer;
    h1->request.is_answered = true;
    if (answer->is_rude)
        put_rudeness(h1);
    else
        put_answer(h1);
    if (answer->cut_at != TERN_OFF && h1->out.len > 0)
        h1->out.len = (size_t)(answer->cut_at % h1->out.len); /* anywhere, its head included */
    on_say(peer, number);
}

static void plan_answer(struct sim_h1 *h1)
{
    if (h1->has_planned)
        return;
    h1->has_planned = true;
    sim_after(h1->request.answer.delay_ns, on_answer, h1->peer, h1->exchange);
}

/* ---- the request ---- */

static void next_request(struct sim_h1 *h1)
{
    h1->request = (struct sim_request){.peer = h1->peer};
    h1->state = HEAD;
    h1->is_said = h1->has_planned = false;
}

/* A line that ends in CRLF, which is cut off, or NULL. Bare LF fails. */
static char *line_of(struct sim_h1 *h1, size_t *len)
{
    unsigned char *end = memchr(h1->in.data, '\n', h1->in.len);

    if (end == NULL)
        return NULL;
    *len = (size_t)(end - h1->in.data);
    SIM_CHECK(*len > 0 && end[-1] == '\r', "a line of a request ends in a bare LF");
    end[-1] = '\0';
    return (char *)h1->in.data;
}

static void take_request_line(struct sim_h1 *h1, char *line)
{
    char *path = strchr(line, ' '), *version = path != NULL ? strchr(path + 1, ' ') : NULL;

    SIM_CHECK(version != NULL && strcmp(version, " HTTP/1.1") == 0, "a request line \"%s\"", line);
    sim_request_field(&h1->request, ":method", 7, line, (size_t)(path - line));
    sim_request_field(&h1->request, ":path", 5, path + 1, (size_t)(version - path - 1));
}

static void take_field(struct sim_h1 *h1, char *line)
{
    char *colon = strchr(line, ':');
    struct sim_request *request = &h1->request;

    SIM_CHECK(colon != NULL && colon[1] == ' ', "a field \"%s\"", line);
    sim_request_field(request, line, (size_t)(colon - line), colon + 2, strlen(colon + 2));
    if (strncasecmp(line, "content-length:", 15) == 0) {
        SIM_CHECK(h1->left == 0, "two lengths");
        h1->left = strtoull(colon + 2, NULL, 10);
    } else if (strncasecmp(line, "transfer-encoding:", 18) == 0) {
        SIM_CHECK(h1->left == 0 && strcmp(colon + 2, "chunked") == 0, "two lengths");
        h1->left = TERN_OFF;
    }
}

static void head_is_here(struct sim_h1 *h1)
{
    struct sim_request *request = &h1->request;
    bool has_expect = request->expect[0] != '\0';

    sim_request_head(request);
    h1->state = h1->left == TERN_OFF ? CHUNK_SIZE : h1->left > 0 ? BODY : COMPLETE;
    if (h1->state == COMPLETE)
        sim_request_end(request);
    if (sim_peer_strikes(h1->peer))
        return;
    if (has_expect && sim_chance(700))
        sim_peer_say(h1->peer, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    if (h1->state == COMPLETE || request->answer.is_early)
        plan_answer(h1);
}

static void body_is_here(struct sim_h1 *h1)
{
    h1->state = COMPLETE;
    sim_request_end(&h1->request);
    plan_answer(h1);
    finish(h1);
}

/* Takes what it can; false: it needs more. */
static bool take(struct sim_h1 *h1)
{
    size_t len = 0;
    char *line;

    switch (h1->state) {
    case HEAD:
    case CHUNK_SIZE:
    case TRAILERS:
        line = line_of(h1, &len);
        if (line == NULL)
            return false;
        if (h1->state == HEAD && h1->request.method[0] == '\0') {
            take_request_line(h1, line);
        } else if (h1->state == HEAD && line[0] != '\0') {
            take_field(h1, line);
        } else if (h1->state == HEAD) {
            head_is_here(h1);
        } else if (h1->state == CHUNK_SIZE) {
            h1->left = strtoull(line, NULL, 16);
            h1->state = h1->left > 0 ? CHUNK : TRAILERS;
        } else if (line[0] == '\0') {
            h1->left = 0;
            sim_bytes_drop(&h1->in, len + 1);
            body_is_here(h1);
            return true;
        }
        sim_bytes_drop(&h1->in, len + 1);
        return true;
    case BODY:
    case CHUNK:
        if (h1->in.len == 0)
            return false;
        len = h1->in.len < h1->left ? h1->in.len : (size_t)h1->left;
        sim_request_body(&h1->request, h1->in.data, len);
        sim_bytes_drop(&h1->in, len);
        h1->left -= len;
        if (h1->left == 0 && h1->state == CHUNK)
            h1->state = CHUNK_END;
        else if (h1->left == 0)
            body_is_here(h1);
        return true;
    case CHUNK_END:
        line = line_of(h1, &len);
        if (line == NULL)
            return false;
        SIM_CHECK(len == 1, "a chunk of call %u is longer than it says", h1->request.id);
        sim_bytes_drop(&h1->in, len + 1);
        h1->state = CHUNK_SIZE;
        return true;
    case COMPLETE:
        SIM_CHECK(h1->in.len == 0 || h1->peer->is_tainted || h1->peer->is_silent,
                  "peer %u gets a request before it has answered call %u", h1->peer->number, h1->request.id);
        return false;
    }
    return false;
}

void sim_h1_hear(struct sim_h1 *h1, const unsigned char *bytes, size_t len)
{
    sim_bytes_add(&h1->in, bytes, len);
    while (!h1->peer->is_over && take(h1))
        continue;
}
