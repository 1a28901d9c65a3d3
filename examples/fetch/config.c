/* fetch/config.c - config files, in curl's format.
 *
 * One option a line, as on the command line or by its long name without the dashes; between name and value blanks, '='
 * or ':'. A value in double quotes may hold blanks and \\ \" \t \n \r \v. A line that starts with '#' is a comment. */
#include "options.h"

#include <string.h>

static char *skip_blanks(char *s)
{
    return s + strspn(s, " \t");
}

/* Undoes the escapes of a quoted value in place. Returns what follows the closing quote, or NULL if there is none. */
static char *unquote(char *value)
{
    static const char names[] = "tnrv";
    static const char meanings[] = "\t\n\r\v";
    char *to = value;
    for (char *from = value; *from != '\0'; from++) {
        if (*from == '"') {
            *to = '\0';
            return from + 1;
        }
        if (*from == '\\' && from[1] != '\0') {
            from++;
            const char *name = strchr(names, *from);
            *to++ = name != NULL ? meanings[name - names] : *from;
        } else {
            *to++ = *from;
        }
    }
    return NULL;
}

static bool read_line(struct options *o, char *line, unsigned depth, struct failure *failure)
{
    char *name = skip_blanks(line);
    if (*name == '\0' || *name == '#')
        return true;

    bool dashed = *name == '-';
    char *end = name + strcspn(name, dashed ? " \t" : " \t=:");
    char *value = skip_blanks(end);
    if (!dashed && (*value == '=' || *value == ':'))
        value = skip_blanks(value + 1);
    *end = '\0';

    char *after;
    if (*value == '"') {
        after = unquote(++value);
        if (after == NULL)
            return fail(failure, CODE_USAGE, "option %s: the value's closing quote is missing", name);
    } else {
        after = value + strcspn(value, " \t");
        if (after == value)
            value = NULL;
        if (*after != '\0')
            *after++ = '\0';
    }
    after = skip_blanks(after);
    if (*after != '\0' && *after != '#')
        return fail(failure, CODE_USAGE, "option %s: a value with blanks in it needs quotes", name);

    /* A dashed word may hold its value, so it stays where it is: in the text of the file, which the options own. */
    struct text dashes = {0};
    if (!dashed) {
        text_addf(&dashes, "--%s", name);
        name = dashes.ptr;
    }
    bool took = false;
    bool ok = options_take(o, name, value, &took, depth, failure);
    if (ok && value != NULL && !took)
        ok = fail(failure, CODE_USAGE, "option %s: takes no value", name);
    text_free(&dashes);
    return ok;
}

bool config_read(struct options *o, const char *path, unsigned depth, struct failure *failure)
{
    char *line = options_file(o, path, "-K", failure);
    unsigned number = 1;
    while (line != NULL) {
        char *next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        size_t len = strlen(line);
        if (len > 0 && line[len - 1] == '\r')
            line[len - 1] = '\0';

        struct failure cause = {0};
        if (!read_line(o, line, depth, &cause))
            return fail(failure, cause.code, "%s:%u: %s", path, number, cause.text);
        line = next;
        number++;
        if (next == NULL)
            return true;
    }
    return false;
}
