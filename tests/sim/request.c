/* What a server makes of a request: is it what was planned, may it be here, may it be processed, and how it is
 * answered. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "tests/sim/identity.h"
#include "tests/sim/server.h"
#include "tests/sim/user.h"

const struct sim_origin sim_origins[SIM_ORIGINS_ALL] = {
    {"http", "o0.sim", 80, false, true, true, true},
    {"https", "o1.sim", 443, true, true, true, true},
    {"http", "o2.sim", 80, false, true, false, true},
    {"https", "o3.sim", 443, true, true, false, true},
    {"http", "o4.sim", 8080, false, false, true, true},
    {"https", "o5.sim", 8443, true, false, true, true},
    [SIM_ORIGIN_LITERAL] = {"http", "10.0.0.1", 80, false, true, true, true},
    [SIM_ORIGIN_HOSTS] = {"http", "hosts.sim", 80, false, true, true, true},
    [SIM_ORIGIN_NONE] = {"http", "nowhere.sim", 80, false, true, true, true},
};

static void copy(char *out, size_t cap, const char *value, size_t len, const char *what)
{
    SIM_CHECK(out[0] == '\0', "a request has two %s", what);
    SIM_CHECK(len > 0 && len < cap, "a request's %s has %zu bytes", what, len);
    memcpy(out, value, len);
    out[len] = '\0';
}

void sim_request_field(struct sim_request *request, const char *name, size_t name_len, const char *value,
                       size_t value_len)
{
    struct {
        const char *name;
        char *out;
        size_t cap;
    } kept[] = {
        {"host", request->host, sizeof(request->host)},
        {":authority", request->host, sizeof(request->host)},
        {":method", request->method, sizeof(request->method)},
        {":path", request->path, sizeof(request->path)},
        {"x-shape", request->shape, sizeof(request->shape)},
        {"authorization", request->authorization, sizeof(request->authorization)},
        {"x-key", request->key, sizeof(request->key)},
        {"cookie", request->cookie, sizeof(request->cookie)},
        {"expect", request->expect, sizeof(request->expect)},
        {"user-agent", request->user_agent, sizeof(request->user_agent)},
        {"accept-encoding", request->accept_encoding, sizeof(request->accept_encoding)},
        {"range", request->range, sizeof(request->range)},
        {"if-range", request->if_range, sizeof(request->if_range)},
    };

    sim_demand_scan(request, name, name_len);
    sim_demand_scan(request, value, value_len);
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (name_len == strlen(kept[i].name) && strncasecmp(name, kept[i].name, name_len) == 0)
            copy(kept[i].out, kept[i].cap, value, value_len, kept[i].name);
    if (name_len == 4 && strncasecmp(name, "x-id", 4) == 0) {
        SIM_CHECK(!request->has_id, "a request has two X-Id");
        request->has_id = true;
        request->id = (unsigned)strtoul(value, NULL, 10);
    }
}

/* ---- the checks ---- */

static void check_origin(const struct sim_request *request, const struct sim_call *call, unsigned number)
{
    const struct sim_origin *origin = &sim_origins[number];
    char host[64];

    snprintf(host, sizeof(host), origin->is_standard ? "%s" : "%s:%u", origin->host, origin->port);
    SIM_CHECK(strcmp(request->host, host) == 0, "call %u names host %s, not %s", call->number, request->host, host);
    SIM_CHECK((request->peer->tls != SIM_TLS_NONE) == origin->is_secure, "call %u to %s comes over %s", call->number,
              origin->scheme, request->peer->tls != SIM_TLS_NONE ? "TLS" : "plaintext");
}

/* The connection is one that this shape makes. */
static void check_shape(const struct sim_peer *peer, const struct sim_call *call, unsigned origin)
{
    const struct tern_sockaddr *at = &peer->socket->address;
    enum sim_shape shape = (enum sim_shape)(call->shape / SIM_MODES);
    enum tern_http_mode mode = (enum tern_http_mode)(TERN_HTTP_MODE_1_1 + call->shape % SIM_MODES);
    unsigned wanted = origin;
    char local[TERN_SOCKADDR_TEXT_MAX];
    bool is_unix = tern_sockaddr_family(at) == AF_UNIX, is_bound;

    tern_sockaddr_print(&peer->socket->local, local, sizeof(local));
    is_bound = strncmp(local, SIM_BOUND_ADDRESS ":", sizeof(SIM_BOUND_ADDRESS)) == 0;
    if (wanted == SIM_ORIGIN_LITERAL || wanted == SIM_ORIGIN_HOSTS ||
        (shape == SIM_SHAPE_OVERRIDE && sim_origins[wanted].port == 80))
        wanted = 0;
    if (shape == SIM_SHAPE_CONNECT_TO && origin < 2)
        wanted += 2;
    SIM_CHECK(is_unix == (shape == SIM_SHAPE_UNIX), "call %u of shape %u is on a Unix socket, or ought to be",
              call->number, call->shape);
    SIM_CHECK(is_unix || wanted == peer->origin, "call %u to origin %u is at the server of origin %u", call->number,
              origin, peer->origin);
    SIM_CHECK(shape != SIM_SHAPE_V4 || tern_sockaddr_family(at) == AF_INET, "call %u is not over IPv4", call->number);
    SIM_CHECK(shape != SIM_SHAPE_V6 || tern_sockaddr_family(at) == AF_INET6 || origin == SIM_ORIGIN_LITERAL,
              "call %u is not over IPv6", call->number);
    SIM_CHECK(is_bound == (shape == SIM_SHAPE_BOUND), "call %u comes from %s", call->number, local);
    SIM_CHECK(peer->h2 == NULL || mode != TERN_HTTP_MODE_1_1, "call %u came over HTTP/2", call->number);
    SIM_CHECK(peer->h1 == NULL || mode != TERN_HTTP_MODE_2_ONLY, "call %u came over HTTP/1.1", call->number);
}

/* The same TLS configuration, and only that, has the same hash. */
static void check_tls_shape(const struct sim_peer *peer, const struct sim_call *call)
{
    static uint64_t hashes[3];
    static uint64_t seed;
    unsigned shape = call->shape / SIM_MODES;
    unsigned kind = shape == SIM_SHAPE_INSECURE ? 1 : shape == SIM_SHAPE_TLS12 ? 2 : 0;

    if (peer->tls == SIM_TLS_NONE)
        return;
    if (seed != sim.options.seed)
        memset(hashes, 0, sizeof(hashes));
    seed = sim.options.seed;
    if (hashes[kind] == 0)
        hashes[kind] = peer->tls_shape;
    for (unsigned i = 0; i < 3; i++)
        SIM_CHECK(hashes[i] == 0 || (hashes[i] == peer->tls_shape) == (i == kind),
                  "call %u with TLS of kind %u is on a connection made with another", call->number, kind);
}

static void check_marks(struct sim_peer *peer, const struct sim_call *call)
{
    if (!peer->is_marked) {
        peer->is_marked = true;
        peer->client = call->client->number;
        peer->shape = call->shape;
    }
    SIM_CHECK(peer->client == call->client->number, "call %u of client %u is on a connection of client %u",
              call->number, call->client->number, peer->client);
    SIM_CHECK(peer->shape == call->shape, "call %u of shape %u is on a connection of shape %u", call->number,
              call->shape, peer->shape);
}

static void enter(struct sim_request *request, struct sim_call *call, const struct sim_link *link)
{
    uint32_t *processed = &call->policed.processed[link->hop];

    request->is_processed = true;
    call->processed++;
    if (request->answer.is_challenge)
        return;
    SIM_CHECK(++*processed == 1 || sim_policy_may_repeat(call, link), "%s of call %u is processed twice", link->method,
              call->number);
}

/* ---- the answer ---- */

bool sim_answer_has_body(const struct sim_request *request)
{
    const struct sim_answer *answer = &request->answer;

    return strcmp(request->method, "HEAD") != 0 && answer->status != 204 && answer->status != 304;
}

void sim_answer_field(struct sim_answer *answer, const char *name, const char *format, ...)
{
    struct sim_field *field = &answer->fields[answer->field_count++];
    va_list args;

    field->name = name;
    va_start(args, format);
    vsnprintf(field->value, sizeof(field->value), format, args);
    va_end(args);
}

static uint64_t some_length(struct tern_rand *rand)
{
    switch (tern_rand_below(rand, 10)) {
    case 0:
    case 1:
        return 0;
    case 2:
        return sim_between(rand, 20000, 300000);
    case 3:
    case 4:
        return sim_between(rand, 1000, 40000);
    default:
        return sim_between(rand, 1, 300);
    }
}

/* Each address ends in its number. */
static bool is_ailing(const struct sim_peer *peer)
{
    char text[TERN_SOCKADDR_TEXT_MAX];
    const char *end;

    tern_sockaddr_print(&peer->socket->address, text, sizeof(text));
    end = strchr(text, ']') != NULL ? strchr(text, ']') : strchr(text, ':');
    return tern_sockaddr_family(&peer->socket->address) != AF_UNIX && end[-1] - '0' <= (int)sim_users.ailing;
}

static void plan(struct sim_request *request)
{
    static const unsigned statuses[] = {200, 200, 200, 200, 201, 204, 304, 404, 500, 503};
    struct tern_rand *rand = &request->peer->rand;
    struct sim_answer *answer = &request->answer;

    *answer = (struct sim_answer){
        .status = statuses[tern_rand_below(rand, 10)],
        .framing = (enum sim_framing)tern_rand_below(rand, 10),
        .body_len = some_length(rand),
        .body_seed = tern_rand_below(rand, 1u << 30),
        .has_trailers = tern_rand_below(rand, 5) == 0,
        .cut_at = TERN_OFF,
        .delay_ns = sim_some_time(3 * TERN_MS),
    };
    answer->framing = answer->framing == 9 ? SIM_UNTIL_CLOSE : answer->framing > 5 ? SIM_CHUNKED : SIM_LENGTH;
    answer->informational = sim_fault(SIM_FAULT_NUISANCE) ? 1 + (unsigned)sim_below(3) : 0;
    answer->is_rude = sim_fault(SIM_FAULT_RUDE);
    answer->is_slow = sim_fault(SIM_FAULT_SLOW);
    answer->is_early = sim_fault(SIM_FAULT_IMPATIENT);
    answer->closes = sim_fault(SIM_FAULT_GOAWAY);
    if (is_ailing(request->peer) && sim_fault(SIM_FAULT_AILING))
        answer->status = 503;
    answer->wire_len = answer->body_len;
    if (!sim_part_plan(request) && strstr(request->accept_encoding, "deflate") != NULL && sim_fault(SIM_FAULT_CODED)) {
        bool is_spoilt = sim_fault(SIM_FAULT_SPOILT);

        sim_answer_code(answer, is_spoilt);
        sim_answer_field(answer, "content-encoding", "deflate");
        if (is_spoilt)
            sim_answer_field(answer, "x-spoilt", "yes");
    }
    if (answer->cut_at == TERN_OFF && sim_fault(SIM_FAULT_CUT))
        answer->cut_at = sim_below(answer->wire_len + 1);
    if (answer->is_slow)
        answer->delay_ns = sim_some_time(2 * TERN_S);
    sim_policy_plan_answer(request);
}

/* ---- the life of a request ---- */

void sim_request_head(struct sim_request *request)
{
    const struct sim_link *link;
    struct sim_call *call;

    SIM_CHECK(request->has_id && request->id < sim.call_count, "a request is no call's (%s %s)", request->method,
              request->path);
    call = request->call = &sim_users.calls[request->id];
    SIM_CHECK(call->state == SIM_CALL_LIVE || call->state == SIM_CALL_ENDED, "a request of call %u, which is none",
              call->number);
    request->link = sim_policy_link(call, request->path);
    link = &call->policed.links[request->link];
    SIM_CHECK(strcmp(request->method, link->method) == 0, "call %u says %s, not %s", call->number, request->method,
              link->method);
    SIM_CHECK(strcmp(request->shape, call->shape_text) == 0, "call %u is of shape \"%s\", not \"%s\"", call->number,
              request->shape, call->shape_text);
    sim_demand_check(request, link);
    check_origin(request, call, link->origin);
    check_shape(request->peer, call, link->origin);
    check_tls_shape(request->peer, call);
    check_marks(request->peer, call);
    sim_policy_check_request(request, link);
    plan(request);
    enter(request, call, link);
    sim_note("peer %u gets call %u %s %.6s", request->peer->number, call->number, request->method,
             request->authorization);
}

void sim_request_refuse(struct sim_request *request)
{
    struct sim_call *call = request->call;

    if (request->is_processed)
        call->processed--;
    if (request->is_processed && !request->answer.is_challenge)
        call->policed.processed[call->policed.links[request->link].hop]--;
    request->is_processed = false;
    sim_note("peer %u refuses call %u", request->peer->number, call->number);
}

void sim_request_body(struct sim_request *request, const void *bytes, size_t len)
{
    struct sim_call *call = request->call;

    SIM_CHECK(call->policed.links[request->link].has_body, "call %u has no body, but sends one", call->number);
    SIM_CHECK(sim_pattern_is(bytes, call->body_seed, request->received, len),
              "the body of call %u is spoilt between %llu and %llu", call->number,
              (unsigned long long)request->received, (unsigned long long)(request->received + len));
    request->received += len;
}

void sim_request_end(struct sim_request *request)
{
    struct sim_call *call = request->call;
    uint64_t body_len = call->policed.links[request->link].has_body ? call->body_len : 0;

    SIM_CHECK(call->body_lies || request->received == body_len, "the body of call %u has %llu bytes, not %llu",
              call->number, (unsigned long long)request->received, (unsigned long long)body_len);
    request->is_complete = true;
}
