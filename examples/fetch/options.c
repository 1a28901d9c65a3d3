#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_DEPTH_MAX 8    /* config files that read config files: ends one that reads itself */
#define PARALLEL_MAX 65535    /* curl's bound */
#define PARALLEL_DEFAULT 50   /* and its default */
#define SECONDS_MAX 1e9       /* 31 years: keeps nanoseconds far from overflow */
#define SPEED_TIME_DEFAULT 30 /* seconds, where only -Y is given */

/* What an option does. Those from TEXT on take a value. */
enum kind {
    SWITCH,  /* bool at offset; --no-NAME clears it */
    CHOICE,  /* unsigned at offset becomes number */
    MARK,    /* a NULL joins the struct strings at offset */
    IGNORED, /* nothing */
    TEXT,    /* const char * at offset */
    LIST,    /* struct strings at offset */
    SECONDS, /* uint64_t nanoseconds at offset; decimals are allowed */
    NUMBER,  /* uint64_t at offset, up to number */
    SIZE,    /* uint64_t bytes at offset; k, m, g behind it multiply by powers of 1024 */
    DATA,    /* the body; number is the enum data_kind */
    CALL     /* call */
};

struct option {
    char letter; /* 0: none */
    const char *name;
    enum kind kind;
    size_t offset;
    uint64_t number;
    bool (*call)(struct options *o, const char *value, unsigned depth, struct failure *failure);
};

static bool call_config(struct options *o, const char *value, unsigned depth, struct failure *failure)
{
    if (depth >= CONFIG_DEPTH_MAX)
        return fail(failure, CODE_USAGE, "option -K: '%s': more than %d config files inside each other", value,
                    CONFIG_DEPTH_MAX);
    return config_read(o, value, depth + 1, failure);
}

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

static bool call_tls_max(struct options *o, const char *value, unsigned depth, struct failure *failure)
{
    (void)depth;
    if (strcmp(value, "1.2") == 0)
        o->tls_max = TERN_TLS_1_2;
    else if (strcmp(value, "1.3") == 0)
        o->tls_max = TERN_TLS_1_3;
    else if (strcmp(value, "default") == 0)
        o->tls_max = TERN_TLS_DEFAULT;
    else
        return fail(failure, CODE_USAGE, "option --tls-max: '%s' is not 1.2, 1.3 or default", value);
    return true;
}

static bool call_write_out(struct options *o, const char *value, unsigned depth, struct failure *failure)
{
    (void)depth;
    o->write_out = value[0] == '@' ? options_file(o, value + 1, "-w", failure) : value;
    return o->write_out != NULL;
}

#define AT(member) offsetof(struct options, member)

/* IGNORED: -q counts only as the first argument. */
static const struct option table[] = {
    {0, "cacert", TEXT, AT(ca_file), 0, NULL},
    {0, "capath", TEXT, AT(ca_dir), 0, NULL},
    {'E', "cert", TEXT, AT(cert), 0, NULL},
    {'K', "config", CALL, 0, 0, call_config},
    {0, "connect-timeout", SECONDS, AT(connect_ns), 0, NULL},
    {0, "connect-to", LIST, AT(connect_to), 0, NULL},
    {0, "create-dirs", SWITCH, AT(create_dirs), 0, NULL},
    {'d', "data", DATA, 0, DATA_PLAIN, NULL},
    {0, "data-ascii", DATA, 0, DATA_PLAIN, NULL},
    {0, "data-binary", DATA, 0, DATA_BINARY, NULL},
    {0, "data-raw", DATA, 0, DATA_RAW, NULL},
    {0, "data-urlencode", DATA, 0, DATA_URLENCODE, NULL},
    {'q', "disable", IGNORED, 0, 0, NULL},
    {0, "dns-servers", TEXT, AT(dns_servers), 0, NULL},
    {'f', "fail", SWITCH, AT(fail), 0, NULL},
    {'I', "head", SWITCH, AT(head), 0, NULL},
    {'H', "header", CALL, 0, 0, call_header},
    {'h', "help", SWITCH, AT(help), 0, NULL},
    {0, "http1.1", CHOICE, AT(http_mode), TERN_HTTP_MODE_1_1, NULL},
    {0, "http2", CHOICE, AT(http_mode), TERN_HTTP_MODE_2, NULL},
    {0, "http2-prior-knowledge", CHOICE, AT(http_mode), TERN_HTTP_MODE_2_ONLY, NULL},
    {'i', "include", SWITCH, AT(include), 0, NULL},
    {'k', "insecure", SWITCH, AT(insecure), 0, NULL},
    {0, "interface", TEXT, AT(interface), 0, NULL},
    {'4', "ipv4", CHOICE, AT(ip_family), TERN_IP_V4, NULL},
    {'6', "ipv6", CHOICE, AT(ip_family), TERN_IP_V6, NULL},
    {0, "json", DATA, 0, DATA_JSON, NULL},
    {0, "key", TEXT, AT(key), 0, NULL},
    {0, "max-filesize", SIZE, AT(body_bytes_max), 0, NULL},
    {'m', "max-time", SECONDS, AT(total_ns), 0, NULL},
    {0, "oauth2-bearer", TEXT, AT(bearer), 0, NULL},
    {'o', "output", LIST, AT(outputs), 0, NULL},
    {'Z', "parallel", SWITCH, AT(parallel), 0, NULL},
    {0, "parallel-max", NUMBER, AT(parallel_max), PARALLEL_MAX, NULL},
    {0, "pinnedpubkey", TEXT, AT(pins), 0, NULL},
    {'r', "range", TEXT, AT(range), 0, NULL},
    {'e', "referer", TEXT, AT(referer), 0, NULL},
    {'O', "remote-name", MARK, AT(outputs), 0, NULL},
    {'X', "request", TEXT, AT(method), 0, NULL},
    {0, "resolve", LIST, AT(resolve), 0, NULL},
    {'S', "show-error", SWITCH, AT(show_error), 0, NULL},
    {'s', "silent", SWITCH, AT(silent), 0, NULL},
    {'Y', "speed-limit", NUMBER, AT(speed_bytes_per_s), UINT64_MAX - 1, NULL},
    {'y', "speed-time", SECONDS, AT(speed_ns), 0, NULL},
    {0, "tls-max", CALL, 0, 0, call_tls_max},
    {0, "tlsv1.2", CHOICE, AT(tls_min), TERN_TLS_1_2, NULL},
    {0, "tlsv1.3", CHOICE, AT(tls_min), TERN_TLS_1_3, NULL},
    {0, "unix-socket", TEXT, AT(unix_socket), 0, NULL},
    {'T', "upload-file", LIST, AT(uploads), 0, NULL},
    {0, "url", LIST, AT(urls), 0, NULL},
    {'u', "user", TEXT, AT(user), 0, NULL},
    {'A', "user-agent", TEXT, AT(user_agent), 0, NULL},
    {'v', "verbose", SWITCH, AT(verbose), 0, NULL},
    {'V', "version", SWITCH, AT(version), 0, NULL},
    {0, "waterfall", SWITCH, AT(waterfall), 0, NULL},
    {'w', "write-out", CALL, 0, 0, call_write_out},
};

#define TABLE_COUNT (sizeof table / sizeof table[0])

static const struct option *find_letter(char letter)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (table[i].letter == letter)
            return &table[i];
    }
    return NULL;
}

static const struct option *find_name(const char *name)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
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
    const struct option *option = find_name(off ? name + 3 : name);
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
        const struct option *option = find_letter(*c);
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

/* What no option alone can tell. */
static bool check(struct options *o, struct failure *failure)
{
    if (o->urls.count == 0)
        return fail(failure, CODE_USAGE, "no URL given");
    if (o->body_source != BODY_NONE && o->uploads.count != 0)
        return fail(failure, CODE_USAGE, "-T and -d ask for two bodies: give one of them");
    if (o->head && (o->body_source != BODY_NONE || o->uploads.count != 0))
        return fail(failure, CODE_USAGE, "-I asks for a head alone, and %s sends a body: give one of them",
                    o->uploads.count != 0 ? "-T" : "-d");
    if (o->user != NULL && o->bearer != NULL)
        return fail(failure, CODE_USAGE, "-u and --oauth2-bearer both want the Authorization field: give one of them");
    if (o->tls_max != TERN_TLS_DEFAULT && o->tls_min > o->tls_max)
        return fail(failure, CODE_USAGE, "--tls-max is below the lowest version asked for");
    /* As in curl, either of the two sets a limit, and the other one then has this value. */
    if (o->speed_ns != 0 && o->speed_bytes_per_s == 0)
        o->speed_bytes_per_s = 1;
    if (o->speed_bytes_per_s != 0 && o->speed_ns == 0)
        o->speed_ns = SPEED_TIME_DEFAULT * TERN_S;
    if (o->parallel_max == 0)
        o->parallel_max = PARALLEL_DEFAULT;
    if (!o->parallel)
        o->parallel_max = 1;
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
    struct strings *lists[] = {&o->urls, &o->outputs, &o->uploads, &o->fields, &o->resolve, &o->connect_to, &o->owned};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        strings_free(lists[i]);
    text_free(&o->body);
}
