#include "base/url.h"

#include "base/assert.h"
#include "base/fault.h"
#include "base/num.h"
#include "base/str.h"

/* The text, and behind it a second copy of the authority as Host wants it. */
#define URL_BUF_MAX (TERN_URL_MAX + TERN_HOST_TEXT_MAX + sizeof("[]:65535"))

/* A reference cut at its delimiters, nothing checked yet. A part that is absent has a NULL ptr. */
struct parts {
    struct tern_str scheme;
    struct tern_str authority;
    struct tern_str base_dir; /* the base's path up to its last '/', where path is relative to it */
    struct tern_str path;
    struct tern_str query;
    struct tern_str fragment;
};

/* Where each part of the canonical text is; views are made once the buffer no longer moves. The query and the fragment
 * start behind their mark. */
struct marks {
    size_t user, user_end, password, userinfo_end;
    size_t path, query, target_end, fragment, text_end, authority_end;
    bool has_userinfo, has_password, has_query, has_fragment;
};

uint16_t tern_url_default_port(struct tern_str scheme)
{
    if (tern_str_eq(scheme, TERN_STR("http")))
        return 80;
    if (tern_str_eq(scheme, TERN_STR("https")))
        return 443;
    return 0;
}

/* ---- cutting (RFC 3986 appendix B) ---- */

/* The length of the scheme that text starts with, or 0 (RFC 3986 section 3.1). */
static size_t scheme_length(struct tern_str text)
{
    size_t colon = tern_str_find(text, ':');

    if (colon == text.len || colon == 0 || !tern_ascii_is_alpha(text.ptr[0]))
        return 0;
    for (size_t i = 1; i < colon; i++) {
        char c = text.ptr[i];

        if (!tern_ascii_is_alpha(c) && !tern_ascii_is_digit(c) && c != '+' && c != '-' && c != '.')
            return 0;
    }
    return colon;
}

/* Cuts s at the first mark: s keeps what is before it; returns what is behind it, absent where there is no mark. */
static struct tern_str cut_behind(struct tern_str *s, char mark)
{
    size_t at = tern_str_find(*s, mark);
    struct tern_str behind = {NULL, 0};

    if (at < s->len) {
        behind = tern_str_from(*s, at + 1);
        s->len = at;
    }
    return behind;
}

static struct parts cut(struct tern_str text)
{
    struct parts parts = {.scheme = {NULL, 0}};
    size_t scheme = scheme_length(text);

    if (scheme != 0) {
        parts.scheme = tern_str_n(text.ptr, scheme);
        text = tern_str_from(text, scheme + 1);
    }
    parts.fragment = cut_behind(&text, '#');
    parts.query = cut_behind(&text, '?');
    if (text.len >= 2 && text.ptr[0] == '/' && text.ptr[1] == '/') {
        parts.authority = tern_str_from(text, 2);
        parts.authority.len = tern_str_find(parts.authority, '/');
        text = tern_str_from(text, 2 + parts.authority.len);
    }
    parts.path = text;
    return parts;
}

/* ---- writing what may stand in each part ---- */

/* RFC 3986 section 2: unreserved and sub-delims. */
static const bool plain_bytes[256] = {
    ['-'] = 1, ['.'] = 1, ['_'] = 1, ['~'] = 1, ['!'] = 1, ['$'] = 1, ['&'] = 1, ['\''] = 1, ['('] = 1, [')'] = 1,
    ['*'] = 1, ['+'] = 1, [','] = 1, [';'] = 1, ['='] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1,  ['3'] = 1, ['4'] = 1,
    ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1,  ['D'] = 1, ['E'] = 1,
    ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1, ['M'] = 1,  ['N'] = 1, ['O'] = 1,
    ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1, ['V'] = 1, ['W'] = 1,  ['X'] = 1, ['Y'] = 1,
    ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['g'] = 1,  ['h'] = 1, ['i'] = 1,
    ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1,  ['r'] = 1, ['s'] = 1,
    ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
};

static bool may_stand(char c, const char *also)
{
    return plain_bytes[(unsigned char)c] || (c != '\0' && strchr(also, c) != NULL);
}

/* The value of the two digits behind the '%' that s starts with, or -1. */
static int escaped_value(struct tern_str s)
{
    int high, low;

    if (s.len < 3)
        return -1;
    high = tern_hex_value(s.ptr[1]);
    low = tern_hex_value(s.ptr[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Appends a part: plain bytes and those in also as they are, %hh as %HH, all else encoded. name is for the fault. */
static enum tern_error append_encoded(struct tern_buf *buf, struct tern_str part, const char *also, const char *name,
                                      struct tern_fault *fault)
{
    enum tern_error error = TERN_OK;

    for (size_t i = 0, run; i < part.len && error == TERN_OK; i += run) {
        for (run = 0; i + run < part.len && may_stand(part.ptr[i + run], also);)
            run++;
        if (run != 0) {
            error = tern_buf_append(buf, part.ptr + i, run);
        } else if (part.ptr[i] == '%') {
            int value = escaped_value(tern_str_from(part, i));

            if (value < 0)
                return tern_fault_set(fault, TERN_EURL, "URL %s: '%%' must be followed by two hexadecimal digits",
                                      name);
            error = tern_buf_printf(buf, "%%%02X", (unsigned)value);
            run = 3;
        } else {
            error = tern_buf_printf(buf, "%%%02X", (unsigned)(unsigned char)part.ptr[i]);
            run = 1;
        }
    }
    return error;
}

/* ---- the authority ---- */

static enum tern_error append_userinfo(struct tern_buf *buf, struct marks *m, struct tern_str userinfo,
                                       struct tern_fault *fault)
{
    struct tern_str password;
    enum tern_error error;

    /* A second '@' is how one host is dressed up as another. */
    if (tern_str_find(userinfo, '@') < userinfo.len)
        return tern_fault_set(fault, TERN_EURL, "URL userinfo: '@' must be written as %%40");
    password = cut_behind(&userinfo, ':');
    m->has_userinfo = true;
    m->has_password = password.ptr != NULL;
    m->user = buf->len;
    error = append_encoded(buf, userinfo, "", "user name", fault);
    m->user_end = buf->len;
    if (error == TERN_OK && m->has_password) {
        error = tern_buf_append_byte(buf, ':');
        m->password = buf->len;
        if (error == TERN_OK)
            error = append_encoded(buf, password, ":", "password", fault);
    }
    m->userinfo_end = buf->len;
    return error == TERN_OK ? tern_buf_append_byte(buf, '@') : error;
}

/* A registered name may be percent-encoded (RFC 3986 section 3.2.2). What comes out must be able to stand in a host, or
 * else "%2F" and the like would move the end of the host. */
static enum tern_error decode_host(char *out, struct tern_str in, size_t *len, struct tern_fault *fault)
{
    char shown[TERN_ESCAPE_MAX];

    *len = 0;
    for (size_t i = 0; i < in.len; i++) {
        int value = (unsigned char)in.ptr[i];

        if (in.ptr[i] == '%') {
            value = escaped_value(tern_str_from(in, i));
            i += 2;
            if (value < 0x80 && (value < 0 || (!tern_ascii_is_alpha((char)value) && !tern_ascii_is_digit((char)value) &&
                                               value != '-' && value != '.' && value != '_')))
                return tern_fault_set(fault, TERN_EURL,
                                      "URL host \"%s\": '%%' may only encode what may stand in a host",
                                      tern_escape(shown, sizeof(shown), in));
        }
        out[(*len)++] = (char)value;
    }
    return TERN_OK;
}

/* "[address]" or "[address%25zone]" (RFC 6874 section 2). */
static enum tern_error parse_bracketed(struct tern_host *host, struct tern_str in, struct tern_fault *fault)
{
    char text[TERN_ESCAPE_MAX];
    size_t percent = tern_str_find(in, '%');
    struct tern_str rest;

    if (percent == in.len)
        return tern_host_parse(host, in, fault);
    rest = tern_str_from(in, percent);
    if (rest.len < 3 || memcmp(rest.ptr, "%25", 3) != 0 || in.len > sizeof(text))
        return tern_fault_set(fault, TERN_EURL, "URL host \"%s\": a zone is written as %%25 and its name",
                              tern_escape(text, sizeof(text), in));
    memcpy(text, in.ptr, percent + 1);
    memcpy(text + percent + 1, rest.ptr + 3, rest.len - 3);
    return tern_host_parse(host, tern_str_n(text, in.len - 2), fault);
}

static enum tern_error parse_host(struct tern_host *host, struct tern_str in, struct tern_fault *fault)
{
    char decoded[TERN_HOST_INPUT_MAX];
    enum tern_error error;
    size_t len;

    if (in.len != 0 && in.ptr[0] == '[')
        return parse_bracketed(host, in, fault);
    if (in.len > sizeof(decoded) || tern_str_find(in, '%') == in.len)
        return tern_host_parse(host, in, fault);
    error = decode_host(decoded, in, &len, fault);
    return error == TERN_OK ? tern_host_parse(host, tern_str_n(decoded, len), fault) : error;
}

static enum tern_error parse_port(struct tern_url *url, struct tern_str digits, uint16_t by_default,
                                  struct tern_fault *fault)
{
    char shown[TERN_ESCAPE_MAX];
    uint64_t port;

    url->port = by_default;
    if (digits.len == 0) /* RFC 3986 section 3.2.3: "host:" has the default */
        return TERN_OK;
    if (!tern_u64_parse(digits, UINT16_MAX, &port) || port == 0)
        return tern_fault_set(fault, TERN_EURL, "URL port \"%s\": must be a number from 1 to 65535",
                              tern_escape(shown, sizeof(shown), digits));
    url->port = (uint16_t)port;
    return TERN_OK;
}

/* By hand: every call to a port of its own passes here, twice, and printf was an eighth of its instructions. */
static enum tern_error append_port(struct tern_buf *buf, uint16_t port)
{
    char text[sizeof(":65535")], *start = text + sizeof(text);
    uint16_t rest = port;

    do
        *--start = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    *--start = ':';
    return tern_buf_append(buf, start, (size_t)(text + sizeof(text) - start));
}

static enum tern_error append_hostport(struct tern_buf *buf, const struct tern_url *url, bool with_zone, bool with_port)
{
    struct tern_str text = tern_host_text(&url->host), zone = tern_host_zone(&url->host);
    bool brackets = url->host.kind == TERN_HOST_IPV6;
    enum tern_error error;

    if (zone.len != 0)
        text.len -= zone.len + 1;
    error = brackets ? tern_buf_append_byte(buf, '[') : TERN_OK;
    if (error == TERN_OK)
        error = tern_buf_append_str(buf, text);
    if (error == TERN_OK && zone.len != 0 && with_zone)
        error = tern_buf_printf(buf, "%%25%.*s", TERN_ARG(zone));
    if (error == TERN_OK && brackets)
        error = tern_buf_append_byte(buf, ']');
    return error == TERN_OK && with_port ? append_port(buf, url->port) : error;
}

/* The length of the host that hostport starts with: up to a ':' that is not inside brackets. */
static size_t host_length(struct tern_str hostport)
{
    size_t from = hostport.len != 0 && hostport.ptr[0] == '[' ? tern_str_find(hostport, ']') : 0;

    return from + tern_str_find(tern_str_from(hostport, from), ':');
}

static enum tern_error append_authority(struct tern_url *url, struct marks *m, struct tern_str authority,
                                        uint16_t default_port, struct tern_fault *fault)
{
    struct tern_str host, port = {"", 0};
    enum tern_error error = TERN_OK;
    size_t at = authority.len, len;

    while (at != 0 && authority.ptr[at - 1] != '@')
        at--;
    if (at != 0)
        error = append_userinfo(&url->buf, m, tern_str_n(authority.ptr, at - 1), fault);
    host = tern_str_from(authority, at);
    len = host_length(host);
    if (len < host.len)
        port = tern_str_from(host, len + 1);
    host.len = len;
    if (error == TERN_OK)
        error = parse_host(&url->host, host, fault);
    if (error == TERN_OK)
        error = parse_port(url, port, default_port, fault);
    if (error == TERN_OK)
        error = append_hostport(&url->buf, url, true, url->port != default_port);
    return error;
}

/* ---- the path ---- */

/* 1 for ".", 2 for "..", each dot maybe written as %2e; else 0. */
static int dots(struct tern_str segment)
{
    int count = 0;

    while (segment.len != 0 && count < 3) {
        size_t n = segment.ptr[0] == '.' ? 1 : escaped_value(segment) == '.' && segment.ptr[0] == '%' ? 3 : 0;

        if (n == 0)
            return 0;
        segment = tern_str_from(segment, n);
        count++;
    }
    return count < 3 ? count : 0;
}

/* Takes the last segment and its '/' off the path that starts at path_at. Each byte is dropped once: linear in all. */
static void drop_segment(struct tern_buf *buf, size_t path_at)
{
    while (buf->len > path_at) {
        tern_buf_truncate(buf, 1);
        if (*tern_buf_tail(buf) == '/')
            return;
    }
}

/* Appends segments ("a/b/c", without the first '/'), each behind its '/', dot segments removed on the way (RFC 3986
 * section 5.2.4). last: nothing follows, so that a dot segment at the end leaves its '/'. */
static enum tern_error append_segments(struct tern_buf *buf, size_t path_at, struct tern_str segments, bool last,
                                       struct tern_fault *fault)
{
    enum tern_error error = TERN_OK;

    for (bool more = true; more && error == TERN_OK;) {
        struct tern_str rest = cut_behind(&segments, '/');
        int up = dots(segments);

        more = rest.ptr != NULL;
        if (up == 2)
            drop_segment(buf, path_at);
        if (up == 0 || (last && !more))
            error = tern_buf_append_byte(buf, '/');
        if (up == 0 && error == TERN_OK)
            error = append_encoded(buf, segments, ":@", "path", fault);
        segments = rest;
    }
    return error;
}

static enum tern_error append_path(struct tern_buf *buf, struct marks *m, const struct parts *parts,
                                   struct tern_fault *fault)
{
    struct tern_str dir = parts->base_dir, path = parts->path;
    enum tern_error error;

    m->path = buf->len;
    if (dir.len > 1) { /* "/a/b/": the segments between its first and its last '/' */
        error = append_segments(buf, m->path, tern_str_n(dir.ptr + 1, dir.len - 2), false, fault);
        if (error != TERN_OK)
            return error;
    }
    if (dir.len == 0 && path.len != 0)
        path = tern_str_from(path, 1);
    return append_segments(buf, m->path, path, true, fault);
}

/* ---- putting it together ---- */

/* Forgets all but the memory. */
static void empty(struct tern_url *url)
{
    struct tern_buf buf = url->buf;

    *url = (struct tern_url){.buf = buf};
    url->buf.max = URL_BUF_MAX;
    tern_buf_clear(&url->buf);
}

static struct tern_str between(const struct tern_url *url, size_t from, size_t end)
{
    return tern_str_n(tern_buf_view(&url->buf).ptr + from, end - from);
}

static void make_views(struct tern_url *url, const struct marks *m, size_t scheme_len)
{
    url->text = between(url, 0, m->text_end);
    url->scheme = between(url, 0, scheme_len);
    if (m->has_userinfo)
        url->user = between(url, m->user, m->user_end);
    if (m->has_password)
        url->password = between(url, m->password, m->userinfo_end);
    url->authority = between(url, m->text_end, m->authority_end);
    url->target = between(url, m->path, m->target_end);
    url->path = between(url, m->path, m->has_query ? m->query - 1 : m->target_end);
    if (m->has_query)
        url->query = between(url, m->query, m->target_end);
    if (m->has_fragment)
        url->fragment = between(url, m->fragment, m->text_end);
}

/* Appends mark and part, unless it is absent; *start is then where the part starts. */
static enum tern_error append_marked(struct tern_buf *buf, char mark, struct tern_str part, const char *name,
                                     bool *present, size_t *start, struct tern_fault *fault)
{
    enum tern_error error;

    *present = part.ptr != NULL;
    if (!*present)
        return TERN_OK;
    error = tern_buf_append_byte(buf, mark);
    *start = buf->len;
    return error == TERN_OK ? append_encoded(buf, part, ":@/?", name, fault) : error;
}

static enum tern_error append_scheme(struct tern_buf *buf, struct tern_str scheme)
{
    enum tern_error error = tern_buf_append_str(buf, scheme);
    char *at;

    if (error != TERN_OK)
        return error;
    at = tern_buf_tail(buf) - scheme.len;
    for (size_t i = 0; i < scheme.len; i++)
        at[i] = tern_ascii_lower(at[i]);
    return tern_buf_append_str(buf, TERN_STR("://"));
}

static enum tern_error compose(struct tern_url *url, const struct parts *parts, struct tern_fault *fault)
{
    struct tern_buf *buf = &url->buf;
    struct marks m = {.has_userinfo = false};
    size_t scheme_len = parts->scheme.len;
    enum tern_error error = append_scheme(buf, parts->scheme);
    uint16_t default_port;

    if (error != TERN_OK)
        return error;
    default_port = tern_url_default_port(between(url, 0, scheme_len));
    error = append_authority(url, &m, parts->authority, default_port, fault);
    if (error == TERN_OK)
        error = append_path(buf, &m, parts, fault);
    if (error == TERN_OK)
        error = append_marked(buf, '?', parts->query, "query", &m.has_query, &m.query, fault);
    m.target_end = buf->len;
    if (error == TERN_OK)
        error = append_marked(buf, '#', parts->fragment, "fragment", &m.has_fragment, &m.fragment, fault);
    m.text_end = buf->len;
    if (error == TERN_OK)
        error = m.text_end <= TERN_URL_MAX ? append_hostport(buf, url, false, url->port != default_port) : TERN_ELIMIT;
    if (error != TERN_OK)
        return error;
    m.authority_end = buf->len;
    make_views(url, &m, scheme_len);
    return TERN_OK;
}

/* Bytes that stand in no URL, and that some parsers drop or take for others (a backslash for a slash). */
static enum tern_error check_bytes(struct tern_str text, struct tern_fault *fault)
{
    char shown[TERN_ESCAPE_MAX];

    if (text.len > TERN_URL_MAX)
        return TERN_ELIMIT;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c <= 0x20 || c == 0x7f || c == '\\')
            return tern_fault_set(fault, TERN_EURL,
                                  "URL byte %zu \"%s\": spaces, controls and backslashes must be percent-encoded",
                                  i + 1, tern_escape(shown, sizeof(shown), tern_str_n(text.ptr + i, 1)));
    }
    return TERN_OK;
}

/* The last word on a parse: words for the errors that came without, and no half URL left behind. */
static enum tern_error conclude(struct tern_url *url, enum tern_error error, struct tern_fault *fault)
{
    if (error == TERN_OK)
        return TERN_OK;
    empty(url);
    if (error == TERN_ELIMIT)
        return tern_fault_set(fault, TERN_EURL, "URL: is longer than %d bytes", TERN_URL_MAX);
    return error == TERN_ENOMEM ? tern_fault_plain(fault, TERN_ENOMEM) : error;
}

static enum tern_error check_absolute(const struct parts *parts, struct tern_fault *fault)
{
    if (parts->scheme.ptr == NULL)
        return tern_fault_set(fault, TERN_EURL, "URL scheme: is missing; a URL starts with http:// or https://");
    if (parts->authority.ptr == NULL)
        return tern_fault_set(fault, TERN_EURL, "URL host: is missing; the scheme is followed by \"://\" and a host");
    return TERN_OK;
}

enum tern_error tern_url_parse(struct tern_url *url, struct tern_str text, struct tern_fault *fault)
{
    struct parts parts;
    enum tern_error error;

    /* Parsing canonical text gives that text again: most callers ask for one URL many times. */
    if (text.len != 0 && tern_str_eq(text, url->text))
        return TERN_OK;
    error = check_bytes(text, fault);
    empty(url);
    if (error == TERN_OK) {
        parts = cut(text);
        error = check_absolute(&parts, fault);
    }
    if (error == TERN_OK)
        error = compose(url, &parts, fault);
    return conclude(url, error, fault);
}

/* RFC 3986 section 5.2.2, but for merging the paths, which append_path does. */
static void inherit(struct parts *parts, const struct tern_url *base)
{
    size_t path_at = (size_t)(base->path.ptr - base->text.ptr), before = base->scheme.len + 3;

    if (parts->scheme.ptr != NULL)
        return;
    parts->scheme = base->scheme;
    if (parts->authority.ptr != NULL)
        return;
    parts->authority = tern_str_n(base->text.ptr + before, path_at - before);
    if (parts->path.len == 0) {
        parts->path = base->path;
        if (parts->query.ptr == NULL)
            parts->query = base->query;
    } else if (parts->path.ptr[0] != '/') {
        parts->base_dir = base->path;
        while (parts->base_dir.ptr[parts->base_dir.len - 1] != '/')
            parts->base_dir.len--;
    }
}

enum tern_error tern_url_resolve(struct tern_url *url, const struct tern_url *base, struct tern_str reference,
                                 struct tern_fault *fault)
{
    struct parts parts;
    enum tern_error error = check_bytes(reference, fault);

    TERN_ASSERT(url != base && base->path.len != 0);
    empty(url);
    if (error == TERN_OK) {
        parts = cut(reference);
        inherit(&parts, base);
        error = check_absolute(&parts, fault);
    }
    if (error == TERN_OK)
        error = compose(url, &parts, fault);
    return conclude(url, error, fault);
}

void tern_url_deinit(struct tern_url *url)
{
    tern_buf_deinit(&url->buf);
    empty(url);
}

bool tern_path_is_within(struct tern_str path, struct tern_str prefix)
{
    if (path.len < prefix.len || !tern_str_eq(tern_str_n(path.ptr, prefix.len), prefix))
        return false;
    return path.len == prefix.len || prefix.len == 0 || prefix.ptr[prefix.len - 1] == '/' ||
           path.ptr[prefix.len] == '/';
}

bool tern_url_same_origin(const struct tern_url *a, const struct tern_url *b)
{
    return a->port == b->port && tern_str_eq(a->scheme, b->scheme) && tern_host_eq(&a->host, &b->host);
}

enum tern_error tern_percent_decode(struct tern_buf *out, struct tern_str text)
{
    enum tern_error error = tern_buf_reserve(out, text.len);

    /* Decoding only shrinks: where the whole text fits, nothing below can fail. */
    for (size_t i = 0; i < text.len && error == TERN_OK; i++) {
        int value = text.ptr[i] == '%' ? escaped_value(tern_str_from(text, i)) : -1;

        error = tern_buf_append_byte(out, value < 0 ? text.ptr[i] : (char)value);
        i += value < 0 ? 0 : 2;
    }
    return error;
}
