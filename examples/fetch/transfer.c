#include "transfer.h"

#include "progress.h"
#include "request.h"
#include "sink.h"
#include "waterfall.h"
#include "writeout.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* A whole run. Everything happens on one thread, in the callbacks of one engine. */
struct run {
    const struct options *o;
    struct setup setup;
    struct request request;
    struct tern_engine *engine;
    struct tern_client *client;
    size_t next;   /* index of the next URL to start */
    size_t active; /* started and not ended */
    enum code code;
    struct progress progress;
    struct waterfall waterfall;
};

/* One URL, from its start to its on_done. Allocated then and freed there, so that a list of URLs costs little more than
 * its text. */
struct transfer {
    struct run *run;
    size_t index;
    const char *method;
    char *url;
    char *remote_name; /* of -O */
    const char *path;  /* of the output; NULL: standard output */
    int upload_fd;     /* -1: none */
    tern_call_id call;
    struct sink sink;
    struct failure failure; /* of fetch's own: written before tern's */
    uint16_t status;
    struct tern_field *fields; /* of the final head, copied for -w; the texts stand in one block behind them */
    size_t field_count;
};

static struct tern_engine *signalled_engine;
static volatile sig_atomic_t signal_caught;

static void on_signal(int number)
{
    signal_caught = number;
    tern_engine_stop(signalled_engine);
}

/* A file that is half there must go when fetch is told to end. A closed pipe, or a file that has reached the limit of
 * ulimit -f, is a write error like any other. */
static void catch_signals(struct tern_engine *engine)
{
    signalled_engine = engine;
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct sigaction old;
        /* What nohup or the shell made deaf stays so. */
        if (sigaction(ends[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(ends[i], &act, NULL);
    }
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
}

static void complain(struct run *run, const struct failure *failure)
{
    if (run->o->silent && !run->o->show_error)
        return;
    progress_clear(&run->progress);
    fprintf(stderr, "fetch: (%d) %s\n", (int)failure->code, failure->text);
}

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
    if (!open_sink(t) || !sink_write(&t->sink, text.ptr, text.len, &t->failure))
        give_up(t);
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

static void on_informational(void *user, tern_call_id call, const struct tern_head *head)
{
    (void)call;
    struct transfer *t = user;
    if (shows_heads(t->run->o))
        write_head(t, head);
}

static void on_head(void *user, tern_call_id call, const struct tern_head *head)
{
    (void)call;
    struct transfer *t = user;
    const struct options *o = t->run->o;
    t->status = head->status;
    if (o->write_out != NULL)
        keep_fields(t, head);
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
    if (!sink_write(&t->sink, data, len, &t->failure))
        give_up(t);
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

static void write_out(struct transfer *t, const struct tern_result *result)
{
    const struct options *o = t->run->o;
    struct outcome outcome = {
        .url = o->urls.items[t->index],
        .effective = t->url,
        .method = t->method,
        .filename = t->path,
        .number = t->index,
        .status = t->status,
        .result = result,
        .failure = &t->failure,
        .fields = t->fields,
        .field_count = t->field_count,
    };
    struct text out = {0};
    struct text err = {0};
    writeout_format(o->write_out, &outcome, &out, &err);
    progress_clear(&t->run->progress);
    if (out.len != 0)
        fwrite(out.ptr, 1, out.len, stdout);
    fflush(stdout);
    if (err.len != 0)
        fwrite(err.ptr, 1, err.len, stderr);
    text_free(&out);
    text_free(&err);
}

static void transfer_free(struct transfer *t)
{
    if (t->upload_fd > STDIN_FILENO)
        close(t->upload_fd);
    free(t->remote_name);
    free(t->url);
    free(t->fields);
    free(t);
}

/* What is said about a transfer that has ended. */
static void report(struct transfer *t, const struct tern_result *result)
{
    struct run *run = t->run;
    if (t->failure.code != CODE_OK) {
        run->code = t->failure.code;
        complain(run, &t->failure);
    }
    if (run->o->write_out != NULL)
        write_out(t, result);
    /* One that tern refused to start has no times. */
    if (run->o->waterfall && result->times.start_ns != 0)
        waterfall_add(&run->waterfall, t->url, result);
    run->progress.done++;
}

/* Everything that follows the end of a transfer, well or badly. Frees it. */
static void finish(struct transfer *t, const struct tern_result *result)
{
    /* The first failure is the cause: what made fetch give up, and only else what tern says. */
    if (result->fault.error != TERN_OK)
        fail_fault(&t->failure, &result->fault, result->phase);
    if (t->failure.code == CODE_OK && t->sink.open)
        sink_commit(&t->sink, &t->failure);
    sink_abort(&t->sink);
    if (signal_caught == 0)
        report(t, result);
    transfer_free(t);
}

static void pump(struct run *run);

static void on_done(void *user, tern_call_id call, const struct tern_result *result)
{
    (void)call;
    struct transfer *t = user;
    struct run *run = t->run;
    finish(t, result);
    run->active--;
    pump(run);
}

static bool open_upload(struct transfer *t, struct tern_body *body)
{
    const char *path = t->run->o->uploads.items[t->index];
    bool standard = strcmp(path, "-") == 0;
    t->upload_fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (t->upload_fd < 0)
        return fail(&t->failure, CODE_READ, "cannot open '%s' to send it: %s", path, strerror(errno));
    struct stat st;
    bool regular = !standard && fstat(t->upload_fd, &st) == 0 && S_ISREG(st.st_mode);
    body->kind = TERN_BODY_FD;
    body->fd = t->upload_fd;
    body->length = regular ? (uint64_t)st.st_size : TERN_LENGTH_UNKNOWN;
    return true;
}

/* The output of the same number, if there is one. */
static bool choose_output(struct transfer *t)
{
    const struct strings *outputs = &t->run->o->outputs;
    if (t->index >= outputs->count)
        return true;
    t->path = outputs->items[t->index];
    if (t->path != NULL)
        return true;
    t->remote_name = sink_name_of_url(t->url);
    t->path = t->remote_name;
    return t->path != NULL || fail(&t->failure, CODE_WRITE, "-O: there is no file name in the URL");
}

static bool start_call(struct transfer *t)
{
    const struct options *o = t->run->o;
    const struct request *r = &t->run->request;
    struct tern_request request = {
        .method = tern_str(t->method),
        .url = tern_str(t->url),
        .fields = r->fields,
        .field_count = r->field_count,
        .expect = r->expect,
        .body_bytes_max = o->body_bytes_max,
    };
    if (t->index < o->uploads.count) {
        if (!open_upload(t, &request.body))
            return false;
    } else if (o->body_source != BODY_NONE) {
        request.body = (struct tern_body){.kind = TERN_BODY_MEMORY, .data = o->body.ptr, .length = o->body.len};
    }
    struct tern_handlers handlers = {
        .on_informational = on_informational,
        .on_head = on_head,
        .on_body = on_body,
        .on_done = on_done,
        .on_trace = o->verbose ? on_trace : NULL,
    };
    struct tern_fault why = {0};
    if (tern_call_start(t->run->client, &request, &handlers, t, &t->call, &why) == TERN_OK)
        return true;
    return fail_fault(&t->failure, &why, TERN_PHASE_START);
}

static void start(struct run *run, size_t index)
{
    const struct options *o = run->o;
    struct transfer *t = fetch_alloc(1, sizeof *t);
    t->run = run;
    t->index = index;
    t->upload_fd = -1;
    t->method = request_method(o, index < o->uploads.count);
    t->url = request_url(o->urls.items[index], index < o->uploads.count ? o->uploads.items[index] : NULL);
    if (choose_output(t) && start_call(t)) {
        run->active++;
        return;
    }
    static const struct tern_result none;
    finish(t, &none);
}

/* Starts what may be started; ends the run when nothing is left. */
static void pump(struct run *run)
{
    while (signal_caught == 0 && run->active < run->o->parallel_max && run->next < run->o->urls.count)
        start(run, run->next++);
    if (run->active == 0)
        tern_engine_stop(run->engine);
}

/* Each transfer may hold a connection, the file it sends and the file it writes. */
static void raise_descriptor_limit(uint64_t parallel)
{
    struct rlimit limit;
    uint64_t wanted = parallel * 3 + 64;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void warn_surplus(const struct options *o)
{
    if (o->silent)
        return;
    if (o->outputs.count > o->urls.count)
        fputs("fetch: more outputs than URLs: the last ones are not used\n", stderr);
    if (o->uploads.count > o->urls.count)
        fputs("fetch: more uploads than URLs: the last ones are not sent\n", stderr);
}

static bool prepare(struct run *run, struct failure *failure)
{
    struct tern_fault why = {0};
    if (!setup_init(&run->setup, run->o, failure) || !request_init(&run->request, run->o, failure))
        return false;
    if (tern_engine_new(NULL, &run->engine, &why) != TERN_OK ||
        tern_client_new(run->engine, &run->setup.config, &run->client, &why) != TERN_OK)
        return fail_fault(failure, &why, TERN_PHASE_START);
    return true;
}

enum code transfers_run(const struct options *o, int *signal)
{
    struct run run = {.o = o};
    struct failure failure = {0};
    warn_surplus(o);
    if (prepare(&run, &failure)) {
        raise_descriptor_limit(o->parallel_max);
        catch_signals(run.engine);
        progress_start(&run.progress, !o->silent && !o->verbose, o->urls.count);
        pump(&run);
        enum tern_error error = tern_engine_run(run.engine);
        if (error != TERN_OK)
            fail(&failure, CODE_USAGE, "the engine stopped: %s", tern_error_text(error));
        /* After a signal calls are still live: this ends them, and what they have half written goes. */
        tern_engine_shutdown(run.engine);
        progress_clear(&run.progress);
    }
    if (failure.code != CODE_OK) {
        run.code = failure.code;
        complain(&run, &failure);
    }
    *signal = signal_caught;
    waterfall_print(&run.waterfall);
    waterfall_free(&run.waterfall);
    tern_engine_free(run.engine);
    request_deinit(&run.request);
    setup_deinit(&run.setup);
    return run.code;
}
