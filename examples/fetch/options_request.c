/* fetch/options_request.c - what is asked for, and how the request is made. */
#include "option.h"

#include <string.h>

static bool call_header(struct options *o, const char *value, unsigned depth, struct failure *failure)
{
    (void)depth;
    if (value[0] != '@') {
        strings_add(&o->fields, value);
        return true;
    }
    char *lines = options_file(o, value + 1, "-H", failure);
    if (lines == NULL)
        return false;
    char *rest = NULL;
    for (char *line = strtok_r(lines, "\r\n", &rest); line != NULL; line = strtok_r(NULL, "\r\n", &rest))
        strings_add(&o->fields, line);
    return true;
}

static bool call_url_query(struct options *o, const char *value, unsigned depth, struct failure *failure)
{
    (void)depth;
    return data_add_query(o, value, failure);
}

static const struct option rows[] = {
    {0, "compressed", SWITCH, AT(compressed), 0, NULL},
    {'d', "data", DATA, 0, DATA_PLAIN, NULL},
    {0, "data-ascii", DATA, 0, DATA_PLAIN, NULL},
    {0, "data-binary", DATA, 0, DATA_BINARY, NULL},
    {0, "data-raw", DATA, 0, DATA_RAW, NULL},
    {0, "data-urlencode", DATA, 0, DATA_URLENCODE, NULL},
    {'G', "get", SWITCH, AT(get), 0, NULL},
    {'I', "head", SWITCH, AT(head), 0, NULL},
    {'H', "header", CALL, 0, 0, call_header},
    {0, "json", DATA, 0, DATA_JSON, NULL},
    {'r', "range", TEXT, AT(range), 0, NULL},
    {'e', "referer", TEXT, AT(referer), 0, NULL},
    {'X', "request", TEXT, AT(method), 0, NULL},
    {'T', "upload-file", LIST, AT(uploads), 0, NULL},
    {0, "url", LIST, AT(urls), 0, NULL},
    {0, "url-query", CALL, 0, 0, call_url_query},
    {'A', "user-agent", TEXT, AT(user_agent), 0, NULL},
};

/* -G: what would be the body goes into the URL. */
static bool move_body(struct options *o, struct failure *failure)
{
    if (!o->get || o->body_source == BODY_NONE)
        return true;
    if (o->body.ptr != NULL && strlen(o->body.ptr) != o->body.len)
        return fail(failure, CODE_USAGE, "option -G: there is a NUL byte in the data, which no URL can hold");
    if (o->query.len != 0)
        text_adds(&o->query, "&");
    text_adds(&o->query, o->body.ptr != NULL ? o->body.ptr : "");
    o->body_source = BODY_NONE;
    return true;
}

static bool check(struct options *o, struct failure *failure)
{
    if (o->urls.count == 0)
        return fail(failure, CODE_USAGE, "no URL given");
    if (!move_body(o, failure))
        return false;
    if (o->body_source != BODY_NONE && o->uploads.count != 0)
        return fail(failure, CODE_USAGE, "-T and -d ask for two bodies: give one of them");
    if (o->head && (o->body_source != BODY_NONE || o->uploads.count != 0))
        return fail(failure, CODE_USAGE, "-I asks for a head alone, and %s sends a body: give one of them",
                    o->uploads.count != 0 ? "-T" : "-d");
    return true;
}

const struct option_group options_request = OPTION_GROUP(rows, check);
