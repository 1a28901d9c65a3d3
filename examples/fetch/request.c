#include "request.h"

#include <stdlib.h>
#include <string.h>

#define AGENT "fetch/" TERN_VERSION

static struct tern_field *add(struct request *request, struct tern_str name, struct tern_str value)
{
    request->fields = fetch_grow(request->fields, request->field_count + 1, sizeof *request->fields);
    struct tern_field *field = &request->fields[request->field_count++];
    *field = (struct tern_field){name, value, 0};
    return field;
}

/* As add; text is copied. */
static void add_copy(struct request *request, struct tern_str name, const char *before, const char *value)
{
    struct text text = {0};
    text_addf(&text, "%s%s", before, value);
    strings_add(&request->texts, text.ptr);
    add(request, name, (struct tern_str){text.ptr, text.len});
}

/* One -H: "Name: value" sends it, "Name;" sends it empty, "Name:" sends none (a NULL value, also to tern). */
static bool parse_field(const char *line, struct tern_field *out)
{
    size_t len = strcspn(line, ":");
    struct tern_str value = {0};
    if (line[len] == ':') {
        value = str_trim(tern_str(line + len + 1));
        if (value.len == 0)
            value.ptr = NULL;
    } else if (len > 0 && line[len - 1] == ';') {
        len--;
        value.ptr = "";
    } else {
        return false;
    }
    *out = (struct tern_field){{line, len}, value, 0};
    return len != 0;
}

static bool given(const struct options *o, struct tern_str name)
{
    for (size_t i = 0; i < o->fields.count; i++) {
        struct tern_field field;
        if (parse_field(o->fields.items[i], &field) && str_same(field.name, name))
            return true;
    }
    return false;
}

/* fetch's own field, unless -H has one of that name. */
static void add_own(struct request *request, const struct options *o, struct tern_str name, const char *before,
                    const char *value)
{
    if (value != NULL && !given(o, name))
        add_copy(request, name, before, value);
}

/* Those fields of -H that are named Host, or all the others. */
static bool add_given(struct request *request, const struct options *o, bool host, struct failure *failure)
{
    for (size_t i = 0; i < o->fields.count; i++) {
        struct tern_field field;
        if (!parse_field(o->fields.items[i], &field))
            return fail(failure, CODE_USAGE, "option -H: '%s' is none of 'Name: value', 'Name:' and 'Name;'",
                        o->fields.items[i]);
        if (str_same(field.name, TERN_STR("Host")) != host)
            continue;
        /* Whether to expect 100 (Continue) is tern's to know: it waits for it. */
        if (str_same(field.name, TERN_STR("Expect")))
            request->expect = field.value.ptr != NULL ? TERN_EXPECT_ALWAYS : TERN_EXPECT_NEVER;
        else
            add(request, field.name, field.value);
    }
    return true;
}

/* A single first byte, as in -r 500, means all from there on. */
static void add_range(struct request *request, const struct options *o)
{
    if (o->range == NULL || given(o, TERN_STR("Range")))
        return;
    struct text range = {0};
    text_addf(&range, "%s%s", o->range, strchr(o->range, '-') == NULL ? "-" : "");
    add_copy(request, TERN_STR("Range"), "bytes=", range.ptr);
    text_free(&range);
}

/* What -b gives as data, in one field; its files are keep.c's. */
static void add_cookies(struct request *request, const struct options *o)
{
    struct text all = {0};
    for (size_t i = 0; i < o->cookies.count; i++) {
        if (cookie_is_data(o->cookies.items[i]))
            text_addf(&all, "%s%s", all.len != 0 ? "; " : "", o->cookies.items[i]);
    }
    add_own(request, o, TERN_STR("Cookie"), "", all.ptr);
    text_free(&all);
}

bool request_init(struct request *request, const struct options *o, struct failure *failure)
{
    /* In curl's order. */
    if (!add_given(request, o, true, failure))
        return false;
    add_own(request, o, TERN_STR("Authorization"), "Bearer ", o->bearer);
    add_range(request, o);
    if (o->user_agent != NULL && o->user_agent[0] == '\0' && !given(o, TERN_STR("User-Agent")))
        add(request, TERN_STR("User-Agent"), (struct tern_str){0});
    else
        add_own(request, o, TERN_STR("User-Agent"), "", o->user_agent != NULL ? o->user_agent : AGENT);
    if (o->body_source != BODY_JSON)
        add_own(request, o, TERN_STR("Accept"), "", "*/*");
    add_own(request, o, TERN_STR("Referer"), "", o->referer);
    add_cookies(request, o);
    if (!add_given(request, o, false, failure))
        return false;
    if (o->body_source == BODY_JSON) {
        add_own(request, o, TERN_STR("Content-Type"), "", "application/json");
        add_own(request, o, TERN_STR("Accept"), "", "application/json");
    } else if (o->body_source == BODY_FORM) {
        add_own(request, o, TERN_STR("Content-Type"), "", "application/x-www-form-urlencoded");
    }
    return true;
}

void request_deinit(struct request *request)
{
    for (size_t i = 0; i < request->texts.count; i++)
        free((char *)request->texts.items[i]);
    strings_free(&request->texts);
    free(request->fields);
}

const char *request_method(const struct options *o, bool uploads)
{
    if (o->method != NULL)
        return o->method;
    if (o->head)
        return "HEAD";
    if (uploads)
        return "PUT";
    return o->body_source != BODY_NONE ? "POST" : "GET";
}

/* Joins it to the query that is there, in front of a fragment. */
static void add_query(struct text *url, struct tern_str query)
{
    struct text fragment = {0};
    char *hash = strchr(url->ptr, '#');
    if (hash != NULL) {
        text_adds(&fragment, hash);
        url->len = (size_t)(hash - url->ptr);
        *hash = '\0';
    }
    const char *mark = strchr(url->ptr, '?');
    if (mark == NULL)
        text_adds(url, "?");
    else if (mark[1] != '\0' && url->ptr[url->len - 1] != '&')
        text_adds(url, "&");
    text_add(url, query.ptr, query.len);
    if (fragment.len != 0)
        text_add(url, fragment.ptr, fragment.len);
    text_free(&fragment);
}

char *request_url(const char *url, const char *upload, struct tern_str query)
{
    struct text text = {0};
    if (strstr(url, "://") == NULL)
        text_adds(&text, "http://");
    text_adds(&text, url);
    if (upload != NULL && strcmp(upload, "-") != 0 && strpbrk(text.ptr, "?#") == NULL) {
        const char *path = strchr(strstr(text.ptr, "://") + 3, '/');
        const char *slash = strrchr(upload, '/');
        if (path == NULL)
            text_adds(&text, "/");
        if (text.ptr[text.len - 1] == '/')
            text_add_escaped(&text, tern_str(slash != NULL ? slash + 1 : upload));
    }
    if (query.len != 0)
        add_query(&text, query);
    return text.ptr;
}

void request_url_drop_user(char *url, const struct options *o)
{
    char *authority = strstr(url, "://") + 3;
    char *at = memrchr(authority, '@', strcspn(authority, "/?#"));
    if (at != NULL && (o->user != NULL || (o->netrc && !o->netrc_optional)))
        memmove(authority, at + 1, strlen(at + 1) + 1);
}
