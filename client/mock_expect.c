#include "base/fault.h"
#include "base/fields.h"
#include "base/mem.h"
#include "base/str.h"
#include "client/mock.h"

/* ---- checking ---- */

static enum tern_error check_fields(const struct tern_field *fields, size_t count, struct tern_fault *why)
{
    enum tern_error error = TERN_OK;

    for (size_t i = 0; error == TERN_OK && i < count; i++)
        error = tern_field_check(fields[i].name, fields[i].value, why);
    return error;
}

static bool has_head(const struct tern_mock_answer *answer)
{
    return answer->error == TERN_OK || answer->status != 0;
}

static enum tern_error check_statuses(const struct tern_mock_answer *answer, struct tern_fault *why)
{
    if (answer->status != 0 && (answer->status < 200 || answer->status > 999))
        return tern_fault_set(why, TERN_EINVAL, "status %u: must be 200 to 999", answer->status);
    for (size_t i = 0; i < answer->informational_count; i++) {
        uint16_t status = answer->informational[i].status;

        if (status < 100 || status > 199 || status == 101)
            return tern_fault_set(why, TERN_EINVAL, "informational[%zu].status %u: must be 100 to 199, but not 101", i,
                                  status);
    }
    if (answer->version != TERN_HTTP_NONE && answer->version != TERN_HTTP_1_0 && answer->version != TERN_HTTP_1_1 &&
        answer->version != TERN_HTTP_2)
        return tern_fault_set(why, TERN_EINVAL, "version %d: is none", (int)answer->version);
    return TERN_OK;
}

/* That it is something that a network can do. */
static enum tern_error check_failure(const struct tern_mock_answer *answer, struct tern_fault *why)
{
    bool has_body = answer->body.len != 0 || answer->piece_count != 0 || answer->trailer_count != 0;

    if (answer->body.len != 0 && answer->piece_count != 0)
        return tern_fault_set(why, TERN_EINVAL, "body and pieces: one of both");
    if ((unsigned)answer->error >= TERN_ERROR_COUNT || (unsigned)answer->phase >= TERN_PHASE_DONE ||
        (unsigned)answer->replay > TERN_REPLAY_ANSWERED)
        return tern_fault_set(why, TERN_EINVAL, "error, phase or replay: is none with which an attempt ends");
    if (!has_head(answer) && has_body)
        return tern_fault_set(why, TERN_EINVAL, "body: comes only behind a head, and status is 0");
    if (answer->error != TERN_OK && answer->phase != TERN_PHASE_START &&
        ((answer->status != 0 && answer->phase != TERN_PHASE_READ) ||
         (answer->informational_count != 0 && answer->phase < TERN_PHASE_WRITE)))
        return tern_fault_set(why, TERN_EINVAL, "phase: nothing of an answer comes so early");
    return TERN_OK;
}

static enum tern_error check_answer(const struct tern_mock_answer *answer, struct tern_fault *why)
{
    enum tern_error error = check_statuses(answer, why);

    if (error == TERN_OK)
        error = check_failure(answer, why);
    if (error == TERN_OK)
        error = check_fields(answer->fields, answer->field_count, why);
    if (error == TERN_OK)
        error = check_fields(answer->trailers, answer->trailer_count, why);
    for (size_t i = 0; error == TERN_OK && i < answer->informational_count; i++)
        error = check_fields(answer->informational[i].fields, answer->informational[i].field_count, why);
    return error;
}

/* ---- copying ---- */

static bool keep_fields(struct tern_keep *keep, const struct tern_field **fields, size_t count)
{
    struct tern_field *copy;

    if (count == 0)
        return true;
    copy = tern_keep_copy(keep, *fields, count * sizeof(*copy));
    for (size_t i = 0; copy != NULL && i < count; i++)
        if (!tern_keep_str(keep, &copy[i].name) || !tern_keep_str(keep, &copy[i].value))
            return false;
    *fields = copy;
    return copy != NULL;
}

static bool keep_match(struct tern_mock_rule *rule)
{
    struct tern_mock_match *match = &rule->match;

    return tern_keep_text(&rule->keep, &match->method) && tern_keep_text(&rule->keep, &match->host) &&
           tern_keep_text(&rule->keep, &match->path) && keep_fields(&rule->keep, &match->fields, match->field_count);
}

static struct tern_mock_act *add(struct tern_mock_rule *rule, enum tern_mock_act_kind kind, uint64_t delay_ns)
{
    struct tern_mock_act *act = &rule->acts[rule->act_count++];

    *act = (struct tern_mock_act){.kind = kind, .delay_ns = delay_ns};
    return act;
}

static void add_head(struct tern_mock_rule *rule, const struct tern_mock_answer *answer)
{
    add(rule, TERN_MOCK_HEAD, answer->delay_ns)->head =
        (struct tern_head){.status = answer->status != 0 ? answer->status : 200,
                           .version = answer->version != TERN_HTTP_NONE ? answer->version : TERN_HTTP_1_1,
                           .reason = TERN_STR(""),
                           .fields = answer->fields,
                           .field_count = answer->field_count};
    if (answer->body.len != 0)
        add(rule, TERN_MOCK_PIECE, 0)->bytes = answer->body;
    for (size_t i = 0; i < answer->piece_count; i++)
        add(rule, TERN_MOCK_PIECE, answer->pieces[i].delay_ns)->bytes = answer->pieces[i].bytes;
    if (answer->trailer_count != 0)
        add(rule, TERN_MOCK_TRAILERS, 0)->head =
            (struct tern_head){.fields = answer->trailers, .field_count = answer->trailer_count};
}

/* The answer as a list of what comes. */
static bool keep_answer(struct tern_mock_rule *rule, const struct tern_mock_answer *answer)
{
    size_t count = answer->informational_count + answer->piece_count + 4; /* head, body, trailers, end */
    enum tern_http_version version = answer->version != TERN_HTTP_NONE ? answer->version : TERN_HTTP_1_1;

    rule->acts = tern_keep_alloc(&rule->keep, count * sizeof(*rule->acts));
    if (rule->acts == NULL)
        return false;
    for (size_t i = 0; i < answer->informational_count; i++) {
        const struct tern_mock_informational *from = &answer->informational[i];

        add(rule, TERN_MOCK_INFORMATIONAL, from->delay_ns)->head = (struct tern_head){.status = from->status,
                                                                                      .version = version,
                                                                                      .reason = TERN_STR(""),
                                                                                      .fields = from->fields,
                                                                                      .field_count = from->field_count};
    }
    if (has_head(answer))
        add_head(rule, answer);
    add(rule, TERN_MOCK_END, has_head(answer) ? 0 : answer->delay_ns);
    for (size_t i = 0; i < rule->act_count; i++)
        if (!keep_fields(&rule->keep, &rule->acts[i].head.fields, rule->acts[i].head.field_count) ||
            !tern_keep_str(&rule->keep, &rule->acts[i].bytes))
            return false;
    return true;
}

static enum tern_phase usual_phase(const struct tern_mock_answer *answer)
{
    if (answer->status != 0)
        return TERN_PHASE_READ;
    if (answer->informational_count != 0)
        return TERN_PHASE_WAIT;
    switch (answer->error) {
    case TERN_EQUEUE:
    case TERN_EPOOL_TIMEOUT:
        return TERN_PHASE_POOL;
    case TERN_EDESCRIPTORS:
    case TERN_ECONNECT_TIMEOUT:
        return TERN_PHASE_CONNECT;
    case TERN_EWRITE_TIMEOUT:
        return TERN_PHASE_WRITE;
    case TERN_ETLS_RECORD:
        return TERN_PHASE_WAIT;
    default:
        break;
    }
    switch (tern_error_class(answer->error)) {
    case TERN_CLASS_DNS:
        return TERN_PHASE_DNS;
    case TERN_CLASS_CONNECT:
        return TERN_PHASE_CONNECT;
    case TERN_CLASS_TLS:
        return TERN_PHASE_TLS;
    default:
        return TERN_PHASE_WAIT;
    }
}

static enum tern_replay usual_replay(const struct tern_mock_answer *answer, enum tern_phase phase)
{
    if (answer->status != 0 || answer->informational_count != 0)
        return TERN_REPLAY_ANSWERED;
    if (phase < TERN_PHASE_WRITE)
        return TERN_REPLAY_UNSENT;
    return answer->error == TERN_EPEER_REFUSED ? TERN_REPLAY_REFUSED : TERN_REPLAY_MAYBE;
}

static struct tern_mock_rule *rule_new(const struct tern_mock_match *match, const struct tern_mock_answer *answer,
                                       uint32_t times)
{
    struct tern_mock_rule *rule = tern_mem_calloc(1, sizeof(*rule));

    if (rule == NULL)
        return NULL;
    if (match != NULL)
        rule->match = *match;
    rule->times = times != 0 ? times : 1;
    rule->error = answer->error;
    rule->phase = answer->phase != TERN_PHASE_START ? answer->phase : usual_phase(answer);
    rule->replay = answer->phase != TERN_PHASE_START ? answer->replay : usual_replay(answer, rule->phase);
    if (keep_match(rule) && keep_answer(rule, answer))
        return rule;
    tern_keep_deinit(&rule->keep);
    tern_mem_free(rule);
    return NULL;
}

enum tern_error tern_mock_expect(struct tern_mock *mock, const struct tern_mock_match *match,
                                 const struct tern_mock_answer *answer, uint32_t times, struct tern_fault *why)
{
    struct tern_mock_rule *rule;
    struct tern_host host = {0};
    enum tern_error error = check_answer(answer, why);

    if (error == TERN_OK && match != NULL && match->host != NULL)
        error = tern_host_parse(&host, tern_str(match->host), why);
    if (error != TERN_OK)
        return error;
    rule = rule_new(match, answer, times);
    if (rule == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    rule->host = host;
    tern_list_push_back(&mock->rules, &rule->node);
    return TERN_OK;
}

void tern_mock_rules_free(struct tern_mock *mock)
{
    struct tern_list *node;

    while ((node = tern_list_pop_front(&mock->rules)) != NULL) {
        struct tern_mock_rule *rule = TERN_CONTAINER_OF(node, struct tern_mock_rule, node);

        tern_keep_deinit(&rule->keep);
        tern_mem_free(rule);
    }
}

/* ---- matching ---- */

/* The target of a canonical URL: what stands from the third slash on. */
static struct tern_str target_of(struct tern_str url)
{
    struct tern_str rest = tern_str_from(url, tern_str_find(url, ':') + 3);
    size_t slash = tern_str_find(rest, '/');

    return slash < rest.len ? tern_str_from(rest, slash) : TERN_STR("*"); /* OPTIONS of a server */
}

static bool fits_path(const char *text, struct tern_str url)
{
    struct tern_str pattern = tern_str(text);
    struct tern_str target = target_of(url);

    if (tern_str_find(pattern, '?') == pattern.len)
        target.len = tern_str_find(target, '?');
    if (pattern.len > 0 && pattern.ptr[pattern.len - 1] == '*') {
        pattern.len--;
        target.len = target.len < pattern.len ? target.len : pattern.len;
    }
    return tern_str_eq(pattern, target);
}

static bool has_field(const struct tern_mock_request *request, const struct tern_field *wanted)
{
    for (size_t i = 0; i < request->field_count; i++)
        if (tern_str_ieq(request->fields[i].name, wanted->name) &&
            (wanted->value.ptr == NULL || tern_str_eq(request->fields[i].value, wanted->value)))
            return true;
    return false;
}

/* All but its check. */
static bool fits(const struct tern_mock_rule *rule, const struct tern_mock_request *request,
                 const struct tern_host *host)
{
    const struct tern_mock_match *match = &rule->match;

    if ((rule->times != TERN_MOCK_ALWAYS && rule->used == rule->times) ||
        (match->method != NULL && !tern_str_eq(tern_str(match->method), request->method)) ||
        (match->host != NULL && !tern_host_eq(&rule->host, host)) ||
        (match->path != NULL && !fits_path(match->path, request->url)))
        return false;
    for (size_t i = 0; i < match->field_count; i++)
        if (!has_field(request, &match->fields[i]))
            return false;
    return true;
}

static struct tern_mock_rule *use(struct tern_mock_rule *rule)
{
    if (rule->times != TERN_MOCK_ALWAYS)
        rule->used++;
    return rule;
}

struct tern_mock_rule *tern_mock_find(struct tern_mock *mock, const struct tern_mock_request *request,
                                      const struct tern_host *host)
{
    TERN_LIST_FOREACH(node, &mock->rules) {
        struct tern_mock_rule *rule = TERN_CONTAINER_OF(node, struct tern_mock_rule, node);

        if (fits(rule, request, host) && (rule->match.check == NULL || rule->match.check(rule->match.user, request)))
            return use(rule);
    }
    return NULL;
}

struct tern_mock_rule *tern_mock_find_early(struct tern_mock *mock, const struct tern_mock_request *request,
                                            const struct tern_host *host)
{
    TERN_LIST_FOREACH(node, &mock->rules) {
        struct tern_mock_rule *rule = TERN_CONTAINER_OF(node, struct tern_mock_rule, node);
        bool is_early = rule->error != TERN_OK && rule->phase < TERN_PHASE_WRITE && rule->match.check == NULL;

        if (fits(rule, request, host))
            return is_early ? use(rule) : NULL;
    }
    return NULL;
}

/* ---- telling ---- */

/* Appends "GET api.test/items with X-Key and a check". Of fields only the names: values may be secrets. */
static enum tern_error describe(struct tern_buf *out, const struct tern_mock_rule *rule)
{
    const struct tern_mock_match *match = &rule->match;
    enum tern_error error = tern_buf_printf(out, "%s %s%s", match->method != NULL ? match->method : "any method",
                                            match->host != NULL ? match->host : "any host",
                                            match->path != NULL ? match->path : " any path");

    for (size_t i = 0; error == TERN_OK && i < match->field_count; i++)
        error = tern_buf_printf(out, "%s %.*s", i == 0 ? " with" : ",", TERN_ARG(match->fields[i].name));
    if (error == TERN_OK && match->check != NULL)
        error = tern_buf_printf(out, " that passes a check");
    return error;
}

static enum tern_error list_rules(struct tern_buf *out, struct tern_mock *mock)
{
    enum tern_error error =
        tern_buf_printf(out, "%s\n", tern_list_is_empty(&mock->rules) ? "Nothing was expected." : "Expected were:");

    TERN_LIST_FOREACH(node, &mock->rules) {
        const struct tern_mock_rule *rule = TERN_CONTAINER_OF(node, struct tern_mock_rule, node);

        if (error == TERN_OK && (error = tern_buf_printf(out, "    ")) == TERN_OK)
            error = describe(out, rule);
        if (error == TERN_OK && rule->times == TERN_MOCK_ALWAYS)
            error = tern_buf_printf(out, ", always\n");
        else if (error == TERN_OK)
            error = tern_buf_printf(out, ", %u of %u came\n", rule->used, rule->times);
    }
    return error;
}

/* A NUL behind what is inside, not counted. */
static enum tern_error end_text(struct tern_buf *text)
{
    enum tern_error error = tern_buf_append_byte(text, '\0');

    if (error == TERN_OK)
        tern_buf_truncate(text, 1);
    return error;
}

void tern_mock_complain(struct tern_mock *mock, const struct tern_mock_request *request)
{
    static const char lost[] = "A request was not expected, and there is no memory to say which.\n";
    struct tern_buf *text = &mock->complaints;
    size_t begin = text->len;
    enum tern_error error =
        tern_buf_printf(text, "%.*s %.*s (attempt %u, hop %u) was not expected. ", TERN_ARG(request->method),
                        TERN_ARG(request->url), request->attempt, request->hop);

    if (error == TERN_OK)
        error = list_rules(text, mock);
    if (error == TERN_OK)
        error = end_text(text);
    if (error != TERN_OK) {
        mock->lost_complaint = true;
        tern_buf_truncate(text, text->len - begin);
    }
    if (mock->config.on_unexpected != NULL)
        mock->config.on_unexpected(mock->config.user, error == TERN_OK ? text->data + text->head + begin : lost);
}

const char *tern_mock_verify(struct tern_mock *mock)
{
    struct tern_buf *report = &mock->report;
    enum tern_error error;

    tern_buf_clear(report);
    error = tern_buf_append_str(report, tern_buf_view(&mock->complaints));
    TERN_LIST_FOREACH(node, &mock->rules) {
        const struct tern_mock_rule *rule = TERN_CONTAINER_OF(node, struct tern_mock_rule, node);

        if (error != TERN_OK || rule->times == TERN_MOCK_ALWAYS || rule->used == rule->times)
            continue;
        if ((error = describe(report, rule)) == TERN_OK)
            error = tern_buf_printf(report, " was expected %u more time%s.\n", rule->times - rule->used,
                                    rule->times - rule->used == 1 ? "" : "s");
    }
    if (error == TERN_OK && report->len == 0 && !mock->lost_complaint)
        return NULL;
    if (error == TERN_OK)
        error = end_text(report);
    if (error != TERN_OK || report->len == 0)
        return "Not all was as expected, and there is no memory to say what.\n";
    return report->data + report->head;
}
