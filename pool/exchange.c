/* An exchange between its call and its connection: forwards what the codec says, keeps the times, holds the limits. */
#include <stdarg.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/str.h"
#include "pool/coalesce.h"
#include "pool/conn.h"
#include "pool/dial.h"

static struct tern_exchange *of_stream(struct tern_stream *stream)
{
    return TERN_CONTAINER_OF(stream, struct tern_exchange, stream);
}

static uint64_t now(const struct tern_exchange *exchange)
{
    return exchange->profile->engine->now_ns;
}

enum tern_phase tern_exchange_phase(const struct tern_exchange *exchange)
{
    if (exchange->conn == NULL)
        return exchange->dial != NULL ? tern_dial_phase(exchange->dial) : TERN_PHASE_POOL;
    if (exchange->answered_ns != 0)
        return TERN_PHASE_READ;
    return exchange->sent_ns != 0 ? TERN_PHASE_WAIT : TERN_PHASE_WRITE;
}

void tern_exchange_trace(struct tern_exchange *exchange, const char *format, ...)
{
    char line[512];
    va_list args;
    int len;

    if (exchange == NULL || exchange->events->on_trace == NULL)
        return;
    va_start(args, format);
    len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (len < 0)
        return;
    if ((size_t)len >= sizeof(line))
        len = sizeof(line) - 1;
    exchange->events->on_trace(exchange, TERN_TRACE_INFO, tern_str_n(line, (size_t)len));
}

void tern_exchange_watch(struct tern_exchange *exchange)
{
    uint64_t next = tern_watchdog_next(&exchange->watchdog);

    if (!tern_timer_is_armed(&exchange->timer) || next < exchange->timer.deadline_ns)
        tern_timer_arm(exchange->profile->engine, &exchange->timer, next);
}

/* ---- the end ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The phases before the connection was there, cut so that they never add up to more than this call waited: a dial
 * may have begun before the call that it serves. */
void tern_exchange_waited(struct tern_exchange *exchange, const struct tern_dial_report *dial)
{
    struct tern_result *result = exchange->result;
    uint64_t rest = now(exchange) - exchange->begun_ns;

    if (dial != NULL) {
        result->times.tls_ns = least(dial->tls_ns, rest);
        rest -= result->times.tls_ns;
        result->times.tcp_ns = least(dial->tcp_ns, rest);
        rest -= result->times.tcp_ns;
        result->times.dns_ns = least(dial->dns_ns, rest);
        rest -= result->times.dns_ns;
        memcpy(result->tries, dial->tries, sizeof(result->tries));
        result->try_count = dial->try_count;
    }
    result->times.pool_ns = rest;
}

static void fill_times(struct tern_exchange *exchange)
{
    struct tern_times *times = &exchange->result->times;
    uint64_t at = now(exchange);

    if (exchange->sent_ns != 0) {
        times->write_ns = exchange->sent_ns - exchange->assigned_ns;
        at = exchange->sent_ns;
    } else {
        times->write_ns = (exchange->answered_ns != 0 ? exchange->answered_ns : at) - exchange->assigned_ns;
        at = exchange->answered_ns != 0 ? exchange->answered_ns : at;
    }
    if (exchange->answered_ns > at) {
        times->wait_ns = exchange->answered_ns - at;
        at = exchange->answered_ns;
    }
    if (exchange->answered_ns != 0)
        times->read_ns = now(exchange) - at;
    else
        times->wait_ns = now(exchange) - at;
}

static void fill_from_stream(struct tern_exchange *exchange)
{
    struct tern_result *result = exchange->result;

    result->sent_head_bytes = exchange->stream.sent_head_bytes;
    result->sent_body_bytes = exchange->stream.sent_body_bytes;
    result->received_head_bytes = exchange->stream.received_head_bytes;
    result->received_body_bytes = exchange->stream.received_body_bytes;
}

enum tern_replay tern_exchange_replay(const struct tern_exchange *exchange)
{
    if (exchange->stream.received_head_bytes > 0)
        return TERN_REPLAY_ANSWERED;
    return exchange->stream.sent_head_bytes > 0 ? TERN_REPLAY_MAYBE : TERN_REPLAY_UNSENT;
}

void tern_exchange_close(struct tern_exchange *exchange, enum tern_phase phase, const struct tern_fault *fault,
                         enum tern_replay replay)
{
    struct tern_result *result = exchange->result;

    result->phase = phase;
    result->replay = replay;
    if (fault != NULL)
        result->fault = *fault;
    if (exchange->assigned_ns != 0) {
        fill_times(exchange);
        fill_from_stream(exchange);
    }
    tern_timer_cancel(exchange->profile->engine, &exchange->timer);
    tern_task_cancel(&exchange->task);
    exchange->state = TERN_EXCHANGE_IDLE;
    exchange->conn = NULL;
}

void tern_exchange_end(struct tern_exchange *exchange, enum tern_phase phase, const struct tern_fault *fault,
                       enum tern_replay replay)
{
    tern_exchange_close(exchange, phase, fault, replay);
    exchange->events->on_end(exchange);
}

static void run_failure(struct tern_task *task)
{
    struct tern_exchange *exchange = TERN_CONTAINER_OF(task, struct tern_exchange, task);
    struct tern_fault fault = exchange->result->fault;

    tern_exchange_end(exchange, exchange->result->phase, &fault, TERN_REPLAY_UNSENT);
}

void tern_exchange_fail_later(struct tern_exchange *exchange, enum tern_phase phase, const struct tern_fault *fault)
{
    exchange->result->phase = phase;
    exchange->state = TERN_EXCHANGE_FAILING;
    exchange->result->fault = *fault;
    tern_timer_cancel(exchange->profile->engine, &exchange->timer); /* no limit may end it once more */
    tern_engine_defer(exchange->profile->engine, &exchange->task);
}

/* ---- the peer's silence ---- */

/* Time in which the exchange takes no bytes of its own accord is not the peer's. */
static bool is_held_back(const struct tern_exchange *exchange)
{
    return exchange->is_paused || exchange->stream.owed_bytes >= exchange->stream.window_bytes;
}

void tern_exchange_listen(struct tern_exchange *exchange)
{
    struct tern_watchdog *dog = &exchange->watchdog;
    bool counts = exchange->sent_ns != 0 || exchange->stream.received_head_bytes > 0;

    if (exchange->state != TERN_EXCHANGE_RUNNING)
        return;
    if (!counts || is_held_back(exchange)) {
        dog->silent_ns = 0;
    } else if (dog->silent_ns == 0) {
        dog->silent_ns = now(exchange);
        tern_exchange_watch(exchange);
    }
}

void tern_exchange_heard(struct tern_exchange *exchange)
{
    if (exchange->watchdog.silent_ns != 0)
        exchange->watchdog.silent_ns = now(exchange);
    tern_exchange_listen(exchange);
}

/* Time that the user takes is not the peer's: what waits for its bytes stands still, and begins anew. */
void tern_exchange_set_paused(struct tern_exchange *exchange, bool is_paused)
{
    struct tern_watchdog *dog = &exchange->watchdog;

    exchange->is_paused = is_paused;
    if (is_paused) {
        dog->silent_ns = dog->head_ns = dog->speed_ns = 0;
    } else if (exchange->assigned_ns != 0) {
        if (exchange->sent_ns != 0 && exchange->answered_ns == 0)
            dog->head_ns = now(exchange);
        if (exchange->timeouts->low_speed_bytes_per_s != 0) {
            dog->speed_ns = now(exchange);
            dog->speed_bytes = exchange->stream.sent_body_bytes + exchange->stream.received_body_bytes;
        }
    }
}

/* ---- what the codec says ---- */

static void on_informational(struct tern_stream *stream, const struct tern_head *head)
{
    struct tern_exchange *exchange = of_stream(stream);

    if (head->status == 100)
        exchange->watchdog.expect_ns = 0;
    tern_exchange_heard(exchange);
    exchange->events->on_informational(exchange, head);
}

/* RFC 9110 15.5.20: the server has not processed it, and the client may ask again over another connection. */
static void end_misdirected(struct tern_exchange *exchange)
{
    enum tern_phase phase = tern_exchange_phase(exchange);
    struct tern_conn *conn = exchange->conn;
    struct tern_fault fault;

    tern_coalesce_undo(conn->pool, exchange->coalesced_pair);
    tern_fault_set(&fault, TERN_EPEER_REFUSED, "421: %s does not answer for another host on its connection",
                   conn->bucket->origin.host.text);
    tern_conn_cancel(conn, exchange);
    tern_exchange_end(exchange, phase, &fault, TERN_REPLAY_REFUSED);
}

static void on_head(struct tern_stream *stream, const struct tern_head *head)
{
    struct tern_exchange *exchange = of_stream(stream);

    if (head->status == 421 && exchange->coalesced_pair != 0) {
        end_misdirected(exchange);
        return;
    }
    exchange->answered_ns = now(exchange);
    exchange->watchdog.head_ns = 0;
    exchange->watchdog.expect_ns = 0;
    tern_exchange_heard(exchange);
    exchange->events->on_head(exchange, head);
}

static void on_body(struct tern_stream *stream, const uint8_t *data, size_t len)
{
    struct tern_exchange *exchange = of_stream(stream);

    exchange->events->on_body(exchange, data, len);
    if (exchange->conn != NULL)
        tern_conn_widen(exchange->conn, exchange);
    tern_exchange_heard(exchange); /* once it is known whether its window has room */
}

static void on_trailers(struct tern_stream *stream, const struct tern_field *fields, size_t count)
{
    of_stream(stream)->events->on_trailers(of_stream(stream), fields, count);
}

static void on_sent(struct tern_stream *stream)
{
    struct tern_exchange *exchange = of_stream(stream);

    exchange->sent_ns = now(exchange);
    exchange->watchdog.blocked_ns = 0;
    exchange->watchdog.expect_ns = 0;
    if (exchange->answered_ns == 0 && !exchange->is_paused)
        exchange->watchdog.head_ns = exchange->sent_ns;
    tern_exchange_listen(exchange);
    tern_exchange_watch(exchange);
}

static void on_end(struct tern_stream *stream)
{
    struct tern_exchange *exchange = of_stream(stream);

    tern_conn_detach(exchange->conn, exchange);
    tern_exchange_end(exchange, TERN_PHASE_DONE, NULL, TERN_REPLAY_ANSWERED);
}

/* A peer that speaks HTTP/2 and wants HTTP/1.1 gets it on another connection, where both will do. */
static bool falls_back(struct tern_conn *conn, const struct tern_fault *fault)
{
    if (fault->error != TERN_EPROTO_VERSION || conn->h2 == NULL ||
        conn->bucket->profile->config.http_mode != TERN_HTTP_MODE_2)
        return false;
    conn->is_spent = true;
    tern_pool_note_spoken(conn->bucket, TERN_SPOKEN_1_1_ASKED);
    return true;
}

static void on_error(struct tern_stream *stream, const struct tern_fault *fault, enum tern_replay replay)
{
    struct tern_exchange *exchange = of_stream(stream);
    struct tern_conn *conn = exchange->conn;
    enum tern_phase phase;

    /* A kept connection that dies under a request before a byte came back was most likely closed while idle. (A stream
     * that was reset on one that lives is another matter: the server has seen it.) */
    if (replay == TERN_REPLAY_MAYBE && conn->uses > 1 && tern_conn_is_dead(conn) &&
        tern_error_class(fault->error) == TERN_CLASS_PEER)
        replay = TERN_REPLAY_STALE;
    if (falls_back(conn, fault) && replay == TERN_REPLAY_MAYBE)
        replay = TERN_REPLAY_STALE;
    phase = tern_exchange_phase(exchange);
    tern_conn_detach(conn, exchange);
    tern_exchange_end(exchange, phase, fault, replay);
}

const struct tern_stream_events tern_exchange_stream_events = {
    .on_informational = on_informational,
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_sent = on_sent,
    .on_end = on_end,
    .on_error = on_error,
};

/* ---- the limits ---- */

static void count_timeout(struct tern_client_stats *stats, enum tern_error error)
{
    if (error == TERN_EPOOL_TIMEOUT)
        stats->timed_out_pool++;
    else if (error == TERN_ECONNECT_TIMEOUT)
        stats->timed_out_connect++;
    else if (error == TERN_EWRITE_TIMEOUT)
        stats->timed_out_write++;
    else if (error == TERN_EREAD_TIMEOUT || error == TERN_EHEAD_TIMEOUT)
        stats->timed_out_read++;
}

void tern_exchange_limit(const struct tern_exchange *exchange, enum tern_phase phase,
                         const struct tern_watchdog_verdict *verdict, struct tern_client_stats *stats,
                         struct tern_fault *fault)
{
    static const char *const phases[] = {"at the start",      "waiting for a connection", "resolving the name",
                                         "connecting",        "in the TLS handshake",     "sending the request",
                                         "awaiting the head", "reading the body",         "at the end"};
    char authority[TERN_ESCAPE_MAX];

    count_timeout(stats, verdict->error);
    tern_fault_set(fault, verdict->error, "%s: %s (limit %llu ms, %s)",
                   tern_escape(authority, sizeof(authority), exchange->outgoing.authority),
                   tern_error_text(verdict->error), (unsigned long long)(verdict->limit_ns / TERN_MS), phases[phase]);
}

static void on_limit(struct tern_exchange *exchange, const struct tern_watchdog_verdict *verdict)
{
    struct tern_pool *pool = TERN_CONTAINER_OF(exchange->transport, struct tern_pool, transport);
    enum tern_phase phase = tern_exchange_phase(exchange);
    struct tern_fault fault;

    tern_exchange_limit(exchange, phase, verdict, pool->stats, &fault);
    if (exchange->conn != NULL) {
        struct tern_conn *conn = exchange->conn;

        tern_conn_cancel(conn, exchange);
        tern_conn_doubt(conn, exchange->assigned_ns);
    } else {
        struct tern_dial_report report = {0};

        if (exchange->dial != NULL)
            tern_dial_report_now(exchange->dial, &report);
        tern_exchange_waited(exchange, &report);
        tern_pool_unwait(pool, exchange);
    }
    /* Only now: a cancel may still count what goes out all the same. */
    tern_exchange_end(exchange, phase, &fault, tern_exchange_replay(exchange));
}

static void on_timer(struct tern_timer *timer)
{
    struct tern_exchange *exchange = TERN_CONTAINER_OF(timer, struct tern_exchange, timer);
    uint64_t bytes = exchange->stream.sent_body_bytes + exchange->stream.received_body_bytes;
    struct tern_watchdog_verdict verdict = tern_watchdog_check(&exchange->watchdog, now(exchange), bytes);

    if (verdict.bark == TERN_BARK_END) {
        on_limit(exchange, &verdict);
        return;
    }
    if (verdict.bark == TERN_BARK_CONTINUE && exchange->conn != NULL) {
        exchange->conn->codec->ops->continue_body(exchange->conn->codec, &exchange->stream);
        tern_conn_wake(exchange->conn);
    }
    tern_exchange_watch(exchange);
}

void tern_exchange_begin(struct tern_exchange *exchange, struct tern_transport *transport)
{
    exchange->transport = transport;
    exchange->state = TERN_EXCHANGE_IDLE;
    exchange->is_paused = false;
    exchange->stream = (struct tern_stream){0};
    exchange->watchdog = (struct tern_watchdog){
        .timeouts = exchange->timeouts, .total_deadline_ns = exchange->total_deadline_ns, .begun_ns = now(exchange)};
    exchange->bucket = NULL;
    exchange->conn = NULL;
    exchange->dial = NULL;
    exchange->choices = 0;
    exchange->coalesced_pair = 0;
    exchange->begun_ns = now(exchange);
    exchange->assigned_ns = exchange->sent_ns = exchange->answered_ns = 0;
    tern_list_init(&exchange->node);
    tern_list_init(&exchange->reuse_node);
    tern_timer_init(&exchange->timer, on_timer);
    tern_task_init(&exchange->task, run_failure);
}
