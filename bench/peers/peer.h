/* What every peer in C shares: load's command line as far as a peer can follow it, and how its work is counted. A peer
 * does the same as load and prints the same line, so that one can stand beside the other. */
#ifndef BENCH_PEERS_PEER_H
#define BENCH_PEERS_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/epoll.h>

#include "bench/harness/measure.h"

#define PEER_HOST_MAX 128

enum peer_http { PEER_HTTP1, PEER_HTTP2, PEER_HTTP2_ONLY };

struct peer_options {
    const char *url;
    char host[PEER_HOST_MAX]; /* of the URL: name or IPv4 address */
    uint16_t port;
    const char *path;
    bool tls;
    enum peer_http http;
    uint32_t concurrency;
    uint64_t requests;
    uint64_t warm_up; /* requests before those, not counted */
    double rate;      /* starts a second; 0: closed loop */
    const char *cacert;
    bool fresh; /* a connection for each request */
    bool no_resumption;
};

/* The run so far. */
struct peer {
    struct peer_options options;
    struct bench_usage begun;
    struct bench_report report;
    struct bench_hist latency;
    uint64_t started;
    bool warm;
};

/* Ends the program when the command line is wrong. name is the peer's. */
void peer_init(struct peer *peer, const char *name, int argc, char **argv);

/* Starts the measurement, which starts again when the warm-up is over; ends it and prints the line. */
void peer_begin(struct peer *peer);
void peer_finish(struct peer *peer);

/* Whether another request is to start now, and with it the moment that its latency counts from. */
bool peer_next(struct peer *peer, uint64_t *start_ns);

/* How long until one is due in an open loop; UINT64_MAX when none is left or the loop is closed. */
uint64_t peer_due_in_ns(const struct peer *peer);

/* epoll_wait with a time in ns, UINT64_MAX for none. */
int peer_wait(const struct peer *peer, int epoll_fd, struct epoll_event *events, int max, uint64_t wait_ns);

/* One has ended. */
void peer_ended(struct peer *peer, uint64_t start_ns, uint64_t body_bytes, bool good);
bool peer_is_over(const struct peer *peer);

/* Prints the text and ends the program: a peer that cannot do its work measures nothing. */
noreturn void peer_die(const char *what);

#endif
