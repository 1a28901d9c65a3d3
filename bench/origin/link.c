#include "bench/origin/link.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t origin_link_recv(struct origin_link *link, void *buffer, size_t len)
{
    return link->tls != NULL ? origin_tls_recv(link->tls, buffer, len) : recv(link->fd, buffer, len, 0);
}

static ssize_t send_by_tls(struct origin_link *link, const struct iovec *parts, int count)
{
    ssize_t sent = 0;

    for (int i = 0; i < count; i++) {
        ssize_t n = origin_tls_send(link->tls, parts[i].iov_base, parts[i].iov_len);

        if (n < 0)
            return sent != 0 ? sent : -1;
        sent += n;
        if ((size_t)n < parts[i].iov_len)
            break;
    }
    return sent;
}

ssize_t origin_link_send(struct origin_link *link, const struct iovec *parts, int count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};

    return link->tls != NULL ? send_by_tls(link, parts, count) : sendmsg(link->fd, &message, MSG_NOSIGNAL);
}

bool origin_link_flush(struct origin_link *link)
{
    return link->tls == NULL || origin_tls_flush(link->tls);
}

void origin_link_shut(struct origin_link *link, bool in_order)
{
    if (link->tls != NULL && in_order)
        origin_tls_close_notify(link->tls);
    shutdown(link->fd, SHUT_WR);
}

void origin_link_close(struct origin_link *link, bool reset)
{
    struct linger now = {.l_onoff = 1};

    if (reset)
        setsockopt(link->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(link->fd);
    link->fd = -1;
    origin_tls_peer_free(link->tls);
    link->tls = NULL;
}
