/* The TCP stream: over the scripted system for what is asked of it and when, over real sockets for what they do. */
#include <errno.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/engine.h"
#include "engine/tcp.h"
#include "tests/support/simio.h"

#define SERVER "192.0.2.1:80"

static struct tern_engine *engine;
static struct simio *sim;
static struct tern_tcp tcp;
static struct tern_bytestream *stream = &tcp.stream;
static struct tern_fault why;
static int upcalls;

static void on_ready(struct tern_bytestream *s)
{
    assert_ptr_equal(s, stream);
    upcalls++;
}

static struct tern_sockaddr address(const char *text)
{
    struct tern_sockaddr addr;
    assert_true(tern_sockaddr_parse(&addr, tern_str(text)));
    return addr;
}

/* Why the stream has failed. */
static const struct tern_fault *fault(void)
{
    tern_bytestream_fault(stream, &why);
    return &why;
}

static enum tern_error start(const char *text)
{
    static struct tern_sockaddr addr; /* borrowed */
    addr = address(text);
    enum tern_error error = tern_tcp_start(engine, &tcp, &addr, NULL, &why);
    stream->on_ready = on_ready;
    upcalls = 0;
    return error;
}

/* What a read gives: its bytes, or the flow in angle brackets. */
static const char *read_up_to(size_t cap)
{
    static const char *const flows[] = {"", "<want read>", "<want write>", "<eof>", "<error>"};
    static char text[256];
    size_t n = 0;
    assert_true(cap < sizeof text);
    enum tern_flow flow = tern_bytestream_read(stream, text, cap, &n);
    if (flow != TERN_FLOW_OK)
        return flows[flow];
    assert_in_range(n, 1, cap);
    text[n] = '\0';
    return text;
}

static enum tern_flow write_text(const char *text, size_t *n)
{
    struct iovec iov[2] = {{(void *)(uintptr_t)text, strlen(text) / 2},
                           {(void *)(uintptr_t)(text + strlen(text) / 2), strlen(text) - strlen(text) / 2}};
    *n = 0;
    return tern_bytestream_writev(stream, iov, 2, n);
}

static struct simio_peer *connect_sim(void)
{
    sim = simio_new(NULL, &engine);
    simio_listen(sim, SERVER);
    assert_int_equal(start(SERVER), TERN_OK);
    assert_int_equal(tern_bytestream_handshake(stream), TERN_FLOW_WANT_WRITE);
    simio_run(sim, 0);
    assert_int_equal(tern_bytestream_handshake(stream), TERN_FLOW_OK);
    upcalls = 0;
    struct simio_peer *peer = simio_accept(sim, SERVER);
    assert_non_null(peer);
    return peer;
}

static void finish(void)
{
    tern_bytestream_close(stream);
    tern_bytestream_close(stream); /* again is harmless */
    tern_engine_free(engine);
}

static void test_no_call_without_an_edge(void **state)
{
    (void)state;
    struct simio_peer *peer = connect_sim();
    assert_string_equal(read_up_to(10), "<want read>");
    assert_int_equal(simio_counts(sim).recvs, 0);
    simio_say(peer, "hello");
    simio_run(sim, 0);
    assert_int_equal(upcalls, 1);
    assert_string_equal(read_up_to(10), "hello");
    assert_string_equal(read_up_to(10), "<want read>"); /* short, so drained: no second call */
    assert_int_equal(simio_counts(sim).recvs, 1);
    simio_say(peer, "full");
    simio_run(sim, 0);
    assert_string_equal(read_up_to(4), "full");
    assert_string_equal(read_up_to(4), "<want read>"); /* full, so it has to be asked */
    assert_int_equal(simio_counts(sim).recvs, 3);
    assert_int_equal(simio_counts(sim).watches, 1);
    finish();
}

static void test_an_exchange_costs_one_write_and_one_read(void **state)
{
    (void)state;
    struct simio_peer *peer = connect_sim();
    struct simio_counts before = simio_counts(sim);
    size_t n;
    assert_int_equal(write_text("question", &n), TERN_FLOW_OK);
    assert_int_equal(n, 8);
    assert_string_equal(read_up_to(100), "<want read>");
    simio_expect(peer, "question");
    simio_say(peer, "answer");
    simio_run(sim, 0);
    assert_string_equal(read_up_to(100), "answer");
    assert_string_equal(read_up_to(100), "<want read>");
    struct simio_counts after = simio_counts(sim);
    assert_int_equal(after.sendmsgs - before.sendmsgs, 1);
    assert_int_equal(after.recvs - before.recvs, 1);
    assert_int_equal(after.watches, before.watches);
    finish();
}

static void test_the_end_is_found_behind_the_last_bytes(void **state)
{
    (void)state;
    struct simio_peer *peer = connect_sim();
    simio_say(peer, "bye");
    simio_end(peer);
    simio_run(sim, 0); /* both are there before the first read: no edge will come for the end */
    assert_string_equal(read_up_to(10), "bye");
    assert_string_equal(read_up_to(10), "<eof>");
    assert_string_equal(read_up_to(10), "<eof>");
    finish();
}

static void test_short_reads_of_the_system_lose_nothing(void **state)
{
    (void)state;
    struct simio_peer *peer = connect_sim();
    char all[32] = "";
    simio_recv_max(peer, 2);
    simio_say(peer, "abcdefg");
    for (int i = 0; i < 8; i++) {
        simio_run(sim, 0);
        const char *piece = read_up_to(10);
        if (piece[0] != '<')
            strcat(all, piece);
    }
    assert_string_equal(all, "abcdefg");
    finish();
}

static void test_a_full_window_and_its_edge(void **state)
{
    (void)state;
    struct simio_peer *peer = connect_sim();
    size_t n;
    simio_window(peer, 5);
    simio_run(sim, 0);
    assert_int_equal(write_text("0123456789", &n), TERN_FLOW_OK);
    assert_int_equal(n, 5);
    uint64_t before = simio_counts(sim).sendmsgs;
    assert_int_equal(write_text("56789", &n), TERN_FLOW_WANT_WRITE);
    assert_int_equal(simio_counts(sim).sendmsgs, before);
    upcalls = 0;
    simio_window(peer, SIZE_MAX);
    simio_run(sim, 0);
    assert_int_equal(upcalls, 1);
    assert_int_equal(write_text("56789", &n), TERN_FLOW_OK);
    simio_expect(peer, "0123456789");
    finish();
}

static void test_reset(void **state)
{
    (void)state;
    struct simio_peer *peer = connect_sim();
    simio_say(peer, "part");
    simio_reset(peer);
    simio_run(sim, 0);
    assert_string_equal(read_up_to(10), "part");
    assert_string_equal(read_up_to(10), "<error>");
    assert_int_equal(fault()->error, TERN_EPEER_RESET);
    assert_int_equal(fault()->os_errno, ECONNRESET);
    assert_string_equal(fault()->text, "read from 192.0.2.1:80: Connection reset by peer");
    assert_string_equal(read_up_to(10), "<error>");
    size_t n;
    assert_int_equal(write_text("x", &n), TERN_FLOW_ERROR);
    finish();
}

static void test_an_early_answer_outlives_a_failed_write(void **state)
{
    (void)state;
    struct simio_peer *peer = connect_sim();
    size_t n;
    simio_say(peer, "413");
    simio_reset(peer);
    simio_run(sim, 0);
    assert_int_equal(write_text("more body", &n), TERN_FLOW_ERROR);
    assert_string_equal(fault()->text, "write to 192.0.2.1:80: Connection reset by peer");
    assert_string_equal(read_up_to(10), "413");
    assert_string_equal(read_up_to(10), "<error>"); /* not an end in order */
    assert_int_equal(fault()->error, TERN_EPEER_RESET);
    assert_int_equal(write_text("x", &n), TERN_FLOW_ERROR);
    finish();
}

static void test_refused_late_or_at_once(void **state)
{
    (void)state;
    sim = simio_new(NULL, &engine);
    simio_connect_takes(sim, SERVER, 5);
    assert_int_equal(start(SERVER), TERN_OK);
    simio_run(sim, 4);
    assert_int_equal(tern_bytestream_handshake(stream), TERN_FLOW_WANT_WRITE);
    simio_run(sim, 1);
    assert_int_equal(upcalls, 1);
    assert_int_equal(tern_bytestream_handshake(stream), TERN_FLOW_ERROR);
    assert_int_equal(fault()->error, TERN_ECONNECT_REFUSED);
    assert_string_equal(fault()->text, "connect to 192.0.2.1:80: Connection refused");
    assert_int_equal(tern_bytestream_handshake(stream), TERN_FLOW_ERROR);
    tern_bytestream_close(stream);

    simio_connect_fails(sim, "[2001:db8::1]:80", ENETUNREACH);
    assert_int_equal(start("[2001:db8::1]:80"), TERN_ECONNECT_UNREACHABLE);
    assert_string_equal(why.text, "connect to [2001:db8::1]:80: Network is unreachable");
    simio_socket_fails(sim, EMFILE);
    assert_int_equal(start(SERVER), TERN_EDESCRIPTORS);
    assert_string_equal(why.text, "make a socket for 192.0.2.1:80: Too many open files");
    assert_int_equal(simio_counts(sim).open, 0);
    finish();
}

static void test_close_while_connecting(void **state)
{
    (void)state;
    sim = simio_new(NULL, &engine);
    simio_black_hole(sim, SERVER);
    assert_int_equal(start(SERVER), TERN_OK);
    simio_run(sim, TERN_S);
    assert_int_equal(upcalls, 0);
    tern_bytestream_close(stream);
    assert_int_equal(simio_counts(sim).open, 0);
    assert_int_equal(simio_counts(sim).unwatches, 1);
    finish();
}

/* ---- real sockets ---- */

static int listen_at(struct tern_sockaddr *addr)
{
    int fd = socket(tern_sockaddr_family(addr), SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &addr->u.any, addr->len), 0);
    assert_int_equal(listen(fd, 8), 0);
    if (tern_sockaddr_family(addr) != AF_UNIX)
        assert_int_equal(getsockname(fd, &addr->u.any, &addr->len), 0);
    return fd;
}

/* Connects tcp to a listener at addr; gives the accepted end. */
static int connect_real(const char *text, const struct tern_tcp_options *options)
{
    static struct tern_sockaddr addr; /* borrowed */
    addr = address(text);
    int listener = listen_at(&addr);
    assert_int_equal(tern_engine_new(NULL, &engine, NULL), TERN_OK);
    assert_int_equal(tern_tcp_start(engine, &tcp, &addr, options, NULL), TERN_OK);
    stream->on_ready = on_ready;
    while (tern_bytestream_handshake(stream) == TERN_FLOW_WANT_WRITE)
        assert_int_equal(tern_engine_turn(engine, true), TERN_OK);
    assert_int_equal(tern_bytestream_handshake(stream), TERN_FLOW_OK);
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    close(listener);
    return fd;
}

static const char *read_real(size_t cap)
{
    const char *text;
    while (strcmp(text = read_up_to(cap), "<want read>") == 0)
        assert_int_equal(tern_engine_turn(engine, true), TERN_OK);
    return text;
}

static void talk(const char *where)
{
    size_t n;
    char heard[16] = "";
    int fd = connect_real(where, NULL);
    assert_int_equal(write_text("question", &n), TERN_FLOW_OK);
    assert_int_equal(read(fd, heard, sizeof heard), 8);
    assert_string_equal(heard, "question");
    assert_int_equal(write(fd, "answer", 6), 6);
    assert_string_equal(read_real(100), "answer");
    assert_string_equal(read_up_to(100), "<want read>");
    assert_int_equal(write(fd, "bye", 3), 3);
    close(fd);
    assert_string_equal(read_real(2), "by");
    assert_string_equal(read_real(2), "e");
    assert_string_equal(read_real(2), "<eof>");
}

static void test_real_ipv4(void **state)
{
    (void)state;
    struct tern_sockaddr local, peer;
    char text[TERN_SOCKADDR_TEXT_MAX];
    talk("127.0.0.1:0");
    tern_bytestream_names(stream, &local, &peer);
    assert_int_equal(tern_sockaddr_family(&local), AF_INET);
    assert_int_not_equal(tern_sockaddr_port(&local), 0);
    assert_true(tern_sockaddr_equal(&peer, tcp.peer));
    tern_sockaddr_print(&local, text, sizeof text);
    assert_memory_equal(text, "127.0.0.1:", 10);
    tern_bytestream_close(stream);
    tern_bytestream_names(stream, &local, NULL);
    assert_int_equal(local.len, 0);
    finish();
}

static void test_real_unix(void **state)
{
    (void)state;
    char name[64];
    snprintf(name, sizeof name, "unix:@tern-test-%d", (int)getpid());
    talk(name);
    finish();
}

static void test_real_local_address(void **state)
{
    (void)state;
    struct tern_sockaddr from = address("127.0.0.9:0"), local;
    struct tern_tcp_options options = {.bind = &from};
    int fd = connect_real("127.0.0.1:0", &options);
    tern_bytestream_names(stream, &local, NULL);
    tern_sockaddr_set_port(&local, 0);
    assert_true(tern_sockaddr_equal(&local, &from));
    tern_bytestream_close(stream);
    close(fd);

    struct tern_sockaddr elsewhere = address("192.0.2.77:0"), to = address("127.0.0.1:9");
    options.bind = &elsewhere;
    assert_int_equal(tern_tcp_start(engine, &tcp, &to, &options, &why), TERN_ECONFIG);
    assert_string_equal(why.text, "no socket from 192.0.2.77:0 on any device: Cannot assign requested address");
    finish();
}

static unsigned user_timeout_ms(uint64_t unacked_ns)
{
    struct tern_tcp_options options = {.unacked_ns = unacked_ns};
    unsigned ms = 1;
    socklen_t len = sizeof ms;
    int fd = connect_real("127.0.0.1:0", &options);
    assert_int_equal(getsockopt(tcp.watch.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, &len), 0);
    tern_bytestream_close(stream);
    close(fd);
    finish();
    return ms;
}

static void test_real_unacked_limit(void **state)
{
    (void)state;
    assert_int_equal(user_timeout_ms(20 * TERN_S), 20000);
    assert_int_equal(user_timeout_ms(1), 1);
    assert_int_equal(user_timeout_ms(TERN_OFF), 0);
    assert_int_equal(user_timeout_ms(TERN_OFF - 1), INT32_MAX);
}

static void test_real_refusal(void **state)
{
    (void)state;
    struct tern_sockaddr addr = address("127.0.0.1:0");
    char expected[64], text[TERN_SOCKADDR_TEXT_MAX];
    close(listen_at(&addr)); /* a port where nobody listens any more */
    assert_int_equal(tern_engine_new(NULL, &engine, NULL), TERN_OK);
    if (tern_tcp_start(engine, &tcp, &addr, NULL, &why) == TERN_OK) {
        while (tern_bytestream_handshake(stream) == TERN_FLOW_WANT_WRITE)
            assert_int_equal(tern_engine_turn(engine, true), TERN_OK);
        (void)fault();
    }
    tern_sockaddr_print(&addr, text, sizeof text);
    snprintf(expected, sizeof expected, "connect to %.30s: Connection refused", text);
    assert_int_equal(why.error, TERN_ECONNECT_REFUSED);
    assert_string_equal(why.text, expected);
    finish();
}

static void test_real_reset(void **state)
{
    (void)state;
    int fd = connect_real("127.0.0.1:0", NULL);
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(fd);
    assert_string_equal(read_real(10), "<error>");
    assert_int_equal(fault()->error, TERN_EPEER_RESET);
    finish();
}

/* The write meets the reset before the loop has told of what came just before it. */
static void test_real_answer_before_its_event(void **state)
{
    (void)state;
    int fd = connect_real("127.0.0.1:0", NULL);
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    size_t n;
    assert_int_equal(write(fd, "200", 3), 3);
    assert_string_equal(read_real(10), "200"); /* less than was asked for: nothing more is there */
    assert_int_equal(write(fd, "413", 3), 3);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(fd);
    assert_int_equal(write_text("more body", &n), TERN_FLOW_ERROR);
    assert_string_equal(read_up_to(10), "413");
    assert_string_equal(read_real(10), "<error>");
    finish();
}

/* More than the socket's buffers hold, in both directions at once, through every WANT and every edge. */
static void test_real_bulk(void **state)
{
    (void)state;
    enum { TOTAL = 8 * 1024 * 1024, PIECE = 100000 };
    static unsigned char out[PIECE], in[PIECE], echo[PIECE];
    int fd = connect_real("127.0.0.1:0", NULL);
    size_t sent = 0, echoed_in = 0, got = 0;
    bool was_full = false;
    while (got < TOTAL) {
        bool moved = false;
        size_t n;
        size_t want = TOTAL - sent < PIECE ? TOTAL - sent : PIECE;
        for (size_t i = 0; i < want; i++)
            out[i] = (unsigned char)((sent + i) * 31 >> 3);
        struct iovec iov = {out, want};
        enum tern_flow flow = want > 0 ? tern_bytestream_writev(stream, &iov, 1, &n) : TERN_FLOW_WANT_WRITE;
        assert_int_not_equal(flow, TERN_FLOW_ERROR);
        if (flow == TERN_FLOW_OK) {
            sent += n;
            moved = true;
        } else {
            was_full = true;
        }
        if (!moved) { /* the peer echoes only when nothing else goes */
            ssize_t r = recv(fd, echo, sizeof echo, MSG_DONTWAIT);
            for (ssize_t at = 0; at < r;) {
                ssize_t w = send(fd, echo + at, (size_t)(r - at), MSG_DONTWAIT);
                if (w > 0) {
                    at += w;
                    continue;
                }
                flow = tern_bytestream_read(stream, in, sizeof in, &n);
                if (flow == TERN_FLOW_OK) {
                    for (size_t i = 0; i < n; i++)
                        assert_int_equal(in[i], (unsigned char)((got + i) * 31 >> 3));
                    got += n;
                } else {
                    assert_int_equal(tern_engine_step(engine), TERN_OK);
                }
            }
            echoed_in += r > 0 ? (size_t)r : 0;
        }
        while ((flow = tern_bytestream_read(stream, in, sizeof in, &n)) == TERN_FLOW_OK) {
            for (size_t i = 0; i < n; i++)
                assert_int_equal(in[i], (unsigned char)((got + i) * 31 >> 3));
            got += n;
        }
        assert_int_equal(flow, TERN_FLOW_WANT_READ);
        assert_int_equal(tern_engine_step(engine), TERN_OK);
    }
    assert_true(was_full);
    assert_int_equal(sent, TOTAL);
    assert_int_equal(echoed_in, TOTAL);
    close(fd);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_call_without_an_edge),
        cmocka_unit_test(test_an_exchange_costs_one_write_and_one_read),
        cmocka_unit_test(test_the_end_is_found_behind_the_last_bytes),
        cmocka_unit_test(test_short_reads_of_the_system_lose_nothing),
        cmocka_unit_test(test_a_full_window_and_its_edge),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_an_early_answer_outlives_a_failed_write),
        cmocka_unit_test(test_refused_late_or_at_once),
        cmocka_unit_test(test_close_while_connecting),
        cmocka_unit_test(test_real_ipv4),
        cmocka_unit_test(test_real_unix),
        cmocka_unit_test(test_real_local_address),
        cmocka_unit_test(test_real_unacked_limit),
        cmocka_unit_test(test_real_refusal),
        cmocka_unit_test(test_real_reset),
        cmocka_unit_test(test_real_answer_before_its_event),
        cmocka_unit_test(test_real_bulk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
