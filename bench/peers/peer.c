#include "bench/peers/peer.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

noreturn void peer_die(const char *what)
{
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
    exit(1);
}

static void split_url(struct peer_options *options)
{
    const char *rest = options->url;
    size_t len;

    options->tls = strncmp(rest, "https://", 8) == 0;
    if (!options->tls && strncmp(rest, "http://", 7) != 0)
        peer_die("no http or https URL");
    rest += options->tls ? 8 : 7;
    len = strcspn(rest, ":/");
    if (len == 0 || len >= PEER_HOST_MAX)
        peer_die("no host in the URL");
    memcpy(options->host, rest, len);
    rest += len;
    options->port = options->tls ? 443 : 80;
    if (*rest == ':') {
        char *end;

        options->port = (uint16_t)strtoul(rest + 1, &end, 10);
        rest = end;
    }
    options->path = *rest == '/' ? rest : "/";
}

static void parse(struct peer_options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"warm-up", required_argument, NULL, 'w'}, {"rate", required_argument, NULL, 'r'},
        {"cacert", required_argument, NULL, 'a'},  {"http1.1", no_argument, NULL, '1'},
        {"http2", no_argument, NULL, '2'},         {"http2-prior-knowledge", no_argument, NULL, '3'},
        {"close", no_argument, NULL, 'x'},         {"no-resumption", no_argument, NULL, 'f'},
        {"json", no_argument, NULL, 'j'},          {NULL, 0, NULL, 0},
    };
    int option;

    *options = (struct peer_options){.concurrency = 1, .requests = 10000};
    while ((option = getopt_long(argc, argv, "c:n:", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            options->concurrency = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'n':
            options->requests = strtoull(optarg, NULL, 10);
            break;
        case 'w':
            options->warm_up = strtoull(optarg, NULL, 10);
            break;
        case 'r':
            options->rate = strtod(optarg, NULL);
            break;
        case 'a':
            options->cacert = optarg;
            break;
        case '1':
            options->http = PEER_HTTP1;
            break;
        case '2':
            options->http = PEER_HTTP2;
            break;
        case '3':
            options->http = PEER_HTTP2_ONLY;
            break;
        case 'x':
            options->fresh = true;
            break;
        case 'f':
            options->no_resumption = true;
            break;
        case 'j':
            break;
        default:
            exit(2);
        }
    }
    if (optind + 1 != argc || options->concurrency == 0 || options->requests == 0)
        peer_die("usage: PEER URL -c N -n N, and what load takes");
    options->url = argv[optind];
    split_url(options);
}

void peer_init(struct peer *peer, const char *name, int argc, char **argv)
{
    struct rlimit limit;

    parse(&peer->options, argc, argv);
    peer->report.name = name;
    peer->report.latency = &peer->latency;
    prctl(PR_SET_TIMERSLACK, 1UL);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void peer_begin(struct peer *peer)
{
    peer->begun = bench_usage_now();
    peer->warm = peer->options.warm_up == 0;
}

void peer_finish(struct peer *peer)
{
    peer->report.usage = bench_usage_since(&peer->begun);
    bench_report_print(stdout, &peer->report);
}

static uint64_t due_ns(const struct peer *peer)
{
    return peer->begun.wall_ns + (uint64_t)((double)peer->started * 1e9 / peer->options.rate);
}

bool peer_next(struct peer *peer, uint64_t *start_ns)
{
    uint64_t now_ns = bench_now();

    if (peer->started == peer->options.warm_up + peer->options.requests)
        return false;
    *start_ns = peer->options.rate > 0 ? due_ns(peer) : now_ns;
    if (*start_ns > now_ns)
        return false;
    peer->started++;
    return true;
}

uint64_t peer_due_in_ns(const struct peer *peer)
{
    uint64_t now_ns = bench_now();
    uint64_t due;

    if (peer->options.rate <= 0 || peer->started == peer->options.warm_up + peer->options.requests)
        return UINT64_MAX;
    due = due_ns(peer);
    return due > now_ns ? due - now_ns : 0;
}

/* Only an open loop needs a wait that is exact: valgrind 3.19 does not know epoll_pwait2. */
int peer_wait(const struct peer *peer, int epoll_fd, struct epoll_event *events, int max, uint64_t wait_ns)
{
    struct timespec timeout = {(time_t)(wait_ns / 1000000000), (long)(wait_ns % 1000000000)};

    if (wait_ns == UINT64_MAX)
        return epoll_wait(epoll_fd, events, max, -1);
    if (peer->options.rate <= 0)
        return epoll_wait(epoll_fd, events, max, (int)((wait_ns + 999999) / 1000000));
    return epoll_pwait2(epoll_fd, events, max, &timeout, NULL);
}

static void end_warm_up(struct peer *peer)
{
    peer->warm = true;
    peer->begun = bench_usage_now();
    peer->report.requests = peer->report.errors = peer->report.bytes = 0;
    memset(&peer->latency, 0, sizeof(peer->latency));
}

void peer_ended(struct peer *peer, uint64_t start_ns, uint64_t body_bytes, bool good)
{
    peer->report.requests++;
    peer->report.bytes += body_bytes;
    if (good)
        bench_hist_add(&peer->latency, bench_now() - start_ns);
    else
        peer->report.errors++;
    if (!peer->warm && peer->report.requests == peer->options.warm_up)
        end_warm_up(peer);
}

bool peer_is_over(const struct peer *peer)
{
    return peer->warm && peer->report.requests == peer->options.requests;
}
