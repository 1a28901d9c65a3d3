#include "pool/dial.h"

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "pool/addresses.h"
#include "pool/coalesce.h"
#include "pool/retire.h"

static bool attempt(struct tern_dial *dial, const struct tern_sockaddr *address);
static void advance(struct tern_dial *dial);
static void tls_begin(struct tern_dial *dial);

static const uint8_t successors[] = {
    [TERN_DIAL_START] = 1u << TERN_DIAL_LOOKUP | 1u << TERN_DIAL_ENDED,
    [TERN_DIAL_LOOKUP] = 1u << TERN_DIAL_RACE | 1u << TERN_DIAL_ENDED,
    [TERN_DIAL_RACE] = 1u << TERN_DIAL_TLS | 1u << TERN_DIAL_ENDED,
    [TERN_DIAL_TLS] = 1u << TERN_DIAL_RACE | 1u << TERN_DIAL_ENDED,
    [TERN_DIAL_ENDED] = 0,
};

static void set_state(struct tern_dial *dial, enum tern_dial_state state)
{
    TERN_ASSERT((successors[dial->state] >> state & 1u) != 0);
    dial->state = state;
}

static struct tern_engine *engine_of(const struct tern_dial *dial)
{
    return dial->pool->engine;
}

enum tern_phase tern_dial_phase(const struct tern_dial *dial)
{
    if (dial->state <= TERN_DIAL_LOOKUP)
        return TERN_PHASE_DNS;
    return dial->state == TERN_DIAL_RACE ? TERN_PHASE_CONNECT : TERN_PHASE_TLS;
}

void tern_dial_report_now(const struct tern_dial *dial, struct tern_dial_report *out)
{
    uint64_t now_ns = engine_of(dial)->now_ns;
    uint64_t resolved_ns = dial->resolved_ns != 0 ? dial->resolved_ns : now_ns;
    uint64_t connected_ns = dial->connected_ns != 0 ? dial->connected_ns : now_ns;

    *out = dial->report;
    out->dns_ns = resolved_ns - dial->begun_ns;
    out->tcp_ns = connected_ns - resolved_ns;
    out->tls_ns = now_ns - connected_ns;
}

/* ---- the end ---- */

static void bury(struct tern_corpse *corpse)
{
    struct tern_dial *dial = TERN_CONTAINER_OF(corpse, struct tern_dial, corpse);

    tern_profile_release(dial->profile);
    tern_mem_free(dial);
}

/* The next dial tries other addresses first. */
static void blame_address(struct tern_dial *dial, const struct tern_conn *conn)
{
    tern_dns_failed(dial->profile->dns, conn->tcp.peer);
}

/* Closes all racers but keep. One that was given a whole stagger and has not answered is as bad as one that failed. */
static void close_racers(struct tern_dial *dial, const struct tern_conn *keep)
{
    for (size_t i = 0; i < dial->racer_count; i++) {
        if (dial->racers[i] == keep)
            continue;
        if (engine_of(dial)->now_ns - dial->racer_ns[i] >= TERN_DIAL_STAGGER_NS)
            blame_address(dial, dial->racers[i]);
        tern_conn_close(dial->racers[i], false);
    }
    dial->racer_count = 0;
}

/* Closes and stops everything but keep. */
static void release(struct tern_dial *dial, const struct tern_conn *keep)
{
    close_racers(dial, keep);
    if (dial->winner != NULL && dial->winner != keep)
        tern_conn_close(dial->winner, false);
    dial->winner = NULL;
    tern_lookup_cancel(&dial->lookup);
    if (dial->needs_trust)
        dial->pool->tls->ops->load_cancel(dial->pool->tls, &dial->trust);
    tern_task_cancel(&dial->begin);
    tern_timer_cancel(engine_of(dial), &dial->deadline);
    tern_timer_cancel(engine_of(dial), &dial->stagger);
    set_state(dial, TERN_DIAL_ENDED);
    tern_engine_bury(engine_of(dial), &dial->corpse);
}

void tern_dial_cancel(struct tern_dial *dial)
{
    release(dial, NULL);
}

static void fail(struct tern_dial *dial, const struct tern_fault *fault)
{
    enum tern_phase phase = tern_dial_phase(dial);
    struct tern_fault copy = *fault; /* it may stand in what is closed now */

    tern_dial_report_now(dial, &dial->report);
    release(dial, NULL);
    tern_pool_dial_failed(dial, &copy, phase);
}

static void succeed(struct tern_dial *dial, bool is_h2)
{
    struct tern_conn *conn = dial->winner;

    tern_dial_report_now(dial, &dial->report);
    if (tern_conn_ready(conn, dial->profile, is_h2) != TERN_OK) {
        struct tern_fault fault;

        tern_fault_plain(&fault, TERN_ENOMEM);
        fail(dial, &fault);
        return;
    }
    release(dial, conn);
    tern_pool_dialled(dial, conn);
}

static void on_deadline(struct tern_timer *timer)
{
    struct tern_dial *dial = TERN_CONTAINER_OF(timer, struct tern_dial, deadline);
    struct tern_fault fault;

    if (dial->exchange != NULL) { /* its own watchdog has the say, from when the dial became its */
        tern_timer_arm(engine_of(dial), timer, tern_u64_add_sat(engine_of(dial)->now_ns, dial->connect_timeout_ns));
        return;
    }
    tern_fault_plain(&fault, TERN_ECONNECT_TIMEOUT);
    fail(dial, &fault);
}

/* ---- TLS ---- */

static const char alpn_h2[] = "h2";

static enum tern_http_mode mode_of(const struct tern_dial *dial)
{
    return dial->profile->config.http_mode;
}

/* A handshake that failed with a session on offer may fail for the session alone (the server has changed): it is
 * forgotten by now, so once more to the same address shows. Nothing of a request was sent. */
static void fail_tls(struct tern_dial *dial)
{
    struct tern_conn *conn = dial->winner;
    struct tern_sockaddr address = *conn->tcp.peer;
    struct tern_tls_info info = {0};
    struct tern_fault fault;

    tern_bytestream_fault(conn->stream, &fault);
    dial->pool->tls->ops->info(dial->pool->tls, conn->stream, &info);
    if (!info.offered || dial->has_redialled) {
        blame_address(dial, conn);
        fail(dial, &fault);
        return;
    }
    dial->has_redialled = true;
    dial->winner = NULL;
    dial->connected_ns = 0;
    set_state(dial, TERN_DIAL_RACE);
    tern_conn_close(conn, false);
    tern_exchange_trace(dial->exchange, "%s; trying again without the TLS session", fault.text);
    if (dial->state != TERN_DIAL_ENDED && !attempt(dial, &address) && dial->state != TERN_DIAL_ENDED)
        fail(dial, &fault);
}

static void handshake(struct tern_dial *dial)
{
    struct tern_conn *conn = dial->winner;
    enum tern_flow flow = tern_bytestream_handshake(conn->stream);
    struct tern_client_stats *stats = dial->pool->stats;
    struct tern_tls_info info = {0};
    bool is_h2;

    if (flow == TERN_FLOW_WANT_READ || flow == TERN_FLOW_WANT_WRITE)
        return;
    if (flow != TERN_FLOW_OK) {
        fail_tls(dial);
        return;
    }
    dial->pool->tls->ops->info(dial->pool->tls, conn->stream, &info);
    conn->tls_version = info.version;
    conn->tls_suite = info.suite;
    conn->tls_resumed = info.resumed;
    conn->tls_verify = info.verify != NULL ? info.verify->error : TERN_OK;
    stats->tls_handshakes++;
    stats->tls_resumed += info.resumed;
    tern_exchange_trace(dial->exchange, "%s, %s%s%s", info.version, info.suite, info.resumed ? ", resumed" : "",
                        conn->tls_verify != TERN_OK ? ", certificate NOT verified" : "");
    if (dial->state == TERN_DIAL_ENDED)
        return;
    is_h2 = info.alpn != NULL && strcmp(info.alpn, alpn_h2) == 0;
    if (mode_of(dial) == TERN_HTTP_MODE_2_ONLY && !is_h2) {
        struct tern_fault fault;

        tern_fault_set(&fault, TERN_EPROTO_VERSION, "%s does not speak HTTP/2 (ALPN), which http_mode asks for",
                       dial->bucket->origin.host.text);
        fail(dial, &fault);
        return;
    }
    succeed(dial, is_h2);
}

static void tls_begin(struct tern_dial *dial)
{
    static const char *const alpn[] = {alpn_h2, "http/1.1"};
    bool takes_1_1 = mode_of(dial) != TERN_HTTP_MODE_2_ONLY;
    bool takes_h2 =
        mode_of(dial) != TERN_HTTP_MODE_1_1 && (!takes_1_1 || tern_pool_spoken(dial->bucket) != TERN_SPOKEN_1_1_ASKED);
    struct tern_conn *conn = dial->winner;
    const struct tern_origin *origin = &dial->bucket->origin;
    struct tern_tls_open how = {.lower = &conn->tcp.stream,
                                .profile = dial->profile->tls,
                                .host = &origin->host,
                                .port = origin->port,
                                .alpn = takes_h2 ? alpn : alpn + 1,
                                .alpn_count = (size_t)takes_h2 + takes_1_1};
    struct tern_bytestream *stream;
    struct tern_fault fault;

    if (dial->pool->tls->ops->open(dial->pool->tls, &how, &stream, &fault) != TERN_OK) {
        fail(dial, &fault);
        return;
    }
    tern_conn_listen(conn, stream);
    handshake(dial);
}

static void on_trust(struct tern_tls_waiter *waiter, const struct tern_fault *fault)
{
    struct tern_dial *dial = TERN_CONTAINER_OF(waiter, struct tern_dial, trust);

    dial->needs_trust = false;
    if (fault->error != TERN_OK)
        fail(dial, fault);
    else if (dial->state == TERN_DIAL_TLS)
        tls_begin(dial);
}

/* ---- the race ---- */

static void record(struct tern_dial *dial, size_t try, const struct tern_fault *fault, uint64_t since_ns, bool used)
{
    struct tern_address_try *entry;

    if (try >= TERN_ADDRESS_TRIES_MAX)
        return;
    entry = &dial->report.tries[try];
    entry->error = fault != NULL ? fault->error : TERN_OK;
    entry->os_errno = fault != NULL ? fault->os_errno : 0;
    entry->ns = engine_of(dial)->now_ns - since_ns;
    entry->used = used;
}

static void win(struct tern_dial *dial, size_t racer)
{
    struct tern_conn *conn = dial->racers[racer];

    for (size_t i = 0; i < dial->racer_count; i++)
        record(dial, dial->racer_try[i], NULL, dial->racer_ns[i], i == racer);
    close_racers(dial, conn);
    dial->winner = conn;
    dial->connected_ns = engine_of(dial)->now_ns;
    if (dial->profile->unix_address.len == 0) {
        tern_dns_worked(dial->profile->dns, conn->tcp.peer);
        tern_retire_note(dial->bucket, dial->profile, &dial->lookup);
    }
    tern_lookup_cancel(&dial->lookup);
    dial->is_looking = false;
    tern_timer_cancel(engine_of(dial), &dial->stagger);
    set_state(dial, TERN_DIAL_TLS); /* an instant of it for plaintext */
    tern_exchange_trace(dial->exchange, "Connected");
    if (dial->state == TERN_DIAL_ENDED)
        return;
    if (!dial->bucket->origin.is_secure)
        succeed(dial, mode_of(dial) == TERN_HTTP_MODE_2_ONLY);
    else if (!dial->needs_trust)
        tls_begin(dial);
}

static void lose(struct tern_dial *dial, size_t racer, const struct tern_fault *fault)
{
    record(dial, dial->racer_try[racer], fault, dial->racer_ns[racer], false);
    dial->fault = *fault;
    blame_address(dial, dial->racers[racer]);
    tern_conn_close(dial->racers[racer], false);
    dial->racer_count--;
    for (size_t i = racer; i < dial->racer_count; i++) {
        dial->racers[i] = dial->racers[i + 1];
        dial->racer_try[i] = dial->racer_try[i + 1];
        dial->racer_ns[i] = dial->racer_ns[i + 1];
    }
    tern_exchange_trace(dial->exchange, "%s", dial->fault.text);
}

void tern_dial_on_ready(struct tern_conn *conn)
{
    struct tern_dial *dial = conn->dial;

    if (dial->state == TERN_DIAL_TLS) {
        if (conn == dial->winner && conn->stream != &conn->tcp.stream)
            handshake(dial);
        return;
    }
    for (size_t i = 0; i < dial->racer_count; i++) {
        enum tern_flow flow;

        if (dial->racers[i] != conn)
            continue;
        flow = tern_bytestream_handshake(conn->stream);
        if (flow == TERN_FLOW_OK) {
            win(dial, i);
        } else if (flow == TERN_FLOW_ERROR || flow == TERN_FLOW_EOF) {
            struct tern_fault fault;

            tern_bytestream_fault(conn->stream, &fault);
            lose(dial, i, &fault);
            advance(dial);
        }
        return;
    }
}

/* The next address to try: none any more where the dial has ended. They are taken one by one, as late as can be: so the
 * families alternate even when one was looked up later than the other. */
static bool next_address(struct tern_dial *dial, struct tern_sockaddr *out)
{
    if (dial->state == TERN_DIAL_ENDED || dial->address_count == TERN_DIAL_ADDRESSES_MAX)
        return false;
    if (dial->profile->unix_address.len == 0)
        return tern_lookup_next(&dial->lookup, out);
    *out = dial->profile->unix_address;
    return dial->address_count + dial->crowd.count == 0;
}

/* Makes room for the next address: the oldest attempt has had several staggers, and black holes must not hide who
 * lives. */
static void give_up_oldest(struct tern_dial *dial)
{
    struct tern_fault fault;

    tern_fault_set(&fault, TERN_ECONNECT_TIMEOUT, "no answer in %llu ms, and other addresses wait",
                   (unsigned long long)((engine_of(dial)->now_ns - dial->racer_ns[0]) / TERN_MS));
    lose(dial, 0, &fault);
}

/* The very address that is dialled passes the gate. False: dial->fault says why not. */
static bool open_socket(struct tern_dial *dial, struct tern_conn *conn, const struct tern_sockaddr *address)
{
    const char *refusal = tern_address_refused(dial->profile, &dial->bucket->origin, address);

    if (refusal != NULL) {
        char text[TERN_SOCKADDR_TEXT_MAX];

        tern_sockaddr_print(address, text, sizeof(text));
        tern_fault_set(&dial->fault, TERN_EGATE, "%s at %s: %s", dial->bucket->origin.host.text, text, refusal);
        return false;
    }
    return tern_tcp_start(engine_of(dial), &conn->tcp, conn->tcp.peer, &dial->profile->tcp, &dial->fault) == TERN_OK;
}

/* Starts an attempt. False: it failed at once, or the dial has ended. */
static bool attempt(struct tern_dial *dial, const struct tern_sockaddr *address)
{
    size_t try = dial->report.try_count;
    uint64_t now_ns = engine_of(dial)->now_ns;
    char text[TERN_SOCKADDR_TEXT_MAX];
    struct tern_conn *conn;

    if (dial->racer_count == TERN_DIAL_RACERS_MAX)
        give_up_oldest(dial);
    tern_sockaddr_print(address, text, sizeof(text));
    tern_exchange_trace(dial->exchange, "Trying %s...", text);
    if (dial->state == TERN_DIAL_ENDED)
        return false;
    conn = tern_conn_new(dial, dial->bucket, address);
    if (try < TERN_ADDRESS_TRIES_MAX) {
        tern_sockaddr_print(address, dial->report.tries[try].address, TERN_ADDRESS_TEXT_MAX);
        dial->report.try_count++;
    }
    if (conn == NULL) {
        tern_fault_plain(&dial->fault, TERN_ENOMEM);
        record(dial, try, &dial->fault, now_ns, false);
        return false;
    }
    if (!open_socket(dial, conn, address)) {
        record(dial, try, &dial->fault, now_ns, false);
        if (tern_error_class(dial->fault.error) == TERN_CLASS_CONNECT)
            tern_dns_failed(dial->profile->dns, address);
        tern_conn_close(conn, false);
        tern_exchange_trace(dial->exchange, "%s", dial->fault.text);
        return false;
    }
    tern_addresses_add(conn);
    tern_conn_listen(conn, &conn->tcp.stream);
    dial->racers[dial->racer_count] = conn;
    dial->racer_try[dial->racer_count] = try;
    dial->racer_ns[dial->racer_count++] = now_ns;
    return true;
}

static void fail_race(struct tern_dial *dial)
{
    struct tern_fault fault = dial->address_count > 0 ? dial->fault : dial->lookup_fault;

    if (dial->address_count > 1)
        tern_fault_set(&fault, dial->fault.error, "all %zu addresses of %s failed, the last: %s", dial->address_count,
                       dial->bucket->origin.host.text, dial->fault.text);
    fault.os_errno = dial->fault.os_errno;
    fail(dial, &fault);
}

/* What could be reached is full, which is no failure. */
static void step_back(struct tern_dial *dial)
{
    tern_exchange_trace(dial->exchange,
                        "All addresses have their limit of connections: waiting for one to become free");
    if (dial->state == TERN_DIAL_ENDED)
        return;
    release(dial, NULL);
    tern_pool_dial_crowded(dial, &dial->crowd);
}

/* Starts the next attempt that there is an address for; ends the dial when nothing is left to hope for. */
static void advance(struct tern_dial *dial)
{
    struct tern_sockaddr address;

    tern_timer_cancel(engine_of(dial), &dial->stagger);
    while (next_address(dial, &address)) {
        struct tern_conn *shared = tern_coalesce_find(dial, &address);

        if (shared != NULL) {
            release(dial, NULL);
            tern_pool_coalesced(dial, shared);
            return;
        }
        if (!tern_addresses_have_room(dial->pool, &address, &dial->crowd))
            continue;
        if (dial->address_count++ == 0) {
            dial->resolved_ns = engine_of(dial)->now_ns;
            set_state(dial, TERN_DIAL_RACE);
        }
        if (attempt(dial, &address)) {
            tern_timer_arm(engine_of(dial), &dial->stagger, engine_of(dial)->now_ns + TERN_DIAL_STAGGER_NS);
            return;
        }
    }
    if (dial->state == TERN_DIAL_ENDED || dial->racer_count > 0 || dial->is_looking)
        return;
    if (dial->crowd.count > 0)
        step_back(dial);
    else
        fail_race(dial);
}

static void on_stagger(struct tern_timer *timer)
{
    advance(TERN_CONTAINER_OF(timer, struct tern_dial, stagger));
}

/* ---- addresses ---- */

static void on_addresses(struct tern_lookup *lookup)
{
    struct tern_dial *dial = lookup->owner;

    if (lookup->state == TERN_LOOKUP_ENDED) {
        dial->is_looking = false;
        dial->lookup_fault = lookup->fault;
    }
    /* While the latest attempt is young its stagger decides when the next begins. */
    if (!tern_timer_is_armed(&dial->stagger))
        advance(dial);
}

enum tern_error tern_dial_target(const struct tern_bucket *bucket, struct tern_host *host, uint16_t *port)
{
    const struct tern_client_config *config = &bucket->profile->config; /* connect_to shapes */
    const struct tern_origin *origin = &bucket->origin;

    *host = origin->host;
    *port = origin->port;
    for (size_t i = 0; i < config->connect_to_count; i++) {
        const struct tern_connect_to *rule = &config->connect_to[i];
        struct tern_host from;

        if (rule->port != 0 && rule->port != origin->port)
            continue;
        if (rule->host != NULL && rule->host[0] != '\0') {
            if (tern_host_parse(&from, tern_str(rule->host), NULL) != TERN_OK)
                return TERN_ENOMEM; /* it was right when it was configured */
            if (!tern_host_eq(&from, &origin->host))
                continue;
        }
        if (rule->to_port != 0)
            *port = rule->to_port;
        if (rule->to_host != NULL && rule->to_host[0] != '\0')
            return tern_host_parse(host, tern_str(rule->to_host), NULL);
        return TERN_OK;
    }
    return TERN_OK;
}

static void begin_lookup(struct tern_dial *dial)
{
    struct tern_host host;
    uint16_t port;
    struct tern_fault fault;

    if (dial->profile->unix_address.len != 0) {
        advance(dial);
        return;
    }
    if (tern_dial_target(dial->bucket, &host, &port) != TERN_OK) {
        tern_fault_plain(&fault, TERN_ENOMEM);
        fail(dial, &fault);
        return;
    }
    dial->is_looking = true;
    tern_lookup_start(dial->profile->dns, &dial->lookup, &host, port, dial->profile->config.ip_family, on_addresses,
                      dial);
}

static void on_begin(struct tern_task *task)
{
    struct tern_dial *dial = TERN_CONTAINER_OF(task, struct tern_dial, begin);
    struct tern_tls_provider *tls = dial->pool->tls;
    struct tern_fault fault;

    set_state(dial, TERN_DIAL_LOOKUP);
    if (dial->bucket->origin.is_secure && !tls->ops->is_loaded(tls, dial->profile->tls)) {
        enum tern_error error = tls->ops->load(tls, dial->profile->tls, &dial->trust);

        if (error != TERN_OK) {
            tern_fault_plain(&fault, error);
            fail(dial, &fault);
            return;
        }
        dial->needs_trust = true;
    }
    begin_lookup(dial);
}

struct tern_dial *tern_dial_start(struct tern_bucket *bucket, struct tern_profile *profile, uint64_t connect_timeout_ns)
{
    struct tern_dial *dial = tern_mem_calloc(1, sizeof(*dial));
    struct tern_engine *engine = bucket->pool->engine;

    if (dial == NULL)
        return NULL;
    dial->corpse.bury = bury;
    tern_list_init(&dial->node);
    dial->pool = bucket->pool;
    dial->bucket = bucket;
    dial->profile = tern_profile_acquire(profile);
    dial->trust.on_loaded = on_trust;
    dial->connect_timeout_ns = connect_timeout_ns;
    dial->begun_ns = engine->now_ns;
    tern_task_init(&dial->begin, on_begin);
    tern_timer_init(&dial->deadline, on_deadline);
    tern_timer_init(&dial->stagger, on_stagger);
    tern_timer_arm(engine, &dial->deadline, tern_u64_add_sat(engine->now_ns, dial->connect_timeout_ns));
    /* What a TLS dial costs the loop before its handshake counts as the first step of it: a storm begins one a turn. */
    if (bucket->origin.is_secure)
        tern_engine_defer_slow(engine, &dial->begin);
    else
        tern_engine_defer(engine, &dial->begin);
    return dial;
}
