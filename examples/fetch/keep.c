/* fetch/keep.c - the files of -b, -c and --hsts. */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- in ---- */

static bool is_silent(const struct options *o)
{
    return o->silent && !o->show_error;
}

struct reading {
    const char *path;
    bool silent;
};

static void on_skipped(void *user, size_t line, const char *why)
{
    const struct reading *reading = user;
    if (!reading->silent)
        fprintf(stderr, "fetch: %s, line %zu is left out: %s\n", reading->path, line, why);
}

/* False with an empty failure: there is no such file yet. */
static bool read_file(struct text *text, const char *path, const char *option, struct failure *failure)
{
    if (text_add_file(text, path))
        return true;
    return errno != ENOENT &&
           fail(failure, CODE_READ, "option %s: cannot read '%s': %s", option, path, strerror(errno));
}

static bool load_cookies(struct run *run, const char *path, struct failure *failure)
{
    const struct options *o = run->o;
    struct reading reading = {path, is_silent(o)};
    struct tern_jar_loading loading = {
        .drop_sessions = o->junk_session_cookies, .on_skipped = on_skipped, .user = &reading};
    struct text text = {0};
    enum tern_error error = TERN_OK;
    if (read_file(&text, path, "-b", failure))
        error = tern_jar_load(run->keep.jar, (struct tern_str){text.ptr, text.len}, &loading);
    else if (failure->code == CODE_OK && !is_silent(o) && (o->cookie_jar == NULL || strcmp(path, o->cookie_jar) != 0))
        fprintf(stderr, "fetch: option -b: there is no file '%s': no cookies from there\n", path);
    text_free(&text);
    return failure->code == CODE_OK && (error == TERN_OK || fail(failure, CODE_MEMORY, "%s", tern_error_text(error)));
}

bool keep_init(struct run *run, struct failure *failure)
{
    const struct options *o = run->o;
    bool any = o->cookie_jar != NULL;
    for (size_t i = 0; i < o->cookies.count; i++)
        any |= !cookie_is_data(o->cookies.items[i]);
    if (any && tern_jar_new(run->engine, &run->keep.jar) != TERN_OK)
        return fail(failure, CODE_MEMORY, "%s", tern_error_text(TERN_ENOMEM));
    for (size_t i = 0; i < o->cookies.count; i++) {
        const char *path = o->cookies.items[i];
        if (!cookie_is_data(path) && path[0] != '\0' && !load_cookies(run, path, failure))
            return false;
    }
    run->setup.policy.cookies = run->keep.jar;
    run->setup.policy.hsts = o->hsts != NULL;
    return true;
}

bool keep_load(struct run *run, struct failure *failure)
{
    const struct options *o = run->o;
    struct text text = {0};
    size_t skipped = 0;
    enum tern_error error = TERN_OK;
    if (o->hsts == NULL || o->hsts[0] == '\0')
        return true;
    if (read_file(&text, o->hsts, "--hsts", failure))
        error = tern_client_hsts_load(run->client, (struct tern_str){text.ptr, text.len}, &skipped);
    if (skipped != 0 && !is_silent(o))
        fprintf(stderr, "fetch: %s: %zu lines cannot be read and are left out\n", o->hsts, skipped);
    text_free(&text);
    return failure->code == CODE_OK && (error == TERN_OK || fail(failure, CODE_MEMORY, "%s", tern_error_text(error)));
}

/* ---- out ---- */

static void on_saved(void *user, const struct tern_fault *fault)
{
    struct run *run = user;
    if (fault->error != TERN_OK)
        fail(&run->keep.failure, CODE_WRITE, "%s", fault->text);
    if (--run->keep.saving == 0)
        tern_engine_stop(run->engine);
}

static enum tern_error save(struct run *run, const char *path, const char *text)
{
    enum tern_error error = tern_file_save(run->engine, path, tern_str(text), on_saved, run);
    run->keep.saving += error == TERN_OK;
    return error;
}

static enum tern_error save_cookies(struct run *run)
{
    const char *path = run->o->cookie_jar;
    char *text;
    enum tern_error error = tern_jar_save(run->keep.jar, &text);
    if (error != TERN_OK)
        return error;
    if (strcmp(path, "-") == 0)
        fputs(text, stdout);
    else
        error = save(run, path, text);
    tern_jar_text_free(text);
    return error;
}

static enum tern_error save_hsts(struct run *run)
{
    char *text;
    enum tern_error error = tern_client_hsts_save(run->client, &text);
    if (error != TERN_OK)
        return error;
    error = save(run, run->o->hsts, text);
    tern_client_hsts_free(text);
    return error;
}

bool keep_save(struct run *run, struct failure *failure)
{
    const struct options *o = run->o;
    enum tern_error error = TERN_OK;
    if (o->cookie_jar != NULL)
        error = save_cookies(run);
    if (error == TERN_OK && o->hsts != NULL && o->hsts[0] != '\0')
        error = save_hsts(run);
    while (error == TERN_OK && run->keep.saving != 0)
        error = tern_engine_run(run->engine);
    if (error != TERN_OK)
        return fail(failure, CODE_WRITE, "what was learned cannot be kept: %s", tern_error_text(error));
    *failure = run->keep.failure;
    return failure->code == CODE_OK;
}

void keep_deinit(struct keep *keep)
{
    tern_jar_free(keep->jar);
}
