#include "policy/netrc.h"

#include "base/fault.h"
#include "base/str.h"

struct reader {
    struct tern_str rest;
    struct tern_keep *keep;
    struct tern_fault *fault;
    unsigned line;
};

static enum tern_error refuse(const struct reader *reader, const char *rule)
{
    return tern_fault_set(reader->fault, TERN_ECONFIG, "netrc, line %u: %s", reader->line, rule);
}

/* ---- words ---- */

static bool is_space(char c)
{
    return tern_ascii_is_blank(c) || c == '\n' || c == '\r';
}

static void advance(struct reader *reader)
{
    reader->line += reader->rest.ptr[0] == '\n';
    reader->rest = tern_str_from(reader->rest, 1);
}

static void skip_space(struct reader *reader)
{
    while (reader->rest.len > 0 && is_space(reader->rest.ptr[0]))
        advance(reader);
}

static void skip_line(struct reader *reader)
{
    while (reader->rest.len > 0 && reader->rest.ptr[0] != '\n')
        advance(reader);
}

static char unescape(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c;
    }
}

/* What stands behind a '"', written into room for all of it. */
static enum tern_error take_quoted(struct reader *reader, char *to, struct tern_str *out)
{
    size_t len = 0;

    while (reader->rest.len > 0 && reader->rest.ptr[0] != '"') {
        bool is_escape = reader->rest.ptr[0] == '\\' && reader->rest.len > 1;

        if (reader->rest.ptr[0] == '\n' || (is_escape && reader->rest.ptr[1] == '\n'))
            return refuse(reader, "a quoted word does not end");
        if (is_escape)
            advance(reader);
        to[len++] = is_escape ? unescape(reader->rest.ptr[0]) : reader->rest.ptr[0];
        advance(reader);
    }
    if (reader->rest.len == 0)
        return refuse(reader, "a quoted word does not end");
    advance(reader);
    *out = tern_str_n(to, len);
    return TERN_OK;
}

/* The next word; ptr NULL: there is none. Quoted ones are copied, others are views of the text. */
static enum tern_error take_word(struct reader *reader, struct tern_str *out)
{
    struct tern_str line;
    char *copy;
    size_t len = 0;

    skip_space(reader);
    *out = (struct tern_str){NULL, 0};
    if (reader->rest.len == 0)
        return TERN_OK;
    if (reader->rest.ptr[0] != '"') {
        while (len < reader->rest.len && !is_space(reader->rest.ptr[len]))
            len++;
        *out = tern_str_n(reader->rest.ptr, len);
        reader->rest = tern_str_from(reader->rest, len);
        return TERN_OK;
    }
    advance(reader);
    line = tern_str_n(reader->rest.ptr, tern_str_find(reader->rest, '\n'));
    copy = tern_keep_alloc(reader->keep, line.len + 1);
    return copy != NULL ? take_quoted(reader, copy, out) : tern_fault_plain(reader->fault, TERN_ENOMEM);
}

/* The word that a keyword needs behind it, on the same line or a later one. */
static enum tern_error take_value(struct reader *reader, const char *rule, struct tern_str *out)
{
    enum tern_error error = take_word(reader, out);

    return error == TERN_OK && out->ptr == NULL ? refuse(reader, rule) : error;
}

static bool is_clean(struct tern_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return false;
    return true;
}

/* A copy of what follows a keyword, which must be fit for credentials (RFC 7617 2). */
static enum tern_error take_text(struct reader *reader, const char *rule, struct tern_str *out)
{
    enum tern_error error = take_value(reader, rule, out);

    if (error != TERN_OK)
        return error;
    if (!is_clean(*out))
        return refuse(reader, "a name or password must not hold control characters");
    return tern_keep_str(reader->keep, out) ? TERN_OK : tern_fault_plain(reader->fault, TERN_ENOMEM);
}

/* ---- entries ---- */

static enum tern_error add_entry(struct reader *reader, struct tern_netrc_entry ***end, bool is_default,
                                 struct tern_netrc_entry **out)
{
    struct tern_netrc_entry *entry = tern_keep_alloc(reader->keep, sizeof(*entry));
    struct tern_str name;
    enum tern_error error;

    if (entry == NULL)
        return tern_fault_plain(reader->fault, TERN_ENOMEM);
    *entry = (struct tern_netrc_entry){.is_default = is_default};
    **end = *out = entry;
    *end = &entry->next;
    if (is_default)
        return TERN_OK;
    if ((error = take_value(reader, "machine needs a host", &name)) != TERN_OK)
        return error;
    error = tern_host_parse(&entry->host, name, NULL);
    return error == TERN_EURL ? refuse(reader, "the machine's name is no host") : error;
}

/* To the next empty line: commands for ftp. */
static void skip_macro(struct reader *reader)
{
    skip_line(reader);
    while (reader->rest.len > 0) {
        const char *begin;

        advance(reader);
        begin = reader->rest.ptr;
        skip_line(reader);
        if (tern_str_trim(tern_str_n(begin, (size_t)(reader->rest.ptr - begin))).len == 0)
            return;
    }
}

static enum tern_error take_login(struct reader *reader, struct tern_netrc_entry *entry)
{
    enum tern_error error = take_text(reader, "login needs a name", &entry->user);

    if (error == TERN_OK && tern_str_find(entry->user, ':') < entry->user.len)
        return refuse(reader, "a login must not hold a colon (RFC 7617 2)");
    return error;
}

/* One keyword with what belongs to it. entry is the present one, or NULL. */
static enum tern_error take_keyword(struct reader *reader, struct tern_str word, struct tern_netrc_entry ***end,
                                    struct tern_netrc_entry **entry)
{
    struct tern_str ignored;
    bool is_default = tern_str_eq(word, TERN_STR("default"));

    if (*entry != NULL && (*entry)->is_default && (is_default || tern_str_eq(word, TERN_STR("machine"))))
        return refuse(reader, "default must be the last entry");
    if (is_default || tern_str_eq(word, TERN_STR("machine")))
        return add_entry(reader, end, is_default, entry);
    if (tern_str_eq(word, TERN_STR("macdef"))) {
        skip_macro(reader);
        return TERN_OK;
    }
    if (*entry == NULL)
        return refuse(reader, "must begin with machine, default or macdef");
    if (tern_str_eq(word, TERN_STR("login")))
        return take_login(reader, *entry);
    if (tern_str_eq(word, TERN_STR("password")))
        return take_text(reader, "password needs a word", &(*entry)->password);
    if (tern_str_eq(word, TERN_STR("account")))
        return take_value(reader, "account needs a word", &ignored);
    return refuse(reader, "none of machine, default, login, password, account and macdef"); /* it may be a secret */
}

/* Of two one may be left out. */
static void complete(struct tern_netrc_entry *entry)
{
    for (; entry != NULL; entry = entry->next)
        if (entry->user.ptr != NULL || entry->password.ptr != NULL) {
            entry->user.ptr = entry->user.ptr != NULL ? entry->user.ptr : "";
            entry->password.ptr = entry->password.ptr != NULL ? entry->password.ptr : "";
        }
}

enum tern_error tern_netrc_parse(struct tern_netrc *out, struct tern_str text, struct tern_keep *keep,
                                 struct tern_fault *fault)
{
    struct reader reader = {.rest = text, .keep = keep, .fault = fault, .line = 1};
    struct tern_netrc_entry **end = &out->entries, *entry = NULL;
    struct tern_str word;
    enum tern_error error = TERN_OK;

    *out = (struct tern_netrc){0};
    if (text.len > TERN_NETRC_BYTES_MAX)
        return tern_fault_set(fault, TERN_ECONFIG, "netrc: %zu bytes, at most %d", text.len, TERN_NETRC_BYTES_MAX);
    while (error == TERN_OK) {
        skip_space(&reader);
        if (reader.rest.len > 0 && reader.rest.ptr[0] == '#') {
            skip_line(&reader);
            continue;
        }
        if ((error = take_word(&reader, &word)) != TERN_OK || word.ptr == NULL)
            break;
        error = take_keyword(&reader, word, &end, &entry);
    }
    complete(out->entries);
    return error;
}

const struct tern_netrc_entry *tern_netrc_find(const struct tern_netrc *netrc, const struct tern_host *host)
{
    const struct tern_netrc_entry *entry = netrc->entries;

    while (entry != NULL && !entry->is_default && !tern_host_eq(&entry->host, host))
        entry = entry->next;
    return entry != NULL && entry->user.ptr != NULL ? entry : NULL;
}
