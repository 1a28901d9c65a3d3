/* What the HTTP/1.1 codec takes from a peer: the same at every split, and nothing that can be read in two ways. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/rand.h"
#include "proto/h1_head.h"
#include "tests/support/h1_rig.h"

#define OK "HTTP/1.1 200 OK\r\n"

/* One exchange on a fresh connection. k: bytes fed at a time, 0 for all. Returns the transcript; *state is what it
 * left. */
static const char *exchange(struct h1_rig *rig, const char *method, const char *answer, bool eof, size_t k,
                            enum tern_codec_state *state)
{
    h1_rig_reconnect(rig);
    rig->message.method = tern_str(method);
    assert_int_equal(h1_rig_submit(rig), TERN_OK);
    h1_rig_write(rig, 0);
    h1_rig_feed_n(rig, answer, strlen(answer), k);
    if (eof) {
        h1_rig_eof(rig);
    }
    *state = h1_rig_state(rig);
    return h1_rig_log(rig);
}

struct sample {
    const char *method; /* NULL: GET */
    const char *answer;
    const char *log; /* behind "sent" */
    enum tern_codec_state state;
    bool eof;
};

static const struct sample samples[] = {
    {NULL, OK "Content-Length: 5\r\n\r\nhello", "head 200 OK HTTP/1.1 | Content-Length: 5\nbody \"hello\"\nend\n",
     TERN_CODEC_OPEN, false},
    {NULL, OK "Content-Length: 0\r\n\r\n", "head 200 OK HTTP/1.1 | Content-Length: 0\nend\n", TERN_CODEC_OPEN, false},
    {NULL, "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "head 200  HTTP/1.1 | Content-Length: 0\nend\n",
     TERN_CODEC_OPEN, false},
    {NULL, "HTTP/1.1 200 \r\nContent-Length:0\r\n\r\n", "head 200  HTTP/1.1 | Content-Length: 0\nend\n",
     TERN_CODEC_OPEN, false},
    {NULL,
     "HTTP/1.1 999 Na\xc3\xaf"
     "ve\tone\r\nX:\r\nContent-Length: 1\r\n\r\n\x80",
     "head 999 Na\xc3\xaf"
     "ve\tone HTTP/1.1 | X:  | Content-Length: 1\nbody \"\\x80\"\nend\n",
     TERN_CODEC_OPEN, false},
    /* until the close */
    {NULL, OK "\r\nall of it", "head 200 OK HTTP/1.1\nbody \"all of it\"\nend\n", TERN_CODEC_CLOSED, true},
    {NULL, OK "\r\n", "head 200 OK HTTP/1.1\nend\n", TERN_CODEC_CLOSED, true},
    {NULL, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
     "head 200 OK HTTP/1.0 | Content-Length: 2\nbody \"hi\"\nend\n", TERN_CODEC_CLOSED, false},
    {NULL, "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nhi",
     "head 200 OK HTTP/1.0 | Connection: Keep-Alive | Content-Length: 2\nbody \"hi\"\nend\n", TERN_CODEC_OPEN, false},
    {NULL, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhi",
     "head 200 OK HTTP/1.0 | Connection: keep-alive\nbody \"hi\"\nend\n", TERN_CODEC_CLOSED, true},
    {NULL, OK "Connection: close\r\nContent-Length: 2\r\n\r\nhi",
     "head 200 OK HTTP/1.1 | Connection: close | Content-Length: 2\nbody \"hi\"\nend\n", TERN_CODEC_CLOSED, false},
    {NULL, OK "Connection: close\t\r\nContent-Length: 2\r\n\r\nhi",
     "head 200 OK HTTP/1.1 | Connection: close | Content-Length: 2\nbody \"hi\"\nend\n", TERN_CODEC_CLOSED, false},
    {NULL, OK "Connection: a, Close ,b\r\nContent-Length: 0\r\n\r\n",
     "head 200 OK HTTP/1.1 | Connection: a, Close ,b | Content-Length: 0\nend\n", TERN_CODEC_CLOSED, false},
    {NULL, OK "Connection: keep-alive\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
     "head 200 OK HTTP/1.1 | Connection: keep-alive | Connection: close | Content-Length: 0\nend\n", TERN_CODEC_CLOSED,
     false},
    {NULL, OK "Connection: close;q=1\r\nContent-Length: 0\r\n\r\n",
     "head 200 OK HTTP/1.1 | Connection: close;q=1 | Content-Length: 0\nend\n", TERN_CODEC_CLOSED, false},
    {NULL, OK "Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi",
     "head 200 OK HTTP/1.1 | Connection: upgrade | Upgrade: h2c | Content-Length: 2\nbody \"hi\"\nend\n",
     TERN_CODEC_OPEN, false},
    /* chunked */
    {NULL, OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;a=\"b\";c\r\n, world\r\n0\r\n\r\n",
     "head 200 OK HTTP/1.1 | Transfer-Encoding: chunked\nbody \"hello, world\"\nend\n", TERN_CODEC_OPEN, false},
    {NULL, OK "Transfer-Encoding: Chunked\r\n\r\n00a\r\n0123456789\r\n000\r\n\r\n",
     "head 200 OK HTTP/1.1 | Transfer-Encoding: Chunked\nbody \"0123456789\"\nend\n", TERN_CODEC_OPEN, false},
    {NULL, OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "head 200 OK HTTP/1.1 | Transfer-Encoding: chunked\nend\n",
     TERN_CODEC_OPEN, false},
    {NULL,
     OK "Transfer-Encoding: chunked\r\nTrailer: Digest\r\n\r\n1\r\nx\r\n0\r\nDigest: q\r\nSet-Cookie: a=b\r\nA: 1\r\n "
        "2\r\n\r\n",
     "head 200 OK HTTP/1.1 | Transfer-Encoding: chunked | Trailer: Digest\nbody \"x\"\n"
     "trailers | Digest: q | A: 1 2\nend\n",
     TERN_CODEC_OPEN, false},
    {NULL, OK "Transfer-Encoding: chunked\r\n\r\n0\r\nConnection: close\r\nHost: a\r\n\r\n",
     "head 200 OK HTTP/1.1 | Transfer-Encoding: chunked\nend\n", TERN_CODEC_OPEN, false},
    /* no body, whatever is said of one */
    {"HEAD", OK "Content-Length: 5\r\n\r\n", "head 200 OK HTTP/1.1 | Content-Length: 5\nend\n", TERN_CODEC_OPEN, false},
    {"HEAD", OK "Transfer-Encoding: chunked\r\n\r\n", "head 200 OK HTTP/1.1 | Transfer-Encoding: chunked\nend\n",
     TERN_CODEC_OPEN, false},
    {"HEAD", OK "\r\n", "head 200 OK HTTP/1.1\nend\n", TERN_CODEC_OPEN, false},
    {"HEAD", OK "Connection: close\r\n\r\n", "head 200 OK HTTP/1.1 | Connection: close\nend\n", TERN_CODEC_CLOSED,
     false},
    {NULL, "HTTP/1.1 204 No Content\r\n\r\n", "head 204 No Content HTTP/1.1\nend\n", TERN_CODEC_OPEN, false},
    {NULL, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
     "head 204 No Content HTTP/1.1 | Content-Length: 0\nend\n", TERN_CODEC_OPEN, false},
    {NULL, "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: \"a\"\r\n\r\n",
     "head 304 Not Modified HTTP/1.1 | Content-Length: 77 | ETag: \\\"a\\\"\nend\n", TERN_CODEC_OPEN, false},
    {NULL, "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
     "head 304 Not Modified HTTP/1.1 | Transfer-Encoding: chunked\nend\n", TERN_CODEC_OPEN, false},
    {NULL, "HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", "head 205 Reset HTTP/1.1 | Content-Length: 0\nend\n",
     TERN_CODEC_OPEN, false},
    /* informational */
    {NULL, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" OK "Content-Length: 0\r\n\r\n",
     "info 100 Continue HTTP/1.1\ninfo 103 Early Hints HTTP/1.1 | Link: </a>\n"
     "head 200 OK HTTP/1.1 | Content-Length: 0\nend\n",
     TERN_CODEC_OPEN, false},
    {NULL,
     "HTTP/1.1 102 Processing\r\nConnection: close\r\n\r\nHTTP/1.1 199 Own\r\n\r\n" OK "Content-Length: 0\r\n\r\n",
     "info 102 Processing HTTP/1.1 | Connection: close\ninfo 199 Own HTTP/1.1\n"
     "head 200 OK HTTP/1.1 | Content-Length: 0\nend\n",
     TERN_CODEC_OPEN, false},
    {"HEAD", "HTTP/1.1 103 Early Hints\r\n\r\n" OK "Content-Length: 3\r\n\r\n",
     "info 103 Early Hints HTTP/1.1\nhead 200 OK HTTP/1.1 | Content-Length: 3\nend\n", TERN_CODEC_OPEN, false},
    /* folded (RFC 9112 5.2) */
    {NULL, OK "A: one \t\r\n \t two\r\n\tthree  \r\nB:\r\n b\r\nC: c\r\n \r\nContent-Length:\r\n 0\r\n\r\n",
     "head 200 OK HTTP/1.1 | A: one two three | B: b | C: c | Content-Length: 0\nend\n", TERN_CODEC_OPEN, false},
};

static void each_sample_at_every_split(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    h1_rig_init(&rig, NULL);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        const struct sample *s = &samples[i];
        const char *method = s->method != NULL ? s->method : "GET";
        size_t len = strlen(s->answer);
        for (size_t split = 0; split <= len; split++) {
            h1_rig_reconnect(&rig);
            rig.message.method = tern_str(method);
            assert_int_equal(h1_rig_submit(&rig), TERN_OK);
            h1_rig_write(&rig, 0);
            h1_rig_feed_n(&rig, s->answer, split, 0);
            h1_rig_feed_n(&rig, s->answer + split, len - split, 0);
            if (s->eof) {
                h1_rig_eof(&rig);
            }
            const char *log = h1_rig_log(&rig);
            assert_memory_equal(log, "sent\n", 5);
            assert_string_equal(log + 5, s->log);
            assert_int_equal(h1_rig_state(&rig), s->state);
        }
        enum tern_codec_state state;
        assert_string_equal(exchange(&rig, method, s->answer, s->eof, 1, &state) + 5, s->log);
        assert_int_equal(state, s->state);
    }
    h1_rig_deinit(&rig);
}

/* Answers that are refused, with the error and what its text must say. */
static const struct {
    const char *answer;
    enum tern_error error;
    const char *says;
} refused[] = {
    /* status line */
    {"RTSP/1.0 200 OK\r\n\r\n", TERN_EPROTO_VERSION, "response head, line 1: is not HTTP/1"},
    {"\x15\x03\x01\x00\x02\x02\x28", TERN_EPROTO_VERSION, "line 1: is not HTTP/1"},
    {"SSH-2.0-x\r\n", TERN_EPROTO_VERSION, "is not HTTP/1"},
    {"\r\n" OK "\r\n", TERN_EPROTO_VERSION, "is not HTTP/1"},
    {" HTTP/1.1 200 OK\r\n\r\n", TERN_EPROTO_VERSION, "is not HTTP/1"},
    {"http/1.1 200 OK\r\n\r\n", TERN_EPROTO_VERSION, "is not HTTP/1"},
    {"HTTP/2.0 200 OK\r\n\r\n", TERN_EPROTO_VERSION, "line 1: begins with neither"},
    {"HTTP/1.2 200 OK\r\n\r\n", TERN_EPROTO_VERSION, "begins with neither"},
    {"HTTP/0.9 200 OK\r\n\r\n", TERN_EPROTO_VERSION, "begins with neither"},
    {"HTTP/11 200 OK\r\n\r\n", TERN_EPROTO_VERSION, "begins with neither"},
    {"HTTP/1.1\r\n\r\n", TERN_EPROTO, "no status code"},
    {"HTTP/1.1 099 OK\r\n\r\n", TERN_EPROTO, "no status code"},
    {"HTTP/1.1 000 OK\r\n\r\n", TERN_EPROTO, "no status code"},
    {"HTTP/1.1 1000 OK\r\n\r\n", TERN_EPROTO, "no status code"},
    {"HTTP/1.1 20 OK\r\n\r\n", TERN_EPROTO, "no status code"},
    {"HTTP/1.1 2x0 OK\r\n\r\n", TERN_EPROTO, "no status code"},
    {"HTTP/1.1 -20 OK\r\n\r\n", TERN_EPROTO, "no status code"},
    {"HTTP/1.1  200 OK\r\n\r\n", TERN_EPROTO, "no status code"},
    {"HTTP/1.1\t200 OK\r\n\r\n", TERN_EPROTO, "no status code"},
    {"HTTP/1.1 200\tOK\r\n\r\n", TERN_EPROTO, "no status code"},
    {"HTTP/1.1 200 O\x01K\r\n\r\n", TERN_EPROTO, "line 1: holds a control character"},
    {"HTTP/1.1 200 O\rK\r\n\r\n", TERN_EPROTO, "holds a control character"},
    {"HTTP/1.1 200 OK\n\r\n", TERN_EPROTO, "line 1: ends in a bare LF"},
    {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", TERN_EPROTO, "was not asked for"},
    /* field lines */
    {OK "A: b\n\r\n", TERN_EPROTO, "line 2: ends in a bare LF"},
    {OK "A: b\r\n\n", TERN_EPROTO, "line 3: ends in a bare LF"},
    {OK "A: b\rC: d\r\n\r\n", TERN_EPROTO, "line 2: holds a control character"},
    {OK "A: b\r\r\n\r\n", TERN_EPROTO, "holds a control character"},
    {OK "\r\r\n", TERN_EPROTO, "holds a control character"},
    {OK "A: b\x7f\r\n\r\n", TERN_EPROTO, "holds a control character"},
    {OK "A: b\x08\r\n\r\n", TERN_EPROTO, "holds a control character"},
    {OK "A\r\n\r\n", TERN_EPROTO, "line 2: has no colon"},
    {OK "A : b\r\n\r\n", TERN_EPROTO, "line 2: has a field name that is not a token"},
    {OK "A\t: b\r\n\r\n", TERN_EPROTO, "not a token"},
    {OK ": b\r\n\r\n", TERN_EPROTO, "not a token"},
    {OK "A(b): c\r\n\r\n", TERN_EPROTO, "not a token"},
    {OK "\xc3\xa4: c\r\n\r\n", TERN_EPROTO, "not a token"},
    {OK " A: b\r\n\r\n", TERN_EPROTO, "line 2: continues a field, but there is none"},
    {OK "\tA: b\r\n\r\n", TERN_EPROTO, "continues a field"},
    {OK " \r\n\r\n", TERN_EPROTO, "continues a field"},
    {OK "A: b\r\n \x01\r\n\r\n", TERN_EPROTO, "line 3: holds a control character"},
    {OK "A: b\r\n c\n\r\n", TERN_EPROTO, "line 3: ends in a bare LF"},
    {OK "A\r\n : b\r\n\r\n", TERN_EPROTO, "not a token"},
    {OK "Content-Length: 1\r\n 2\r\n\r\n", TERN_EPROTO_FRAMING, "Content-Length"},
    /* framing */
    {OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", TERN_EPROTO_FRAMING, "Content-Length"},
    {OK "Content-Length: 5, 5\r\n\r\n", TERN_EPROTO_FRAMING, "Content-Length"},
    {OK "Content-Length: +5\r\n\r\n", TERN_EPROTO_FRAMING, "Content-Length is not"},
    {OK "Content-Length: -5\r\n\r\n", TERN_EPROTO_FRAMING, "Content-Length is not"},
    {OK "Content-Length: 0x5\r\n\r\n", TERN_EPROTO_FRAMING, "Content-Length is not"},
    {OK "Content-Length: 5 5\r\n\r\n", TERN_EPROTO_FRAMING, "Content-Length is not"},
    {OK "Content-Length:\r\n\r\n", TERN_EPROTO_FRAMING, "Content-Length is not"},
    {OK "Content-Length: 18446744073709551616\r\n\r\n", TERN_EPROTO_FRAMING, "Content-Length is not"},
    {OK "Content-Length: 18446744073709551615\r\n\r\n", TERN_EPROTO_FRAMING, "Content-Length"},
    {OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", TERN_EPROTO_FRAMING, "both"},
    {OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", TERN_EPROTO_FRAMING, "both"},
    {OK "Transfer-Encoding: xchunked\r\n\r\n", TERN_EPROTO_FRAMING, "Transfer-Encoding"},
    {OK "Transfer-Encoding: chunkedx\r\n\r\n", TERN_EPROTO_FRAMING, "Transfer-Encoding"},
    {OK "Transfer-Encoding: chunked, chunked\r\n\r\n", TERN_EPROTO_FRAMING, "Transfer-Encoding is not"},
    {OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", TERN_EPROTO_FRAMING,
     "Transfer-Encoding is not"},
    {OK "Transfer-Encoding: chunked, gzip\r\n\r\n", TERN_EPROTO_FRAMING, "Transfer-Encoding is not"},
    {OK "Transfer-Encoding: gzip, chunked\r\n\r\n", TERN_EPROTO_FRAMING, "Transfer-Encoding"},
    {OK "Transfer-Encoding: identity\r\n\r\n", TERN_EPROTO_FRAMING, "Transfer-Encoding"},
    {OK "Transfer-Encoding:\r\n\r\n", TERN_EPROTO_FRAMING, "Transfer-Encoding"},
    {OK "Transfer-Encoding: \"chunked\"\r\n\r\n", TERN_EPROTO_FRAMING, "Transfer-Encoding"},
    {OK "Transfer-Encoding: chunked;a=b\r\n\r\n", TERN_EPROTO_FRAMING, "Transfer-Encoding"},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", TERN_EPROTO_FRAMING, "HTTP/1.0 has no Transfer-Encoding"},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", TERN_EPROTO_FRAMING, "status 204"},
    {"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", TERN_EPROTO_FRAMING, "status 204"},
    {"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n", TERN_EPROTO_FRAMING, "1xx"},
    {"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n", TERN_EPROTO_FRAMING, "1xx"},
    {"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", TERN_EPROTO_FRAMING,
     "both"},
/* chunks */
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"
    {CHUNKED "5\nhello\r\n0\r\n\r\n", TERN_EPROTO, "response chunk size, line 1: ends in a bare LF"},
    {CHUNKED "5\r\nhello\n0\r\n\r\n", TERN_EPROTO, "response body, after 5 bytes"},
    {CHUNKED "5\r\nhelloX\r\n0\r\n\r\n", TERN_EPROTO, "response body, after 5 bytes"},
    {CHUNKED "5\r\nhello\r\r0\r\n\r\n", TERN_EPROTO, "response body, after 5 bytes"},
    {CHUNKED "5\r\nhello0\r\n\r\n", TERN_EPROTO, "response body, after 5 bytes"},
    {CHUNKED "5\r\nhello\r\n\r\n", TERN_EPROTO, "response chunk size, line 2"},
    {CHUNKED "\r\n", TERN_EPROTO, "chunk size, line 1"},
    {CHUNKED "g\r\n", TERN_EPROTO, "chunk size, line 1"},
    {CHUNKED "-1\r\n", TERN_EPROTO, "chunk size"},
    {CHUNKED "0x5\r\n", TERN_EPROTO, "chunk size"},
    {CHUNKED " 5\r\n", TERN_EPROTO, "chunk size"},
    {CHUNKED "5 \r\n", TERN_EPROTO, "chunk size"},
    {CHUNKED "5\rhello\r\n", TERN_EPROTO, "holds a control character"},
    {CHUNKED "5;a=\"b\r\n", TERN_EPROTO, "chunk size"},
    {CHUNKED "5;a\x01\r\n", TERN_EPROTO, "holds a control character"},
    {CHUNKED "10000000000000000\r\n", TERN_EPROTO, "chunk size"},
    {CHUNKED "fffffffffffffffff\r\n", TERN_EPROTO, "chunk size"},
    {CHUNKED "0\r\nA: b\n\r\n", TERN_EPROTO, "response trailers, line 1: ends in a bare LF"},
    {CHUNKED "0\r\nA : b\r\n\r\n", TERN_EPROTO, "response trailers, line 1: has a field name"},
    {CHUNKED "0\r\n A: b\r\n\r\n", TERN_EPROTO, "continues a field"},
    {CHUNKED "0\r\nContent-Length: 5\r\n\r\n", TERN_EPROTO_FRAMING, "Content-Length cannot stand in trailers"},
    {CHUNKED "0\r\ntransfer-encoding: chunked\r\n\r\n", TERN_EPROTO_FRAMING, "cannot stand in trailers"},
};

static void each_broken_answer_is_refused_at_every_split(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    h1_rig_init(&rig, NULL);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        enum tern_codec_state state;
        const char *answer = refused[i].answer;
        char *whole = strdup(exchange(&rig, "GET", answer, true, 0, &state));
        char want[64];
        snprintf(want, sizeof want, "error %s ANSWERED \"", tern_error_name(refused[i].error));
        if (strstr(whole, want) == NULL || strstr(whole, refused[i].says) == NULL || state != TERN_CODEC_CLOSED) {
            fail_msg("%s\ngave %s", answer, whole);
        }
        for (size_t k = 1; k < strlen(answer); k++) {
            assert_string_equal(exchange(&rig, "GET", answer, true, k, &state), whole);
        }
        free(whole);
    }
    h1_rig_deinit(&rig);
}

static void nul_is_refused_wherever_it_stands_in_a_head(void **unused)
{
    static const char head[] = OK "Content-Length: 0\r\nA: b\r\n\r\n";
    struct h1_rig rig;

    (void)unused;
    h1_rig_init(&rig, NULL);
    for (size_t at = 0; at + 1 < sizeof head; at++) {
        char bytes[sizeof head];
        memcpy(bytes, head, sizeof head);
        bytes[at] = '\0';
        h1_rig_reconnect(&rig);
        assert_int_equal(h1_rig_submit(&rig), TERN_OK);
        h1_rig_write(&rig, 0);
        h1_rig_feed_n(&rig, bytes, sizeof head - 1, 0);
        h1_rig_eof(&rig);
        assert_non_null(strstr(h1_rig_log(&rig), "error TERN_E"));
        assert_null(strstr(h1_rig_log(&rig), "head 200"));
    }
    h1_rig_deinit(&rig);
}

/* ---- heads that come whole ---- */

#define NGINX                                                                                                          \
    "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 11:26:42 GMT\r\nContent-Type: text/plain\r\n"   \
    "Content-Length: 2\r\nLast-Modified: Sat, 21 Nov 2026 11:26:30 GMT\r\nConnection: keep-alive\r\n"                  \
    "ETag: \"6b017fe6-80\"\r\nAccept-Ranges: bytes\r\n\r\n"

/* Bytes that the spare scratch holds of lines and fields. */
static size_t kept(const struct h1_rig *rig)
{
    return rig->spares.first->line.cap + rig->spares.first->fields.bytes.cap;
}

static void a_plain_head_is_copied_only_when_it_comes_in_pieces(void **unused)
{
    struct h1_rig rig;
    enum tern_codec_state state;

    (void)unused;
    h1_rig_init(&rig, NULL);
    exchange(&rig, "GET", NGINX "hi", false, 0, &state);
    assert_int_equal(state, TERN_CODEC_OPEN);
    assert_int_equal(kept(&rig), 0);
    exchange(&rig, "GET", NGINX "hi", false, sizeof(NGINX), &state);
    assert_int_equal(kept(&rig), 0);
    exchange(&rig, "GET", NGINX "hi", false, sizeof(NGINX) - 2, &state);
    assert_int_equal(state, TERN_CODEC_OPEN);
    assert_true(kept(&rig) > 0);
    h1_rig_deinit(&rig);
}

/* One byte of a real head is another: whatever that is, it is the same in one piece and in two. */
static void each_byte_of_a_head_may_be_another(void **unused)
{
    static const char others[] = "\0\x01\b\t\n\r\x1f !\"(,-:09AZ_az{~\x7f\x80\xff";
    static const char answer[] = NGINX "hi";
    size_t len = sizeof(answer) - 1;
    struct h1_rig whole, split;

    (void)unused;
    h1_rig_init(&whole, NULL);
    h1_rig_init(&split, NULL);
    for (size_t at = 0; at < len; at++)
        for (size_t other = 0; other < sizeof(others) - 1; other++) {
            char bytes[sizeof(answer)];
            memcpy(bytes, answer, sizeof(answer));
            bytes[at] = others[other];
            h1_rig_reconnect(&whole);
            h1_rig_reconnect(&split);
            assert_int_equal(h1_rig_submit(&whole), TERN_OK);
            assert_int_equal(h1_rig_submit(&split), TERN_OK);
            h1_rig_write(&whole, 0);
            h1_rig_write(&split, 0);
            h1_rig_feed_n(&whole, bytes, len, 0);
            if (h1_rig_feed_n(&split, bytes, 1, 0) == 1)
                h1_rig_feed_n(&split, bytes + 1, len - 1, 0);
            assert_string_equal(h1_rig_log(&whole), h1_rig_log(&split));
            assert_int_equal(h1_rig_state(&whole), h1_rig_state(&split));
            if (strstr(h1_rig_log(&whole), "error") == NULL)
                assert_int_equal(whole.stream.received_head_bytes, split.stream.received_head_bytes);
        }
    h1_rig_deinit(&split);
    h1_rig_deinit(&whole);
}

/* All that llhttp reads out of a head it reads out of lines that it is always shown. */
static void what_frames_is_known_by_its_length(void **unused)
{
    static const char *const names[] = {"connection", "Content-Length", "PROXY-CONNECTION", "Transfer-Encoding",
                                        "upgrade"};

    (void)unused;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_true(tern_h1_may_frame(tern_str(names[i])));
    assert_false(tern_h1_may_frame(tern_str("Date")));
    assert_false(tern_h1_may_frame(tern_str("Accept-Ranges")));
}

/* Up to more fields than are read where they stand. */
static void any_number_of_fields_is_shown(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    h1_rig_init(&rig, NULL);
    for (size_t count = 0; count < 2 * TERN_H1_PLAIN_FIELDS_MAX; count++) {
        struct tern_buf answer;
        enum tern_codec_state state;
        size_t shown = 0;

        tern_buf_init(&answer, 1 << 20);
        assert_int_equal(tern_buf_printf(&answer, OK), TERN_OK);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(tern_buf_printf(&answer, "X: %zu\r\n", i), TERN_OK);
        assert_int_equal(tern_buf_printf(&answer, "Content-Length: 0\r\n\r\n%c", '\0'), TERN_OK);
        const char *log = exchange(&rig, "GET", answer.data + answer.head, false, 0, &state);
        for (const char *at = log; (at = strstr(at, "| X: ")) != NULL; at++, shown++)
            assert_int_equal(strtoul(at + 5, NULL, 10), shown);
        assert_int_equal(shown, count);
        assert_int_equal(state, TERN_CODEC_OPEN);
        tern_buf_deinit(&answer);
    }
    h1_rig_deinit(&rig);
}

/* ---- caps ---- */

static void repeat(struct tern_buf *buf, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        assert_int_equal(tern_buf_append(buf, text, strlen(text)), TERN_OK);
    }
}

static const char *capped(struct h1_rig *rig, const char *front, const char *part, size_t times, const char *back,
                          size_t k)
{
    static char log[4096];
    struct tern_buf answer;
    enum tern_codec_state state;

    tern_buf_init(&answer, 1 << 20);
    repeat(&answer, front, 1);
    repeat(&answer, part, times);
    repeat(&answer, back, 1);
    assert_int_equal(tern_buf_append_byte(&answer, '\0'), TERN_OK);
    const char *text = exchange(rig, "GET", answer.data + answer.head, false, k, &state);
    snprintf(log, sizeof log, "%s", text + strlen(text) - (strlen(text) < 300 ? strlen(text) : 300));
    tern_buf_deinit(&answer);
    return log;
}

static void caps_are_exact_and_named(void **unused)
{
    static const struct tern_codec_limits limits = {
        .head_line_bytes_max = 64, .head_bytes_max = 200, .head_fields_max = 5, .informational_max = 3};
    static const size_t pieces[] = {0, 1, 7, 64};
    struct h1_rig rig;

    (void)unused;
    h1_rig_init(&rig, &limits);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        size_t k = pieces[i];
        /* "A: " and CRLF make 5 of the 64 bytes. */
        assert_non_null(strstr(capped(&rig, OK "A: ", "x", 59, "\r\nContent-Length: 0\r\n\r\n", k), "end\n"));
        assert_non_null(
            strstr(capped(&rig, OK "A: ", "x", 60, "\r\nContent-Length: 0\r\n\r\n", k),
                   "TERN_EHEAD_MAX ANSWERED \"response head, line 2: longer than head_line_bytes_max 64\""));
        assert_non_null(strstr(capped(&rig, OK "A: ", "x", 100, "", k), "TERN_EHEAD_MAX"));
        assert_non_null(strstr(capped(&rig, "HTTP/1.1 200 ", "x", 100, "", k), "line 1: longer than"));
        /* A fold does not begin the count anew. */
        assert_non_null(
            strstr(capped(&rig, OK "A: b", "\r\n c", 20, "\r\n\r\n", k), "longer than head_line_bytes_max"));
        /* 17 of the status line, 2 of the end, 19 of Content-Length: 162 are left for 3 lines of 54. */
#define FILL "B: 3456789012345678901234567890123456789012345678901\r\n"
        assert_non_null(strstr(capped(&rig, OK, FILL, 3, "Content-Length: 0\r\n\r\n", k), "end\n"));
        assert_non_null(strstr(capped(&rig, OK, FILL, 3, "Content-Length: 00\r\n\r\n", k),
                               "line 6: with it, more than head_bytes_max 200 bytes"));
        /* Of two caps the nearer one is named, however much came at once. */
        assert_non_null(strstr(capped(&rig, OK FILL FILL FILL "A: ", "x", 100, "\r\n", k), "head_bytes_max"));
        assert_non_null(strstr(capped(&rig, OK, "A: b\r\n", 4, "Content-Length: 0\r\n\r\n", k), "end\n"));
        assert_non_null(strstr(capped(&rig, OK, "A: b\r\n", 5, "Content-Length: 0\r\n\r\n", k),
                               "line 7: more fields than head_fields_max 5"));
        assert_non_null(
            strstr(capped(&rig, "", "HTTP/1.1 103 A\r\n\r\n", 3, OK "Content-Length: 0\r\n\r\n", k), "end\n"));
        assert_non_null(
            strstr(capped(&rig, "", "HTTP/1.1 103 A\r\n\r\n", 4, OK "Content-Length: 0\r\n\r\n", k),
                   "TERN_EHEAD_MAX ANSWERED \"response head, line 1: more 1xx responses than informational_max 3"));
        /* Trailers have the same caps of their own. */
        assert_non_null(
            strstr(capped(&rig, OK "Transfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n", 5, "\r\n", k), "end\n"));
        assert_non_null(strstr(capped(&rig, OK "Transfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n", 6, "\r\n", k),
                               "response trailers, line 6: more fields"));
        assert_non_null(strstr(capped(&rig, OK "Transfer-Encoding: chunked\r\n\r\n0\r\nA: ", "x", 60, "\r\n", k),
                               "response trailers, line 1: longer than"));
        /* "1;" and CRLF make 4 of the 512 bytes. */
        assert_non_null(strstr(
            capped(&rig, OK "Transfer-Encoding: chunked\r\n\r\n1;", "e", 508, "\r\nx\r\n0\r\n\r\n", k), "end\n"));
        assert_non_null(
            strstr(capped(&rig, OK "Transfer-Encoding: chunked\r\n\r\n1;", "e", 509, "\r\nx\r\n0\r\n\r\n", k),
                   "response chunk size, line 1: longer than 512 bytes"));
        assert_non_null(
            strstr(capped(&rig, OK "Transfer-Encoding: chunked\r\n\r\n", "0", 513, "", k), "longer than 512"));
    }
    h1_rig_deinit(&rig);
}

static void default_caps_hold_a_big_head(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    h1_rig_init(&rig, NULL);
    assert_non_null(strstr(capped(&rig, OK "A: ", "x", 16379, "\r\nContent-Length: 0\r\n\r\n", 0), "end\n"));
    assert_int_equal(rig.spares.count, 1);
    assert_non_null(strstr(capped(&rig, OK "A: ", "x", 16379, "\r\nContent-Length: 0\r\n\r\n", 16000), "end\n"));
    /* What has grown large is not kept. */
    assert_int_equal(rig.spares.count, 0);
    assert_non_null(strstr(capped(&rig, OK "A: ", "x", 16380, "\r\n", 0), "longer than head_line_bytes_max 16384"));
    h1_rig_deinit(&rig);
}

/* ---- window, pause ---- */

static void a_full_window_stops_the_feed_and_credit_goes_on(void **unused)
{
    static const char *const answers[] = {
        OK "Content-Length: 10\r\n\r\n0123456789",
        OK "Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n4\r\n6789\r\n0\r\n\r\n",
        OK "\r\n0123456789",
    };
    struct h1_rig rig;

    (void)unused;
    h1_rig_init(&rig, NULL);
    rig.credit_by_hand = true;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        for (uint32_t window = 1; window <= 11; window++) {
            const char *answer = answers[i];
            size_t len = strlen(answer);
            size_t at = 0;
            h1_rig_reconnect(&rig);
            rig.stream.window_bytes = window;
            assert_int_equal(h1_rig_submit(&rig), TERN_OK);
            h1_rig_write(&rig, 0);
            while (at < len) {
                at += h1_rig_feed_n(&rig, answer + at, len - at, 0);
                if (at < len) {
                    assert_int_equal(rig.stream.owed_bytes, window);
                    rig.h1.codec.ops->credit(&rig.h1.codec, &rig.stream, 1);
                }
            }
            h1_rig_eof(&rig);
            assert_non_null(strstr(h1_rig_log(&rig), "body \"0123456789\"\nend\n"));
            assert_int_equal(rig.stream.received_body_bytes, 10);
        }
    }
    h1_rig_deinit(&rig);
}

/* The window holds the whole body and nobody credits before the end: the end must come all the same. */
static void the_end_of_a_chunked_body_needs_no_window(void **unused)
{
    struct h1_rig rig;

    (void)unused;
    h1_rig_init(&rig, NULL);
    rig.credit_by_hand = true;
    rig.stream.window_bytes = 5;
    assert_int_equal(h1_rig_submit(&rig), TERN_OK);
    h1_rig_write(&rig, 0);
    h1_rig_feed(&rig, OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    assert_non_null(strstr(h1_rig_log(&rig), "body \"hello\"\nend\n"));
    h1_rig_deinit(&rig);
}

static void a_paused_stream_takes_nothing_but_heads(void **unused)
{
    static const char answer[] = OK "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\nT: u\r\n\r\n";
    struct h1_rig rig;
    struct tern_codec *codec = &rig.h1.codec;
    size_t at = 0;
    int pauses = 0;

    (void)unused;
    h1_rig_init(&rig, NULL);
    assert_int_equal(h1_rig_submit(&rig), TERN_OK);
    h1_rig_write(&rig, 0);
    codec->ops->pause(codec, &rig.stream, true);
    at = h1_rig_feed(&rig, answer);
    assert_string_equal(h1_rig_log(&rig), "sent\nhead 200 OK HTTP/1.1 | Transfer-Encoding: chunked\n");
    rig.pause_in_body = true;
    while (rig.open) {
        assert_int_equal(h1_rig_feed(&rig, answer + at), 0);
        codec->ops->pause(codec, &rig.stream, false);
        at += h1_rig_feed(&rig, answer + at);
        pauses++;
    }
    assert_int_equal(pauses, 3);
    assert_int_equal(at, sizeof answer - 1);
    assert_non_null(strstr(h1_rig_log(&rig), "body \"abcd\"\ntrailers | T: u\nend\n"));
    h1_rig_deinit(&rig);
}

/* ---- random splits, and bytes changed at random: any outcome, but the same for every split ---- */

static void random_splits_agree(void **unused)
{
    struct tern_rand random;
    struct h1_rig rig;

    (void)unused;
    tern_rand_seed(&random, 2026);
    h1_rig_init(&rig, NULL);
    for (int round = 0; round < 4000; round++) {
        const struct sample *s = &samples[tern_rand_below(&random, sizeof samples / sizeof *samples)];
        enum tern_codec_state state, state_split;
        const char *method = s->method != NULL ? s->method : "GET";
        char answer[512];
        snprintf(answer, sizeof answer, "%s", s->answer);
        size_t len = strlen(answer);
        for (uint64_t changes = tern_rand_below(&random, 3); changes > 0; changes--) {
            static const char bytes[] = "\r\n \t:0a;,\"\x01\x80";
            answer[tern_rand_below(&random, len)] = bytes[tern_rand_below(&random, sizeof bytes - 1)];
        }
        char *whole = strdup(exchange(&rig, method, answer, true, 0, &state));
        h1_rig_reconnect(&rig);
        assert_int_equal(h1_rig_submit(&rig), TERN_OK);
        h1_rig_write(&rig, 0);
        for (size_t at = 0; at < len;) {
            size_t n = 1 + tern_rand_below(&random, len - at);
            h1_rig_feed_n(&rig, answer + at, n, 0);
            at += n;
        }
        h1_rig_eof(&rig);
        state_split = h1_rig_state(&rig);
        if (strcmp(h1_rig_log(&rig), whole) != 0 || state_split != state) {
            fail_msg("%s\nwhole %s\nsplit %s", answer, whole, h1_rig_log(&rig));
        }
        free(whole);
    }
    h1_rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_sample_at_every_split),
        cmocka_unit_test(each_broken_answer_is_refused_at_every_split),
        cmocka_unit_test(nul_is_refused_wherever_it_stands_in_a_head),
        cmocka_unit_test(a_plain_head_is_copied_only_when_it_comes_in_pieces),
        cmocka_unit_test(each_byte_of_a_head_may_be_another),
        cmocka_unit_test(what_frames_is_known_by_its_length),
        cmocka_unit_test(any_number_of_fields_is_shown),
        cmocka_unit_test(caps_are_exact_and_named),
        cmocka_unit_test(default_caps_hold_a_big_head),
        cmocka_unit_test(a_full_window_stops_the_feed_and_credit_goes_on),
        cmocka_unit_test(the_end_of_a_chunked_body_needs_no_window),
        cmocka_unit_test(a_paused_stream_takes_nothing_but_heads),
        cmocka_unit_test(random_splits_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
