#include "option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_DEPTH_MAX 8 /* config files that read config files: ends one that reads itself */
#define SECONDS_MAX 1e9    /* 31 years: keeps nanoseconds far from overflow */

static bool call_config(struct options *o, const char *value, unsigned depth, struct failure *failure)
{
    if (depth >= CONFIG_DEPTH_MAX)
        return fail(failure, CODE_USAGE, "option -K: '%s': more than %d config files inside each other", value,
                    CONFIG_DEPTH_MAX);
    return config_read(o, value, depth + 1, failure);
}

/* -q counts only as the first argument. */
static const struct option rows[] = {
    {'K', "config", CALL, 0, 0, call_config},
    {'q', "disable", IGNORED, 0, 0, NULL},
    {'h', "help", SWITCH, AT(help), 0, NULL},
    {'V', "version", SWITCH, AT(version), 0, NULL},
};

static const struct option_group options_self = OPTION_GROUP(rows, NULL);

static const struct option_group *const groups[] = {&options_self,       &options_request, &options_identity,
                                                    &options_connection, &options_policy,  &options_keep,
                                                    &options_output};

#define GROUP_COUNT (sizeof groups / sizeof groups[0])

/* By its name, or where that is NULL by its letter. */
static const struct option *find(char letter, const char *name)
{
    for (size_t g = 0; g < GROUP_COUNT; g++) {
        for (size_t i = 0; i < groups[g]->count; i++) {
            const struct option *option = &groups[g]->rows[i];
            if (name == NULL ? option->letter == letter : strcmp(option->name, name) == 0)
                return option;
        }
    }
    return NULL;
}

static bool parse_seconds(const char *value, uint64_t *out_ns)
{
    /* Digits with at most one point: strtod alone would take "inf", "0x1p3" and blanks. */
    if (value[0] == '\0' || strspn(value, "0123456789.") != strlen(value))
        return false;
    char *end;
    double seconds = strtod(value, &end);
    if (*end != '\0' || seconds > SECONDS_MAX)
        return false;
    *out_ns = (uint64_t)(seconds * 1e9 + 0.5);
    return true;
}

static bool parse_size(const char *value, uint64_t *out)
{
    static const char units[] = "kmg";
    size_t len = strlen(value);
    const char *unit = len > 1 ? strchr(units, value[len - 1] | 0x20) : NULL;
    if (unit == NULL)
        return parse_number(value, UINT64_MAX - 1, out);
    unsigned shift = 10 * (unsigned)(unit - units + 1);
    char *digits = strndup(value, len - 1);
    if (digits == NULL)
        return false;
    bool ok = parse_number(digits, (UINT64_MAX - 1) >> shift, out);
    free(digits);
    if (ok)
        *out <<= shift;
    return ok;
}

static bool takes_value(const struct option *option)
{
    return option->kind >= TEXT;
}

/* word is the option as it was written, value what it takes, on whether a switch is set or cleared. */
static bool apply(struct options *o, const struct option *option, const char *word, const char *value, bool on,
                  unsigned depth, struct failure *failure)
{
    void *at = (char *)o + option->offset;
    switch (option->kind) {
    case SWITCH:
        *(bool *)at = on;
        return true;
    case CHOICE:
        *(unsigned *)at = (unsigned)option->number;
        return true;
    case MARK:
    case LIST:
        strings_add(at, value);
        return true;
    case IGNORED:
        return true;
    case TEXT:
        *(const char **)at = value;
        return true;
    case SECONDS:
        if (parse_seconds(value, at))
            return true;
        return fail(failure, CODE_USAGE, "option %s: '%s' is not a number of seconds", word, value);
    case NUMBER:
        if (parse_number(value, option->number, at))
            return true;
        return fail(failure, CODE_USAGE, "option %s: '%s' is not a whole number up to %llu", word, value,
                    (unsigned long long)option->number);
    case SIZE:
        if (parse_size(value, at))
            return true;
        return fail(failure, CODE_USAGE, "option %s: '%s' is not a size such as 4096, 64k or 1g", word, value);
    case DATA:
        return data_add(o, (enum data_kind)option->number, value, failure);
    case CALL:
        return option->call(o, value, depth, failure);
    }
    return false;
}

static bool take_long(struct options *o, const char *word, const char *next, bool *took, unsigned depth,
                      struct failure *failure)
{
    const char *name = word + 2;
    bool off = strncmp(name, "no-", 3) == 0;
    const struct option *option = find(0, off ? name + 3 : name);
    if (option == NULL)
        return fail(failure, CODE_USAGE, "option %s: is unknown", word);
    if (off && option->kind != SWITCH)
        return fail(failure, CODE_USAGE, "option %s: only switches have a --no- form", word);
    *took = takes_value(option);
    if (*took && next == NULL)
        return fail(failure, CODE_USAGE, "option %s: requires a value", word);
    return apply(o, option, word, *took ? next : NULL, !off, depth, failure);
}

/* "-sSo" with the value in next, or "-sSofile" with it in the same word. */
static bool take_letters(struct options *o, const char *word, const char *next, bool *took, unsigned depth,
                         struct failure *failure)
{
    for (const char *c = word + 1; *c != '\0'; c++) {
        char shown[3] = {'-', *c, '\0'};
        const struct option *option = find(*c, NULL);
        if (option == NULL)
            return fail(failure, CODE_USAGE, "option %s: is unknown", shown);
        bool wants = takes_value(option);
        const char *value = wants && c[1] != '\0' ? c + 1 : next;
        *took = wants && value == next;
        if (wants && value == NULL)
            return fail(failure, CODE_USAGE, "option %s: requires a value", shown);
        if (!apply(o, option, shown, wants ? value : NULL, true, depth, failure))
            return false;
        if (wants)
            break;
    }
    return true;
}

bool options_take(struct options *o, const char *word, const char *next, bool *took, unsigned depth,
                  struct failure *failure)
{
    *took = false;
    if (word[1] == '-')
        return take_long(o, word, next, took, depth, failure);
    return take_letters(o, word, next, took, depth, failure);
}

char *options_file(struct options *o, const char *path, const char *option, struct failure *failure)
{
    struct text text = {0};
    if (!text_add_file(&text, path)) {
        fail(failure, CODE_READ, "option %s: cannot read '%s': %s", option, path, strerror(errno));
        text_free(&text);
        return NULL;
    }
    if (memchr(text.ptr, '\0', text.len) != NULL) {
        fail(failure, CODE_READ, "option %s: '%s' is not text: there is a NUL byte in it", option, path);
        text_free(&text);
        return NULL;
    }
    strings_add(&o->owned, text.ptr);
    return text.ptr;
}

/* $XDG_CONFIG_HOME/fetchrc or else ~/.fetchrc, where there is one. */
static bool read_default_config(struct options *o, struct failure *failure)
{
    const char *config_home = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    struct text path = {0};
    if (config_home != NULL && config_home[0] != '\0')
        text_addf(&path, "%s/fetchrc", config_home);
    if ((path.len == 0 || access(path.ptr, F_OK) != 0) && home != NULL && home[0] != '\0') {
        path.len = 0;
        text_addf(&path, "%s/.fetchrc", home);
    }
    bool ok = path.len == 0 || access(path.ptr, F_OK) != 0 || config_read(o, path.ptr, 1, failure);
    text_free(&path);
    return ok;
}

static bool check(struct options *o, struct failure *failure)
{
    for (size_t g = 0; g < GROUP_COUNT; g++) {
        if (groups[g]->check != NULL && !groups[g]->check(o, failure))
            return false;
    }
    return true;
}

bool options_parse(struct options *o, int argc, char *const *argv, struct failure *failure)
{
    bool default_config = argc < 2 || (strncmp(argv[1], "-q", 2) != 0 && strcmp(argv[1], "--disable") != 0);
    if (default_config && !read_default_config(o, failure))
        return false;
    bool options_end = false;
    for (int i = 1; i < argc; i++) {
        if (!options_end && strcmp(argv[i], "--") == 0) {
            options_end = true;
        } else if (!options_end && argv[i][0] == '-' && argv[i][1] != '\0') {
            bool took;
            if (!options_take(o, argv[i], argv[i + 1], &took, 0, failure))
                return false;
            i += took;
        } else {
            strings_add(&o->urls, argv[i]);
        }
    }
    return o->help || o->version || check(o, failure);
}

void options_free(struct options *o)
{
    for (size_t i = 0; i < o->owned.count; i++)
        free((char *)o->owned.items[i]);
    struct strings *lists[] = {&o->urls,    &o->outputs,    &o->uploads, &o->fields,
                               &o->resolve, &o->connect_to, &o->cookies, &o->owned};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        strings_free(lists[i]);
    text_free(&o->body);
    text_free(&o->query);
}
