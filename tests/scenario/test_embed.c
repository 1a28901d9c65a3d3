/* tern inside another program: responses in one piece, blocking calls, the engine's end, other threads, a fork, files
 * that wait. */
#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "tests/support/scenario.h"
#include "tests/support/torture.h"

#define URL TERN_STR("http://a.test/")
#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi"

/* ---- the whole response in one piece ---- */

struct collected {
    uint32_t times;
    enum tern_error error;
    uint16_t status;
    char body[64];
    size_t field_count;
};

static void on_response(void *user, tern_call_id call, const struct tern_response *response)
{
    struct collected *collected = user;

    (void)call;
    collected->times++;
    collected->error = response->result.fault.error;
    collected->status = response->result.status;
    collected->field_count = response->field_count;
    assert_int_equal(response->body[response->body_len], '\0');
    assert_true(response->body_len < sizeof(collected->body));
    memcpy(collected->body, response->body, response->body_len + 1);
}

static struct collected collect(const char *wire, uint64_t body_bytes_max)
{
    struct collected collected = {0};
    struct scenario s;
    struct simio_peer *peer;
    tern_call_id id = 0;

    scenario_open(&s, NULL);
    assert_int_equal(tern_collect_start(s.client, &(struct tern_request){.url = URL}, body_bytes_max, on_response,
                                        &collected, &id, NULL),
                     TERN_OK);
    assert_int_not_equal(id, 0);
    scenario_run(&s, 0);
    peer = scenario_accept(&s);
    if (wire != NULL)
        simio_say(peer, wire);
    scenario_run(&s, 0);
    assert_int_equal(collected.times, wire != NULL);
    scenario_close(&s);
    assert_int_equal(collected.times, 1);
    return collected;
}

static void test_collected_response(void **state)
{
    struct collected c = collect("HTTP/1.1 103 E\r\nX: y\r\n\r\n" OK_HI, 0);

    (void)state;
    assert_int_equal(c.error, TERN_OK);
    assert_int_equal(c.status, 200);
    assert_int_equal(c.field_count, 2);
    assert_string_equal(c.body, "hi");
    c = collect(NO_CONTENT, 0);
    assert_int_equal(c.error, TERN_OK);
    assert_string_equal(c.body, "");
    c = collect(OK_HI, 2);
    assert_int_equal(c.error, TERN_OK);
    c = collect(OK_HI, 1);
    assert_int_equal(c.error, TERN_EBODY_MAX);
    assert_int_equal(c.status, 200);
    c = collect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n", 1);
    assert_int_equal(c.error, TERN_EBODY_MAX);
    c = collect("nonsense", 0);
    assert_int_equal(c.error, TERN_EPROTO_VERSION);
    c = collect(NULL, 0); /* the client is closed under it */
    assert_int_equal(c.error, TERN_ESHUTDOWN);
}

static void answer_hi(struct simio_peer *peer, void *user)
{
    (void)user;
    simio_forget(peer);
    simio_say(peer, OK_HI);
}

static void test_perform(void **state)
{
    struct scenario s;
    struct tern_response *response = NULL;
    struct tern_fault why = {0};
    struct seen *other;

    (void)state;
    torture_fixture_keeps_memory(); /* response */
    scenario_open(&s, NULL);
    other = scenario_start_only(&s, &(struct tern_request){.url = URL});
    simio_serve(s.sim, SCENARIO_ADDRESS, answer_hi, NULL);
    assert_int_equal(tern_perform(s.client, &(struct tern_request){.url = URL}, 0, &response, &why), TERN_OK);
    assert_int_equal(why.error, TERN_OK);
    assert_string_equal(response->body, "hi");
    assert_int_equal(response->result.status, 200);
    assert_int_equal(response->result.fault.error, TERN_OK);
    tern_response_free(response);
    scenario_run(&s, 0);
    seen_is(other, "head 200 | body hi | done"); /* others go on meanwhile */

    assert_int_equal(tern_perform(s.client, &(struct tern_request){.url = URL}, 1, &response, &why), TERN_EBODY_MAX);
    assert_int_equal(why.error, TERN_EBODY_MAX);
    assert_int_equal(response->result.fault.error, TERN_EBODY_MAX);
    tern_response_free(response);

    assert_int_equal(tern_perform(s.client, &(struct tern_request){.url = TERN_STR("x:y")}, 0, &response, &why),
                     TERN_EURL);
    assert_null(response);
    assert_int_equal(
        tern_perform(s.client, &(struct tern_request){.url = TERN_STR("http://gone.test/")}, 0, &response, &why),
        TERN_EDNS_NOT_FOUND);
    assert_non_null(strstr(why.text, "gone.test"));
    tern_response_free(response);
    tern_response_free(NULL);
    scenario_close(&s);
}

static void redirect_once(struct simio_peer *peer, void *user)
{
    bool was_asked = scenario_heard(peer, "GET /next ");

    (void)user;
    simio_forget(peer);
    simio_say(peer, was_asked ? OK_HI : "HTTP/1.1 301 X\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n");
}

/* A response is the user's own: what it says of the way here outlives the call, and the client. */
static void test_perform_keeps_the_way(void **state)
{
    const struct tern_redirects follow = {0};
    const struct tern_policy policy = {.redirects = &follow};
    struct scenario s;
    struct tern_response *response = NULL;

    (void)state;
    torture_fixture_keeps_memory(); /* response */
    scenario_open(&s, &(struct tern_client_config){.policy = &policy});
    simio_serve(s.sim, SCENARIO_ADDRESS, redirect_once, NULL);
    assert_int_equal(tern_perform(s.client, &(struct tern_request){.url = URL}, 0, &response, NULL), TERN_OK);
    scenario_close(&s);
    assert_int_equal(response->result.hop, 2);
    assert_int_equal(response->result.hop_count, 1);
    assert_int_equal(response->result.hops[0].status, 301);
    assert_true(tern_str_eq(response->result.hops[0].from, URL));
    assert_true(tern_str_eq(response->result.hops[0].to, TERN_STR("http://a.test/next")));
    assert_string_equal(response->body, "hi");
    tern_response_free(response);
}

/* ---- the engine's end ---- */

/* A call in each state: not begun, waiting, resolving, connecting, sent, in the body, paused. */
static void open_with_calls(struct scenario *s)
{
    const struct tern_client_config config = {.limits = {.connections_max = 6}};
    struct seen *paused;

    scenario_open(s, &config);
    fakedns_answer(s->servers, "slow.test", "192.0.2.9", 60);
    fakedns_takes(s->servers, "slow.test", TERN_IP_ANY, TERN_OFF);
    simio_black_hole(s->sim, "192.0.2.7:80");
    scenario_get(s, "http://slow.test/");
    scenario_get(s, "http://192.0.2.7/");
    scenario_get(s, "http://a.test/sent");
    scenario_accept(s);
    scenario_get(s, "http://a.test/body");
    simio_say(scenario_accept(s), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    scenario_run(s, 0);
    paused = scenario_get(s, "http://a.test/paused");
    assert_int_equal(tern_call_pause(s->engine, paused->id), TERN_OK);
    simio_say(scenario_accept(s), OK_HI);
    scenario_run(s, 0);
    scenario_get(s, "http://a.test/idle");
    simio_say(scenario_accept(s), NO_CONTENT); /* one connection idles */
    scenario_run(s, 0);
    scenario_get(s, "http://192.0.2.7:81/"); /* takes its place, and is refused */
    simio_connect_takes(s->sim, "192.0.2.7:82", TERN_S);
    scenario_get(s, "http://192.0.2.7:82/");
    scenario_get(s, "http://192.0.2.7:83/"); /* waits */
    scenario_start_only(s, &(struct tern_request){.url = URL});
}

/* What each of them has seen; "*" stands for the error that ended it. */
static const char *const calls_seen[] = {"done * DNS",
                                         "done * CONNECT",
                                         "done * WAIT",
                                         "head 200 | body half | done * READ",
                                         "done * WAIT",
                                         "head 204 | done",
                                         "done ECONNECT_REFUSED CONNECT",
                                         "done * CONNECT",
                                         "done * POOL"};

static void all_ended(struct scenario *s, const char *error, const char *last)
{
    size_t count = sizeof(calls_seen) / sizeof(calls_seen[0]);

    assert_int_equal(s->seen_count, count + 1);
    seen_is(s->seen[count], last);
    for (size_t i = 0; i < count; i++) {
        const char *star = strchr(calls_seen[i], '*');
        char expected[100];

        if (star != NULL)
            snprintf(expected, sizeof(expected), "%.*s%s%s", (int)(star - calls_seen[i]), calls_seen[i], error,
                     star + 1);
        seen_is(s->seen[i], star != NULL ? expected : calls_seen[i]);
    }
}

static void start_in_hook(struct seen *seen, const char *event)
{
    if (strcmp(event, "done") == 0)
        assert_int_equal(
            tern_call_start(seen->scenario->client, &(struct tern_request){.url = URL}, NULL, NULL, NULL, NULL),
            TERN_ECLOSED);
}

static void test_shutdown_ends_each_call_through_its_callback(void **state)
{
    struct scenario s;
    struct tern_client *client = NULL;

    (void)state;
    open_with_calls(&s);
    s.seen[0]->hook = start_in_hook;
    assert_int_equal(tern_engine_shutdown(s.engine), TERN_OK);
    all_ended(&s, "ESHUTDOWN", "done ESHUTDOWN POOL"); /* it was begun before the end */
    assert_int_equal(simio_counts(s.sim).open, 0);
    s.is_client_closed = true;
    assert_int_equal(tern_client_new(s.engine, NULL, &client, NULL), TERN_ECLOSED);
    assert_int_equal(tern_engine_shutdown(s.engine), TERN_OK);
    scenario_close(&s);
}

static void test_free_without_shutdown_ends_them_silently(void **state)
{
    struct collected collected = {0};
    struct scenario s;

    (void)state;
    open_with_calls(&s);
    assert_int_equal(
        tern_collect_start(s.client, &(struct tern_request){.url = URL}, 0, on_response, &collected, NULL, NULL),
        TERN_OK);
    assert_int_equal(tern_engine_free(s.engine), TERN_OK);
    scenario_forget(&s);
    assert_int_equal(collected.times, 0);
    for (size_t i = 0; i < s.seen_count; i++) {
        assert_int_equal(s.seen[i]->dones, i == 5 || i == 6);
        free(s.seen[i]);
    }
}

/* Promise 11. The scripted system stops the test at a write in a child. */
static void test_fork_ends_each_call_without_a_byte(void **state)
{
    struct scenario s;
    struct simio_counts before, after;
    struct tern_response *response = NULL;

    (void)state;
    open_with_calls(&s);
    before = simio_counts(s.sim);
    simio_fork(s.sim);
    assert_int_equal(tern_engine_step(s.engine), TERN_EFORK);
    all_ended(&s, "EFORK", "done EFORK START");
    after = simio_counts(s.sim);
    assert_int_equal(after.sendmsgs, before.sendmsgs);
    assert_int_equal(after.recvs, before.recvs);
    assert_int_equal(after.open, 0);
    assert_int_equal(tern_engine_fd(s.engine), -1);
    assert_int_equal(tern_engine_step(s.engine), TERN_EFORK);
    assert_int_equal(tern_call_start(s.client, &(struct tern_request){.url = URL}, NULL, NULL, NULL, NULL), TERN_EFORK);
    assert_int_equal(tern_perform(s.client, &(struct tern_request){.url = URL}, 0, &response, NULL), TERN_EFORK);
    assert_int_equal(tern_call_cancel(s.engine, s.seen[0]->id), TERN_EGONE);
    scenario_close(&s);
}

static void answer_root(struct simio_peer *peer, void *user)
{
    (void)user;
    if (scenario_heard(peer, "GET / "))
        simio_say(peer, OK_HI);
}

static void fork_in_hook(struct seen *seen, const char *event)
{
    if (strcmp(event, "head") == 0)
        simio_fork(seen->scenario->sim);
}

/* The blocking call in a child of its own making: ends with the error, and gives its memory back. */
static void test_fork_during_perform(void **state)
{
    struct scenario s;
    struct tern_response *response = NULL;
    struct seen *call;

    (void)state;
    torture_fixture_keeps_memory(); /* response */
    scenario_open(&s, NULL);
    simio_serve(s.sim, SCENARIO_ADDRESS, answer_root, NULL);
    call = scenario_start_only(&s, &(struct tern_request){.url = URL});
    call->hook = fork_in_hook;
    assert_int_equal(
        tern_perform(s.client, &(struct tern_request){.url = TERN_STR("http://a.test/other")}, 0, &response, NULL),
        TERN_EFORK);
    assert_non_null(response);
    assert_int_equal(response->result.fault.error, TERN_EFORK);
    tern_response_free(response);
    scenario_close(&s);
}

/* ---- over the real system: other threads, pipes that wait ---- */

struct origin {
    int fd;
    char url[64];
    pthread_t thread;
    atomic_uint heard; /* bytes of bodies */
};

/* Answers one request after the other on one connection; bodies of known length are read. */
static void *origin_connection(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buffer[4096];
    size_t len = 0;
    ssize_t n;

    while ((n = read(fd, buffer + len, sizeof(buffer) - 1 - len)) > 0) {
        char *end;

        len += (size_t)n;
        buffer[len] = '\0';
        while ((end = strstr(buffer, "\r\n\r\n")) != NULL) {
            size_t used = (size_t)(end + 4 - buffer);

            if (strstr(buffer, "chunked") != NULL && strstr(buffer, "\r\n0\r\n\r\n") == NULL)
                break;
            if (strstr(buffer, "chunked") != NULL)
                used = len;
            if (write(fd, OK_HI, sizeof(OK_HI) - 1) < 0)
                break;
            memmove(buffer, buffer + used, len - used + 1);
            len -= used;
        }
    }
    close(fd);
    return NULL;
}

static void *origin_run(void *arg)
{
    struct origin *origin = arg;
    int fd;

    while ((fd = accept(origin->fd, NULL, NULL)) >= 0) {
        pthread_t thread;

        pthread_create(&thread, NULL, origin_connection, (void *)(intptr_t)fd);
        pthread_detach(thread);
    }
    return NULL;
}

static void origin_open(struct origin *origin)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    origin->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(origin->fd >= 0);
    assert_int_equal(bind(origin->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(origin->fd, 128), 0);
    assert_int_equal(getsockname(origin->fd, (struct sockaddr *)&address, &len), 0);
    snprintf(origin->url, sizeof(origin->url), "http://127.0.0.1:%u/", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&origin->thread, NULL, origin_run, origin), 0);
}

static void origin_close(struct origin *origin)
{
    shutdown(origin->fd, SHUT_RDWR);
    pthread_join(origin->thread, NULL);
    close(origin->fd);
}

#define THREADS 4
#define CALLS_EACH 200

struct crowd {
    struct tern_engine *engine;
    struct tern_client *client;
    struct origin origin;
    atomic_uint started, well, cancelled, other;
    uint32_t ended; /* the engine's thread only, as the next */
    enum tern_error last;
};

static void on_crowd_done(void *user, tern_call_id call, const struct tern_result *result)
{
    struct crowd *crowd = user;

    (void)call;
    crowd->last = result->fault.error;
    if (result->fault.error == TERN_OK)
        atomic_fetch_add(&crowd->well, 1);
    else if (result->fault.error == TERN_ECANCELLED)
        atomic_fetch_add(&crowd->cancelled, 1);
    else
        atomic_fetch_add(&crowd->other, 1);
    if (++crowd->ended == THREADS * CALLS_EACH)
        tern_engine_stop(crowd->engine);
}

static void *post_many(void *arg)
{
    static const struct tern_handlers handlers = {.on_done = on_crowd_done};
    struct crowd *crowd = arg;
    tern_call_id last = 0;

    for (int i = 0; i < CALLS_EACH; i++) {
        struct tern_request request = {.url = tern_str(crowd->origin.url)};
        tern_call_id id = 0;

        while (tern_post_start(crowd->client, &request, &handlers, crowd, &id, NULL) != TERN_OK)
            sched_yield(); /* the mailbox is full */
        atomic_fetch_add(&crowd->started, 1);
        if (i % 3 == 0) {
            tern_post_cancel(crowd->engine, id);
            tern_post_cancel(crowd->engine, id);
            tern_post_cancel(crowd->engine, last);
        }
        last = id;
    }
    return NULL;
}

static void test_starts_and_cancels_from_other_threads(void **state)
{
    const struct tern_client_config config = {.limits = {.connections_max = 16}};
    struct crowd crowd = {0};
    pthread_t threads[THREADS];

    (void)state;
    origin_open(&crowd.origin);
    assert_int_equal(tern_engine_new(&(struct tern_engine_config){.mailbox_max = 64}, &crowd.engine, NULL), TERN_OK);
    assert_int_equal(tern_client_new(crowd.engine, &config, &crowd.client, NULL), TERN_OK);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &crowd), 0);
    assert_int_equal(tern_engine_run(crowd.engine), TERN_OK);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd.ended, THREADS * CALLS_EACH);
    assert_int_equal(crowd.other, 0);
    assert_int_equal(crowd.well + crowd.cancelled, THREADS * CALLS_EACH);
    assert_true(crowd.well >= THREADS * CALLS_EACH / 3);
    assert_int_equal(tern_engine_free(crowd.engine), TERN_OK);
    origin_close(&crowd.origin);
}

/* What is posted and not taken up when the engine ends: through on_done with a shutdown, else silently. */
static void test_posts_that_are_not_taken_up(void **state)
{
    static const struct tern_handlers handlers = {.on_done = on_crowd_done};
    const struct tern_request request = {.url = URL}, wrong = {.url = TERN_STR("x")};

    (void)state;
    for (int shut = 0; shut < 2; shut++) {
        struct crowd crowd = {0};
        tern_call_id id = 0;

        assert_int_equal(tern_engine_new(NULL, &crowd.engine, NULL), TERN_OK);
        assert_int_equal(tern_client_new(crowd.engine, NULL, &crowd.client, NULL), TERN_OK);
        assert_int_equal(tern_post_start(crowd.client, &wrong, &handlers, &crowd, &id, NULL), TERN_EURL);
        assert_int_equal(tern_post_start(crowd.client, &request, &handlers, &crowd, &id, NULL), TERN_OK);
        tern_post_cancel(crowd.engine, id);
        if (shut)
            assert_int_equal(tern_engine_shutdown(crowd.engine), TERN_OK);
        assert_int_equal(crowd.ended, shut);
        assert_int_equal(crowd.last, shut ? TERN_ESHUTDOWN : TERN_OK);
        assert_int_equal(tern_engine_free(crowd.engine), TERN_OK);
        assert_int_equal(crowd.ended, shut);
    }
}

/* A cancel takes effect in the order of the posts, and needs no room in the mailbox. */
static void test_posts_are_taken_up_in_order(void **state)
{
    static const struct tern_handlers handlers = {.on_done = on_crowd_done};
    const struct tern_request request = {.url = TERN_STR("http://127.0.0.1:1/")};
    struct crowd crowd = {0};
    struct tern_fault why = {0};
    tern_call_id id = 0;

    (void)state;
    assert_int_equal(tern_engine_new(&(struct tern_engine_config){.mailbox_max = 1}, &crowd.engine, NULL), TERN_OK);
    assert_int_equal(tern_client_new(crowd.engine, NULL, &crowd.client, NULL), TERN_OK);
    assert_int_equal(tern_post_start(crowd.client, &request, &handlers, &crowd, &id, NULL), TERN_OK);
    assert_int_equal(tern_post_start(crowd.client, &request, &handlers, &crowd, NULL, &why), TERN_EQUEUE);
    assert_int_equal(why.error, TERN_EQUEUE);
    tern_post_cancel(crowd.engine, id);
    assert_int_equal(tern_engine_step(crowd.engine), TERN_OK);
    assert_int_equal(crowd.ended, 1);
    assert_int_equal(crowd.last, TERN_ECANCELLED);
    tern_post_cancel(crowd.engine, id);
    assert_int_equal(tern_engine_step(crowd.engine), TERN_OK);
    assert_int_equal(crowd.ended, 1);
    assert_int_equal(tern_engine_free(crowd.engine), TERN_OK);
}

struct feeder {
    int fd;
    pthread_t thread;
};

static void *feed(void *arg)
{
    struct feeder *feeder = arg;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(write(feeder->fd, "piped", 5), 5);
        sched_yield();
    }
    close(feeder->fd);
    return NULL;
}

/* A pipe that is empty at first is waited for on the loop; its bytes are read by the file worker. */
static void test_upload_from_a_pipe_that_waits(void **state)
{
    struct crowd crowd = {0};
    struct tern_response *response = NULL;
    struct feeder feeder;
    int ends[2];

    (void)state;
    origin_open(&crowd.origin);
    assert_int_equal(pipe(ends), 0);
    feeder.fd = ends[1];
    assert_int_equal(tern_engine_new(NULL, &crowd.engine, NULL), TERN_OK);
    assert_int_equal(tern_client_new(crowd.engine, NULL, &crowd.client, NULL), TERN_OK);
    assert_int_equal(pthread_create(&feeder.thread, NULL, feed, &feeder), 0);
    assert_int_equal(tern_perform(crowd.client,
                                  &(struct tern_request){
                                      .url = tern_str(crowd.origin.url),
                                      .method = TERN_STR("PUT"),
                                      .expect = TERN_EXPECT_NEVER,
                                      .body = {.kind = TERN_BODY_FD, .fd = ends[0], .length = TERN_LENGTH_UNKNOWN}},
                                  0, &response, NULL),
                     TERN_OK);
    assert_string_equal(response->body, "hi");
    assert_int_equal(response->result.sent_body_bytes, 15);
    tern_response_free(response);
    pthread_join(feeder.thread, NULL);
    assert_int_equal(tern_engine_free(crowd.engine), TERN_OK);
    close(ends[0]);
    origin_close(&crowd.origin);
}

/* A call that ends while its pipe is waited for, or read, leaves nothing behind. */
static void test_cancel_while_a_pipe_is_silent(void **state)
{
    static const struct tern_handlers handlers = {.on_done = on_crowd_done};
    struct crowd crowd = {0};
    tern_call_id id;
    int ends[2];

    (void)state;
    origin_open(&crowd.origin);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(tern_engine_new(NULL, &crowd.engine, NULL), TERN_OK);
    assert_int_equal(tern_client_new(crowd.engine, NULL, &crowd.client, NULL), TERN_OK);
    assert_int_equal(tern_call_start(crowd.client,
                                     &(struct tern_request){
                                         .url = tern_str(crowd.origin.url),
                                         .method = TERN_STR("PUT"),
                                         .timeouts = &(struct tern_timeouts){.total_ns = 50 * TERN_MS},
                                         .expect = TERN_EXPECT_NEVER,
                                         .body = {.kind = TERN_BODY_FD, .fd = ends[0], .length = TERN_LENGTH_UNKNOWN}},
                                     &handlers, &crowd, &id, NULL),
                     TERN_OK);
    crowd.ended = THREADS * CALLS_EACH - 1; /* the one that stops the run */
    assert_int_equal(tern_engine_run(crowd.engine), TERN_OK);
    assert_int_equal(crowd.other, 1);
    assert_int_equal(write(ends[1], "x", 1), 1); /* still the caller's, and nobody reads it */
    assert_int_equal(tern_engine_step(crowd.engine), TERN_OK);
    assert_int_equal(tern_engine_free(crowd.engine), TERN_OK);
    close(ends[0]);
    close(ends[1]);
    origin_close(&crowd.origin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collected_response),
        cmocka_unit_test(test_perform),
        cmocka_unit_test(test_perform_keeps_the_way),
        cmocka_unit_test(test_shutdown_ends_each_call_through_its_callback),
        cmocka_unit_test(test_free_without_shutdown_ends_them_silently),
        cmocka_unit_test(test_fork_ends_each_call_without_a_byte),
        cmocka_unit_test(test_fork_during_perform),
        cmocka_unit_test(test_starts_and_cancels_from_other_threads),
        cmocka_unit_test(test_posts_that_are_not_taken_up),
        cmocka_unit_test(test_posts_are_taken_up_in_order),
        cmocka_unit_test(test_upload_from_a_pipe_that_waits),
        cmocka_unit_test(test_cancel_while_a_pipe_is_silent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
