/* Requests and responses under the HTTP/2 codec: what goes out, what is heard. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/str.h"
#include "tests/support/faultmem.h"
#include "tests/support/h2_rig.h"

#define GET_TEXT " | :method: GET | :scheme: http | :authority: example.com | :path: /"
#define HELLO "SETTINGS 2=0 4=262144 6=65536 9=1\nWINDOW_UPDATE 0 2031617\n"
#define END_BOTH (H2_END_STREAM | H2_END_HEADERS)

static struct h2_rig rig;
static struct h2_peer peer;
static struct tern_buf in;

static int setup(void **unused)
{
    (void)unused;
    h2_rig_init(&rig, NULL, 0);
    h2_peer_init(&rig, &peer);
    tern_buf_init(&in, SIZE_MAX / 2);
    h2_put_setting(&in, 0, 0);
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    h2_rig_deinit(&rig);
    h2_peer_deinit(&peer);
    tern_buf_deinit(&in);
    return 0;
}

static void start(void)
{
    assert_int_equal(h2_peer_submit(&peer), TERN_OK);
    h2_rig_write(&rig, 0);
}

static const char *answer(void)
{
    assert_int_equal(h2_rig_feed(&rig, &in, 0), TERN_OK);
    tern_buf_clear(&in);
    return h2_peer_log(&peer);
}

/* ---- requests ---- */

static void a_request_goes_out_behind_the_preface(void **unused)
{
    (void)unused;
    assert_int_equal(h2_peer_submit(&peer), TERN_OK);
    assert_int_equal(h2_rig_write(&rig, 0), 1);
    assert_string_equal(h2_rig_frames(&rig), HELLO "HEADERS 1 END" GET_TEXT "\n");
    assert_string_equal(h2_peer_log(&peer), "sent\n");
    assert_true(peer.stream.sent_head_bytes > 9);
    assert_int_equal(peer.stream.sent_body_bytes, 0);
}

static void connection_fields_stay_behind_and_names_become_lower_case(void **unused)
{
    const struct tern_field fields[] = {
        {TERN_STR("X-A"), TERN_STR("b"), 0},
        {TERN_STR("Connection"), TERN_STR("x"), 0},
        {TERN_STR("TE"), TERN_STR("trailers"), 0},
        {TERN_STR("te"), TERN_STR("gzip"), 0},
        {TERN_STR("Keep-Alive"), TERN_STR("1"), 0},
        {TERN_STR("Proxy-Connection"), TERN_STR("x"), 0},
        {TERN_STR("Upgrade"), TERN_STR("h2c"), 0},
        {TERN_STR("Transfer-Encoding"), TERN_STR("x"), 0},
        {TERN_STR("X-Key"), TERN_STR("s"), TERN_FIELD_SECRET},
    };

    (void)unused;
    peer.message.fields = fields;
    peer.message.field_count = sizeof fields / sizeof fields[0];
    peer.message.method = TERN_STR("POST");
    start();
    assert_string_equal(h2_rig_frames(&rig),
                        HELLO "HEADERS 1 END | :method: POST | :scheme: http | :authority: example.com | :path: /"
                              " | x-a: b | te: trailers | x-key (never indexed): s | content-length: 0\n");
}

static void bodies_of_every_kind(void **unused)
{
    static const char *const steps[] = {"hello", ", ", "world"};
    static const struct {
        size_t count;
        uint64_t length;
        const char *frames;
    } cases[] = {
        {3, 12, " | content-length: 12\nDATA 1 12 END\n"},
        {3, TERN_LENGTH_UNKNOWN, "\nDATA 1 12 END\n"},
        {0, 0, " | content-length: 0\n"},
        {0, TERN_LENGTH_UNKNOWN, "\nDATA 1 0 END\n"},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char want[512];
        teardown(NULL);
        setup(NULL);
        peer.message.method = TERN_STR("PUT");
        h2_peer_body(&peer, steps, cases[i].count, cases[i].length);
        start();
        snprintf(want, sizeof want,
                 HELLO "HEADERS 1%s | :method: PUT | :scheme: http | :authority: example.com | :path: /%s",
                 cases[i].length == 0 ? " END" : "", cases[i].frames);
        assert_string_equal(h2_rig_frames(&rig), want);
        assert_string_equal(h2_peer_log(&peer), "sent\n");
        assert_int_equal(peer.stream.sent_body_bytes, cases[i].count != 0 ? 12 : 0);
    }
}

static void a_body_waits_for_its_source(void **unused)
{
    static const char *steps[] = {"ab", NULL, "cd"};

    (void)unused;
    h2_peer_body(&peer, steps, 3, 4);
    start();
    assert_non_null(strstr(h2_rig_frames(&rig), "DATA 1 2\n"));
    assert_int_equal(h2_rig_write(&rig, 0), 0);
    assert_string_equal(h2_peer_log(&peer), "");
    steps[1] = "";
    peer.step++;
    rig.h2.codec.ops->body_ready(&rig.h2.codec, &peer.stream);
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "DATA 1 2 END\n");
    assert_string_equal(h2_peer_log(&peer), "sent\n");
}

static void a_body_of_another_length_resets_the_stream_alone(void **unused)
{
    static const char *const steps[] = {"abcd"};
    static const struct {
        uint64_t length;
        bool fails;
        const char *log;
    } cases[] = {
        {5, false, "error TERN_EBODY_SIZE MAYBE \"request body: shorter than the 5 bytes announced, after 4\"\n"},
        {3, false, "error TERN_EBODY_SIZE MAYBE \"request body: longer than the 3 bytes announced, after 0\"\n"},
        {5, true, "error TERN_EBODY_SOURCE MAYBE \"the test's source failed\"\n"},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        teardown(NULL);
        setup(NULL);
        struct h2_peer other;
        h2_peer_init(&rig, &other);
        h2_peer_body(&peer, steps, 1, cases[i].length);
        peer.source_fails = cases[i].fails;
        assert_int_equal(h2_peer_submit(&peer), TERN_OK);
        assert_int_equal(h2_peer_submit(&other), TERN_OK);
        h2_rig_write(&rig, 0);
        assert_string_equal(h2_peer_log(&peer), cases[i].log);
        const char *frames = h2_rig_frames(&rig);
        assert_non_null(strstr(frames, "RST_STREAM 1 8\n"));
        assert_null(strstr(frames, "DATA 1 4 END"));
        h2_put_head(&in, 3, END_BOTH, ":status: 204");
        answer();
        assert_string_equal(h2_peer_log(&other), "sent\nhead 204\nend\n");
        h2_peer_deinit(&other);
    }
}

static void the_same_wire_however_little_is_written_at_a_time(void **unused)
{
    char *whole = NULL;

    (void)unused;
    for (size_t k = 0; k < 40; k += k < 12 ? 1 : 9) {
        static const char *const steps[] = {"one", "two", "three"};
        struct h2_peer others[3];
        teardown(NULL);
        setup(NULL);
        for (int i = 0; i < 3; i++) {
            h2_peer_init(&rig, &others[i]);
            h2_peer_body(&others[i], steps, 3, i == 1 ? 11 : TERN_LENGTH_UNKNOWN);
            assert_int_equal(h2_peer_submit(&others[i]), TERN_OK);
        }
        peer.message.method = TERN_STR("PUT");
        h2_peer_body(&peer, NULL, 0, 60000);
        peer.source_bytes = 60000;
        assert_int_equal(h2_peer_submit(&peer), TERN_OK);
        h2_rig_write(&rig, k);
        assert_string_equal(h2_peer_log(&peer), "sent\n");
        assert_int_equal(peer.stream.sent_body_bytes, 60000);
        const char *frames = h2_rig_frames(&rig);
        if (whole == NULL) {
            whole = strdup(frames);
        }
        assert_string_equal(frames, whole);
        for (int i = 0; i < 3; i++) {
            assert_string_equal(h2_peer_log(&others[i]), "sent\n");
            assert_int_equal(others[i].stream.sent_body_bytes, 11);
            h2_peer_deinit(&others[i]);
        }
    }
    free(whole);
}

/* ---- 100 (Continue) ---- */

static void expect(void)
{
    static const char *const steps[] = {"body"};

    h2_peer_body(&peer, steps, 1, 4);
    peer.message.expect_continue = true;
    start();
    const char *frames = h2_rig_frames(&rig);
    assert_non_null(strstr(frames, "expect: 100-continue\n"));
    assert_null(strstr(frames, "DATA"));
}

static void continue_100_lets_the_body_go(void **unused)
{
    (void)unused;
    expect();
    h2_put_head(&in, 1, 0, ":status: 100");
    assert_string_equal(answer(), "info 100\n");
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "SETTINGS ACK\nDATA 1 4 END\n");
}

static void so_does_the_end_of_patience(void **unused)
{
    (void)unused;
    expect();
    rig.h2.codec.ops->continue_body(&rig.h2.codec, &peer.stream);
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "DATA 1 4 END\n");
}

static void a_refusal_keeps_the_body_here(void **unused)
{
    (void)unused;
    expect();
    h2_put_head(&in, 1, END_BOTH, ":status: 417");
    assert_string_equal(answer(), "head 417\nend\n");
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "SETTINGS ACK\nRST_STREAM 1 8\n");
    assert_int_equal(rig.h2.codec.ops->capacity(&rig.h2.codec), TERN_H2_STREAMS_MAX);
}

static void so_does_one_that_is_not_complete_yet(void **unused)
{
    (void)unused;
    expect();
    h2_put_head(&in, 1, 0, ":status: 417");
    assert_string_equal(answer(), "head 417\n");
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "SETTINGS ACK\n");
}

static void an_answer_before_the_body_cuts_it_off_at_its_end(void **unused)
{
    static const char *const steps[] = {"ab", NULL};

    (void)unused;
    h2_peer_body(&peer, steps, 2, TERN_LENGTH_UNKNOWN);
    start();
    h2_put_head(&in, 1, 0, ":status: 200");
    h2_put_data(&in, 1, H2_END_STREAM, "early");
    assert_string_equal(answer(), "head 200\nbody \"early\"\nend\n");
    h2_rig_frames(&rig);
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "SETTINGS ACK\nRST_STREAM 1 8\n");
}

/* ---- responses ---- */

static void the_same_events_however_the_bytes_are_split(void **unused)
{
    (void)unused;
    h2_put_head(&in, 1, 0, ":status: 103\nlink: </a>");
    h2_put_head(&in, 1, 0, ":status: 200\na: b\nset-cookie: 1\nset-cookie: 2");
    h2_put_data(&in, 1, 0, "hel");
    h2_put(&in, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, "\3lo\0\0\0", 6);
    h2_put(&in, NGHTTP2_PING, 0, 0, "12345678", 8);
    h2_put_head(&in, 1, H2_END_STREAM, "t: u");
    for (size_t k = 0; k <= in.len; k++) {
        start();
        assert_int_equal(h2_rig_feed(&rig, &in, k), TERN_OK);
        assert_string_equal(h2_peer_log(&peer), "sent\ninfo 103 | link: </a>\n"
                                                "head 200 | a: b | set-cookie: 1 | set-cookie: 2\n"
                                                "body \"hello\"\ntrailers | t: u\nend\n");
        assert_int_equal(peer.stream.received_body_bytes, 5);
        h2_rig_write(&rig, 0);
        assert_non_null(strstr(h2_rig_frames(&rig), "SETTINGS ACK\nPING ACK\n"));
        h2_rig_deinit(&rig);
        h2_rig_init(&rig, NULL, 0);
    }
}

static void answers_without_a_body(void **unused)
{
    static const struct {
        const char *method, *fields, *log;
    } cases[] = {
        {"HEAD", ":status: 200\ncontent-length: 5", "sent\nhead 200 | content-length: 5\nend\n"},
        {"GET", ":status: 204", "sent\nhead 204\nend\n"},
        {"GET", ":status: 304\ncontent-length: 5", "sent\nhead 304 | content-length: 5\nend\n"},
        {"GET", ":status: 200\ncontent-length: 0", "sent\nhead 200 | content-length: 0\nend\n"},
    };

    (void)unused;
    for (int i = 0; i < 4; i++) {
        peer.message.method = (struct tern_str){cases[i].method, strlen(cases[i].method)};
        start();
        h2_put_head(&in, 1 + 2 * i, H2_END_STREAM, cases[i].fields);
        assert_string_equal(answer(), cases[i].log);
    }
}

/* What comes of head (END_STREAM where body is NULL) and body, which is the stream's alone. */
static void refused(const char *head, const char *body, const char *log)
{
    struct h2_peer other;

    h2_peer_init(&rig, &other);
    peer.message.method = TERN_STR("GET");
    start();
    int32_t id = peer.stream.id;
    assert_int_equal(h2_peer_submit(&other), TERN_OK);
    h2_rig_write(&rig, 0);
    h2_put_head(&in, id, body == NULL ? H2_END_STREAM : 0, head);
    if (body != NULL) {
        h2_put_data(&in, id, H2_END_STREAM, body);
    }
    h2_put_head(&in, id + 2, H2_END_STREAM, ":status: 200");
    answer();
    h2_rig_write(&rig, 0);
    const char *got = h2_peer_log(&peer);
    if (strstr(got, log) == NULL) {
        print_message("for %s\n", head);
        assert_string_equal(got, log);
    }
    assert_string_equal(h2_peer_log(&other), "sent\nhead 200\nend\n");
    assert_non_null(strstr(h2_rig_frames(&rig), "RST_STREAM"));
    h2_peer_deinit(&other);
}

static void malformed_answers_end_the_stream_alone(void **unused)
{
    (void)unused;
    refused(":status: 200\ncontent-length: 5", "four", "error TERN_EPROTO ANSWERED");
    refused(":status: 200\ncontent-length: 3", "four", "error TERN_EPROTO ANSWERED");
    refused(":status: 200\ncontent-length: 3\ncontent-length: 4", "four", "error TERN_EPROTO ANSWERED");
    refused(":status: 200\ncontent-length: 18446744073709551616", "four", "error TERN_EPROTO ANSWERED");
    refused(":status: 204", "four", "error TERN_EPROTO ANSWERED");
    refused("a: b", "four", "error TERN_EPROTO ANSWERED");
    refused(":status: 20", "four", "error TERN_EPROTO ANSWERED");
    refused(":status: 099", "four", "error TERN_EPROTO ANSWERED");
    refused(":status: 2x0", "four", "error TERN_EPROTO ANSWERED");
    refused(":status: 200\n:status: 200", "four", "error TERN_EPROTO ANSWERED");
    refused("a: b\n:status: 200", "four", "error TERN_EPROTO ANSWERED");
    refused(":status: 200\n:path: /", "four", "error TERN_EPROTO ANSWERED");
    refused(":status: 200\nconnection: close", "four", "error TERN_EPROTO ANSWERED");
    refused(":status: 200\ntransfer-encoding: chunked", "four", "error TERN_EPROTO ANSWERED");
    refused(":status: 200\nUpper: x", "four", "error TERN_EPROTO ANSWERED");
    refused(":status: 200\na b: x", "four", "error TERN_EPROTO ANSWERED");
    refused(":status: 200\na: x\ry", "four", "error TERN_EPROTO ANSWERED");
    refused(":status: 200\na:  x", "four", "error TERN_EPROTO ANSWERED");
    refused(":status: 100", NULL, "error TERN_EPROTO ANSWERED");
    refused(":status: 101", "four", "error TERN_EPROTO ANSWERED");
}

/* ---- priority (RFC 9218) ---- */

static void urge(const char *value)
{
    peer.message.priority = tern_str(value);
    rig.h2.codec.ops->priority_changed(&rig.h2.codec, &peer.stream);
}

static void a_priority_stands_in_the_head(void **unused)
{
    static const struct tern_field field = {TERN_STR("Priority"), TERN_STR("u=7"), 0};

    (void)unused;
    peer.message.fields = &field;
    peer.message.field_count = 1;
    peer.message.priority = TERN_STR("u=1, i");
    start();
    assert_string_equal(h2_rig_frames(&rig), HELLO "HEADERS 1 END" GET_TEXT " | priority: u=1, i\n");
}

/* 2.1: until its SETTINGS have come nobody knows whether the peer goes by it, so it is told. */
static void changes_of_priority_are_told_once(void **unused)
{
    (void)unused;
    assert_int_equal(h2_peer_submit(&peer), TERN_OK);
    urge("u=6"); /* a stream that is idle yet */
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), HELLO "HEADERS 1 END" GET_TEXT "\nPRIORITY_UPDATE 1 u=6\n");
    for (int i = 0; i < 100000; i++) {
        urge(i % 2 == 0 ? "u=2" : "u=0, i");
    }
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "PRIORITY_UPDATE 1 u=0, i\n");
    h2_put_head(&in, 1, H2_END_STREAM, ":status: 200");
    answer();
    urge("u=5"); /* too late */
    h2_rig_write(&rig, 0);
    assert_string_equal(h2_rig_frames(&rig), "SETTINGS ACK\n");
}

static void priorities_are_told_to_who_goes_by_them(void **unused)
{
    (void)unused;
    for (uint32_t goes = 0; goes < 2; goes++) {
        teardown(NULL);
        setup(NULL);
        tern_buf_clear(&in);
        h2_put_setting(&in, NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, goes);
        start();
        answer();
        h2_rig_write(&rig, 0);
        h2_rig_frames(&rig);
        urge("u=0");
        h2_rig_write(&rig, 0);
        assert_string_equal(h2_rig_frames(&rig), goes ? "PRIORITY_UPDATE 1 u=0\n" : "");
    }
}

static void heads_have_caps(void **unused)
{
    static const struct tern_codec_limits limits = {64, 200, 4, 2};

    (void)unused;
    h2_rig_deinit(&rig);
    h2_rig_init(&rig, &limits, 0);
    refused(":status: 200\na: 0123456789012345678901234567890123456789012345678901234567890", "",
            "error TERN_EHEAD_MAX ANSWERED \"response field 1: longer than head_line_bytes_max 64\"");
    refused(
        ":status: 200\n"
        "a: 01234567890123456789012345678901234567890123456789\nb: 01234567890123456789012345678901234567890123456789\n"
        "c: 01234567890123456789012345678901234567890123456789\nd: 01234567890123456789012345678901234567890123456789",
        "", "error TERN_EHEAD_MAX ANSWERED \"response field 4: with it, more than head_bytes_max 200 bytes\"");
    refused(":status: 200\na: 1\na: 2\na: 3\na: 4\na: 5", "",
            "error TERN_EHEAD_MAX ANSWERED \"response field 5: more than head_fields_max 4\"");
    start();
    for (int i = 0; i < 3; i++) {
        h2_put_head(&in, peer.stream.id, 0, ":status: 103");
    }
    assert_non_null(
        strstr(answer(), "info 103\ninfo 103\nerror TERN_EHEAD_MAX ANSWERED \"more than informational_max 2"));
}

/* "n: vvv...", which takes most of the compression table (RFC 7541 6.2.1), in text and in wire form. */
static void put_large(struct tern_buf *block, struct tern_buf *text, char name, char value)
{
    char line[3004] = {name, ':', ' '};
    size_t at = block->len;

    memset(line + 3, value, sizeof line - 4);
    h2_put_block(block, line);
    block->data[block->head + at] = 0x40;
    assert_int_equal(tern_buf_printf(text, " | %s", line), TERN_OK);
    assert_int_equal(tern_buf_append_byte(block, (char)0xbe), TERN_OK); /* and once more, from there */
    assert_int_equal(tern_buf_printf(text, " | %s", line), TERN_OK);
}

static void fields_outlive_their_place_in_the_compression_table(void **unused)
{
    struct tern_buf block, text;

    (void)unused;
    tern_buf_init(&block, SIZE_MAX / 2);
    tern_buf_init(&text, SIZE_MAX / 2);
    start();
    h2_put_block(&block, ":status: 200");
    assert_int_equal(tern_buf_printf(&text, "head 200"), TERN_OK);
    for (int i = 0; i < 4; i++) {
        put_large(&block, &text, (char)('a' + i), (char)('w' + i));
    }
    assert_int_equal(tern_buf_printf(&text, "\nend\n"), TERN_OK);
    h2_put(&in, NGHTTP2_HEADERS, END_BOTH, peer.stream.id, block.data + block.head, block.len);
    assert_string_equal(strchr(answer(), 'h'), text.data + text.head);
    tern_buf_deinit(&block);
    tern_buf_deinit(&text);
}

static void warm_exchanges_allocate_nothing(void **unused)
{
    uint64_t count = 0;

    (void)unused;
    for (int i = 0; i < 100; i++) {
        start();
        h2_put_head(&in, peer.stream.id, 0, ":status: 200\na: b");
        h2_put_data(&in, peer.stream.id, H2_END_STREAM, "hi");
        answer();
        h2_rig_write(&rig, 0);
        tern_buf_clear(&rig.ear.wire);
        if (i == 20) {
            count = faultmem_count();
        }
    }
    /* h2_put_head takes a block of its own each time, which is grown once. */
    assert_int_equal(faultmem_count() - count, 79);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_request_goes_out_behind_the_preface),
        T(connection_fields_stay_behind_and_names_become_lower_case),
        T(bodies_of_every_kind),
        T(a_body_waits_for_its_source),
        T(a_body_of_another_length_resets_the_stream_alone),
        T(the_same_wire_however_little_is_written_at_a_time),
        T(continue_100_lets_the_body_go),
        T(so_does_the_end_of_patience),
        T(a_refusal_keeps_the_body_here),
        T(so_does_one_that_is_not_complete_yet),
        T(an_answer_before_the_body_cuts_it_off_at_its_end),
        T(the_same_events_however_the_bytes_are_split),
        T(answers_without_a_body),
        T(malformed_answers_end_the_stream_alone),
        T(a_priority_stands_in_the_head),
        T(changes_of_priority_are_told_once),
        T(priorities_are_told_to_who_goes_by_them),
        T(heads_have_caps),
        T(fields_outlive_their_place_in_the_compression_table),
        T(warm_exchanges_allocate_nothing),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
