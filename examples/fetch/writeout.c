#include "writeout.h"

#include <string.h>

#define SECONDS_FORMAT "%llu.%06llu"

enum value_kind { NONE, NUMBER, SECONDS, TEXT };

struct value {
    enum value_kind kind;
    uint64_t number; /* NUMBER, or nanoseconds */
    struct tern_str text;
};

static uint64_t since(uint64_t start, bool reached, uint64_t step)
{
    return reached ? start + step : 0;
}

void milestones_of(const struct tern_result *result, struct milestones *out)
{
    const struct tern_times *t = &result->times;
    enum tern_phase phase = result->phase;
    uint64_t phases = t->pool_ns + t->dns_ns + t->tcp_ns + t->tls_ns + t->write_ns + t->wait_ns + t->read_ns;
    /* The phases are those of the last attempt: earlier ones come before them. */
    uint64_t at = t->total_ns > phases ? t->total_ns - phases : 0;

    out->redirect_ns = result->hop > 1 ? at : 0;
    at += t->pool_ns;
    out->namelookup_ns = since(at, phase > TERN_PHASE_DNS, t->dns_ns);
    at += t->dns_ns;
    out->connect_ns = since(at, phase > TERN_PHASE_CONNECT, t->tcp_ns);
    at += t->tcp_ns;
    out->appconnect_ns = since(at, phase > TERN_PHASE_TLS && t->tls_ns != 0, t->tls_ns);
    at += t->tls_ns;
    out->pretransfer_ns = since(at, phase > TERN_PHASE_TLS, 0);
    at += t->write_ns;
    out->starttransfer_ns = since(at, phase > TERN_PHASE_WAIT, t->wait_ns);
    out->total_ns = t->total_ns;
}

static struct value number(uint64_t n)
{
    return (struct value){NUMBER, n, {0}};
}

static struct value string(const char *text)
{
    return (struct value){text != NULL ? TEXT : NONE, 0, tern_str(text)};
}

static struct value seconds(uint64_t ns)
{
    return (struct value){SECONDS, ns, {0}};
}

/* The colon before the port of "192.0.2.1:443" or "[2001:db8::1]:443"; NULL for the path of a Unix socket. */
static const char *before_port(const char *address)
{
    return address[0] != '/' ? strrchr(address, ':') : NULL;
}

static struct value ip_of(const char *address)
{
    const char *colon = before_port(address);
    if (colon == NULL)
        return string("");
    struct tern_str ip = {address, (size_t)(colon - address)};
    if (ip.len >= 2 && ip.ptr[0] == '[') {
        ip.ptr++;
        ip.len -= 2;
    }
    return (struct value){TEXT, 0, ip};
}

static struct value port_of(const char *address)
{
    const char *colon = before_port(address);
    uint64_t port = 0;
    if (colon != NULL && !parse_number(colon + 1, UINT16_MAX, &port))
        port = 0;
    return number(port);
}

static struct value view(struct tern_str text)
{
    return (struct value){text.len != 0 ? TEXT : NONE, 0, text};
}

static struct value scheme_of(struct tern_str url)
{
    const char *end = memchr(url.ptr, ':', url.len);
    return (struct value){end != NULL ? TEXT : NONE, 0, {url.ptr, end != NULL ? (size_t)(end - url.ptr) : 0}};
}

/* The numbers that people who use curl know, which are OpenSSL's X509_V_*. */
static uint64_t verify_result(const struct tern_result *result)
{
    enum tern_error error = result->tls_verify != TERN_OK ? result->tls_verify : result->fault.error;
    switch (error) {
    case TERN_ETLS_CERT_FUTURE:
        return 9;
    case TERN_ETLS_CERT_EXPIRED:
        return 10;
    case TERN_ETLS_CERT_SELF_SIGNED:
        return 18;
    case TERN_ETLS_CERT_UNKNOWN_CA:
        return 20;
    case TERN_ETLS_CERT_INVALID:
        return 26;
    case TERN_ETLS_CERT_HOST:
        return 62;
    case TERN_ETLS_CERT_WEAK:
        return 66;
    default:
        return 0;
    }
}

static uint64_t per_second(uint64_t bytes, uint64_t ns)
{
    return ns != 0 ? (uint64_t)((double)bytes * 1e9 / (double)ns) : 0;
}

static const char *version_text(enum tern_http_version version)
{
    switch (version) {
    case TERN_HTTP_1_0:
        return "1.0";
    case TERN_HTTP_1_1:
        return "1.1";
    case TERN_HTTP_2:
        return "2";
    case TERN_HTTP_NONE:
        break;
    }
    return "0";
}

enum variable {
    CONTENT_TYPE,
    ERRORMSG,
    EXITCODE,
    FILENAME_EFFECTIVE,
    HTTP_CODE,
    HTTP_VERSION,
    LOCAL_IP,
    LOCAL_PORT,
    METHOD,
    NUM_CONNECTS,
    NUM_HEADERS,
    NUM_REDIRECTS,
    NUM_RETRIES,
    REDIRECT_URL,
    REMOTE_IP,
    REMOTE_PORT,
    SCHEME,
    SIZE_DELIVERED,
    SIZE_DOWNLOAD,
    SIZE_HEADER,
    SIZE_REQUEST,
    SIZE_UPLOAD,
    SPEED_DOWNLOAD,
    SPEED_UPLOAD,
    SSL_VERIFY_RESULT,
    TIME_APPCONNECT,
    TIME_CONNECT,
    TIME_NAMELOOKUP,
    TIME_PRETRANSFER,
    TIME_REDIRECT,
    TIME_STARTTRANSFER,
    TIME_TOTAL,
    URL,
    URL_EFFECTIVE,
    URLNUM
};

/* In the order in which %{json} has them. */
static const struct {
    const char *name;
    enum variable variable;
} variables[] = {
    {"content_type", CONTENT_TYPE},
    {"errormsg", ERRORMSG},
    {"exitcode", EXITCODE},
    {"filename_effective", FILENAME_EFFECTIVE},
    {"http_code", HTTP_CODE},
    {"http_version", HTTP_VERSION},
    {"local_ip", LOCAL_IP},
    {"local_port", LOCAL_PORT},
    {"method", METHOD},
    {"num_connects", NUM_CONNECTS},
    {"num_headers", NUM_HEADERS},
    {"num_redirects", NUM_REDIRECTS},
    {"num_retries", NUM_RETRIES},
    {"redirect_url", REDIRECT_URL},
    {"remote_ip", REMOTE_IP},
    {"remote_port", REMOTE_PORT},
    {"response_code", HTTP_CODE},
    {"scheme", SCHEME},
    {"size_delivered", SIZE_DELIVERED},
    {"size_download", SIZE_DOWNLOAD},
    {"size_header", SIZE_HEADER},
    {"size_request", SIZE_REQUEST},
    {"size_upload", SIZE_UPLOAD},
    {"speed_download", SPEED_DOWNLOAD},
    {"speed_upload", SPEED_UPLOAD},
    {"ssl_verify_result", SSL_VERIFY_RESULT},
    {"time_appconnect", TIME_APPCONNECT},
    {"time_connect", TIME_CONNECT},
    {"time_namelookup", TIME_NAMELOOKUP},
    {"time_pretransfer", TIME_PRETRANSFER},
    {"time_redirect", TIME_REDIRECT},
    {"time_starttransfer", TIME_STARTTRANSFER},
    {"time_total", TIME_TOTAL},
    {"url", URL},
    {"url_effective", URL_EFFECTIVE},
    {"urlnum", URLNUM},
};

#define VARIABLE_COUNT (sizeof variables / sizeof variables[0])

static struct value field_value(const struct outcome *o, const char *name)
{
    struct tern_str value = tern_fields_get(o->fields, o->field_count, name);
    return (struct value){value.ptr != NULL ? TEXT : NONE, 0, value};
}

static struct value value_of(enum variable variable, const struct outcome *o)
{
    const struct tern_result *r = o->result;
    struct milestones m;
    milestones_of(r, &m);
    switch (variable) {
    case CONTENT_TYPE:
        return field_value(o, "Content-Type");
    case ERRORMSG:
        return string(o->failure->code != CODE_OK ? o->failure->text : NULL);
    case EXITCODE:
        return number(o->failure->code);
    case FILENAME_EFFECTIVE:
        return string(o->filename);
    case HTTP_CODE:
        return number(o->status);
    case HTTP_VERSION:
        return string(version_text(r->version));
    case LOCAL_IP:
        return ip_of(r->local);
    case LOCAL_PORT:
        return port_of(r->local);
    case METHOD:
        return string(o->method);
    case NUM_CONNECTS:
        return number(r->remote[0] != '\0' && !r->reused);
    case NUM_HEADERS:
        return number(o->field_count);
    case NUM_REDIRECTS:
        return number(o->redirects);
    case NUM_RETRIES:
        return number(o->retries);
    case REDIRECT_URL:
        return view(o->redirect);
    case REMOTE_IP:
        return ip_of(r->remote);
    case REMOTE_PORT:
        return port_of(r->remote);
    case SCHEME:
        return scheme_of(o->effective);
    case SIZE_DELIVERED:
        return number(o->delivered_bytes);
    case SIZE_DOWNLOAD:
        return number(r->received_body_bytes);
    case SIZE_HEADER:
        return number(r->received_head_bytes);
    case SIZE_REQUEST:
        return number(r->sent_head_bytes);
    case SIZE_UPLOAD:
        return number(r->sent_body_bytes);
    case SPEED_DOWNLOAD:
        return number(per_second(r->received_body_bytes, m.total_ns));
    case SPEED_UPLOAD:
        return number(per_second(r->sent_body_bytes, m.total_ns));
    case SSL_VERIFY_RESULT:
        return number(verify_result(r));
    case TIME_APPCONNECT:
        return seconds(m.appconnect_ns);
    case TIME_CONNECT:
        return seconds(m.connect_ns);
    case TIME_NAMELOOKUP:
        return seconds(m.namelookup_ns);
    case TIME_PRETRANSFER:
        return seconds(m.pretransfer_ns);
    case TIME_REDIRECT:
        return seconds(m.redirect_ns);
    case TIME_STARTTRANSFER:
        return seconds(m.starttransfer_ns);
    case TIME_TOTAL:
        return seconds(m.total_ns);
    case URL:
        return string(o->url);
    case URL_EFFECTIVE:
        return view(o->effective);
    case URLNUM:
        return number(o->number);
    }
    return (struct value){0};
}

static void add_number(struct text *to, const struct value *value)
{
    if (value->kind == SECONDS)
        text_addf(to, SECONDS_FORMAT, (unsigned long long)(value->number / TERN_S),
                  (unsigned long long)(value->number % TERN_S / 1000));
    else
        text_addf(to, "%llu", (unsigned long long)value->number);
}

static void add_plain(struct text *to, enum variable variable, const struct outcome *o)
{
    struct value value = value_of(variable, o);
    if (variable == HTTP_CODE)
        text_addf(to, "%03u", o->status);
    else if (value.kind == TEXT)
        text_add(to, value.text.ptr, value.text.len);
    else if (value.kind != NONE)
        add_number(to, &value);
}

static void add_json(struct text *to, const struct outcome *o)
{
    for (size_t i = 0; i < VARIABLE_COUNT; i++) {
        struct value value = value_of(variables[i].variable, o);
        text_addf(to, "%c\"%s\":", i == 0 ? '{' : ',', variables[i].name);
        if (value.kind == NONE)
            text_adds(to, "null");
        else if (value.kind == TEXT)
            text_add_json(to, value.text);
        else
            add_number(to, &value);
    }
    text_adds(to, ",\"fetch_version\":");
    text_add_json(to, TERN_STR("fetch/" TERN_VERSION));
    text_adds(to, "}");
}

static bool seen_before(const struct outcome *o, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (str_same(o->fields[i].name, o->fields[index].name))
            return true;
    }
    return false;
}

/* {"name":["value",…],…}: each name once, in lower case, with all its values. */
static void add_header_json(struct text *to, const struct outcome *o)
{
    text_adds(to, "{");
    for (size_t i = 0; i < o->field_count; i++) {
        struct tern_str name = o->fields[i].name;
        if (seen_before(o, i))
            continue;
        text_adds(to, i == 0 ? "\"" : ",\n\"");
        for (size_t k = 0; k < name.len; k++) {
            char c = name.ptr[k];
            text_addf(to, "%c", c >= 'A' && c <= 'Z' ? c | 0x20 : c);
        }
        text_adds(to, "\":[");
        for (size_t k = i; k < o->field_count; k++) {
            if (!str_same(o->fields[k].name, name))
                continue;
            text_adds(to, k == i ? "" : ",");
            text_add_json(to, o->fields[k].value);
        }
        text_adds(to, "]");
    }
    text_adds(to, "}\n");
}

struct streams {
    struct text *out;
    struct text *err;
    struct text *to; /* one of the two */
};

static void add_variable(struct streams *s, struct tern_str name, const struct outcome *o)
{
    for (size_t i = 0; i < VARIABLE_COUNT; i++) {
        if (str_same(name, tern_str(variables[i].name))) {
            add_plain(s->to, variables[i].variable, o);
            return;
        }
    }
    if (str_same(name, TERN_STR("json")))
        add_json(s->to, o);
    else if (str_same(name, TERN_STR("header_json")))
        add_header_json(s->to, o);
    else if (str_same(name, TERN_STR("stdout")))
        s->to = s->out;
    else if (str_same(name, TERN_STR("stderr")))
        s->to = s->err;
    else
        text_addf(s->err, "fetch: unknown --write-out variable: '%.*s'\n", (int)name.len, name.ptr);
}

/* %header{name} */
static void add_header(struct streams *s, struct tern_str name, const struct outcome *o)
{
    for (size_t i = 0; i < o->field_count; i++) {
        if (str_same(o->fields[i].name, name)) {
            text_add(s->to, o->fields[i].value.ptr, o->fields[i].value.len);
            return;
        }
    }
}

static const char *add_escape(struct text *to, const char *at)
{
    switch (*at) {
    case 'n':
        text_adds(to, "\n");
        break;
    case 'r':
        text_adds(to, "\r");
        break;
    case 't':
        text_adds(to, "\t");
        break;
    case '\0':
        text_adds(to, "\\");
        return at;
    default:
        text_addf(to, "\\%c", *at);
    }
    return at + 1;
}

void writeout_format(const char *format, const struct outcome *outcome, struct text *out, struct text *err)
{
    static const char variable[] = "%{";
    static const char header[] = "%header{";
    struct streams streams = {out, err, out};
    const char *at = format;
    while (*at != '\0') {
        size_t plain = strcspn(at, "%\\");
        text_add(streams.to, at, plain);
        at += plain;
        bool is_variable = strncmp(at, variable, strlen(variable)) == 0;
        bool is_header = strncmp(at, header, strlen(header)) == 0;
        const char *end = is_variable || is_header ? strchr(at, '}') : NULL;
        if (end != NULL) {
            const char *name = strchr(at, '{') + 1;
            struct tern_str view = {name, (size_t)(end - name)};
            if (is_header)
                add_header(&streams, view, outcome);
            else
                add_variable(&streams, view, outcome);
            at = end + 1;
        } else if (*at == '\\') {
            at = add_escape(streams.to, at + 1);
        } else if (*at == '%') {
            text_adds(streams.to, "%");
            at += at[1] == '%' ? 2 : 1;
        }
    }
}
