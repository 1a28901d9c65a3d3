/* libevent's evhttp: a connection for each request in flight, over one event base. HTTP/1.1 in the clear. */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>

#include "bench/peers/peer.h"

struct slot {
    struct evhttp_connection *connection;
    uint64_t start_ns;
};

static struct peer peer;
static struct event_base *base;

static void start(struct slot *slot);

static void connect_slot(struct slot *slot)
{
    slot->connection = evhttp_connection_base_new(base, NULL, peer.options.host, peer.options.port);
    if (slot->connection == NULL)
        peer_die("no connection");
    peer.report.connections_opened++;
}

static void on_answer(struct evhttp_request *request, void *user)
{
    struct slot *slot = user;
    bool good = request != NULL && evhttp_request_get_response_code(request) / 100 == 2;

    peer_ended(&peer, slot->start_ns, good ? evbuffer_get_length(evhttp_request_get_input_buffer(request)) : 0, good);
    if (peer_is_over(&peer))
        event_base_loopbreak(base);
    else
        start(slot);
}

static void start(struct slot *slot)
{
    struct evhttp_request *request;

    if (!peer_next(&peer, &slot->start_ns))
        return;
    request = evhttp_request_new(on_answer, slot);
    if (request == NULL)
        peer_die("out of memory");
    evhttp_add_header(evhttp_request_get_output_headers(request), "Host", peer.options.host);
    if (evhttp_make_request(slot->connection, request, EVHTTP_REQ_GET, peer.options.path) != 0)
        peer_die("evhttp refuses a request");
}

int main(int argc, char **argv)
{
    struct slot *slots;

    peer_init(&peer, "evhttp", argc, argv);
    if (peer.options.tls || peer.options.http != PEER_HTTP1 || peer.options.fresh || peer.options.rate > 0)
        peer_die("only HTTP/1.1 in the clear, in a closed loop");
    base = event_base_new();
    slots = calloc(peer.options.concurrency, sizeof(slots[0]));
    if (base == NULL || slots == NULL)
        peer_die("cannot start");
    peer_begin(&peer);
    for (uint32_t i = 0; i < peer.options.concurrency; i++) {
        connect_slot(&slots[i]);
        start(&slots[i]);
    }
    event_base_dispatch(base);
    peer_finish(&peer);
    return 0;
}
