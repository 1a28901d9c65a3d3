/* Peers that flood (CVE-2019-9511 and its kin, 2023-44487, 2024-27983, 2024-28182): each kind under a budget of frames
 * taken, of memory held and of what is written in answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/faultmem.h"
#include "tests/support/h2_script.h"

#define CHUNK 64 /* frames that arrive together */

enum flood {
    PING,
    PING_ACK,
    SETTINGS,
    LONG_SETTINGS,
    EMPTY_DATA,
    PADDED_DATA,
    PRIORITY,
    PRIORITY_UPDATE,
    WINDOW_UPDATE,
    STREAM_WINDOW_UPDATE,
    RESET_OF_THE_DEAD,
    GOAWAY,
    PUSH_PROMISE,
    ALTSVC,
    UNKNOWN,
    CONTINUATION,
    LONG_CONTINUATION,
    DATA_OF_THE_DEAD,
    HEADERS_OF_THE_DEAD,
    FLOODS
};

/* Stream 1 has been answered, stream 3 has a head and waits for its body. */
static void put(struct tern_buf *out, enum flood flood, int n)
{
    static char bytes[16384];

    switch (flood) {
    case PING:
        h2_put(out, NGHTTP2_PING, 0, 0, "12345678", 8);
        break;
    case PING_ACK:
        h2_put(out, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "12345678", 8);
        break;
    case SETTINGS:
        h2_put_setting(out, 0, 0);
        break;
    case LONG_SETTINGS: /* pairs of an identifier that nobody knows */
        memset(bytes, 0x77, 60);
        h2_put(out, NGHTTP2_SETTINGS, 0, 0, bytes, 60);
        break;
    case EMPTY_DATA:
        h2_put_data(out, 3, 0, "");
        break;
    case PADDED_DATA:
        h2_put(out, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 3, "\1", 2);
        break;
    case PRIORITY: /* each time on another */
        h2_put(out, NGHTTP2_PRIORITY, 0, 2 * n + 5, "\0\0\0\1\1", 5);
        break;
    case PRIORITY_UPDATE:
        h2_put(out, NGHTTP2_PRIORITY_UPDATE, 0, 0, "\0\0\0\3u=0", 7);
        break;
    case WINDOW_UPDATE:
        h2_put_u32(out, NGHTTP2_WINDOW_UPDATE, 0, 1);
        break;
    case STREAM_WINDOW_UPDATE:
        h2_put_u32(out, NGHTTP2_WINDOW_UPDATE, 3, 1);
        break;
    case RESET_OF_THE_DEAD:
        h2_put_u32(out, NGHTTP2_RST_STREAM, 1, NGHTTP2_CANCEL);
        break;
    case GOAWAY: /* warnings, one after the other */
        h2_put_goaway(out, INT32_MAX, NGHTTP2_NO_ERROR, "");
        break;
    case PUSH_PROMISE: { /* before SETTINGS are acknowledged each is refused by a frame */
        int id = 2 * n + 2;
        uint8_t promise[] = {0, (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id, 0x82, 0x84, 0x87};

        h2_put(out, NGHTTP2_PUSH_PROMISE, H2_END_HEADERS, 3, promise, sizeof(promise));
        break;
    }
    case ALTSVC:
        h2_put(out, NGHTTP2_ALTSVC, 0, 3, "\0\0h2=\":1\"", 9);
        break;
    case UNKNOWN:
        h2_put(out, 0xee, 0xff, 3, "?", 1);
        break;
    case CONTINUATION:
        h2_put(out, n == 0 ? NGHTTP2_HEADERS : NGHTTP2_CONTINUATION, 0, 3, "", 0);
        break;
    case LONG_CONTINUATION: /* 16 KiB each, of a field that is never indexed and so is held by nobody but the reader */
        memset(bytes, 'v', sizeof(bytes));
        memcpy(bytes, "\x10\1x\x7f\xfa\x7e", 6); /* 6.2.3; a value of 16,377 bytes */
        h2_put(out, n == 0 ? NGHTTP2_HEADERS : NGHTTP2_CONTINUATION, 0, 3, bytes, 6 + 16377);
        break;
    case DATA_OF_THE_DEAD:
        h2_put_data(out, 1, 0, "x");
        break;
    case HEADERS_OF_THE_DEAD:
        h2_put_head(out, 1, 0, ":status: 200");
        break;
    case FLOODS:
        break;
    }
}

static uint32_t frames_max(enum flood flood)
{
    switch (flood) {
    case CONTINUATION:
    case LONG_CONTINUATION:
        return TERN_H2_CONTINUATIONS_MAX + CHUNK;
    case DATA_OF_THE_DEAD:
    case HEADERS_OF_THE_DEAD:
        return TERN_H2_LATE_MAX + CHUNK;
    default:
        return TERN_H2_NUISANCE_MAX + CHUNK;
    }
}

/* A handful, and two for each answer that waits for a write, or for a peer that does not read. */
static uint32_t blocks_max(enum flood flood, bool is_reading)
{
    uint32_t waiting = flood == PUSH_PROMISE ? TERN_H2_NUISANCE_MAX : TERN_H2_ACKS_MAX;

    return 40 + 2 * (is_reading ? CHUNK : waiting);
}

static void flood_with(enum flood flood, bool is_reading)
{
    struct h2_script peer;
    struct scenario s;
    struct seen *over, *call;
    uint32_t frames = 0;
    int n = 0;

    scenario_open(&s, &h2_only);
    over = scenario_get(&s, "http://a.test/");
    call = scenario_get(&s, "http://a.test/");
    h2_script_open(&peer, &s);
    tern_call_cancel(s.engine, over->id);
    scenario_run(&s, 0);
    if (flood < CONTINUATION || flood > LONG_CONTINUATION)
        h2_put_head(&peer.out, 3, 0, ":status: 200");
    h2_script_say(&peer);
    simio_forget(peer.peer);
    if (!is_reading)
        simio_window(peer.peer, 0);
    uint64_t live = faultmem_live();
    struct simio_counts before = simio_counts(s.sim);
    while (!simio_is_closed(peer.peer) && frames < 2 * frames_max(flood)) {
        for (int i = 0; i < CHUNK; i++, frames++)
            put(&peer.out, flood, n++);
        h2_script_say(&peer);
        if (faultmem_live() > live + blocks_max(flood, is_reading))
            fail_msg("flood %d: %llu blocks", flood, (unsigned long long)(faultmem_live() - live));
    }
    struct simio_counts after = simio_counts(s.sim);
    if (!simio_is_closed(peer.peer) || frames > frames_max(flood))
        fail_msg("flood %d: %u frames taken", flood, frames);
    /* Work: no more turns and writes than the peer made packets, and no more written than it said. */
    assert_true(after.waits - before.waits <= 4 * (uint64_t)(frames / CHUNK) + 8);
    assert_true(after.sendmsgs - before.sendmsgs <= frames / CHUNK + 4);
    assert_true(simio_heard(peer.peer).len <= 20u * frames);
    /* A head that is too long has cost the call before the connection ends. */
    assert_int_equal(call->result.fault.error, flood == LONG_CONTINUATION ? TERN_EHEAD_MAX : TERN_EPROTO);
    if (flood != LONG_CONTINUATION && strstr(call->result.fault.text, "too many") == NULL)
        fail_msg("flood %d: %s", flood, call->result.fault.text);
    h2_script_close(&peer);
    scenario_close(&s);
}

static void test_floods(void **state)
{
    (void)state;
    for (enum flood flood = 0; flood < FLOODS; flood++)
        for (int is_reading = 0; is_reading < 2; is_reading++)
            flood_with(flood, is_reading);
}

/* Resets each request that has come. */
static uint32_t reset_all(struct h2_script *peer)
{
    const char *heard = h2_script_heard(peer);
    uint32_t count = 0;

    for (; (heard = strstr(heard, "HEADERS ")) != NULL; heard++, count++)
        h2_put_u32(&peer->out, NGHTTP2_RST_STREAM, atoi(heard + strlen("HEADERS ")), NGHTTP2_REFUSED_STREAM);
    if (count > 0)
        h2_script_say(peer);
    return count;
}

/* The other way round: a server that resets whatever it is sent is sent each request three times at most. */
static void test_reset_of_every_request(void **state)
{
    enum { CALLS = 30 };
    struct h2_script peers[2 * CALLS];
    struct scenario s;
    uint32_t requests = 0, count = 0;

    (void)state;
    scenario_open(&s, &h2_only);
    for (int i = 0; i < CALLS; i++) {
        scenario_get(&s, "http://a.test/");
        for (bool moved = true; moved;) {
            uint32_t before = requests;

            while (count < simio_connects(s.sim, SCENARIO_ADDRESS))
                h2_script_open(&peers[count++], &s);
            for (uint32_t k = 0; k < count; k++)
                requests += reset_all(&peers[k]);
            moved = requests != before;
        }
        seen_is(s.seen[i], "done EPEER_REFUSED WAIT");
    }
    assert_int_equal(requests, 3 * CALLS);
    assert_true(count <= 1 + CALLS); /* the third is on a connection of its own */
    for (uint32_t k = 0; k < count; k++)
        h2_script_close(&peers[k]);
    scenario_close(&s);
}

/* Heads that are informational, without end: the call ends, its stream is reset, and what still comes is late. */
static void test_informational_heads_without_end(void **state)
{
    struct h2_script peer;
    struct scenario s;
    struct seen *call, *other;

    (void)state;
    scenario_open(&s, &h2_only);
    call = scenario_get(&s, "http://a.test/");
    other = scenario_get(&s, "http://a.test/");
    h2_script_open(&peer, &s);
    for (int i = 0; i < 1000; i++)
        h2_put_head(&peer.out, 1, 0, ":status: 103\nlink: </a>");
    h2_script_say(&peer);
    assert_int_equal(call->result.fault.error, TERN_EHEAD_MAX);
    h2_script_hears(&peer, "RST_STREAM 1 8\n");
    h2_script_answer(&peer, 3, "hi");
    seen_is(other, "head 200 | body hi | done");
    h2_script_close(&peer);
    scenario_close(&s);
}

/* A peer that pings now and then, for ever, is no flood. */
static void test_allowance_comes_back(void **state)
{
    struct h2_script peer;
    struct scenario s;
    struct seen *call;

    (void)state;
    scenario_open(&s, &h2_only);
    call = scenario_get(&s, "http://a.test/");
    h2_script_open(&peer, &s);
    for (int i = 0; i < 20; i++) {
        for (int n = 0; n < TERN_H2_NUISANCE_MAX / 2; n++) {
            put(&peer.out, PING, n);
            if (n % CHUNK == 0)
                h2_script_say(&peer);
        }
        scenario_run(&s, TERN_S);
    }
    h2_script_answer(&peer, 1, "hi");
    seen_is(call, "head 200 | body hi | done");
    h2_script_close(&peer);
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floods),
        cmocka_unit_test(test_reset_of_every_request),
        cmocka_unit_test(test_informational_heads_without_end),
        cmocka_unit_test(test_allowance_comes_back),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
