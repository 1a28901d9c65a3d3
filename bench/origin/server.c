#include "bench/origin/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "bench/origin/conn.h"

#define EVENTS_MAX 256
#define ACCEPT_REST_MS 100
#define ACCEPTS_MAX 64 /* in one go, then those that are here have their turn */

static bool complain(const char *what)
{
    fprintf(stderr, "tern-origin: %s: %s\n", what, strerror(errno));
    return false;
}

static bool watch(struct origin_server *server, struct origin_source *source, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};

    return epoll_ctl(server->epoll_fd, operation, source->fd, &event) == 0;
}

static void read_clocks(struct origin_server *server)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    server->now_ns = (uint64_t)now.tv_sec * TERN_S + (uint64_t)now.tv_nsec;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != server->now_s) {
        server->now_s = now.tv_sec;
        tern_date_format(server->date, now.tv_sec);
    }
}

bool origin_server_init(struct origin_server *server)
{
    sigset_t ending;

    *server = (struct origin_server){.signals = {ORIGIN_SOURCE_SIGNAL, -1}, .input = {ORIGIN_SOURCE_STDIN, -1}};
    tern_list_init(&server->conns);
    tern_list_init(&server->dead);
    tern_list_init(&server->deadlines);
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigprocmask(SIG_BLOCK, &ending, NULL);
    server->signals.fd = signalfd(-1, &ending, SFD_NONBLOCK | SFD_CLOEXEC);
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (server->epoll_fd < 0 || server->signals.fd < 0 || !watch(server, &server->signals, EPOLL_CTL_ADD, EPOLLIN))
        return complain("cannot start");
    if (origin_stats_init(&server->stats) != TERN_OK) {
        errno = ENOMEM;
        return complain("cannot start");
    }
    read_clocks(server);
    return true;
}

static void bury(struct origin_server *server)
{
    struct tern_list *node;

    while ((node = tern_list_pop_front(&server->dead)) != NULL)
        origin_conn_free(TERN_CONTAINER_OF(node, struct origin_conn, node));
}

void origin_server_deinit(struct origin_server *server)
{
    TERN_LIST_FOREACH(node, &server->conns)
        origin_conn_close(TERN_CONTAINER_OF(node, struct origin_conn, node));
    bury(server);
    for (int i = 0; i < server->listener_count; i++)
        close(server->listeners[i].source.fd);
    if (server->signals.fd >= 0)
        close(server->signals.fd);
    if (server->epoll_fd >= 0)
        close(server->epoll_fd);
    origin_stats_deinit(&server->stats);
    origin_tls_free(server->tls);
}

static bool listen_on(struct origin_server *server, int fd, bool tls)
{
    struct origin_listener *listener = &server->listeners[server->listener_count];

    *listener = (struct origin_listener){{ORIGIN_SOURCE_LISTENER, fd}, tls};
    if (listen(fd, SOMAXCONN) != 0 || !watch(server, &listener->source, EPOLL_CTL_ADD, EPOLLIN))
        return false;
    server->listener_count++;
    return true;
}

uint16_t origin_server_listen(struct origin_server *server, uint16_t port, bool tls)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = server->address};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    /* Accepted sockets inherit TCP_NODELAY. */
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
        bind(fd, (struct sockaddr *)&address, len) == 0 && getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
        listen_on(server, fd, tls))
        return ntohs(address.sin_port);
    complain("cannot listen");
    if (fd >= 0)
        close(fd);
    return 0;
}

bool origin_server_listen_unix(struct origin_server *server, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return complain(path);
    }
    memcpy(address.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen_on(server, fd, false))
        return true;
    complain(path);
    if (fd >= 0)
        close(fd);
    return false;
}

bool origin_server_watch_input(struct origin_server *server)
{
    server->input.fd = STDIN_FILENO;
    return watch(server, &server->input, EPOLL_CTL_ADD, EPOLLIN) || complain("cannot watch standard input");
}

/* Without a free descriptor a listener would stay ready for ever: it rests until a connection closes, or a while. */
static void pause_accepting(struct origin_server *server, bool pause)
{
    server->accept_paused = pause;
    for (int i = 0; i < server->listener_count; i++)
        watch(server, &server->listeners[i].source, EPOLL_CTL_MOD, pause ? 0 : EPOLLIN);
}

static void accept_some(struct origin_server *server, const struct origin_listener *listener)
{
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(listener->source.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct origin_conn *conn;

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                pause_accepting(server, true);
            return;
        }
        conn = origin_conn_new(server, fd, listener->tls);
        if (conn != NULL) /* What it has to say is often there already. */
            origin_conn_run(conn, EPOLLIN);
    }
}

/* False: the input has ended. */
static bool skip_input(void)
{
    char bytes[256];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

    return n > 0 || (n < 0 && errno == EINTR);
}

/* False: time to stop. */
static bool dispatch(struct origin_server *server, struct origin_source *source, uint32_t events)
{
    switch (source->kind) {
    case ORIGIN_SOURCE_CONN:
        origin_conn_run(TERN_CONTAINER_OF(source, struct origin_conn, source), events);
        break;
    case ORIGIN_SOURCE_LISTENER:
        accept_some(server, TERN_CONTAINER_OF(source, struct origin_listener, source));
        break;
    case ORIGIN_SOURCE_SIGNAL:
        return false;
    case ORIGIN_SOURCE_STDIN:
        return skip_input();
    }
    return true;
}

static void run_deadlines(struct origin_server *server)
{
    while (!tern_list_is_empty(&server->deadlines)) {
        struct origin_conn *conn = TERN_CONTAINER_OF(server->deadlines.next, struct origin_conn, deadline_node);

        if (conn->deadline_ns > server->now_ns)
            return;
        tern_list_remove(&conn->deadline_node);
        origin_conn_run(conn, 0);
    }
}

/* Milliseconds to the next deadline, rounded up; -1 where there is none to wait for. */
static int wait_ms(const struct origin_server *server)
{
    const struct origin_conn *first;

    if (server->accept_paused)
        return ACCEPT_REST_MS;
    if (tern_list_is_empty(&server->deadlines))
        return -1;
    first = TERN_CONTAINER_OF(server->deadlines.next, struct origin_conn, deadline_node);
    if (first->deadline_ns <= server->now_ns)
        return 0;
    return (int)((first->deadline_ns - server->now_ns + TERN_MS - 1) / TERN_MS);
}

bool origin_server_run(struct origin_server *server)
{
    struct epoll_event events[EVENTS_MAX];

    for (;;) {
        int n = epoll_wait(server->epoll_fd, events, EVENTS_MAX, wait_ms(server));

        if (n < 0 && errno != EINTR)
            return complain("epoll_wait");
        read_clocks(server);
        for (int i = 0; i < n; i++) {
            if (!dispatch(server, events[i].data.ptr, events[i].events))
                return true;
        }
        run_deadlines(server);
        if (server->accept_paused && (n == 0 || !tern_list_is_empty(&server->dead)))
            pause_accepting(server, false);
        bury(server);
    }
}
