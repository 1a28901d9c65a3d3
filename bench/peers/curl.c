/* libcurl's multi interface over its socket API and epoll, its handles reused: how a service that cares would use
 * it. */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "bench/peers/peer.h"

#define EVENTS 256

struct slot {
    CURL *easy;
    uint64_t start_ns;
    uint64_t bytes;
    bool busy;
};

static struct peer peer;
static CURLM *multi;
static struct slot *slots;
static int epoll_fd;
static uint64_t timer_ns = UINT64_MAX; /* when libcurl wants to be called */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
    struct epoll_event event = {.data.fd = fd};

    (void)easy;
    (void)user;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);
    epoll_ctl(epoll_fd, known == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
    if (known == NULL)
        curl_multi_assign(multi, fd, &peer);
    return 0;
}

static int on_timer(CURLM *m, long ms, void *user)
{
    (void)m;
    (void)user;
    timer_ns = ms < 0 ? UINT64_MAX : bench_now() + (uint64_t)ms * 1000000;
    return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    struct slot *slot = user;

    (void)data;
    slot->bytes += size * count;
    return size * count;
}

/* libcurl 7.88 breaks an h2c connection that a second request asks for "with prior knowledge" (CURLE_HTTP2): only the
 * first handle asks so, and until it has its answer; all others wait for that connection (CURLOPT_PIPEWAIT) and share
 * it. */
static void use_what_is_open(CURL *easy)
{
    if (peer.options.http == PEER_HTTP2_ONLY)
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_0);
}

static void start(struct slot *slot)
{
    slot->busy = peer_next(&peer, &slot->start_ns);
    slot->bytes = 0;
    if (slot->busy && curl_multi_add_handle(multi, slot->easy) != CURLM_OK)
        peer_die("libcurl refuses a request");
}

static void take_ended(void)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(multi, &left)) != NULL) {
        struct slot *slot;
        long status = 0;
        long connects = 0;
        CURL *easy = message->easy_handle;
        bool good = message->data.result == CURLE_OK;

        if (!good && peer.report.errors == 0)
            fprintf(stderr, "libcurl: %s\n", curl_easy_strerror(message->data.result));
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&slot);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
        peer.report.connections_opened += (uint64_t)connects;
        if (easy == slots[0].easy)
            use_what_is_open(easy);
        curl_multi_remove_handle(multi, easy);
        peer_ended(&peer, slot->start_ns, slot->bytes, good && status < 400);
        start(slot);
    }
}

static CURL *make_easy(struct slot *slot)
{
    static const long versions[] = {CURL_HTTP_VERSION_1_1, CURL_HTTP_VERSION_2TLS, CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE};
    CURL *easy = curl_easy_init();

    if (easy == NULL)
        peer_die("out of memory");
    curl_easy_setopt(easy, CURLOPT_URL, peer.options.url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, slot);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, versions[peer.options.http]);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L * 1024);
    if (peer.options.http != PEER_HTTP1)
        curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    if (peer.options.fresh) {
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    }
    if (peer.options.cacert != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, peer.options.cacert);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* else each handshake looks through the system's */
    }
    if (peer.options.no_resumption)
        curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    return easy;
}

static void serve(void)
{
    struct epoll_event events[EVENTS];
    int running;

    while (!peer_is_over(&peer)) {
        uint64_t now_ns = bench_now();
        uint64_t wait_ns = timer_ns == UINT64_MAX ? UINT64_MAX : timer_ns > now_ns ? timer_ns - now_ns : 0;
        uint64_t due_ns = peer_due_in_ns(&peer);
        int count;

        if (due_ns < wait_ns)
            wait_ns = due_ns;
        count = peer_wait(&peer, epoll_fd, events, EVENTS, wait_ns);
        for (int i = 0; i < count; i++)
            curl_multi_socket_action(multi, events[i].data.fd,
                                     (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                                         (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                                         (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0),
                                     &running);
        if (timer_ns <= bench_now()) {
            timer_ns = UINT64_MAX;
            curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
        }
        take_ended();
        for (uint32_t i = 0; peer.options.rate > 0 && i < peer.options.concurrency && peer_due_in_ns(&peer) == 0; i++)
            if (!slots[i].busy)
                start(&slots[i]);
    }
}

int main(int argc, char **argv)
{
    peer_init(&peer, "libcurl", argc, argv);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    slots = calloc(peer.options.concurrency, sizeof(slots[0]));
    curl_global_init(CURL_GLOBAL_DEFAULT);
    multi = curl_multi_init();
    if (epoll_fd < 0 || slots == NULL || multi == NULL)
        peer_die("cannot start");
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)peer.options.concurrency + 1);
    curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)peer.options.concurrency);
    for (uint32_t i = 0; i < peer.options.concurrency; i++)
        slots[i].easy = make_easy(&slots[i]);
    for (uint32_t i = 1; i < peer.options.concurrency; i++)
        use_what_is_open(slots[i].easy);
    peer_begin(&peer);
    for (uint32_t i = 0; i < peer.options.concurrency; i++)
        start(&slots[i]);
    serve();
    peer_finish(&peer);
    return 0;
}
