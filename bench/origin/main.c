/* tern-origin: a small HTTP/1.1 and HTTP/2 server on loopback for the demo, the bench and the tests. bench/README.md
 * tells what it answers. */
#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/num.h"
#include "bench/origin/server.h"

#define STREAMS_DEFAULT 128
#define STREAMS_MAX 100000

static const char usage[] = "Usage: tern-origin [OPTIONS]\n"
                            "  --address A         an IPv4 address of loopback; 127.0.0.1 is the default\n"
                            "  --port N            plain HTTP; 0, the default: any free port\n"
                            "  --tls-port N        the same for HTTPS\n"
                            "  --unix PATH         plain HTTP on a Unix socket, too\n"
                            "  --streams N         of an HTTP/2 connection at once, 1 to 100000; 128 is the default\n"
                            "  --cert-out FILE     write the certificate of the authority that is made at start (PEM)\n"
                            "  --exit-with-stdin   end when standard input does\n"
                            "  --help              this\n"
                            "When it is ready it prints one line for each address: http://…, https://…, unix:….\n";

struct options {
    struct in_addr address;
    uint16_t port;
    uint16_t tls_port;
    const char *unix_path;
    const char *cert_path;
    uint32_t streams_max;
    bool exit_with_stdin;
};

static bool parse_port(const char *text, uint16_t *out)
{
    uint64_t port;

    if (!tern_u64_parse(tern_str(text), UINT16_MAX, &port)) {
        fprintf(stderr, "tern-origin: no port: %s\n", text);
        return false;
    }
    *out = (uint16_t)port;
    return true;
}

/* Anything but loopback would be a door to this machine. */
static bool parse_address(const char *text, struct in_addr *out)
{
    if (inet_pton(AF_INET, text, out) == 1 && ntohl(out->s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET)
        return true;
    fprintf(stderr, "tern-origin: no IPv4 address of loopback: %s\n", text);
    return false;
}

static bool parse_streams(const char *text, uint32_t *out)
{
    uint64_t streams;

    if (!tern_u64_parse(tern_str(text), STREAMS_MAX, &streams) || streams == 0) {
        fprintf(stderr, "tern-origin: no number of streams: %s\n", text);
        return false;
    }
    *out = (uint32_t)streams;
    return true;
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"address", required_argument, NULL, 'a'},
        {"port", required_argument, NULL, 'p'},
        {"tls-port", required_argument, NULL, 't'},
        {"unix", required_argument, NULL, 'u'},
        {"streams", required_argument, NULL, 's'},
        {"cert-out", required_argument, NULL, 'c'},
        {"exit-with-stdin", no_argument, NULL, 'e'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'a':
            if (!parse_address(optarg, &options->address))
                return false;
            break;
        case 'p':
            if (!parse_port(optarg, &options->port))
                return false;
            break;
        case 't':
            if (!parse_port(optarg, &options->tls_port))
                return false;
            break;
        case 'u':
            options->unix_path = optarg;
            break;
        case 's':
            if (!parse_streams(optarg, &options->streams_max))
                return false;
            break;
        case 'c':
            options->cert_path = optarg;
            break;
        case 'e':
            options->exit_with_stdin = true;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs(usage, stderr);
            return false;
        }
    }
    if (optind != argc)
        fputs(usage, stderr);
    return optind == argc;
}

static bool write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    bool written = file != NULL && fputs(text, file) != EOF;

    if (file != NULL && fclose(file) != 0)
        written = false;
    if (!written)
        perror(path);
    return written;
}

/* Each connection is a descriptor. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool start(struct origin_server *server, const struct options *options)
{
    char ca_pem[ORIGIN_PEM_MAX], address[INET_ADDRSTRLEN];
    uint16_t port;
    uint16_t tls_port;

    server->address = options->address;
    server->streams_max = options->streams_max;
    server->tls = origin_tls_new(ca_pem);
    if (server->tls == NULL || (options->cert_path != NULL && !write_file(options->cert_path, ca_pem)))
        return false;
    port = origin_server_listen(server, options->port, false);
    tls_port = port != 0 ? origin_server_listen(server, options->tls_port, true) : 0;
    if (tls_port == 0 || (options->unix_path != NULL && !origin_server_listen_unix(server, options->unix_path)) ||
        (options->exit_with_stdin && !origin_server_watch_input(server)))
        return false;
    inet_ntop(AF_INET, &options->address, address, sizeof(address));
    printf("http://%s:%u\nhttps://%s:%u\n", address, port, address, tls_port);
    if (options->unix_path != NULL)
        printf("unix:%s\n", options->unix_path);
    return fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
    static struct origin_server server;
    struct options options = {.address = {htonl(INADDR_LOOPBACK)}, .streams_max = STREAMS_DEFAULT};
    bool served;

    if (!parse_options(argc, argv, &options))
        return 2;
    raise_descriptor_limit();
    origin_pattern_init();
    served = origin_server_init(&server) && start(&server, &options) && origin_server_run(&server);
    origin_server_deinit(&server);
    if (served && options.unix_path != NULL)
        unlink(options.unix_path);
    return served ? 0 : 1;
}
