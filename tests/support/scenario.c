#include "tests/support/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/torture.h"

#define OPENED_MAX 8

static struct scenario *opened[OPENED_MAX]; /* and not closed */

/* ---- what the user sees ---- */

static void note(struct seen *seen, const char *format, ...) TERN_PRINTF(2, 3);

static void note(struct seen *seen, const char *format, ...)
{
    va_list args;
    int n;

    if (seen->len > 0)
        seen->len += (size_t)snprintf(seen->text + seen->len, sizeof(seen->text) - seen->len, " | ");
    va_start(args, format);
    n = vsnprintf(seen->text + seen->len, sizeof(seen->text) - seen->len, format, args);
    va_end(args);
    assert_true(n >= 0 && seen->len + (size_t)n < sizeof(seen->text));
    seen->len += (size_t)n;
}

static void hook(struct seen *seen, const char *event)
{
    if (seen->hook != NULL)
        seen->hook(seen, event);
}

/* Pieces of a body are one event: how it was split is not the user's to rely on. */
static void end_body(struct seen *seen)
{
    if (seen->in_body && seen->body_bytes > 64)
        note(seen, "body %zu bytes", seen->body_bytes);
    seen->in_body = false;
    seen->body_bytes = 0;
}

static void on_informational(void *user, tern_call_id call, const struct tern_head *head)
{
    struct seen *seen = user;

    assert_int_equal(call, seen->id);
    note(seen, "informational %u", head->status);
    hook(seen, "informational");
}

static void on_head(void *user, tern_call_id call, const struct tern_head *head)
{
    struct seen *seen = user;

    assert_int_equal(call, seen->id);
    note(seen, "head %u", head->status);
    hook(seen, "head");
}

static void on_body(void *user, tern_call_id call, const void *data, size_t len)
{
    struct seen *seen = user;

    assert_int_equal(call, seen->id);
    assert_true(len > 0);
    if (len + seen->body_bytes <= 64) {
        if (!seen->in_body)
            note(seen, "body ");
        memcpy(seen->text + seen->len, data, len);
        seen->len += len;
        seen->text[seen->len] = '\0';
    } else if (seen->in_body && seen->body_bytes <= 64) {
        while (seen->len > 0 && seen->text[seen->len - 1] != '|')
            seen->len--;
        seen->len = seen->len > 2 ? seen->len - 2 : 0;
        seen->text[seen->len] = '\0';
    }
    seen->in_body = true;
    seen->body_bytes += len;
    hook(seen, "body");
}

static void on_trailers(void *user, tern_call_id call, const struct tern_field *fields, size_t count)
{
    struct seen *seen = user;

    assert_int_equal(call, seen->id);
    end_body(seen);
    for (size_t i = 0; i < count; i++)
        note(seen, "trailer %.*s=%.*s", (int)fields[i].name.len, fields[i].name.ptr, (int)fields[i].value.len,
             fields[i].value.ptr);
    hook(seen, "trailers");
}

static const char *phase_name(enum tern_phase phase)
{
    static const char *const names[] = {"START", "POOL", "DNS", "CONNECT", "TLS", "WRITE", "WAIT", "READ", "DONE"};

    return names[phase];
}

static void note_hops(struct seen *seen, const struct tern_result *result)
{
    size_t len = 0;

    seen->audit[0] = '\0';
    for (size_t i = 0; i < result->hop_count && len < sizeof(seen->audit); i++) {
        const struct tern_hop *hop = &result->hops[i];

        len +=
            (size_t)snprintf(seen->audit + len, sizeof(seen->audit) - len, "%u %.*s > %.*s%s%s%s%s%s\n", hop->status,
                             (int)hop->from.len, hop->from.ptr, (int)hop->to.len, hop->to.ptr,
                             hop->method_changed ? " GET" : "", hop->body_dropped ? " -body" : "",
                             hop->secrets_dropped ? " -secrets" : "", hop->followed ? "" : " refused: ", hop->reason);
    }
}

static void on_done(void *user, tern_call_id call, const struct tern_result *result)
{
    struct seen *seen = user;

    assert_int_equal(call, seen->id);
    end_body(seen);
    if (++seen->dones > 1)
        torture_found("a call has ended twice");
    seen->result = *result;
    seen->result.hops = NULL; /* they were lent */
    note_hops(seen, result);
    snprintf(seen->host_config, sizeof(seen->host_config), "%s",
             result->host_config != NULL ? result->host_config : "");
    seen->result.host_config = NULL;
    if (result->fault.error == TERN_OK)
        note(seen, "done");
    else
        note(seen, "done %s %s", tern_error_name(result->fault.error) + strlen("TERN_"), phase_name(result->phase));
    assert_true(result->fault.error == TERN_OK || result->fault.text[0] != '\0');
    hook(seen, "done");
}

static const struct tern_handlers handlers = {.on_informational = on_informational,
                                              .on_head = on_head,
                                              .on_body = on_body,
                                              .on_trailers = on_trailers,
                                              .on_done = on_done};

void seen_is(struct seen *seen, const char *expected)
{
    end_body(seen);
    if (!torture_has_failed())
        assert_string_equal(seen->text, expected);
    seen->len = 0;
    seen->text[0] = '\0';
}

/* ---- the system ---- */

static enum tern_error new_resolver(struct tern_engine *engine, struct tern_resolver **out, void *user)
{
    struct scenario *s = user;
    struct fakedns *servers = fakedns_new(engine);

    fakedns_answer(servers, "a.test", "192.0.2.1", 60);
    if (s->servers == NULL)
        s->servers = servers;
    *out = fakedns_resolver(servers);
    return TERN_OK;
}

static void add_opened(struct scenario *s)
{
    for (size_t i = 0; i < OPENED_MAX; i++) {
        if (opened[i] == NULL) {
            opened[i] = s;
            return;
        }
    }
    fail_msg("more than %d scenarios at once", OPENED_MAX);
}

void scenario_forget(const struct scenario *s)
{
    for (size_t i = 0; i < OPENED_MAX; i++)
        if (opened[i] == s)
            opened[i] = NULL;
}

void scenario_all_ended(void)
{
    for (size_t i = 0; i < OPENED_MAX; i++) {
        struct scenario *s = opened[i];

        opened[i] = NULL;
        if (s == NULL || !simio_is_live(s->sim))
            continue;
        for (size_t k = 0; k < s->seen_count; k++) {
            if (s->seen[k]->dones != 1)
                torture_found("a call has not ended with its engine");
            free(s->seen[k]);
        }
    }
}

/* A client that torture did not let be made is no story yet. */
static void try_again(struct scenario *s, const struct tern_client_config *config, const struct tern_pool_seams *seams,
                      struct tern_fault *why)
{
    if (!torture_has_failed())
        fail_msg("%s", why->text);
    s->servers = NULL; /* went with it */
    torture_hold();
    if (tern_client_new_with(s->engine, config, seams, &s->client, why) != TERN_OK)
        fail_msg("%s", why->text);
    torture_release();
}

void scenario_open(struct scenario *s, const struct tern_client_config *config)
{
    struct tern_client_config own = config != NULL ? *config : (struct tern_client_config){0};
    struct tern_pool_seams seams = {.new_resolver = new_resolver, .user = s};
    struct tern_fault why = {0};

    *s = (struct scenario){0};
    if (own.dns.hosts_path == NULL)
        own.dns.hosts_path = ""; /* the machine's is not the scenario's */
    s->sim = simio_new(NULL, &s->engine);
    simio_listen(s->sim, SCENARIO_ADDRESS);
    add_opened(s);
    if (tern_client_new_with(s->engine, &own, &seams, &s->client, &why) != TERN_OK)
        try_again(s, &own, &seams, &why);
}

void scenario_close(struct scenario *s)
{
    if (!s->is_client_closed) {
        tern_pool_check(&s->client->pool);
        tern_client_close(s->client, TERN_CLOSE_DROP);
        simio_run(s->sim, 0);
    }
    for (size_t i = 0; i < s->seen_count; i++)
        assert_int_equal(s->seen[i]->dones, 1); /* all of them first: torture goes on behind what fails here */
    for (size_t i = 0; i < s->seen_count; i++)
        free(s->seen[i]);
    s->seen_count = 0;
    scenario_forget(s);
    assert_int_equal(simio_counts(s->sim).open, 0);
    assert_int_equal(tern_engine_free(s->engine), TERN_OK);
}

struct seen *scenario_try(struct scenario *s, const struct tern_request *request, struct tern_fault *why)
{
    struct seen *seen = calloc(1, sizeof(*seen));

    assert_non_null(seen);
    assert_true(s->seen_count < SEEN_CALLS_MAX);
    seen->scenario = s;
    if (tern_call_start(s->client, request, &handlers, seen, &seen->id, why) != TERN_OK) {
        free(seen);
        return NULL;
    }
    s->seen[s->seen_count++] = seen;
    return seen;
}

struct seen *scenario_start_only(struct scenario *s, const struct tern_request *request)
{
    struct tern_fault why = {0};
    struct seen *seen = scenario_try(s, request, &why);

    if (seen == NULL)
        fail_msg("%s", why.text);
    return seen;
}

struct seen *scenario_start(struct scenario *s, const struct tern_request *request)
{
    struct seen *seen = scenario_start_only(s, request);

    scenario_run(s, 0);
    return seen;
}

struct seen *scenario_get(struct scenario *s, const char *url)
{
    return scenario_start(s, &(struct tern_request){.url = tern_str(url)});
}

struct simio_peer *scenario_accept_at(struct scenario *s, const char *address)
{
    struct simio_peer *peer = simio_accept(s->sim, address);

    assert_non_null(peer);
    return peer;
}

struct simio_peer *scenario_accept(struct scenario *s)
{
    return scenario_accept_at(s, SCENARIO_ADDRESS);
}

bool scenario_heard(struct simio_peer *peer, const char *text)
{
    struct tern_str heard = simio_heard(peer);

    return memmem(heard.ptr, heard.len, text, strlen(text)) != NULL;
}

void scenario_run(struct scenario *s, uint64_t ns)
{
    simio_run(s->sim, ns);
    if (!s->is_client_closed)
        tern_pool_check(&s->client->pool);
}

struct tern_client_stats scenario_stats(struct scenario *s)
{
    struct tern_client_stats stats;

    tern_client_stats(s->client, &stats);
    return stats;
}
