/* load's command line. */
#ifndef BENCH_HARNESS_OPTIONS_H
#define BENCH_HARNESS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "tern/tern.h"

#define BENCH_THREADS_MAX 64

struct bench_options {
    const char *url;
    const char *name; /* of the report; NULL: the URL */
    uint64_t requests;
    uint64_t warm_up;     /* requests before those, not counted */
    uint32_t concurrency; /* calls in flight, and the most connections, of each thread */
    uint32_t threads;     /* each with an engine of its own */
    double rate;          /* starts a second over all threads; 0: closed loop */
    uint64_t upload_bytes;
    uint32_t cancel_every; /* every so manyth call is cancelled; 0: none */
    uint32_t idle;         /* idle connections beside, of each thread */
    uint32_t paused;       /* calls beside that stop reading, of each thread */
    const char *paused_url;
    uint64_t spin_ns;
    enum tern_http_mode http_mode;
    enum tern_tls_version tls_max;
    const char *cacert;
    bool insecure;
    bool fresh; /* a connection for each request */
    bool no_resumption;
    bool policies; /* all of them on, none with anything to object */
    bool json;
};

enum bench_options_end { BENCH_OPTIONS_RUN, BENCH_OPTIONS_HELP, BENCH_OPTIONS_WRONG };

/* Says on stderr what is wrong. What out points at is argv's. */
enum bench_options_end bench_options_parse(int argc, char **argv, struct bench_options *out);

#endif
