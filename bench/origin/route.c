#include "bench/origin/route.h"

#include "base/num.h"
#include "base/str.h"

#define RESPONSE_FIELDS_MAX (ORIGIN_HEAD_FIELDS_MAX + 8)
#define RESPONSE_FIELDS_BYTES_MAX (2 * ORIGIN_HEAD_MAX)
#define SLOW_BYTES_PER_S 1024
#define CUT_BYTES 1000
#define REDIRECTS_MAX 1000

/* One request on its way through the table. rest is what stands behind the route's name, without a slash in front. */
struct routing {
    struct origin_stats *stats;
    const struct origin_request *request;
    struct origin_response *response;
    struct tern_str rest;
};

static enum tern_error route_path(struct routing *r);

/* ---- small tools ---- */

/* Takes what stands before the next slash, and the slash. */
static struct tern_str take_segment(struct tern_str *path)
{
    size_t end = tern_str_find(*path, '/');
    struct tern_str segment = tern_str_n(path->ptr, end);

    *path = tern_str_from(*path, end < path->len ? end + 1 : end);
    return segment;
}

static bool find_query(struct tern_str query, const char *name, struct tern_str *value)
{
    while (query.len != 0) {
        size_t end = tern_str_find(query, '&');
        struct tern_str pair = tern_str_n(query.ptr, end);
        size_t equals = tern_str_find(pair, '=');

        if (equals < pair.len && tern_str_eq(tern_str_n(pair.ptr, equals), tern_str(name))) {
            *value = tern_str_from(pair, equals + 1);
            return true;
        }
        query = tern_str_from(query, end < query.len ? end + 1 : end);
    }
    return false;
}

/* False where it is there and not a number up to max. */
static bool query_number(const struct routing *r, const char *name, uint64_t max, uint64_t *out)
{
    struct tern_str value;

    return !find_query(r->request->query, name, &value) || tern_u64_parse(value, max, out);
}

static enum tern_error add_field(struct routing *r, struct tern_str name, struct tern_str value)
{
    return tern_fields_add(&r->response->fields, name, value, 0);
}

/* The text body is whole: its length is told. */
static enum tern_error end_text(struct routing *r, struct tern_str type)
{
    r->response->body.size = r->response->body.text.len;
    r->response->announced = r->response->body.size;
    return add_field(r, TERN_STR("Content-Type"), type);
}

static enum tern_error answer(struct routing *r, uint16_t status, struct tern_str text)
{
    enum tern_error error = tern_buf_append_str(&r->response->body.text, text);

    r->response->status = status;
    return error != TERN_OK ? error : end_text(r, TERN_STR("text/plain"));
}

static enum tern_error bad_request(struct routing *r)
{
    return answer(r, 400, TERN_STR("bad number in path or query\n"));
}

static enum tern_error pattern(struct routing *r, uint64_t size)
{
    struct origin_body *body = &r->response->body;

    if (!query_number(r, "seed", UINT64_MAX, &body->seed))
        return bad_request(r);
    body->kind = ORIGIN_BODY_PATTERN;
    body->size = size;
    r->response->announced = size;
    return add_field(r, TERN_STR("Content-Type"), TERN_STR("application/octet-stream"));
}

/* The rest as a number up to max, or default_value where nothing is there. */
static bool rest_number(const struct routing *r, uint64_t max, uint64_t default_value, uint64_t *out)
{
    *out = default_value;
    return r->rest.len == 0 || tern_u64_parse(r->rest, max, out);
}

/* ---- the routes ---- */

static enum tern_error route_root(struct routing *r)
{
    return answer(r, 200, TERN_STR("tern-origin\n"));
}

static enum tern_error route_bytes(struct routing *r)
{
    uint64_t size;

    return rest_number(r, INT64_MAX, 0, &size) ? pattern(r, size) : bad_request(r);
}

static enum tern_error route_chunked(struct routing *r)
{
    uint64_t size;
    uint64_t piece = 16 * 1024;
    enum tern_error error;

    if (!rest_number(r, INT64_MAX, 0, &size) || !query_number(r, "piece", 64 * 1024, &piece) || piece == 0)
        return bad_request(r);
    error = pattern(r, size);
    if (r->response->status == 200) {
        r->response->announced = ORIGIN_LENGTH_UNKNOWN;
        r->response->piece_bytes = (uint32_t)piece;
    }
    return error;
}

static enum tern_error route_close(struct routing *r)
{
    uint64_t size;
    enum tern_error error;

    if (!rest_number(r, INT64_MAX, CUT_BYTES, &size))
        return bad_request(r);
    error = pattern(r, size);
    if (r->response->status == 200) {
        r->response->announced = ORIGIN_LENGTH_UNKNOWN;
        r->response->ending = ORIGIN_END_CLOSE;
    }
    return error;
}

static enum tern_error route_slow(struct routing *r)
{
    uint64_t size;
    uint64_t rate = SLOW_BYTES_PER_S;

    if (!rest_number(r, INT64_MAX, 0, &size) || !query_number(r, "rate", 1u << 30, &rate) || rate == 0)
        return bad_request(r);
    r->response->bytes_per_s = rate;
    return pattern(r, size);
}

/* Half of what is announced. */
static enum tern_error cut(struct routing *r, enum origin_ending ending)
{
    uint64_t size;
    enum tern_error error;

    if (!rest_number(r, INT64_MAX, CUT_BYTES, &size))
        return bad_request(r);
    error = pattern(r, size);
    if (r->response->status == 200) {
        r->response->body.size /= 2;
        r->response->ending = ending;
    }
    return error;
}

static enum tern_error route_truncate(struct routing *r)
{
    return cut(r, ORIGIN_END_CUT);
}

static enum tern_error route_reset(struct routing *r)
{
    if (r->rest.len != 0)
        return cut(r, ORIGIN_END_RESET);
    r->response->status = 0;
    r->response->ending = ORIGIN_END_RESET;
    return TERN_OK;
}

static enum tern_error route_empty(struct routing *r)
{
    r->response->status = 0;
    r->response->ending = ORIGIN_END_CUT;
    return TERN_OK;
}

static enum tern_error route_status(struct routing *r)
{
    uint64_t status;
    enum tern_error error = TERN_OK;

    if (!rest_number(r, 999, 200, &status) || status < 200)
        return bad_request(r);
    r->response->status = (uint16_t)status;
    if (status == 401) /* RFC 9110 11.6.1 */
        error = add_field(r, TERN_STR("WWW-Authenticate"), TERN_STR("Basic realm=\"origin\""));
    if (error != TERN_OK || status == 204 || status == 304)
        return error;
    error = tern_buf_printf(&r->response->body.text, "%u\n", (unsigned)status);
    return error != TERN_OK ? error : end_text(r, TERN_STR("text/plain"));
}

/* Answers from the head alone and lets the request's body go. */
static enum tern_error route_refuse(struct routing *r)
{
    r->response->at_once = true;
    r->response->ending = ORIGIN_END_CLOSE;
    return route_status(r);
}

static enum tern_error route_echo(struct routing *r)
{
    static const struct tern_str prefix = {"Echo-Field-", 11};
    struct tern_str type = tern_fields_value(&r->request->fields, TERN_STR("Content-Type"));
    enum tern_error error = add_field(r, TERN_STR("Echo-Method"), r->request->method);

    for (uint32_t i = 0; i < r->request->fields.count && error == TERN_OK; i++) {
        struct tern_field field = tern_fields_at(&r->request->fields, i);

        error = tern_fields_begin(&r->response->fields);
        if (error == TERN_OK)
            error = tern_fields_name_append(&r->response->fields, prefix);
        if (error == TERN_OK)
            error = tern_fields_name_append(&r->response->fields, field.name);
        if (error == TERN_OK)
            error = tern_fields_value_append(&r->response->fields, field.value);
        if (error == TERN_OK)
            tern_fields_end(&r->response->fields);
    }
    if (error == TERN_OK)
        error = add_field(r, TERN_STR("Content-Type"), type.len != 0 ? type : TERN_STR("application/octet-stream"));
    r->response->body.kind = ORIGIN_BODY_ECHO;
    r->response->announced = r->request->length;
    r->response->at_once = true;
    return error;
}

static enum tern_error route_upload(struct routing *r)
{
    r->response->tells_received = true;
    return TERN_OK;
}

static enum tern_error route_headers(struct routing *r)
{
    struct tern_buf *text = &r->response->body.text;
    const struct origin_request *request = r->request;
    enum tern_error error =
        tern_buf_printf(text, "%.*s %.*s%s%.*s\n", TERN_ARG(request->method), TERN_ARG(request->path),
                        request->query.len != 0 ? "?" : "", TERN_ARG(request->query));

    for (uint32_t i = 0; i < request->fields.count && error == TERN_OK; i++) {
        struct tern_field field = tern_fields_at(&request->fields, i);

        error = tern_buf_append_str(text, field.name);
        if (error == TERN_OK)
            error = tern_buf_append_str(text, TERN_STR(": "));
        if (error == TERN_OK)
            error = tern_buf_append_str(text, field.value);
        if (error == TERN_OK)
            error = tern_buf_append_byte(text, '\n');
    }
    return error != TERN_OK ? error : end_text(r, TERN_STR("text/plain"));
}

static enum tern_error route_trailers(struct routing *r)
{
    uint64_t size;
    enum tern_error error;

    if (!rest_number(r, INT64_MAX, CUT_BYTES, &size))
        return bad_request(r);
    error = pattern(r, size);
    if (r->response->status != 200)
        return error;
    r->response->announced = ORIGIN_LENGTH_UNKNOWN;
    if (error == TERN_OK)
        error = add_field(r, TERN_STR("Trailer"), TERN_STR("Origin-Trailer, Origin-Status"));
    if (error == TERN_OK)
        error = tern_fields_add(&r->response->trailers, TERN_STR("Origin-Trailer"), TERN_STR("last words"), 0);
    if (error == TERN_OK)
        error = tern_fields_add(&r->response->trailers, TERN_STR("Origin-Status"), TERN_STR("0"), 0);
    return error;
}

static enum tern_error route_early_hints(struct routing *r)
{
    r->response->early_status = 103; /* RFC 8297 */
    r->response->early_field =
        (struct tern_field){TERN_STR("Link"), TERN_STR("</style.css>; rel=preload; as=style"), 0};
    return answer(r, 200, TERN_STR("after the hints\n"));
}

/* Says 100 whether or not it was asked for. */
static enum tern_error route_continue(struct routing *r)
{
    r->response->early_status = 100;
    r->response->tells_received = true;
    return TERN_OK;
}

static enum tern_error route_redirect(struct routing *r)
{
    uint64_t left;
    char location[32];
    struct tern_buf target;
    enum tern_error error;

    if (!rest_number(r, REDIRECTS_MAX, 0, &left))
        return bad_request(r);
    if (left == 0)
        return answer(r, 200, TERN_STR("arrived\n"));
    tern_buf_init(&target, sizeof(location));
    error = tern_buf_printf(&target, "/redirect/%u", (unsigned)(left - 1));
    if (error == TERN_OK)
        error = add_field(r, TERN_STR("Location"), tern_buf_view(&target));
    tern_buf_deinit(&target);
    return error != TERN_OK ? error : answer(r, 302, TERN_STR("further on\n"));
}

/* /to/STATUS/URL: there, wherever that is. */
static enum tern_error route_to(struct routing *r)
{
    uint64_t status;
    struct tern_str query = r->request->query;
    struct tern_buf location;
    enum tern_error error;

    if (!tern_u64_parse(take_segment(&r->rest), 399, &status) || status < 300)
        return bad_request(r);
    tern_buf_init(&location, ORIGIN_HEAD_MAX);
    error = tern_buf_printf(&location, "%.*s%s%.*s", TERN_ARG(r->rest), query.len != 0 ? "?" : "", TERN_ARG(query));
    if (error == TERN_OK)
        error = add_field(r, TERN_STR("Location"), tern_buf_view(&location));
    tern_buf_deinit(&location);
    return error != TERN_OK ? error : answer(r, (uint16_t)status, TERN_STR("over there\n"));
}

/* N/KEY: true for the first N requests with this key; else the answer is written. */
static bool fails(struct routing *r, enum tern_error *error)
{
    uint64_t times;
    uint64_t seen;

    if (!tern_u64_parse(take_segment(&r->rest), UINT32_MAX, &times) || r->rest.len == 0) {
        *error = bad_request(r);
        return false;
    }
    seen = origin_tally_add(&r->stats->failures, r->rest);
    if (seen == 0)
        *error = answer(r, 400, TERN_STR("the key is too long, or there are too many\n"));
    else if (seen > times)
        *error = answer(r, 200, TERN_STR("well again\n"));
    return seen != 0 && seen <= times;
}

static enum tern_error route_fail(struct routing *r)
{
    enum tern_error error;

    if (!fails(r, &error))
        return error;
    error = add_field(r, TERN_STR("Retry-After"), TERN_STR("0"));
    return error != TERN_OK ? error : answer(r, 503, TERN_STR("not yet\n"));
}

/* As fail, or every time. */
static enum tern_error route_refuse_stream(struct routing *r)
{
    enum tern_error error;

    if (r->rest.len != 0 && !fails(r, &error))
        return error;
    r->stats->refused++;
    r->response->status = 0;
    r->response->ending = ORIGIN_END_REFUSE;
    r->response->at_once = true;
    return TERN_OK;
}

/* /goaway/PATH: as PATH, the last on the connection. */
static enum tern_error route_goaway(struct routing *r)
{
    r->response->ending = ORIGIN_END_LAST;
    return route_path(r);
}

/* /cache/SECONDS, with a validator (RFC 9110 8.8.3, RFC 9111 5.2.2.1). */
static enum tern_error route_cache(struct routing *r)
{
    uint64_t seconds;
    struct tern_buf control;
    enum tern_error error;

    if (!rest_number(r, INT32_MAX, 0, &seconds))
        return bad_request(r);
    tern_buf_init(&control, 64);
    error = tern_buf_printf(&control, "max-age=%u", (unsigned)seconds);
    if (error == TERN_OK)
        error = add_field(r, TERN_STR("Cache-Control"), tern_buf_view(&control));
    tern_buf_deinit(&control);
    if (error == TERN_OK)
        error = add_field(r, TERN_STR("ETag"), TERN_STR("\"one\""));
    if (error != TERN_OK)
        return error;
    if (tern_str_eq(tern_fields_value(&r->request->fields, TERN_STR("If-None-Match")), TERN_STR("\"one\""))) {
        r->response->status = 304;
        return TERN_OK;
    }
    return answer(r, 200, TERN_STR("worth keeping\n"));
}

/* /delay/MS/PATH: as PATH, later. */
static enum tern_error route_delay(struct routing *r)
{
    uint64_t ms;

    if (!tern_u64_parse(take_segment(&r->rest), 3600 * 1000, &ms))
        return bad_request(r);
    r->response->delay_ns += ms * TERN_MS;
    return route_path(r);
}

static enum tern_error route_stats(struct routing *r)
{
    const struct origin_stats *stats = r->stats;
    struct tern_buf *text = &r->response->body.text;
    enum tern_error error = tern_buf_printf(
        text,
        "{\"connections\": %llu, \"connections_open\": %llu, \"requests\": %llu, \"tls_handshakes\": %llu, "
        "\"tls_resumed\": %llu, \"refused\": %llu, \"resets\": %llu, \"pings\": %llu, \"protocols\": ",
        (unsigned long long)stats->connections, (unsigned long long)stats->connections_open,
        (unsigned long long)stats->requests, (unsigned long long)stats->tls_handshakes,
        (unsigned long long)stats->tls_resumed, (unsigned long long)stats->refused, (unsigned long long)stats->resets,
        (unsigned long long)stats->pings);

    if (error == TERN_OK)
        error = origin_tally_print(&stats->protocols, text);
    if (error == TERN_OK)
        error = tern_buf_append_str(text, TERN_STR(", \"methods\": "));
    if (error == TERN_OK)
        error = origin_tally_print(&stats->methods, text);
    if (error == TERN_OK)
        error = tern_buf_append_str(text, TERN_STR(", \"ids\": "));
    if (error == TERN_OK)
        error = origin_tally_print(&stats->ids, text);
    if (error == TERN_OK)
        error = tern_buf_append_str(text, TERN_STR("}\n"));
    return error != TERN_OK ? error : end_text(r, TERN_STR("application/json"));
}

static const struct {
    struct tern_str name;
    enum tern_error (*route)(struct routing *r);
} routes[] = {
    {{"bytes", 5}, route_bytes},
    {{"", 0}, route_root},
    {{"*", 1}, route_root},
    {{"chunked", 7}, route_chunked},
    {{"delay", 5}, route_delay},
    {{"status", 6}, route_status},
    {{"refuse", 6}, route_refuse},
    {{"echo", 4}, route_echo},
    {{"upload", 6}, route_upload},
    {{"headers", 7}, route_headers},
    {{"close", 5}, route_close},
    {{"trailers", 8}, route_trailers},
    {{"early-hints", 11}, route_early_hints},
    {{"continue", 8}, route_continue},
    {{"redirect", 8}, route_redirect},
    {{"to", 2}, route_to},
    {{"fail", 4}, route_fail},
    {{"refuse-stream", 13}, route_refuse_stream},
    {{"goaway", 6}, route_goaway},
    {{"slow", 4}, route_slow},
    {{"reset", 5}, route_reset},
    {{"empty", 5}, route_empty},
    {{"truncate", 8}, route_truncate},
    {{"cache", 5}, route_cache},
    {{"stats", 5}, route_stats},
};

/* Recurses once for each /delay or /goaway; the target's length bounds it. */
static enum tern_error route_path(struct routing *r)
{
    struct tern_str name = take_segment(&r->rest);

    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (tern_str_eq(routes[i].name, name))
            return routes[i].route(r);
    }
    return answer(r, 404, TERN_STR("no such path\n"));
}

/* ---- the outside ---- */

enum tern_error origin_stats_init(struct origin_stats *stats)
{
    enum tern_error error;

    *stats = (struct origin_stats){0};
    error = origin_tally_init(&stats->protocols, 8);
    if (error == TERN_OK)
        error = origin_tally_init(&stats->methods, 64);
    if (error == TERN_OK)
        error = origin_tally_init(&stats->ids, ORIGIN_TALLY_MAX);
    if (error == TERN_OK)
        error = origin_tally_init(&stats->failures, ORIGIN_TALLY_MAX);
    return error;
}

void origin_stats_deinit(struct origin_stats *stats)
{
    origin_tally_deinit(&stats->protocols);
    origin_tally_deinit(&stats->methods);
    origin_tally_deinit(&stats->ids);
    origin_tally_deinit(&stats->failures);
}

void origin_response_init(struct origin_response *response)
{
    *response = (struct origin_response){0};
    tern_fields_init(&response->fields, RESPONSE_FIELDS_MAX, RESPONSE_FIELDS_BYTES_MAX);
    tern_fields_init(&response->trailers, 4, 256);
    origin_body_init(&response->body);
}

void origin_response_deinit(struct origin_response *response)
{
    tern_fields_deinit(&response->fields);
    tern_fields_deinit(&response->trailers);
    origin_body_deinit(&response->body);
}

static void response_clear(struct origin_response *response)
{
    response->status = 200;
    response->early_status = 0;
    tern_fields_clear(&response->fields);
    tern_fields_clear(&response->trailers);
    origin_body_clear(&response->body);
    response->announced = 0;
    response->ending = ORIGIN_END_WHOLE;
    response->at_once = false;
    response->tells_received = false;
    response->piece_bytes = 0;
    response->bytes_per_s = 0;
    response->delay_ns = 0;
}

enum tern_error origin_route(struct origin_stats *stats, const struct origin_request *request,
                             struct origin_response *response)
{
    struct routing r = {stats, request, response, request->path};
    struct tern_str id;

    response_clear(response);
    stats->requests++;
    origin_tally_add(&stats->protocols, request->protocol);
    origin_tally_add(&stats->methods, request->method);
    if (find_query(request->query, "id", &id))
        origin_tally_add(&stats->ids, id);
    if (r.rest.ptr[0] == '/')
        r.rest = tern_str_from(r.rest, 1);
    return route_path(&r);
}

/* Where the answer comes without the body there is none, nor where it comes late: that lets the peer's own patience be
 * seen. */
bool origin_response_continues(const struct origin_response *response, bool expects)
{
    return response->early_status == 100 ||
           (expects && response->delay_ns == 0 && (!response->at_once || response->body.kind == ORIGIN_BODY_ECHO));
}

uint64_t origin_response_allowance(const struct origin_response *response, uint64_t elapsed_ns)
{
    uint64_t left = response->body.size - response->body.at;
    uint64_t due;

    if (response->piece_bytes != 0 && left > response->piece_bytes)
        left = response->piece_bytes;
    if (response->bytes_per_s == 0)
        return left;
    due = elapsed_ns / TERN_MS * response->bytes_per_s / 1000;
    if (due <= response->body.at)
        return 0;
    return left < due - response->body.at ? left : due - response->body.at;
}

enum tern_error origin_response_received(struct origin_response *response, uint64_t bytes)
{
    struct routing r = {.response = response};
    enum tern_error error = tern_buf_printf(&response->body.text, "%llu\n", (unsigned long long)bytes);

    return error != TERN_OK ? error : end_text(&r, TERN_STR("text/plain"));
}

enum tern_error origin_response_refuse(struct origin_response *response, uint16_t status)
{
    struct routing r = {.response = response};

    response_clear(response);
    response->ending = ORIGIN_END_CLOSE;
    return answer(&r, status, TERN_STR("refused\n"));
}
