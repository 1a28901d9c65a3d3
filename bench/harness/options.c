#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "Usage: load URL [OPTIONS]\n"
    "  -c N                       calls in flight, and the most connections (1)\n"
    "  -n N                       requests (10000)\n"
    "  --warm-up N                requests before those, which are not counted (0)\n"
    "  --rate R                   open loop: R starts a second at even intervals, whatever is still under way;\n"
    "                             a latency counts from the moment that was meant\n"
    "  --threads N                engines, one to a thread; -c holds for each, -n and --rate for all (1)\n"
    "  --http1.1                  HTTP/1.1 alone\n"
    "  --http2                    HTTP/2 over TLS where the server takes it, else HTTP/1.1 (the default)\n"
    "  --http2-prior-knowledge    HTTP/2 and nothing else, in the clear too\n"
    "  --cacert FILE              the certificates to trust (PEM)\n"
    "  --insecure                 trust any certificate\n"
    "  --tls-max VERSION          1.2 or 1.3\n"
    "  --close                    a new connection for each request; over TLS, resumed where it can be\n"
    "  --no-resumption            every TLS handshake is a full one\n"
    "  --policies                 with every policy on: what they cost while there is nothing to do for them\n"
    "  --upload BYTES             each request has a body (POST)\n"
    "  --cancel-every N           every Nth call is cancelled, by turns at its start and at its head\n"
    "  --idle N                   so many idle connections beside, opened first\n"
    "  --paused N                 so many calls beside that never read on\n"
    "  --paused-url URL           what those ask for (URL)\n"
    "  --spin US                  spin on the wait for so long before sleeping (0)\n"
    "  --name NAME                of the report (URL)\n"
    "  --json                     one line of JSON\n"
    "  --help                     this\n";

enum {
    OPTION_WARM_UP = 256,
    OPTION_RATE,
    OPTION_THREADS,
    OPTION_HTTP1,
    OPTION_HTTP2,
    OPTION_HTTP2_ONLY,
    OPTION_CACERT,
    OPTION_INSECURE,
    OPTION_TLS_MAX,
    OPTION_CLOSE,
    OPTION_NO_RESUMPTION,
    OPTION_POLICIES,
    OPTION_UPLOAD,
    OPTION_CANCEL_EVERY,
    OPTION_IDLE,
    OPTION_PAUSED,
    OPTION_PAUSED_URL,
    OPTION_SPIN,
    OPTION_NAME,
    OPTION_JSON,
    OPTION_HELP
};

static const struct option known[] = {
    {"warm-up", required_argument, NULL, OPTION_WARM_UP},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"threads", required_argument, NULL, OPTION_THREADS},
    {"http1.1", no_argument, NULL, OPTION_HTTP1},
    {"http2", no_argument, NULL, OPTION_HTTP2},
    {"http2-prior-knowledge", no_argument, NULL, OPTION_HTTP2_ONLY},
    {"cacert", required_argument, NULL, OPTION_CACERT},
    {"insecure", no_argument, NULL, OPTION_INSECURE},
    {"tls-max", required_argument, NULL, OPTION_TLS_MAX},
    {"close", no_argument, NULL, OPTION_CLOSE},
    {"no-resumption", no_argument, NULL, OPTION_NO_RESUMPTION},
    {"policies", no_argument, NULL, OPTION_POLICIES},
    {"upload", required_argument, NULL, OPTION_UPLOAD},
    {"cancel-every", required_argument, NULL, OPTION_CANCEL_EVERY},
    {"idle", required_argument, NULL, OPTION_IDLE},
    {"paused", required_argument, NULL, OPTION_PAUSED},
    {"paused-url", required_argument, NULL, OPTION_PAUSED_URL},
    {"spin", required_argument, NULL, OPTION_SPIN},
    {"name", required_argument, NULL, OPTION_NAME},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static bool number(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *out >= min && *out <= max)
        return true;
    fprintf(stderr, "load: %s takes a number from %llu to %llu, not %s\n", option, (unsigned long long)min,
            (unsigned long long)max, text);
    return false;
}

static bool number32(const char *option, const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
    uint64_t value;

    if (!number(option, text, min, max, &value))
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool parse_rate(const char *text, double *out)
{
    char *end;

    *out = strtod(text, &end);
    if (end != text && *end == '\0' && isfinite(*out) && *out > 0 && *out <= 1e7)
        return true;
    fprintf(stderr, "load: --rate takes starts a second, up to 10000000, not %s\n", text);
    return false;
}

static bool parse_tls_max(const char *text, enum tern_tls_version *out)
{
    if (strcmp(text, "1.2") != 0 && strcmp(text, "1.3") != 0) {
        fprintf(stderr, "load: --tls-max takes 1.2 or 1.3, not %s\n", text);
        return false;
    }
    *out = text[2] == '2' ? TERN_TLS_1_2 : TERN_TLS_1_3;
    return true;
}

static bool parse_spin(const char *text, uint64_t *out)
{
    if (!number("--spin", text, 0, 1000000, out))
        return false;
    *out *= 1000;
    return true;
}

/* Options that take a value. */
static bool take_value(struct bench_options *out, int option, const char *value)
{
    switch (option) {
    case 'c':
        return number32("-c", value, 1, 100000, &out->concurrency);
    case 'n':
        return number("-n", value, 1, UINT64_MAX, &out->requests);
    case OPTION_WARM_UP:
        return number("--warm-up", value, 0, UINT64_MAX, &out->warm_up);
    case OPTION_RATE:
        return parse_rate(value, &out->rate);
    case OPTION_THREADS:
        return number32("--threads", value, 1, BENCH_THREADS_MAX, &out->threads);
    case OPTION_CACERT:
        out->cacert = value;
        return true;
    case OPTION_TLS_MAX:
        return parse_tls_max(value, &out->tls_max);
    case OPTION_UPLOAD:
        return number("--upload", value, 1, UINT64_C(1) << 32, &out->upload_bytes);
    case OPTION_CANCEL_EVERY:
        return number32("--cancel-every", value, 1, UINT32_MAX, &out->cancel_every);
    case OPTION_IDLE:
        return number32("--idle", value, 1, 1000000, &out->idle);
    case OPTION_PAUSED:
        return number32("--paused", value, 1, 10000, &out->paused);
    case OPTION_PAUSED_URL:
        out->paused_url = value;
        return true;
    case OPTION_SPIN:
        return parse_spin(value, &out->spin_ns);
    case OPTION_NAME:
        out->name = value;
        return true;
    default:
        return false;
    }
}

static bool take(struct bench_options *out, int option, const char *value)
{
    switch (option) {
    case OPTION_HTTP1:
        out->http_mode = TERN_HTTP_MODE_1_1;
        return true;
    case OPTION_HTTP2:
        out->http_mode = TERN_HTTP_MODE_2;
        return true;
    case OPTION_HTTP2_ONLY:
        out->http_mode = TERN_HTTP_MODE_2_ONLY;
        return true;
    case OPTION_INSECURE:
        out->insecure = true;
        return true;
    case OPTION_CLOSE:
        out->fresh = true;
        return true;
    case OPTION_NO_RESUMPTION:
        out->no_resumption = true;
        return true;
    case OPTION_POLICIES:
        out->policies = true;
        return true;
    case OPTION_JSON:
        out->json = true;
        return true;
    default:
        return take_value(out, option, value);
    }
}

/* getopt lets the URL stand anywhere among the options. */
enum bench_options_end bench_options_parse(int argc, char **argv, struct bench_options *out)
{
    int option;

    *out = (struct bench_options){.requests = 10000, .concurrency = 1, .threads = 1};
    while ((option = getopt_long(argc, argv, "c:n:", known, NULL)) != -1) {
        if (option == OPTION_HELP) {
            fputs(usage, stdout);
            return BENCH_OPTIONS_HELP;
        }
        if (option == '?' || !take(out, option, optarg))
            return BENCH_OPTIONS_WRONG;
    }
    if (optind + 1 != argc) {
        fprintf(stderr, "load: %s; see --help\n", optind == argc ? "no URL" : "more than one URL");
        return BENCH_OPTIONS_WRONG;
    }
    out->url = argv[optind];
    if (out->name == NULL)
        out->name = out->url;
    if (out->paused_url == NULL)
        out->paused_url = out->url;
    if (out->requests < out->threads)
        out->threads = (uint32_t)out->requests;
    return BENCH_OPTIONS_RUN;
}
