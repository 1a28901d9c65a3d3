#include "bench/origin/conn.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"

/* From here on nothing more is made until some of it is gone. OUT_MAX is that and the largest thing that is ever added:
 * an echoed head, a chunk, or a frame. */
#define OUT_HIGH (64 * 1024)
#define OUT_MAX (OUT_HIGH + 4 * ORIGIN_HEAD_MAX)

/* Smaller bodies are copied behind their heads, so that many responses make one send; larger ones are not copied. */
#define COPY_MAX (8 * 1024)

/* So much in one go, then the others have their turn. */
#define TURNS_MAX 64

#define LINGER_NS (2 * TERN_S)

#define TO(state) (1u << ORIGIN_CONN_##state)

static const unsigned successors[ORIGIN_CONN_STATES] = {
    [ORIGIN_CONN_HANDSHAKE] = TO(REQUEST) | TO(H2) | TO(CLOSED),
    [ORIGIN_CONN_GREETING] = TO(REQUEST) | TO(H2) | TO(CLOSED),
    [ORIGIN_CONN_H2] = TO(FLUSH) | TO(CLOSED),
    [ORIGIN_CONN_REQUEST] = TO(STREAM) | TO(DELAY) | TO(RESPOND) | TO(FLUSH) | TO(CLOSED),
    [ORIGIN_CONN_STREAM] = TO(REQUEST) | TO(FLUSH) | TO(CLOSED),
    [ORIGIN_CONN_DELAY] = TO(STREAM) | TO(RESPOND) | TO(FLUSH) | TO(CLOSED),
    [ORIGIN_CONN_RESPOND] = TO(REQUEST) | TO(FLUSH) | TO(CLOSED),
    [ORIGIN_CONN_FLUSH] = TO(LINGER) | TO(CLOSED),
    [ORIGIN_CONN_LINGER] = TO(CLOSED),
};

static void set_state(struct origin_conn *conn, enum origin_conn_state state)
{
    TERN_ASSERT((successors[conn->state] & 1u << state) != 0);
    conn->state = state;
}

static void set_deadline(struct origin_conn *conn, uint64_t at_ns)
{
    struct tern_list *place = &conn->server->deadlines;

    tern_list_remove(&conn->deadline_node);
    conn->deadline_ns = at_ns;
    /* Most are armed in the order in which they end, so look from the end. */
    while (place->prev != &conn->server->deadlines &&
           TERN_CONTAINER_OF(place->prev, struct origin_conn, deadline_node)->deadline_ns > conn->deadline_ns)
        place = place->prev;
    tern_list_insert_before(place, &conn->deadline_node);
}

/* ---- bytes out ---- */

static void close_with(struct origin_conn *conn, bool reset)
{
    if (conn->state == ORIGIN_CONN_CLOSED)
        return;
    set_state(conn, ORIGIN_CONN_CLOSED);
    origin_link_close(&conn->link, reset);
    tern_list_remove(&conn->deadline_node);
    tern_list_remove(&conn->node);
    tern_list_push_back(&conn->server->dead, &conn->node);
    conn->server->stats.connections_open--;
}

void origin_conn_close(struct origin_conn *conn)
{
    close_with(conn, false);
}

/* After a send or flush that did not take all. */
static bool is_blocked(struct origin_conn *conn)
{
    conn->blocked = errno == EAGAIN;
    if (!conn->blocked)
        origin_conn_close(conn);
    return false;
}

/* Sends what is in out, and behind it body bytes that are not there; tells how many of those went. False: not all
 * went, and the connection is blocked or closed. */
static bool send_with(struct origin_conn *conn, struct tern_str body, uint64_t *body_sent)
{
    while (conn->out.len != 0 || body.len != 0) {
        struct tern_str head = tern_buf_view(&conn->out);
        struct iovec parts[2] = {{(void *)head.ptr, head.len}, {(void *)body.ptr, body.len}};
        bool skip = head.len == 0;
        ssize_t n = origin_link_send(&conn->link, parts + skip, 1 + (!skip && body.len != 0));
        size_t of_head;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return is_blocked(conn);
        of_head = (size_t)n < head.len ? (size_t)n : head.len;
        tern_buf_consume(&conn->out, of_head);
        body = tern_str_from(body, (size_t)n - of_head);
        *body_sent += (size_t)n - of_head;
    }
    return origin_link_flush(&conn->link) || is_blocked(conn);
}

static bool flush(struct origin_conn *conn)
{
    return send_with(conn, TERN_STR(""), &(uint64_t){0});
}

/* ---- responses ---- */

static void check(struct origin_conn *conn, enum tern_error error)
{
    conn->failed = conn->failed || error != TERN_OK;
}

/* The response's body is out, as far as it is meant to come. */
static void end_response(struct origin_conn *conn)
{
    enum origin_ending ending = conn->response.ending;

    if (origin_ending_is_whole(ending))
        check(conn, origin_h1_write_end(&conn->out, conn->framing, &conn->response.trailers));
    set_state(conn, ending == ORIGIN_END_WHOLE && !conn->context.closes ? ORIGIN_CONN_REQUEST : ORIGIN_CONN_FLUSH);
}

static void start_response(struct origin_conn *conn)
{
    struct origin_response *response = &conn->response;

    if (response->status == 0) {
        set_state(conn, ORIGIN_CONN_FLUSH);
        return;
    }
    conn->framing = origin_h1_framing(response, &conn->context);
    conn->context.closes =
        conn->context.closes || response->ending != ORIGIN_END_WHOLE || conn->framing == ORIGIN_FRAMING_CLOSE;
    if (response->early_status != 0 && !conn->context.http_1_0)
        check(conn, origin_h1_write_early(&conn->out, response->early_status, &response->early_field));
    check(conn, origin_h1_write_head(&conn->out, response, &conn->context));
    conn->started_ns = conn->server->now_ns;
    set_state(conn, response->body.kind == ORIGIN_BODY_ECHO ? ORIGIN_CONN_STREAM : ORIGIN_CONN_RESPOND);
}

static void begin_response(struct origin_conn *conn)
{
    if (conn->response.delay_ns == 0) {
        start_response(conn);
        return;
    }
    set_deadline(conn, conn->server->now_ns + conn->response.delay_ns);
    set_state(conn, ORIGIN_CONN_DELAY);
}

static bool wait_delay(struct origin_conn *conn)
{
    if (!flush(conn) || conn->server->now_ns < conn->deadline_ns)
        return false;
    tern_list_remove(&conn->deadline_node);
    start_response(conn);
    return true;
}

static bool respond(struct origin_conn *conn)
{
    struct origin_body *body = &conn->response.body;
    uint64_t allowed = origin_response_allowance(&conn->response, conn->server->now_ns - conn->started_ns);
    struct tern_str bytes;

    if (conn->out.len >= OUT_HIGH && !flush(conn))
        return false;
    if (body->at == body->size || conn->framing == ORIGIN_FRAMING_NONE) {
        end_response(conn);
        return true;
    }
    if (allowed == 0) {
        set_deadline(conn, conn->server->now_ns + ORIGIN_PACE_NS);
        flush(conn);
        return false;
    }
    if (allowed > COPY_MAX && conn->framing != ORIGIN_FRAMING_CHUNKED)
        return send_with(conn, origin_body_peek(body, allowed), &body->at);
    bytes = origin_body_peek(body, allowed < OUT_HIGH ? allowed : OUT_HIGH);
    check(conn, origin_h1_write_body(&conn->out, conn->framing, bytes));
    body->at += bytes.len;
    return true;
}

static bool finish(struct origin_conn *conn)
{
    enum origin_ending ending = conn->response.ending;

    if (!flush(conn))
        return false;
    if (ending == ORIGIN_END_RESET) {
        close_with(conn, true);
        return false;
    }
    origin_link_shut(&conn->link, ending != ORIGIN_END_CUT);
    set_deadline(conn, conn->server->now_ns + LINGER_NS);
    set_state(conn, ORIGIN_CONN_LINGER);
    return true;
}

static bool linger(struct origin_conn *conn)
{
    ssize_t n;

    do
        n = recv(conn->link.fd, conn->in, sizeof(conn->in), 0);
    while (n > 0 || (n < 0 && errno == EINTR));
    if (n == 0 || errno != EAGAIN || conn->server->now_ns >= conn->deadline_ns)
        origin_conn_close(conn);
    return false;
}

/* ---- requests ---- */

static void head_arrived(struct origin_conn *conn)
{
    static const struct tern_field none = {0};
    const struct origin_parser *parser = &conn->parser;
    struct origin_response *response = &conn->response;

    conn->received = 0;
    conn->context.date = tern_str_n(conn->server->date, TERN_DATE_SIZE - 1);
    conn->context.head_only = tern_str_eq(parser->request.method, TERN_STR("HEAD"));
    conn->context.http_1_0 = parser->http_1_0;
    conn->context.closes = !parser->persist;
    check(conn, origin_route(&conn->server->stats, &parser->request, response));
    if (origin_response_continues(response, parser->expects)) {
        if (!parser->http_1_0)
            check(conn, origin_h1_write_early(&conn->out, 100, &none));
        response->early_status = 0;
    }
    if (response->at_once)
        begin_response(conn);
}

static void body_arrived(void *user, struct tern_str bytes)
{
    struct origin_conn *conn = user;

    conn->received += bytes.len;
    if (conn->state == ORIGIN_CONN_STREAM)
        check(conn, origin_h1_write_body(&conn->out, conn->framing, bytes));
}

static void end_arrived(struct origin_conn *conn)
{
    if (conn->state == ORIGIN_CONN_STREAM) {
        end_response(conn);
        return;
    }
    if (conn->response.tells_received)
        check(conn, origin_response_received(&conn->response, conn->received));
    begin_response(conn);
}

static void refuse(struct origin_conn *conn)
{
    if (conn->state == ORIGIN_CONN_STREAM) { /* The answer is half out: break it off. */
        conn->response.ending = ORIGIN_END_CUT;
        set_state(conn, ORIGIN_CONN_FLUSH);
        return;
    }
    conn->context =
        (struct origin_h1_context){.date = tern_str_n(conn->server->date, TERN_DATE_SIZE - 1), .closes = true};
    check(conn, origin_response_refuse(&conn->response, conn->parser.refusal));
    start_response(conn);
}

/* False: there is nothing to be had now, or the connection is closed. */
static bool fill(struct origin_conn *conn)
{
    size_t room;
    ssize_t n;

    if (!conn->readable)
        return false;
    if (conn->in_at == conn->in_len)
        conn->in_at = conn->in_len = 0;
    room = sizeof(conn->in) - conn->in_len;
    do
        n = origin_link_recv(&conn->link, conn->in + conn->in_len, room);
    while (n < 0 && errno == EINTR);
    conn->in_len += n > 0 ? (size_t)n : 0;
    /* In the clear a short read means that the socket is drained; TLS reads by records. */
    conn->readable = n > 0 && (conn->link.tls != NULL || (size_t)n == room);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        origin_conn_close(conn);
    return n > 0;
}

static bool receive(struct origin_conn *conn)
{
    size_t used;
    enum origin_parsed parsed;

    if (conn->in_at == conn->in_len && !conn->parser.at_head) {
        if (!flush(conn) || !fill(conn))
            return false;
    } else if (conn->out.len >= OUT_HIGH && !flush(conn)) {
        return false;
    }
    parsed = origin_parser_feed(&conn->parser, tern_str_n(conn->in + conn->in_at, conn->in_len - conn->in_at), &used);
    conn->in_at += used;
    switch (parsed) {
    case ORIGIN_PARSED_MORE:
        break;
    case ORIGIN_PARSED_HEAD:
        head_arrived(conn);
        break;
    case ORIGIN_PARSED_END:
        end_arrived(conn);
        break;
    case ORIGIN_PARSED_BAD:
        refuse(conn);
        break;
    }
    return true;
}

/* ---- HTTP/2 ---- */

static void start_h2(struct origin_conn *conn)
{
    conn->h2 = origin_h2_new(conn->server);
    conn->failed = conn->h2 == NULL;
    set_state(conn, ORIGIN_CONN_H2);
}

/* Waits for as much as differs from the preface, or is all of it. */
static bool greet(struct origin_conn *conn)
{
    static const struct tern_str preface = {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24};
    size_t len = conn->in_len < preface.len ? conn->in_len : preface.len;

    if (memcmp(conn->in, preface.ptr, len) != 0)
        set_state(conn, ORIGIN_CONN_REQUEST);
    else if (len == preface.len)
        start_h2(conn);
    else
        return fill(conn);
    return true;
}

/* Takes all that came, then says all there is to say: what arrived together is answered together. */
static bool converse(struct origin_conn *conn)
{
    bool more;

    if (conn->in_at != conn->in_len) {
        struct tern_str bytes = {conn->in + conn->in_at, conn->in_len - conn->in_at};

        conn->in_at = conn->in_len;
        conn->failed = !origin_h2_receive(conn->h2, bytes);
        return true;
    }
    if (!origin_h2_write(conn->h2, &conn->out, OUT_HIGH)) {
        conn->failed = true;
        return false;
    }
    more = conn->out.len >= OUT_HIGH;
    conn->blocked = false;
    if (flush(conn)) {
        if (origin_h2_is_over(conn->h2, &conn->response.ending)) {
            set_state(conn, ORIGIN_CONN_FLUSH);
            return true;
        }
    } else if (!conn->blocked) {
        return false;
    }
    /* It reads on while its own bytes wait: a peer that is slow to take a body may still cancel it. */
    if (!origin_h2_is_full(conn->h2) && fill(conn))
        return true;
    return more && !conn->blocked && conn->state == ORIGIN_CONN_H2;
}

static void plan_h2(struct origin_conn *conn)
{
    uint64_t due_ns = origin_h2_due_ns(conn->h2);

    if (due_ns == TERN_OFF)
        tern_list_remove(&conn->deadline_node);
    else if (!tern_list_is_linked(&conn->deadline_node) || conn->deadline_ns != due_ns)
        set_deadline(conn, due_ns);
}

/* ---- the whole ---- */

static bool handshake(struct origin_conn *conn)
{
    int result = origin_tls_handshake(conn->link.tls);

    conn->blocked = origin_tls_is_blocked(conn->link.tls);
    if (result < 0)
        origin_conn_close(conn);
    if (result != 1)
        return false;
    conn->server->stats.tls_handshakes++;
    conn->server->stats.tls_resumed += origin_tls_is_resumed(conn->link.tls);
    if (origin_tls_is_h2(conn->link.tls))
        start_h2(conn);
    else
        set_state(conn, ORIGIN_CONN_REQUEST);
    return true;
}

static void watch(struct origin_conn *conn)
{
    static const unsigned reading = TO(HANDSHAKE) | TO(GREETING) | TO(REQUEST) | TO(STREAM) | TO(LINGER);
    struct epoll_event event = {.data.ptr = &conn->source};

    if (conn->blocked)
        event.events = EPOLLOUT;
    if (conn->state == ORIGIN_CONN_H2)
        event.events |= origin_h2_is_full(conn->h2) ? 0 : EPOLLIN;
    else if (!conn->blocked && (reading & 1u << conn->state) != 0)
        event.events = EPOLLIN;
    if (event.events == conn->watched)
        return;
    conn->watched = event.events;
    if (epoll_ctl(conn->server->epoll_fd, EPOLL_CTL_MOD, conn->source.fd, &event) != 0)
        origin_conn_close(conn);
}

void origin_conn_run(struct origin_conn *conn, uint32_t events)
{
    static const unsigned not_reading = TO(DELAY) | TO(RESPOND) | TO(FLUSH);
    bool more = true;
    int turns = 0;

    if ((events & (EPOLLERR | EPOLLHUP)) != 0 && (not_reading & 1u << conn->state) != 0)
        origin_conn_close(conn);
    conn->readable = conn->readable || (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
    conn->blocked = false;
    while (more && !conn->failed) {
        if (turns++ == TURNS_MAX) {
            conn->blocked = true;  /* It is not, and so will be told at once, after the others. */
            conn->readable = true; /* Perhaps; epoll may not have been asked. */
            break;
        }
        switch (conn->state) {
        case ORIGIN_CONN_HANDSHAKE:
            more = handshake(conn);
            break;
        case ORIGIN_CONN_GREETING:
            more = greet(conn);
            break;
        case ORIGIN_CONN_H2:
            more = converse(conn);
            break;
        case ORIGIN_CONN_REQUEST:
        case ORIGIN_CONN_STREAM:
            more = receive(conn);
            break;
        case ORIGIN_CONN_DELAY:
            more = wait_delay(conn);
            break;
        case ORIGIN_CONN_RESPOND:
            more = respond(conn);
            break;
        case ORIGIN_CONN_FLUSH:
            more = finish(conn);
            break;
        case ORIGIN_CONN_LINGER:
            more = linger(conn);
            break;
        default:
            return;
        }
    }
    if (conn->failed)
        origin_conn_close(conn);
    if (conn->state == ORIGIN_CONN_H2)
        plan_h2(conn);
    if (conn->state != ORIGIN_CONN_CLOSED)
        watch(conn);
}

struct origin_conn *origin_conn_new(struct origin_server *server, int fd, bool tls)
{
    struct origin_conn *conn = tern_mem_alloc(sizeof(*conn));
    struct epoll_event event = {.events = EPOLLIN};

    if (conn != NULL) {
        memset(conn, 0, offsetof(struct origin_conn, in));
        conn->link = (struct origin_link){fd, tls ? origin_tls_peer_new(server->tls, fd) : NULL};
        event.data.ptr = &conn->source;
    }
    if (conn == NULL || (tls && conn->link.tls == NULL) ||
        epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        origin_link_close(conn != NULL ? &conn->link : &(struct origin_link){fd, NULL}, false);
        tern_mem_free(conn);
        return NULL;
    }
    conn->source = (struct origin_source){ORIGIN_SOURCE_CONN, fd};
    conn->server = server;
    conn->state = tls ? ORIGIN_CONN_HANDSHAKE : ORIGIN_CONN_GREETING;
    conn->watched = EPOLLIN;
    tern_list_init(&conn->deadline_node);
    tern_list_push_back(&server->conns, &conn->node);
    origin_parser_init(&conn->parser, body_arrived, conn);
    origin_response_init(&conn->response);
    tern_buf_init(&conn->out, OUT_MAX);
    server->stats.connections++;
    server->stats.connections_open++;
    return conn;
}

void origin_conn_free(struct origin_conn *conn)
{
    tern_list_remove(&conn->node);
    origin_h2_free(conn->h2);
    origin_parser_deinit(&conn->parser);
    origin_response_deinit(&conn->response);
    tern_buf_deinit(&conn->out);
    tern_mem_free(conn);
}
