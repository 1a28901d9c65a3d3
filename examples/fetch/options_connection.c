/* fetch/options_connection.c - how to get there, and for how long to try. */
#include "option.h"

#include <string.h>

#define PARALLEL_MAX 65535    /* curl's bound */
#define PARALLEL_DEFAULT 50   /* and its default */
#define SPEED_TIME_DEFAULT 30 /* seconds, where only -Y is given */

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

static const struct option rows[] = {
    {0, "cacert", TEXT, AT(ca_file), 0, NULL},
    {0, "capath", TEXT, AT(ca_dir), 0, NULL},
    {'E', "cert", TEXT, AT(cert), 0, NULL},
    {0, "connect-timeout", SECONDS, AT(connect_ns), 0, NULL},
    {0, "connect-to", LIST, AT(connect_to), 0, NULL},
    {0, "dns-servers", TEXT, AT(dns_servers), 0, NULL},
    {0, "http1.1", CHOICE, AT(http_mode), TERN_HTTP_MODE_1_1, NULL},
    {0, "http2", CHOICE, AT(http_mode), TERN_HTTP_MODE_2, NULL},
    {0, "http2-prior-knowledge", CHOICE, AT(http_mode), TERN_HTTP_MODE_2_ONLY, NULL},
    {'k', "insecure", SWITCH, AT(insecure), 0, NULL},
    {0, "interface", TEXT, AT(interface), 0, NULL},
    {'4', "ipv4", CHOICE, AT(ip_family), TERN_IP_V4, NULL},
    {'6', "ipv6", CHOICE, AT(ip_family), TERN_IP_V6, NULL},
    {0, "key", TEXT, AT(key), 0, NULL},
    {0, "max-filesize", SIZE, AT(body_bytes_max), 0, NULL},
    {'m', "max-time", SECONDS, AT(total_ns), 0, NULL},
    {'Z', "parallel", SWITCH, AT(parallel), 0, NULL},
    {0, "parallel-max", NUMBER, AT(parallel_max), PARALLEL_MAX, NULL},
    {0, "pinnedpubkey", TEXT, AT(pins), 0, NULL},
    {0, "resolve", LIST, AT(resolve), 0, NULL},
    {'Y', "speed-limit", NUMBER, AT(speed_bytes_per_s), UINT64_MAX - 1, NULL},
    {'y', "speed-time", SECONDS, AT(speed_ns), 0, NULL},
    {0, "tls-max", CALL, 0, 0, call_tls_max},
    {0, "tlsv1.2", CHOICE, AT(tls_min), TERN_TLS_1_2, NULL},
    {0, "tlsv1.3", CHOICE, AT(tls_min), TERN_TLS_1_3, NULL},
    {0, "unix-socket", TEXT, AT(unix_socket), 0, NULL},
};

static bool check(struct options *o, struct failure *failure)
{
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

const struct option_group options_connection = OPTION_GROUP(rows, check);
