/* tern-mixed - a steady load of GET and POST, and what became of each call.
 *
 *   tern-mixed [--http2 | --http2-prior-knowledge] [--cacert FILE] [--resolve HOST:PORT:ADDRESS,…]
 *              [--dns-servers SERVERS] [--at-once N] [--post-every N] [--calls N] GET_URL [POST_URL]
 *
 * Keeps N calls (64) going until CALLS have been started or SIGTERM comes, and waits for the last of them. Every Nth
 * (4) is a POST to POST_URL?id=K, where K counts up from 1, so that whoever logs the requests can tell each of them.
 * Then it prints one JSON object:
 *
 *   get, post            each: done, failed (no whole answer with a status below 400), ms_max (the longest call)
 *   failures             of the first of them: what, id (of a POST), error, phase, replay, status, text
 *   http_1, http_2       calls answered by each
 *   trailers             calls that had some
 *   attempts_max         of one call
 *   opened, dead,
 *   retired, replayed    connections, and exchanges sent again (struct tern_client_stats) */
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tern/tern.h"

#define URL_MAX 1024
#define BODY_BYTES 5000
#define AT_ONCE_MAX 10000
#define FAILURES_SHOWN 64

enum kind { GET, POST, KINDS };

struct counts {
    unsigned long done;
    unsigned long failed;
    uint64_t ns_max;
};

struct load {
    struct tern_engine *engine;
    struct tern_client *client;
    const char *urls[KINDS];
    unsigned long post_every;
    unsigned long calls; /* to start; 0: no end but SIGTERM */
    unsigned long started;
    unsigned long posts;
    unsigned long live;
    unsigned long versions[2];
    unsigned long trailers;
    uint32_t attempts_max;
    struct counts counts[KINDS];
    unsigned long shown;
    char failures[FAILURES_SHOWN * (TERN_FAULT_TEXT_MAX + 200)];
    size_t failures_len;
};

/* One of the calls at once: started again when it has ended. */
struct slot {
    struct load *load;
    enum kind kind;
    unsigned long id;
    char url[URL_MAX];
};

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static void die(const char *text)
{
    fprintf(stderr, "tern-mixed: %s\n", text);
    exit(2);
}

/* A fault's text is printable ASCII, so that two characters are all that JSON wants escaped. */
static void note_failure(struct load *load, const struct slot *slot, const struct tern_result *result)
{
    char text[2 * TERN_FAULT_TEXT_MAX];
    size_t n = 0;

    if (load->shown++ >= FAILURES_SHOWN)
        return;
    for (const char *c = result->fault.text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            text[n++] = '\\';
        text[n++] = *c;
    }
    text[n] = '\0';
    load->failures_len += (size_t)snprintf(
        load->failures + load->failures_len, sizeof load->failures - load->failures_len,
        "%s{\"what\": \"%s\", \"id\": %lu, \"error\": \"%s\", \"phase\": %d, \"replay\": %d, \"status\": %u, "
        "\"text\": \"%s\"}",
        load->failures_len > 0 ? ", " : "", slot->kind == POST ? "POST" : "GET", slot->id,
        tern_error_name(result->fault.error), result->phase, result->replay, result->status, text);
}

static void start(struct slot *slot);

static void on_trailers(void *user, tern_call_id call, const struct tern_field *fields, size_t count)
{
    struct slot *slot = user;

    (void)call;
    (void)fields;
    slot->load->trailers += count > 0;
}

static void on_done(void *user, tern_call_id call, const struct tern_result *result)
{
    struct slot *slot = user;
    struct load *load = slot->load;
    struct counts *counts = &load->counts[slot->kind];

    (void)call;
    load->live--;
    counts->done++;
    if (result->times.total_ns > counts->ns_max)
        counts->ns_max = result->times.total_ns;
    if (result->attempt > load->attempts_max)
        load->attempts_max = result->attempt;
    if (result->fault.error != TERN_OK || result->status >= 400) {
        counts->failed++;
        note_failure(load, slot, result);
    } else {
        load->versions[result->version == TERN_HTTP_2]++;
    }
    if (!stopping && (load->calls == 0 || load->started < load->calls))
        start(slot);
    else if (load->live == 0)
        tern_engine_stop(load->engine);
}

static void start(struct slot *slot)
{
    static const struct tern_handlers handlers = {.on_trailers = on_trailers, .on_done = on_done};
    static const char body[BODY_BYTES];
    struct load *load = slot->load;
    struct tern_request request = {0};
    struct tern_fault why;

    slot->kind = load->urls[POST] != NULL && load->started % load->post_every == 0 ? POST : GET;
    load->started++;
    slot->id = slot->kind == POST ? ++load->posts : 0;
    if (slot->kind == POST) {
        snprintf(slot->url, sizeof slot->url, "%s?id=%lu", load->urls[POST], slot->id);
        request.method = TERN_STR("POST");
        request.body = (struct tern_body){.kind = TERN_BODY_MEMORY, .data = body, .length = sizeof body};
    } else {
        snprintf(slot->url, sizeof slot->url, "%s", load->urls[GET]);
    }
    request.url = tern_str(slot->url);
    load->live++;
    if (tern_call_start(load->client, &request, &handlers, slot, NULL, &why) != TERN_OK)
        die(why.text);
}

static void print_counts(const char *name, const struct counts *counts)
{
    printf("\"%s\": {\"done\": %lu, \"failed\": %lu, \"ms_max\": %.1f}, ", name, counts->done, counts->failed,
           (double)counts->ns_max / (double)TERN_MS);
}

static void print(const struct load *load)
{
    struct tern_client_stats stats;

    tern_client_stats(load->client, &stats);
    printf("{");
    print_counts("get", &load->counts[GET]);
    print_counts("post", &load->counts[POST]);
    printf("\"http_1\": %lu, \"http_2\": %lu, \"trailers\": %lu, \"attempts_max\": %u, \"opened\": %lu, \"dead\": %lu, "
           "\"retired\": %lu, \"replayed\": %lu, \"failures\": [%s]}\n",
           load->versions[0], load->versions[1], load->trailers, load->attempts_max,
           (unsigned long)stats.connections_opened, (unsigned long)stats.connections_dead,
           (unsigned long)stats.connections_retired, (unsigned long)stats.replayed, load->failures);
}

/* "HOST:PORT:ADDRESS,ADDRESS" in place. */
static void read_resolve(char *text, struct tern_resolve_override *to, const char *addresses[], size_t max)
{
    char *rest = NULL;
    const char *port;

    to->host = strtok_r(text, ":", &rest);
    port = strtok_r(NULL, ":", &rest);
    if (to->host == NULL || port == NULL)
        die("--resolve HOST:PORT:ADDRESS,…");
    to->port = (uint16_t)strtoul(port, NULL, 10);
    for (char *one = strtok_r(NULL, ",", &rest); one != NULL && to->address_count < max;
         one = strtok_r(NULL, ",", &rest))
        addresses[to->address_count++] = one;
    to->addresses = addresses;
}

static unsigned long read_number(const char *text, unsigned long max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*end != '\0' || value > max)
        die("not a number, or too large");
    return value;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {{"http2", no_argument, NULL, '2'},
                                          {"http2-prior-knowledge", no_argument, NULL, 'k'},
                                          {"cacert", required_argument, NULL, 'c'},
                                          {"resolve", required_argument, NULL, 'r'},
                                          {"at-once", required_argument, NULL, 'n'},
                                          {"post-every", required_argument, NULL, 'p'},
                                          {"calls", required_argument, NULL, 'N'},
                                          {"dns-servers", required_argument, NULL, 'd'},
                                          {0}};
    static struct load load = {.post_every = 4};
    const char *addresses[8];
    struct tern_resolve_override override = {0};
    struct tern_client_config config = {.name = "mixed", .limits.idle_max = AT_ONCE_MAX};
    unsigned long at_once = 64;
    struct tern_fault why;
    struct slot *slots;

    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case '2':
            config.http_mode = TERN_HTTP_MODE_2;
            break;
        case 'k':
            config.http_mode = TERN_HTTP_MODE_2_ONLY;
            break;
        case 'c':
            config.tls.ca_file = optarg;
            break;
        case 'r':
            read_resolve(optarg, &override, addresses, 8);
            break;
        case 'd':
            config.dns.servers = optarg;
            break;
        case 'n':
            at_once = read_number(optarg, AT_ONCE_MAX);
            break;
        case 'p':
            load.post_every = read_number(optarg, ULONG_MAX);
            break;
        case 'N':
            load.calls = read_number(optarg, ULONG_MAX);
            break;
        default:
            return 2;
        }
    }
    if (optind >= argc || at_once == 0 || load.post_every == 0)
        die("no GET_URL, or a 0 where there can be none");
    load.urls[GET] = argv[optind];
    load.urls[POST] = optind + 1 < argc ? argv[optind + 1] : NULL;
    if (override.host != NULL) {
        config.dns.overrides = &override;
        config.dns.override_count = 1;
    }
    if (tern_engine_new(NULL, &load.engine, &why) != TERN_OK ||
        tern_client_new(load.engine, &config, &load.client, &why) != TERN_OK)
        die(why.text);
    slots = calloc(at_once, sizeof *slots);
    if (slots == NULL || signal(SIGTERM, on_signal) == SIG_ERR)
        die("cannot begin");
    for (unsigned long i = 0; i < at_once && (load.calls == 0 || i < load.calls); i++) {
        slots[i].load = &load;
        start(&slots[i]);
    }
    if (tern_engine_run(load.engine) != TERN_OK)
        die("the loop failed");
    print(&load);
    (void)tern_engine_free(load.engine);
    free(slots);
    return 0;
}
