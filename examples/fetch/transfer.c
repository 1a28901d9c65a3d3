#include "transfer.h"

#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

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

static void join(struct transfer *t)
{
    struct run *run = t->run;
    t->next = run->live;
    if (t->next != NULL)
        t->next->previous = t;
    run->live = t;
    run->active++;
}

static void leave(struct transfer *t)
{
    struct run *run = t->run;
    if (t->next != NULL)
        t->next->previous = t->previous;
    if (t->previous != NULL)
        t->previous->next = t->next;
    else
        run->live = t->next;
    run->active--;
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

/* -L, and the last redirect was not followed. The codes are those that curl has for it. */
static void fail_redirect(struct transfer *t, const struct tern_result *result)
{
    if (result->hop_count == 0)
        return;
    const struct tern_hop *hop = &result->hops[result->hop_count - 1];
    enum code code = CODE_REDIRECTS;
    if (hop->error == TERN_ESCHEME || hop->error == TERN_EGATE)
        code = CODE_SCHEME;
    else if (hop->error == TERN_EURL)
        code = CODE_URL;
    else if (hop->error == TERN_EBODY_SOURCE)
        code = CODE_REWIND;
    bool is_downgrade = hop->error == TERN_EGATE;
    fail(&t->failure, code, "redirect to %.*s: %s%s", (int)hop->to.len, hop->to.ptr,
         hop->error != TERN_OK ? hop->reason : "--max-redirs is 0",
         is_downgrade ? " (--proto-redir =http,https allows it)" : "");
}

/* Everything that follows the end of a transfer, well or badly. Frees it. */
static void finish(struct transfer *t, const struct tern_result *result)
{
    /* The first failure is the cause: what made fetch give up, and only else what tern says. */
    if (result->fault.error != TERN_OK)
        fail_fault(&t->failure, &result->fault, result->phase);
    if (t->is_refused)
        fail_redirect(t, result);
    if (t->failure.code == CODE_OK && t->sink.open)
        sink_commit(&t->sink, &t->failure);
    sink_abort(&t->sink);
    if (t->run->o->fail_with_body && t->status >= 400)
        fail(&t->failure, CODE_STATUS, "the answer has status %u", t->status);
    if (signal_caught == 0)
        report_transfer(t, result);
    transfer_free(t);
}

static void pump(struct run *run);

static void on_done(void *user, tern_call_id call, const struct tern_result *result)
{
    (void)call;
    struct transfer *t = user;
    struct run *run = t->run;
    leave(t);
    finish(t, result);
    pump(run);
}

static void on_retry(void *user, uint64_t call, const struct tern_retry *retry)
{
    (void)call;
    struct transfer *t = user;
    t->retries++;
    report_retry(t, retry);
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
    /* The client's own, but for whom a retry is told to. */
    struct tern_policy policy = t->run->setup.policy;
    struct tern_retries retries = t->run->setup.retries;
    retries.on_retry = on_retry;
    retries.user = t;
    if (policy.retries != NULL)
        policy.retries = &retries;
    struct tern_request request = {
        .method = tern_str(t->method),
        .url = tern_str(t->url),
        .fields = r->fields,
        .field_count = r->field_count,
        .expect = r->expect,
        .body_bytes_max = o->body_bytes_max,
        .policy = &policy,
    };
    if (t->index < o->uploads.count) {
        if (!open_upload(t, &request.body))
            return false;
    } else if (o->body_source != BODY_NONE) {
        request.body = (struct tern_body){.kind = TERN_BODY_MEMORY, .data = o->body.ptr, .length = o->body.len};
    }
    struct tern_handlers handlers = {.on_done = on_done};
    answer_handlers(o, &handlers);
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
    t->url = request_url(o->urls.items[index], index < o->uploads.count ? o->uploads.items[index] : NULL,
                         (struct tern_str){o->query.ptr, o->query.len});
    request_url_drop_user(t->url, o);
    if (choose_output(t) && start_call(t)) {
        join(t);
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
    answer_watch(run);
    if (tern_engine_new(NULL, &run->engine, &why) != TERN_OK)
        return fail_fault(failure, &why, TERN_PHASE_START);
    if (!keep_init(run, failure))
        return false;
    if (tern_client_new(run->engine, &run->setup.config, &run->client, &why) != TERN_OK)
        return fail_fault(failure, &why, TERN_PHASE_START);
    return keep_load(run, failure);
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
        else if (signal_caught == 0)
            keep_save(&run, &failure);
        /* After a signal calls are still live: this ends them, and what they have half written goes. */
        tern_engine_shutdown(run.engine);
        progress_clear(&run.progress);
    }
    if (failure.code != CODE_OK) {
        run.code = failure.code;
        report_failure(&run, &failure);
    }
    *signal = signal_caught;
    waterfall_print(&run.waterfall);
    waterfall_free(&run.waterfall);
    tern_engine_free(run.engine);
    keep_deinit(&run.keep);
    request_deinit(&run.request);
    setup_deinit(&run.setup);
    return run.code;
}
