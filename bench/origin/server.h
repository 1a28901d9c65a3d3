/* bench/origin/server.h - the loop: one thread, level-triggered epoll, listeners, deadlines. */
#ifndef BENCH_ORIGIN_SERVER_H
#define BENCH_ORIGIN_SERVER_H

#include <netinet/in.h>

#include "base/date.h"
#include "base/list.h"
#include "bench/origin/route.h"
#include "bench/origin/tls.h"

#define ORIGIN_LISTENERS_MAX 3

enum origin_source_kind { ORIGIN_SOURCE_LISTENER, ORIGIN_SOURCE_CONN, ORIGIN_SOURCE_SIGNAL, ORIGIN_SOURCE_STDIN };

/* What epoll points at: the first member of what is watched. */
struct origin_source {
    enum origin_source_kind kind;
    int fd;
};

struct origin_listener {
    struct origin_source source;
    bool tls;
};

struct origin_server {
    int epoll_fd;
    uint64_t now_ns; /* monotonic, latched once a wakeup */
    int64_t now_s;   /* the wall clock's seconds, and the same as Date has them */
    char date[TERN_DATE_SIZE];
    struct origin_listener listeners[ORIGIN_LISTENERS_MAX];
    int listener_count;
    struct in_addr address; /* to be set before it listens; so the next */
    uint32_t streams_max;   /* of an HTTP/2 connection, at once */
    bool accept_paused;     /* no descriptor was left */
    struct origin_source signals;
    struct origin_source input;
    struct origin_tls *tls;
    struct origin_stats stats;
    struct tern_list conns;     /* struct origin_conn, by node */
    struct tern_list dead;      /* the same, closed; freed after the batch */
    struct tern_list deadlines; /* the same, by deadline, the earliest first */
};

/* All of these say on stderr what went wrong. */
bool origin_server_init(struct origin_server *server);
void origin_server_deinit(struct origin_server *server);

/* Listen on server->address (port 0: any) and answer the port, or 0; on a socket in the file system. TLS needs
 * server->tls. */
uint16_t origin_server_listen(struct origin_server *server, uint16_t port, bool tls);
bool origin_server_listen_unix(struct origin_server *server, const char *path);

/* Stops when standard input ends. */
bool origin_server_watch_input(struct origin_server *server);

/* Serves until SIGTERM, SIGINT or the end of a watched input. */
bool origin_server_run(struct origin_server *server);

#endif
