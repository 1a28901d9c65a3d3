/* TLS that only looks like it: records with a check sum, a handshake with ALPN, certificates and tickets, close_notify.
 * Both sides: the provider for the engine, and what servers do. Nothing is secret here, but nothing is readable on the
 * wire either.
 *
 * A record is its kind, the length of its text in two bytes, the text, and a check sum of four bytes.
 *     client                                              server
 *     HELLO "shape host port ticket alpn alpn"  -->
 *                                               <--  SERVER_HELLO "resumed certificate-host alpn", or ALERT
 *     FINISHED                                  -->
 *                                               <--  TICKET "number", any number of times
 *     DATA                                      <->  DATA, and CLOSE at the end */
#include <inttypes.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/mem.h"
#include "tests/sim/seams.h"
#include "tests/sim/server.h"
#include "tls/provider.h"

enum kind { HELLO = 0x16, SERVER_HELLO, FINISHED, TICKET, DATA, ALERT, CLOSE };

#define TEXT_MAX 4096
#define RECORD_MAX (3 + TEXT_MAX + 4)
#define TICKETS_MAX 8
#define PROFILES_MAX 16

static uint32_t sum_of(const unsigned char *text, size_t len)
{
    uint32_t sum = 2166136261u;

    for (size_t i = 0; i < len; i++)
        sum = (sum ^ text[i]) * 16777619u;
    return sum;
}

static void scramble(unsigned char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        text[i] ^= (unsigned char)(0x5a + 7 * i);
}

/* Puts a record into out, which has RECORD_MAX bytes. Gives its length. */
static size_t record_write(unsigned char *out, enum kind kind, const void *text, size_t len)
{
    uint32_t sum;

    out[0] = (unsigned char)kind;
    out[1] = (unsigned char)(len >> 8);
    out[2] = (unsigned char)len;
    if (len != 0)
        memcpy(out + 3, text, len);
    sum = sum_of(out + 3, len);
    scramble(out + 3, len);
    memcpy(out + 3 + len, &sum, 4);
    return 3 + len + 4;
}

/* The length of the record that starts here; 0: not all of it is here. */
static size_t record_length(const unsigned char *bytes, size_t len)
{
    size_t whole = len >= 3 ? 3 + ((size_t)bytes[1] << 8 | bytes[2]) + 4 : SIZE_MAX;

    return whole <= len ? whole : 0;
}

/* Makes its text readable in place; false: it is broken. */
static bool record_open(unsigned char *record, size_t whole)
{
    uint32_t sum;

    scramble(record + 3, whole - 7);
    memcpy(&sum, record + whole - 4, 4);
    return sum == sum_of(record + 3, whole - 7);
}

/* ---- the server's side ---- */

static void say_record(struct sim_peer *peer, enum kind kind, const void *text, size_t len)
{
    unsigned char record[RECORD_MAX];
    size_t whole = record_write(record, kind, text, len);

    if (kind == DATA && sim_fault(SIM_FAULT_TLS_RECORD)) {
        record[3 + sim_below(len)] ^= 0x20;
        peer->is_tainted = true;
    }
    sim_socket_send(peer->socket, record, whole);
}

static void on_hello(struct sim_peer *peer, char *text)
{
    char host[300], alpn[2][16] = {"", ""}, answer[400];
    const char *certificate, *chosen = "-";
    uint64_t ticket;
    unsigned port;
    bool takes_h2 = peer->origin == SIM_ORIGINS_ALL || sim_origins[peer->origin].speaks_h2;
    bool takes_h1 = peer->origin == SIM_ORIGINS_ALL || sim_origins[peer->origin].speaks_h1;
    int n = sscanf(text, "%" SCNx64 " %299s %u %" SCNu64 " %15s %15s", &peer->tls_shape, host, &port, &ticket, alpn[0],
                   alpn[1]);

    SIM_CHECK(n >= 4, "peer %u cannot read the hello \"%s\"", peer->number, text);
    if (sim_fault(SIM_FAULT_TLS_ALERT) || (ticket != 0 && sim_fault(SIM_FAULT_TLS_TICKET))) {
        say_record(peer, ALERT, "no", 2);
        sim_peer_end(peer);
        return;
    }
    for (int i = 1; i >= 0; i--)
        if ((takes_h2 && strcmp(alpn[i], "h2") == 0) || (takes_h1 && strcmp(alpn[i], "http/1.1") == 0))
            chosen = alpn[i];
    peer->tls_chose_h2 = strcmp(chosen, "h2") == 0;
    certificate = sim_fault(SIM_FAULT_TLS_CERT) ? "other.sim" : host;
    n = snprintf(answer, sizeof(answer), "%d %s %s", ticket != 0 && sim_chance(800), certificate, chosen);
    say_record(peer, SERVER_HELLO, answer, (size_t)n);
    peer->tls = SIM_TLS_FINISHED;
}

static void on_finished(struct sim_peer *peer)
{
    char text[24];

    peer->tls = SIM_TLS_OPEN;
    for (uint64_t count = sim_below(3); count > 0; count--)
        say_record(peer, TICKET, text, (size_t)snprintf(text, sizeof(text), "%u", 1 + (unsigned)sim_below(1000000)));
}

/* One record of the client's. */
static void on_record(struct sim_peer *peer, enum kind kind, unsigned char *text, size_t len)
{
    if (kind == HELLO && peer->tls == SIM_TLS_HELLO) {
        text[len] = '\0'; /* over the check sum */
        on_hello(peer, (char *)text);
    } else if (kind == FINISHED && peer->tls == SIM_TLS_FINISHED) {
        on_finished(peer);
    } else if (kind == DATA && peer->tls == SIM_TLS_OPEN) {
        sim_peer_plain(peer, text, len);
    } else if (kind == CLOSE && peer->tls == SIM_TLS_OPEN) {
        peer->tls = SIM_TLS_OVER;
    } else if (kind != ALERT) {
        sim_fail("peer %u meets record %d of the client in state %d", peer->number, (int)kind, (int)peer->tls);
    }
}

void sim_tls_hear(struct sim_peer *peer, const unsigned char *bytes, size_t len)
{
    struct sim_bytes *records = &peer->records;
    size_t whole, at = 0;

    sim_bytes_add(records, bytes, len);
    while (!peer->is_over && (whole = record_length(records->data + at, records->len - at)) != 0) {
        unsigned char *record = records->data + at;

        SIM_CHECK(record_open(record, whole), "peer %u got a broken record", peer->number);
        at += whole;
        on_record(peer, (enum kind)record[0], record + 3, whole - 7);
    }
    sim_bytes_drop(records, peer->is_over ? records->len : at);
}

void sim_tls_say(struct sim_peer *peer, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;

    if (peer->tls != SIM_TLS_OPEN)
        return;
    while (len > 0) {
        size_t n = len < TEXT_MAX ? len : TEXT_MAX;

        say_record(peer, DATA, at, n);
        at += n;
        len -= n;
    }
}

void sim_tls_close_notify(struct sim_peer *peer)
{
    if (peer->tls == SIM_TLS_OPEN && !sim_fault(SIM_FAULT_TLS_TRUNCATED))
        say_record(peer, CLOSE, NULL, 0);
    peer->tls = SIM_TLS_OVER;
}

/* ---- the provider ---- */

struct ticket {
    uint64_t number; /* 0: none */
    uint64_t shape;
    struct tern_host host;
    uint16_t port;
};

struct provider {
    struct tern_tls_provider provider;
    struct tern_engine *engine;
    struct tern_tls_profile *loaded[PROFILES_MAX];
    size_t loaded_count;
    struct tern_list loads;
    struct ticket tickets[TICKETS_MAX];
    uint32_t streams;
};

struct load {
    struct tern_list node;
    struct tern_timer timer;
    struct provider *provider;
    struct tern_tls_profile *profile;
    struct tern_tls_waiter *waiter;
};

enum stream_state { STREAM_HELLO, STREAM_WAIT, STREAM_FINISHED, STREAM_OPEN, STREAM_BROKEN, STREAM_CLOSED };

struct stream {
    struct tern_bytestream stream; /* first */
    struct tern_corpse corpse;
    struct provider *provider;
    struct tern_bytestream *lower;
    struct tern_tls_profile *profile;
    enum stream_state state;
    struct tern_host host;
    uint16_t port;
    const char *alpn[TERN_TLS_ALPN_MAX];
    size_t alpn_count;
    const char *chosen;
    uint64_t shape, ticket;
    bool is_resumed, got_close;
    struct tern_fault fault, verify;
    size_t in_len, out_len, out_at;
    size_t plain_at, plain_len; /* readable text in `in` */
    size_t record_len;          /* of that record */
    size_t pending;             /* text in `out` that was not reported as written */
    uint32_t pending_sum;
    unsigned char in[RECORD_MAX], out[RECORD_MAX];
};

static struct provider *of(struct tern_tls_provider *provider)
{
    return TERN_CONTAINER_OF(provider, struct provider, provider);
}

static uint64_t shape_hash(const struct tern_tls_profile *profile)
{
    struct tern_str shape = tern_tls_profile_shape(profile);

    return (uint64_t)sum_of((const unsigned char *)shape.ptr, shape.len) << 16 | (shape.len & 0xffff);
}

static bool provider_is_loaded(struct tern_tls_provider *provider, const struct tern_tls_profile *profile)
{
    for (size_t i = 0; i < of(provider)->loaded_count; i++)
        if (of(provider)->loaded[i] == profile)
            return true;
    return false;
}

static void load_free(struct load *load)
{
    tern_list_remove(&load->node);
    tern_timer_cancel(load->provider->engine, &load->timer);
    tern_tls_profile_release(load->profile);
    sim_free(load);
}

static void on_load(struct tern_timer *timer)
{
    struct load *load = TERN_CONTAINER_OF(timer, struct load, timer);
    struct provider *provider = load->provider;
    struct tern_tls_waiter *waiter = load->waiter;
    struct tern_fault fault = {0};

    if (sim_fault(SIM_FAULT_TLS_LOAD))
        tern_fault_set(&fault, TERN_ETLS_TRUST, "no trust, as the seed says");
    else if (!provider_is_loaded(&provider->provider, load->profile)) {
        SIM_CHECK(provider->loaded_count < PROFILES_MAX, "too many profiles for the simulation");
        provider->loaded[provider->loaded_count++] = tern_tls_profile_acquire(load->profile);
    }
    load_free(load);
    waiter->is_waiting = false;
    waiter->on_loaded(waiter, &fault);
}

static enum tern_error provider_load(struct tern_tls_provider *provider, struct tern_tls_profile *profile,
                                     struct tern_tls_waiter *waiter)
{
    struct provider *self = of(provider);
    struct load *load;

    if (sim_fault(SIM_FAULT_ENOMEM))
        return TERN_ENOMEM;
    load = sim_alloc(sizeof(*load));
    load->provider = self;
    load->profile = tern_tls_profile_acquire(profile);
    load->waiter = waiter;
    waiter->is_waiting = true;
    tern_list_push_back(&self->loads, &load->node);
    tern_timer_init(&load->timer, on_load);
    tern_timer_arm(self->engine, &load->timer, tern_engine_now(self->engine) + sim_some_time(5 * TERN_MS));
    return TERN_OK;
}

static void provider_load_cancel(struct tern_tls_provider *provider, struct tern_tls_waiter *waiter)
{
    TERN_LIST_FOREACH(node, &of(provider)->loads) {
        struct load *load = TERN_CONTAINER_OF(node, struct load, node);

        if (load->waiter == waiter) {
            waiter->is_waiting = false;
            load_free(load);
            return;
        }
    }
}

static void provider_free(struct tern_tls_provider *provider)
{
    struct provider *self = of(provider);

    SIM_CHECK(self->streams == 0, "a TLS provider is freed that has %u streams", self->streams);
    while (!tern_list_is_empty(&self->loads))
        load_free(TERN_CONTAINER_OF(self->loads.next, struct load, node));
    for (size_t i = 0; i < self->loaded_count; i++)
        tern_tls_profile_release(self->loaded[i]);
    sim_free(self);
}

/* ---- its streams ---- */

static struct stream *stream_of(const struct tern_bytestream *stream)
{
    return (struct stream *)stream;
}

static enum tern_flow broken(struct stream *tls, enum tern_error error, const char *what)
{
    tern_fault_set(&tls->fault, error, "%s: %s", tls->host.text, what);
    tls->state = STREAM_BROKEN;
    return TERN_FLOW_ERROR;
}

static enum tern_flow broken_below(struct stream *tls)
{
    tern_bytestream_fault(tls->lower, &tls->fault);
    tls->state = STREAM_BROKEN;
    return TERN_FLOW_ERROR;
}

static void put(struct stream *tls, enum kind kind, const void *text, size_t len)
{
    tls->out_at = 0;
    tls->out_len = record_write(tls->out, kind, text, len);
}

static enum tern_flow flush(struct stream *tls)
{
    while (tls->out_at < tls->out_len) {
        struct iovec piece = {tls->out + tls->out_at, tls->out_len - tls->out_at};
        size_t n = 0;
        enum tern_flow flow = tern_bytestream_writev(tls->lower, &piece, 1, &n);

        if (flow == TERN_FLOW_ERROR)
            tern_bytestream_fault(tls->lower, &tls->fault);
        if (flow != TERN_FLOW_OK)
            return flow;
        tls->out_at += n;
    }
    return TERN_FLOW_OK;
}

/* Gets one whole record to the start of `in`, readable. */
static enum tern_flow next_record(struct stream *tls)
{
    if (tls->record_len > 0) {
        memmove(tls->in, tls->in + tls->record_len, tls->in_len - tls->record_len);
        tls->in_len -= tls->record_len;
        tls->record_len = 0;
    }
    while ((tls->record_len = record_length(tls->in, tls->in_len)) == 0) {
        size_t n = 0;
        enum tern_flow flow = tern_bytestream_read(tls->lower, tls->in + tls->in_len, RECORD_MAX - tls->in_len, &n);

        if (flow == TERN_FLOW_EOF)
            return tls->state == STREAM_OPEN ? broken(tls, TERN_EPEER_TRUNCATED, "no close_notify")
                                             : broken(tls, TERN_ETLS_HANDSHAKE, "closed in the handshake");
        if (flow == TERN_FLOW_ERROR)
            return broken_below(tls);
        if (flow != TERN_FLOW_OK)
            return flow;
        tls->in_len += n;
    }
    if (!record_open(tls->in, tls->record_len))
        return broken(tls, TERN_ETLS_RECORD, "a broken record");
    return TERN_FLOW_OK;
}

static void take_ticket(struct stream *tls)
{
    struct provider *provider = tls->provider;

    for (size_t i = 0; i < TICKETS_MAX && tls->ticket == 0; i++) {
        struct ticket *ticket = &provider->tickets[i];

        if (ticket->number == 0 || ticket->shape != tls->shape || ticket->port != tls->port ||
            !tern_host_eq(&ticket->host, &tls->host))
            continue;
        tls->ticket = ticket->number;
        ticket->number = 0;
    }
}

static void keep_ticket(struct stream *tls)
{
    struct ticket *ticket = &tls->provider->tickets[sim_below(TICKETS_MAX)];
    char text[24] = "";

    memcpy(text, tls->in + 3, tls->record_len - 7 < 23 ? tls->record_len - 7 : 23);
    *ticket = (struct ticket){.shape = tls->shape, .host = tls->host, .port = tls->port};
    (void)sscanf(text, "%" SCNu64, &ticket->number);
}

static void put_hello(struct stream *tls)
{
    char text[400];
    int n;

    take_ticket(tls);
    n = snprintf(text, sizeof(text), "%" PRIx64 " %s %u %" PRIu64, tls->shape, tls->host.text, tls->port, tls->ticket);
    for (size_t i = 0; i < tls->alpn_count; i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, " %s", tls->alpn[i]);
    put(tls, HELLO, text, (size_t)n);
}

static enum tern_flow take_server_hello(struct stream *tls)
{
    char text[400] = "", host[300], alpn[16];
    size_t len = tls->record_len - 7;
    int resumed;

    if (tls->in[0] == ALERT)
        return broken(tls, TERN_ETLS_HANDSHAKE, "an alert");
    if (tls->in[0] != SERVER_HELLO || len >= sizeof(text))
        return broken(tls, TERN_ETLS_HANDSHAKE, "no server hello");
    memcpy(text, tls->in + 3, len);
    if (sscanf(text, "%d %299s %15s", &resumed, host, alpn) != 3)
        return broken(tls, TERN_ETLS_HANDSHAKE, "an unreadable server hello");
    if (strcmp(host, tls->host.text) != 0)
        return broken(tls, TERN_ETLS_CERT_HOST, "a certificate for another host");
    for (size_t i = 0; i < tls->alpn_count; i++)
        if (strcmp(alpn, tls->alpn[i]) == 0)
            tls->chosen = tls->alpn[i];
    tls->is_resumed = resumed != 0;
    return TERN_FLOW_OK;
}

static enum tern_flow tls_handshake(struct tern_bytestream *stream)
{
    struct stream *tls = stream_of(stream);
    enum tern_flow flow = tern_bytestream_handshake(tls->lower);

    SIM_CHECK(tls->state != STREAM_CLOSED, "a handshake on a closed TLS stream");
    if (tls->state == STREAM_BROKEN)
        return TERN_FLOW_ERROR;
    if (flow != TERN_FLOW_OK)
        return flow == TERN_FLOW_ERROR ? broken_below(tls) : flow;
    if (tls->state == STREAM_HELLO && tls->out_len == 0)
        put_hello(tls);
    flow = flush(tls);
    if (flow == TERN_FLOW_ERROR)
        tls->state = STREAM_BROKEN;
    if (flow != TERN_FLOW_OK)
        return flow;
    if (tls->state == STREAM_FINISHED)
        tls->state = STREAM_OPEN;
    if (tls->state == STREAM_OPEN)
        return TERN_FLOW_OK;
    tls->state = STREAM_WAIT;
    if ((flow = next_record(tls)) != TERN_FLOW_OK || (flow = take_server_hello(tls)) != TERN_FLOW_OK)
        return flow;
    put(tls, FINISHED, NULL, 0);
    tls->state = STREAM_FINISHED;
    return tls_handshake(stream);
}

static enum tern_flow tls_read(struct tern_bytestream *stream, void *buf, size_t cap, size_t *n)
{
    struct stream *tls = stream_of(stream);

    SIM_CHECK(tls->state == STREAM_OPEN || tls->state == STREAM_BROKEN, "a read on a TLS stream in state %d",
              (int)tls->state);
    while (tls->plain_at == tls->plain_len) {
        enum tern_flow flow;

        if (tls->got_close)
            return TERN_FLOW_EOF;
        if (tls->state == STREAM_BROKEN)
            return TERN_FLOW_ERROR;
        if ((flow = next_record(tls)) != TERN_FLOW_OK)
            return flow;
        if (tls->in[0] == TICKET)
            keep_ticket(tls);
        else if (tls->in[0] == CLOSE)
            tls->got_close = true;
        else if (tls->in[0] != DATA)
            return broken(tls, TERN_ETLS_RECORD, "an unexpected record");
        else {
            tls->plain_at = 3;
            tls->plain_len = tls->record_len - 4;
        }
    }
    *n = tls->plain_len - tls->plain_at < cap ? tls->plain_len - tls->plain_at : cap;
    memcpy(buf, tls->in + tls->plain_at, *n);
    tls->plain_at += *n;
    return TERN_FLOW_OK;
}

/* The first of the pieces' bytes, in one. */
static size_t gather(unsigned char *out, size_t cap, const struct iovec *iov, int iov_count)
{
    size_t len = 0;

    for (int i = 0; i < iov_count && len < cap; i++) {
        size_t n = iov[i].iov_len < cap - len ? iov[i].iov_len : cap - len;

        memcpy(out + len, iov[i].iov_base, n);
        len += n;
    }
    return len;
}

static enum tern_flow tls_writev(struct tern_bytestream *stream, const struct iovec *iov, int iov_count, size_t *n)
{
    struct stream *tls = stream_of(stream);
    unsigned char text[TEXT_MAX];
    enum tern_flow flow;
    size_t len;

    SIM_CHECK(tls->state == STREAM_OPEN || tls->state == STREAM_BROKEN, "a write on a TLS stream in state %d",
              (int)tls->state);
    if (tls->state == STREAM_BROKEN)
        return TERN_FLOW_ERROR;
    len = gather(text, tls->pending > 0 ? tls->pending : TEXT_MAX, iov, iov_count);
    SIM_CHECK(len > 0, "a TLS write of nothing");
    if (tls->pending > 0) {
        SIM_CHECK(len == tls->pending && sum_of(text, len) == tls->pending_sum,
                  "a TLS write is not tried again with the same bytes");
    } else {
        put(tls, DATA, text, len);
        tls->pending = len;
        tls->pending_sum = sum_of(text, len);
    }
    if ((flow = flush(tls)) != TERN_FLOW_OK)
        return flow;
    *n = tls->pending;
    tls->pending = 0;
    return TERN_FLOW_OK;
}

static enum tern_flow tls_shutdown(struct tern_bytestream *stream)
{
    struct stream *tls = stream_of(stream);

    if (tls->state != STREAM_OPEN || tls->pending > 0)
        return TERN_FLOW_OK;
    put(tls, CLOSE, NULL, 0);
    return flush(tls);
}

static void on_bury(struct tern_corpse *corpse)
{
    sim_free(TERN_CONTAINER_OF(corpse, struct stream, corpse));
}

static void tls_close(struct tern_bytestream *stream)
{
    struct stream *tls = stream_of(stream);

    if (tls->state == STREAM_CLOSED)
        return;
    tls->state = STREAM_CLOSED;
    stream->on_ready = NULL;
    tern_bytestream_close(tls->lower);
    tern_tls_profile_release(tls->profile);
    tls->provider->streams--;
    tern_engine_bury(tls->provider->engine, &tls->corpse);
}

static void tls_names(struct tern_bytestream *stream, struct tern_sockaddr *local, struct tern_sockaddr *peer)
{
    tern_bytestream_names(stream_of(stream)->lower, local, peer);
}

static void tls_fault(const struct tern_bytestream *stream, struct tern_fault *out)
{
    *out = stream_of(stream)->fault;
}

static void on_lower_ready(struct tern_bytestream *lower)
{
    struct tern_bytestream *stream = lower->owner;

    if (stream->on_ready != NULL)
        stream->on_ready(stream);
}

static enum tern_error provider_open(struct tern_tls_provider *provider, const struct tern_tls_open *how,
                                     struct tern_bytestream **out, struct tern_fault *fault)
{
    static const struct tern_bytestream_ops ops = {tls_handshake, tls_read,  tls_writev, tls_shutdown,
                                                   tls_close,     tls_names, tls_fault};
    struct stream *tls;

    SIM_CHECK(provider_is_loaded(provider, how->profile), "a TLS stream of a profile that is not loaded");
    if (sim_fault(SIM_FAULT_ENOMEM))
        return tern_fault_plain(fault, TERN_ENOMEM);
    tls = sim_alloc(sizeof(*tls));
    tls->stream.ops = &ops;
    tls->corpse.bury = on_bury;
    tls->provider = of(provider);
    tls->lower = how->lower;
    tls->lower->owner = tls;
    tls->lower->on_ready = on_lower_ready;
    tls->profile = tern_tls_profile_acquire(how->profile);
    tls->shape = shape_hash(how->profile);
    tls->host = *how->host;
    tls->port = how->port;
    tls->alpn_count = how->alpn_count;
    memcpy(tls->alpn, how->alpn, how->alpn_count * sizeof(*how->alpn));
    of(provider)->streams++;
    *out = &tls->stream;
    return TERN_OK;
}

static void provider_info(struct tern_tls_provider *provider, const struct tern_bytestream *stream,
                          struct tern_tls_info *out)
{
    const struct stream *tls = (const struct stream *)stream;

    (void)provider;
    *out = (struct tern_tls_info){
        .version = "TLSv1.3",
        .suite = "SIMULATED",
        .alpn = tls->chosen,
        .resumed = tls->is_resumed,
        .offered = tls->ticket != 0,
        .verify = &tls->verify,
    };
}

enum tern_error sim_tls_new(struct tern_engine *engine, struct tern_tls_provider **out, void *user)
{
    static const struct tern_tls_provider_ops ops = {
        .is_loaded = provider_is_loaded,
        .load = provider_load,
        .load_cancel = provider_load_cancel,
        .open = provider_open,
        .info = provider_info,
        .free = provider_free,
    };
    struct provider *provider;

    (void)user;
    if (sim_fault(SIM_FAULT_ENOMEM))
        return TERN_ENOMEM;
    provider = sim_alloc(sizeof(*provider));
    provider->provider.ops = &ops;
    provider->engine = engine;
    tern_list_init(&provider->loads);
    *out = &provider->provider;
    return TERN_OK;
}
