/* fetch/data.c - the body that -d and its kin put together. */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool add_file(struct text *text, const char *path, const char *option, struct failure *failure)
{
    if (text_add_file(text, path))
        return true;
    return fail(failure, CODE_READ, "option %s: cannot read '%s': %s", option, path, strerror(errno));
}

/* -d drops line ends and NUL from a file, so that a form typed into an editor is one line. */
static void drop_line_ends(struct text *text)
{
    size_t kept = 0;
    for (size_t i = 0; i < text->len; i++) {
        if (text->ptr[i] != '\r' && text->ptr[i] != '\n' && text->ptr[i] != '\0')
            text->ptr[kept++] = text->ptr[i];
    }
    text->len = kept;
}

/* "content", "=content", "name=content", "@file" or "name@file": the content is escaped, the name is not. */
static bool add_urlencoded(struct text *out, const char *value, const char *option, struct failure *failure)
{
    const char *mark = strpbrk(value, "=@");
    if (mark == NULL) {
        text_add_escaped(out, tern_str(value));
        return true;
    }
    if (mark != value) {
        text_add(out, value, (size_t)(mark - value));
        text_adds(out, "=");
    }
    if (*mark == '=') {
        text_add_escaped(out, tern_str(mark + 1));
        return true;
    }
    struct text file = {0};
    bool ok = add_file(&file, mark + 1, option, failure);
    if (ok)
        text_add_escaped(out, (struct tern_str){file.ptr, file.len});
    text_free(&file);
    return ok;
}

bool data_add_query(struct options *o, const char *value, struct failure *failure)
{
    struct text piece = {0};
    bool ok = true;
    if (value[0] == '+')
        text_adds(&piece, value + 1);
    else
        ok = add_urlencoded(&piece, value, "--url-query", failure);
    if (ok && piece.len != 0) {
        if (o->query.len != 0)
            text_adds(&o->query, "&");
        text_add(&o->query, piece.ptr, piece.len);
    }
    text_free(&piece);
    return ok;
}

bool data_add(struct options *o, enum data_kind kind, const char *value, struct failure *failure)
{
    struct text piece = {0};
    bool ok = true;
    if (kind == DATA_URLENCODE) {
        ok = add_urlencoded(&piece, value, "--data-urlencode", failure);
    } else if (value[0] == '@' && kind != DATA_RAW) {
        ok = add_file(&piece, value + 1, "-d", failure);
        if (ok && kind == DATA_PLAIN)
            drop_line_ends(&piece);
    } else {
        text_adds(&piece, value);
    }
    if (ok) {
        /* Pieces of a form are joined by '&'; those of a JSON text just follow each other. */
        if (o->body_source != BODY_NONE && kind != DATA_JSON)
            text_adds(&o->body, "&");
        text_add(&o->body, piece.ptr != NULL ? piece.ptr : "", piece.len);
        if (kind == DATA_JSON || o->body_source == BODY_NONE)
            o->body_source = kind == DATA_JSON ? BODY_JSON : BODY_FORM;
    }
    text_free(&piece);
    return ok;
}
