/* engine/io.h - the seam to the operating system: sockets, readiness, time and randomness.
 *
 * No other file of the library calls a socket, a clock or a random source. There are a real one (engine/io_epoll.c) and
 * a scripted one (tests/support/simio.c). Each operation is one indirect call beside one system call; those that can
 * fail give a negative errno. All belong to the engine's thread but wake, which any thread and any signal handler may
 * call.
 *
 * Readiness. Sockets are watched once, edge-triggered, for everything; an edge says "try again", never "there is".
 * Foreign descriptors (those of c-ares and of the user) are watched level-triggered for what is asked.
 *
 * Fork. Once forked() answers true, nothing reaches the kernel objects that are shared with the parent: watch,
 * unwatch, wake and arm do nothing, and close closes only the child's copy of a descriptor. */
#ifndef TERN_ENGINE_IO_H
#define TERN_ENGINE_IO_H

#include <sys/types.h>
#include <sys/uio.h>

#include "engine/addr.h"
#include "tern/error.h"

/* Readiness, in tern_io_event.events. */
#define TERN_IO_READ 1u  /* bytes or an end to read */
#define TERN_IO_WRITE 2u /* room to write, or connected; connecting failed only where END comes with it */
#define TERN_IO_END 4u   /* the peer will send no more, or the socket broke: read until that shows */

/* Most pieces of one sendmsg; a caller with more sends the first ones. */
#define TERN_IO_IOV_MAX 64

struct tern_engine;

/* A descriptor and who wants to know about it. Embedded in its owner, which sets all fields. on_ready runs from
 * inside a step. An owner that closes the descriptor sets fd to -1 and keeps the watch's memory until the batch is
 * over (the graveyard): a late event meets fd -1 and is dropped. */
struct tern_watch {
    int fd;
    void (*on_ready)(struct tern_watch *watch, uint32_t events);
};

struct tern_io_event {
    struct tern_watch *watch;
    uint32_t events;
};

/* What a socket is made with. It is always non-blocking and closed on exec; a stream over IP has TCP_NODELAY set. */
struct tern_io_socket {
    int family;                       /* AF_INET, AF_INET6, AF_UNIX */
    int type;                         /* SOCK_STREAM, SOCK_DGRAM */
    const struct tern_sockaddr *bind; /* local address (port 0: any), or NULL. Borrowed for the call */
    const char *device;               /* SO_BINDTODEVICE, or NULL */
    uint32_t unacked_ms;              /* TCP_USER_TIMEOUT of a stream over IP, or 0 */
};

struct tern_io;

struct tern_io_ops {
    /* Sockets. socket gives the descriptor. connect gives 0 when connected, -EINPROGRESS while it is on its way.
     * recv gives the number of bytes, 0 at the end, -EAGAIN when there is nothing; it works on pipes too. sendmsg
     * gives the number of bytes taken, -EAGAIN when there is no room; it never raises SIGPIPE. recv and sendmsg
     * repeat themselves on EINTR. so_error gives the pending error as a negative errno, or 0. names fills what is
     * not NULL. */
    int (*socket)(struct tern_io *io, const struct tern_io_socket *how);
    int (*connect)(struct tern_io *io, int fd, const struct tern_sockaddr *peer);
    ssize_t (*recv)(struct tern_io *io, int fd, void *buf, size_t cap);
    ssize_t (*sendmsg)(struct tern_io *io, int fd, const struct iovec *iov, int iov_count);
    int (*so_error)(struct tern_io *io, int fd);
    int (*names)(struct tern_io *io, int fd, struct tern_sockaddr *local, struct tern_sockaddr *peer);
    void (*close)(struct tern_io *io, int fd);

    /* The number of the network interface called name, for the scope of a link-local address; 0: there is none. */
    uint32_t (*interface_number)(struct tern_io *io, const char *name);

    /* Readiness. watch registers watch->fd once, edge-triggered, for READ, WRITE and END; watch_level registers it,
     * or changes what it is registered for, level-triggered, for events (READ, WRITE or both; END comes unasked);
     * unwatch takes it back and comes before close: a descriptor that a forked child still holds would go on raising
     * events otherwise. */
    int (*watch)(struct tern_io *io, struct tern_watch *watch);
    int (*watch_level)(struct tern_io *io, struct tern_watch *watch, uint32_t events, bool is_new);
    void (*unwatch)(struct tern_io *io, struct tern_watch *watch);

    /* Waits until a watch is ready, wake was called or deadline_ns has come (0: no waiting; TERN_OFF: no deadline)
     * and fills out with at most cap events. Gives their number; a wake, a deadline or a signal may give 0. */
    int (*wait)(struct tern_io *io, struct tern_io_event *out, int cap, uint64_t deadline_ns);

    /* Makes the current wait, or else the next one, return at once, and pollable readable until then. */
    void (*wake)(struct tern_io *io);

    /* The descriptor that is readable while wait has something to give; arm makes it readable at deadline_ns too
     * (TERN_OFF: disarm). */
    int (*pollable)(struct tern_io *io);
    int (*arm)(struct tern_io *io, uint64_t deadline_ns);

    uint64_t (*now)(struct tern_io *io);                      /* monotonic nanoseconds, never 0 */
    uint64_t (*wall)(struct tern_io *io);                     /* nanoseconds since 1970-01-01 UTC */
    int (*random)(struct tern_io *io, void *buf, size_t len); /* unpredictable bytes, len <= 256; 0 or an errno */

    bool (*forked)(struct tern_io *io);  /* true in a child of the process that made io. Costs no system call */
    void (*abandon)(struct tern_io *io); /* in such a child: closes its copies of the seam's own descriptors */
    void (*free)(struct tern_io *io);
};

struct tern_io {
    const struct tern_io_ops *ops;
};

/* The real one: an epoll descriptor that is itself the pollable one and holds an eventfd for wake and a timerfd for
 * arm. On success *out is owned by the caller. why may be NULL. Errors: TERN_ENOMEM, TERN_EDESCRIPTORS, TERN_EOS. */
TERN_MUST_USE enum tern_error tern_io_epoll_new(struct tern_io **out, struct tern_fault *why);

#endif
