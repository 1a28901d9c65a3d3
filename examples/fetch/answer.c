/* fetch/answer.c - an answer as it comes: to its sink, and to whoever watches. */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends a transfer for a reason of fetch's own. Inside a callback: on_done follows. */
static void give_up(struct transfer *t)
{
    tern_call_cancel(t->run->engine, t->call);
}

static bool open_sink(struct transfer *t)
{
    return t->sink.open || sink_open(&t->sink, t->path, t->run->o->create_dirs, &t->failure);
}

static const char *version_name(enum tern_http_version version)
{
    switch (version) {
    case TERN_HTTP_1_0:
        return "HTTP/1.0";
    case TERN_HTTP_2:
        return "HTTP/2";
    default:
        return "HTTP/1.1";
    }
}

/* False: it could not be written, and the call ends. */
static bool write_sink(struct transfer *t, const void *data, size_t len)
{
    if (!open_sink(t) || !sink_write(&t->sink, data, len, &t->failure)) {
        give_up(t);
        return false;
    }
    t->delivered_bytes += len;
    return true;
}

/* The head as it came, for -i and -I. */
static void write_head(struct transfer *t, const struct tern_head *head)
{
    struct text text = {0};
    text_addf(&text, "%s %03u ", version_name(head->version), head->status);
    text_add(&text, head->reason.ptr, head->reason.len);
    text_adds(&text, "\r\n");
    for (size_t i = 0; i < head->field_count; i++) {
        text_add(&text, head->fields[i].name.ptr, head->fields[i].name.len);
        text_adds(&text, ": ");
        text_add(&text, head->fields[i].value.ptr, head->fields[i].value.len);
        text_adds(&text, "\r\n");
    }
    text_adds(&text, "\r\n");
    write_sink(t, text.ptr, text.len);
    text_free(&text);
}

static char *copy_text(char *to, struct tern_str *view)
{
    if (view->len != 0)
        memcpy(to, view->ptr, view->len);
    view->ptr = to;
    return to + view->len;
}

static void keep_fields(struct transfer *t, const struct tern_head *head)
{
    size_t bytes = head->field_count * sizeof *head->fields;
    for (size_t i = 0; i < head->field_count; i++)
        bytes += head->fields[i].name.len + head->fields[i].value.len;
    t->fields = fetch_alloc(bytes, 1);
    t->field_count = head->field_count;
    char *to = (char *)(t->fields + t->field_count);
    for (size_t i = 0; i < t->field_count; i++) {
        t->fields[i] = head->fields[i];
        to = copy_text(to, &t->fields[i].name);
        to = copy_text(to, &t->fields[i].value);
    }
}

/* For the progress line alone: tern has judged the lengths of the answer. */
static uint64_t expected_bytes(const struct tern_head *head)
{
    struct tern_str length = tern_fields_get(head->fields, head->field_count, "Content-Length");
    uint64_t bytes = 0;
    for (size_t i = 0; i < length.len && bytes < UINT64_MAX / 10 - 9; i++)
        bytes = bytes * 10 + (uint64_t)(length.ptr[i] - '0');
    return bytes;
}

static bool shows_heads(const struct options *o)
{
    return o->include || o->head;
}

/* What -L follows. */
static bool leads_on(const struct tern_head *head)
{
    static const uint16_t statuses[] = {301, 302, 303, 307, 308};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (head->status == statuses[i])
            return tern_fields_get(head->fields, head->field_count, "Location").ptr != NULL;
    }
    return false;
}

static void on_informational(void *user, tern_call_id call, const struct tern_head *head)
{
    (void)call;
    struct transfer *t = user;
    if (shows_heads(t->run->o))
        write_head(t, head);
}

/* Of a chain only the last head is shown to the call: the others are seen from here. */
static void on_response(void *user, const struct tern_attempt *attempt, const struct tern_head *head)
{
    struct run *run = user;
    if (!leads_on(head))
        return;
    for (struct transfer *t = run->live; t != NULL; t = t->next) {
        if (t->call == attempt->call)
            write_head(t, head);
    }
}

static void on_head(void *user, tern_call_id call, const struct tern_head *head)
{
    (void)call;
    struct transfer *t = user;
    const struct options *o = t->run->o;
    t->status = head->status;
    if (o->write_out != NULL)
        keep_fields(t, head);
    if (o->location && leads_on(head)) {
        t->is_refused = true;
        return;
    }
    if (o->fail && head->status >= 400) {
        fail(&t->failure, CODE_STATUS, "the answer has status %u", head->status);
        give_up(t);
        return;
    }
    if (!open_sink(t)) {
        give_up(t);
        return;
    }
    if (shows_heads(o))
        write_head(t, head);
    t->run->progress.expected = expected_bytes(head);
}

static void on_body(void *user, tern_call_id call, const void *data, size_t len)
{
    (void)call;
    struct transfer *t = user;
    progress_add(&t->run->progress, len);
    if (!t->is_refused)
        write_sink(t, data, len);
}

static void on_trace(void *user, tern_call_id call, enum tern_trace_kind kind, struct tern_str text)
{
    (void)call;
    struct transfer *t = user;
    static const char marks[] = {
        [TERN_TRACE_INFO] = '*', [TERN_TRACE_SENT_LINE] = '>', [TERN_TRACE_RECEIVED_LINE] = '<'};
    progress_clear(&t->run->progress);
    fprintf(stderr, "%c %.*s\n", marks[kind], (int)text.len, text.ptr != NULL ? text.ptr : "");
}

void answer_watch(struct run *run)
{
    if (!run->o->location || !shows_heads(run->o))
        return;
    run->hooks = (struct tern_hooks){.on_response = on_response, .user = run};
    run->setup.policy.hooks = &run->hooks;
}

void answer_handlers(const struct options *o, struct tern_handlers *handlers)
{
    handlers->on_informational = on_informational;
    handlers->on_head = on_head;
    handlers->on_body = on_body;
    handlers->on_trace = o->verbose ? on_trace : NULL;
}
