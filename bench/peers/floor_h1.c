/* The least that an HTTP/1.1 client can cost: one write of bytes that stand ready and one read for each request, and no
 * parsing but of the first answer, whose length all others must have. It checks nothing that an engine must check. */
#include <stdlib.h>
#include <string.h>

#include "bench/peers/stream.h"

#define EVENTS 256
#define HEAD_MAX 4096

struct slot {
    struct stream stream;
    uint64_t start_ns;
    uint64_t left; /* of the answer */
    bool busy;
    bool ready; /* the request went out */
};

static struct peer peer;
static char request[HEAD_MAX];
static size_t request_len;
static uint64_t head_bytes; /* of each answer; 0: not known yet */
static uint64_t body_bytes;
static struct slot *slots;
static int epoll_fd;
static char buffer[256 * 1024];

static void learn(const char *data, size_t len)
{
    const char *end = memmem(data, len, "\r\n\r\n", 4);
    char head[HEAD_MAX];
    const char *length;

    if (end == NULL || (size_t)(end - data) >= sizeof(head))
        peer_die("the first answer's head did not come at once");
    head_bytes = (uint64_t)(end + 4 - data);
    memcpy(head, data, (size_t)(end - data));
    head[end - data] = '\0';
    length = strcasestr(head, "\ncontent-length:");
    if (length == NULL)
        peer_die("the answer has no Content-Length");
    body_bytes = strtoull(length + 16, NULL, 10);
}

/* Small enough to be taken whole by an idle connection. */
static void send_request(struct slot *slot)
{
    if (stream_write(&slot->stream, request, request_len) != (ssize_t)request_len)
        peer_die("a request was not taken at once");
    slot->ready = true;
}

static void watch(struct slot *slot, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = slot};

    epoll_ctl(epoll_fd, operation, slot->stream.fd, &event);
}

static void dial(struct slot *slot)
{
    stream_dial(&slot->stream);
    peer.report.connections_opened++;
    slot->ready = false;
    watch(slot, EPOLL_CTL_ADD, EPOLLOUT);
}

static void start(struct slot *slot)
{
    slot->busy = peer_next(&peer, &slot->start_ns);
    if (!slot->busy)
        return;
    slot->left = 0; /* until the answer begins */
    if (peer.options.fresh)
        dial(slot);
    else
        send_request(slot);
}

static void on_answer(struct slot *slot, size_t len)
{
    if (head_bytes == 0)
        learn(buffer, len);
    if (slot->left == 0) {
        if (len < 10 || memcmp(buffer, "HTTP/1.1 2", 10) != 0)
            peer_die("not a good answer");
        slot->left = head_bytes + body_bytes;
    }
    if (len > slot->left)
        peer_die("an answer of another length");
    slot->left -= len;
    if (slot->left != 0)
        return;
    peer_ended(&peer, slot->start_ns, body_bytes, true);
    if (peer.options.fresh)
        stream_close(&slot->stream);
    start(slot);
}

static void on_event(struct slot *slot)
{
    ssize_t got;

    if (!slot->ready) {
        if (stream_ready(&slot->stream)) {
            send_request(slot);
            watch(slot, EPOLL_CTL_MOD, EPOLLIN);
        } else {
            watch(slot, EPOLL_CTL_MOD, stream_wants(&slot->stream));
        }
        return;
    }
    /* A short read in the clear means drained; OpenSSL may hold more. */
    while ((got = stream_read(&slot->stream, buffer, sizeof(buffer))) > 0) {
        on_answer(slot, (size_t)got);
        if (slot->left == 0 || slot->stream.ssl == NULL)
            return;
    }
    if (got == 0)
        peer_die("the server closed a connection");
}

static void wait_for_events(void)
{
    struct epoll_event events[EVENTS];
    int count = peer_wait(&peer, epoll_fd, events, EVENTS, peer_due_in_ns(&peer));

    for (int i = 0; i < count; i++)
        on_event(events[i].data.ptr);
    for (uint32_t i = 0; peer.options.rate > 0 && i < peer.options.concurrency && peer_due_in_ns(&peer) == 0; i++)
        if (!slots[i].busy)
            start(&slots[i]);
}

int main(int argc, char **argv)
{
    peer_init(&peer, "floor", argc, argv);
    stream_setup(&peer.options, "http/1.1");
    /* Who closes first decides on whose core the end is worked out: what is for one request says so, as RFC 9112
     * section 9.3 asks. */
    request_len = (size_t)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s:%u\r\nAccept: */*\r\n%s\r\n",
                                   peer.options.path, peer.options.host, peer.options.port,
                                   peer.options.fresh ? "Connection: close\r\n" : "");
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    slots = calloc(peer.options.concurrency, sizeof(slots[0]));
    if (epoll_fd < 0 || slots == NULL || request_len >= sizeof(request))
        peer_die("cannot start");
    peer_begin(&peer);
    for (uint32_t i = 0; i < peer.options.concurrency; i++) {
        if (!peer.options.fresh) {
            stream_open(&slots[i].stream);
            peer.report.connections_opened++;
            watch(&slots[i], EPOLL_CTL_ADD, EPOLLIN);
        }
        start(&slots[i]);
    }
    while (!peer_is_over(&peer))
        wait_for_events();
    peer_finish(&peer);
    return 0;
}
