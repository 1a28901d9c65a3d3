/* bench/origin/link.h - bytes to and from one peer, in the clear or by TLS, over a non-blocking socket. */
#ifndef BENCH_ORIGIN_LINK_H
#define BENCH_ORIGIN_LINK_H

#include <sys/uio.h>

#include "bench/origin/tls.h"

struct origin_link {
    int fd;                      /* owned */
    struct origin_tls_peer *tls; /* owned; NULL: in the clear */
};

/* As recv and sendmsg, never a SIGPIPE. -1 with EAGAIN: not now. */
ssize_t origin_link_recv(struct origin_link *link, void *buffer, size_t len);
ssize_t origin_link_send(struct origin_link *link, const struct iovec *parts, int count);

/* Gives the socket what send took and still holds. False: not all is gone, errno says why. */
bool origin_link_flush(struct origin_link *link);

/* Sends no more. in_order: says so by TLS, too. */
void origin_link_shut(struct origin_link *link, bool in_order);

/* Closes; reset: by RST, with all that is not yet sent thrown away. */
void origin_link_close(struct origin_link *link, bool reset);

#endif
