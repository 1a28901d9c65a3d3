/* A whole client over TLS: handshakes in pieces, certificates that do not hold, resumption, and ends that are told or
 * not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/h2_rig.h"
#include "tests/support/scenario.h"
#include "tests/support/tls_rig.h"

#define URL "https://example.test/"
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define GET_ROOT "GET / HTTP/1.1\r\nHost: example.test\r\nAccept: */*\r\n\r\n"

struct world {
    struct tls_rig rig;
    struct scenario s; /* on the rig's system; every name is 192.0.2.1 */
};

static void open_world(struct world *w, const struct tls_server_spec *spec, const struct tern_tls_config *tls)
{
    static const char *const addresses[] = {"192.0.2.1"};
    const struct tern_resolve_override override = {.host = "*", .addresses = addresses, .address_count = 1};
    struct tern_client_config config = {.user_agent = "", .dns = {.overrides = &override, .override_count = 1}};
    struct tern_fault why = {0};

    tls_rig_init(&w->rig, spec);
    config.tls = tls != NULL ? *tls : (struct tern_tls_config){0};
    if (config.tls.ca_pem == NULL && config.tls.ca_file == NULL) {
        config.tls.ca_pem = w->rig.root_pem;
        config.tls.ca_pem_len = strlen(w->rig.root_pem);
    }
    w->s = (struct scenario){.sim = w->rig.sim, .engine = w->rig.engine};
    if (tern_client_new(w->rig.engine, &config, &w->s.client, &why) != TERN_OK)
        fail_msg("%s", why.text);
}

static void close_world(struct world *w)
{
    tern_pool_check(&w->s.client->pool);
    tern_client_close(w->s.client, TERN_CLOSE_DROP);
    simio_run(w->rig.sim, 0);
    for (size_t i = 0; i < w->s.seen_count; i++) {
        assert_int_equal(w->s.seen[i]->dones, 1);
        free(w->s.seen[i]);
    }
    assert_int_equal(simio_counts(w->rig.sim).open, 0);
    tls_rig_deinit(&w->rig);
}

static struct seen *get(struct world *w, const char *url)
{
    struct seen *call = scenario_get(&w->s, url);

    scenario_run(&w->s, TERN_S);
    return call;
}

static void answer(struct world *w, const char *text)
{
    tls_server_say(tls_rig_server(&w->rig), text);
    scenario_run(&w->s, 0);
}

/* ---- it works ---- */

static void whole(mbedtls_ssl_protocol_version version, size_t recv_max, const char *name)
{
    const struct tls_server_spec spec = {.version_min = version, .version_max = version};
    struct world w;
    struct seen *call;

    open_world(&w, &spec, NULL);
    simio_recv_max_all(w.rig.sim, recv_max);
    call = get(&w, URL);
    tls_rig_expect(&w.rig, GET_ROOT);
    answer(&w, OK_HI);
    seen_is(call, "head 200 | body hi | done");
    assert_string_equal(call->result.tls_version, name);
    assert_non_null(call->result.tls_suite);
    assert_int_equal(call->result.tls_verify, TERN_OK);
    assert_false(call->result.tls_resumed);
    call = get(&w, URL);
    tls_rig_expect(&w.rig, GET_ROOT);
    answer(&w, OK_HI);
    seen_is(call, "head 200 | body hi | done");
    assert_true(call->result.reused);
    assert_int_equal(w.rig.conn_count, 1);
    assert_int_equal(scenario_stats(&w.s).tls_handshakes, 1);
    close_world(&w);
}

static void test_call_over_tls_in_pieces(void **state)
{
    (void)state;
    for (size_t recv_max = 1; recv_max < 100000; recv_max = recv_max * 13) {
        whole(MBEDTLS_SSL_VERSION_TLS1_3, recv_max, "TLSv1.3");
        whole(MBEDTLS_SSL_VERSION_TLS1_2, recv_max, "TLSv1.2");
    }
}

static void resumes(mbedtls_ssl_protocol_version version, bool no_resumption)
{
    const struct tls_server_spec spec = {.version_min = version, .version_max = version};
    const struct tern_tls_config tls = {.no_resumption = no_resumption};
    struct world w;
    struct seen *call;

    open_world(&w, &spec, &tls);
    for (int i = 0; i < 2; i++) {
        call = get(&w, URL);
        answer(&w, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
        seen_is(call, "head 200 | body hi | done");
        assert_int_equal(call->result.tls_resumed, i == 1 && !no_resumption);
        assert_int_equal(call->result.tls_verify, TERN_OK);
    }
    assert_int_equal(w.rig.conn_count, 2);
    assert_int_equal(scenario_stats(&w.s).tls_resumed, !no_resumption);
    close_world(&w);
}

static void test_second_connection_resumes(void **state)
{
    (void)state;
    resumes(MBEDTLS_SSL_VERSION_TLS1_3, false);
    resumes(MBEDTLS_SSL_VERSION_TLS1_2, false);
    resumes(MBEDTLS_SSL_VERSION_TLS1_3, true);
}

/* ---- it does not hold ---- */

/* The call ends before a byte of it was sent, and nothing is kept. */
static void refused(struct world *w, const char *url, const char *expected, const char *words)
{
    struct seen *call = get(w, url);

    seen_is(call, expected);
    assert_int_equal(call->result.replay, TERN_REPLAY_UNSENT);
    assert_int_equal(call->result.attempt, 1);
    if (strstr(call->result.fault.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", call->result.fault.text, words);
    for (size_t i = 0; i < w->rig.conn_count; i++)
        assert_int_equal(w->rig.conns[i].heard.len, 0);
    assert_int_equal(simio_counts(w->rig.sim).open, 0);
    assert_int_equal(scenario_stats(&w->s).connections_opened, 0);
}

static void test_certificate_of_another_host(void **state)
{
    struct world w;

    (void)state;
    open_world(&w, NULL, NULL);
    refused(&w, "https://other.test/", "done ETLS_CERT_HOST TLS", "other.test");
    close_world(&w);
}

static void test_certificate_of_an_unknown_authority(void **state)
{
    struct cert *other = cert_new((struct cert_spec){.name = "another root", .is_ca = true});
    char *pem = certs_pem((const struct cert *[]){other}, 1);
    const struct tern_tls_config strict = {.ca_pem = pem, .ca_pem_len = strlen(pem)},
                                 loose = {.ca_pem = pem, .ca_pem_len = strlen(pem), .insecure = true};
    struct world w;
    struct seen *call;

    (void)state;
    open_world(&w, NULL, &strict);
    refused(&w, URL, "done ETLS_CERT_UNKNOWN_CA TLS", "example.test");
    close_world(&w);
    open_world(&w, NULL, &loose);
    call = get(&w, URL);
    answer(&w, OK_HI);
    seen_is(call, "head 200 | body hi | done");
    assert_int_equal(call->result.tls_verify, TERN_ETLS_CERT_UNKNOWN_CA); /* let pass, and told */
    close_world(&w);
    free(pem);
    cert_free(other);
}

static void test_no_version_in_common(void **state)
{
    const struct tls_server_spec old = {.version_max = MBEDTLS_SSL_VERSION_TLS1_2};
    const struct tern_tls_config modern = {.version_min = TERN_TLS_1_3};
    struct world w;

    (void)state;
    open_world(&w, &old, &modern);
    refused(&w, URL, "done ETLS_HANDSHAKE TLS", "");
    close_world(&w);
}

/* Trust is read off the loop, once; whoever waits for it fails with it. */
static void test_trust_that_cannot_be_read(void **state)
{
    const struct tern_tls_config missing = {.ca_file = "/nonexistent/ca.pem"};
    struct world w;
    struct seen *first, *second;

    (void)state;
    open_world(&w, NULL, &missing);
    first = scenario_start_only(&w.s, &(struct tern_request){.url = tern_str(URL)});
    second = scenario_start_only(&w.s, &(struct tern_request){.url = tern_str(URL)});
    scenario_run(&w.s, TERN_S);
    assert_int_equal(first->result.fault.error, TERN_ETLS_TRUST);
    assert_int_equal(second->result.fault.error, TERN_ETLS_TRUST);
    assert_non_null(strstr(first->result.fault.text, "/nonexistent/ca.pem"));
    assert_int_equal(simio_counts(w.rig.sim).open, 0);
    close_world(&w);
}

static void test_peer_that_speaks_no_tls(void **state)
{
    struct world w;
    struct seen *call;

    (void)state;
    open_world(&w, NULL, NULL);
    simio_listen(w.rig.sim, "192.0.2.1:444");
    for (int ends = 0; ends < 2; ends++) {
        struct simio_peer *peer;

        call = scenario_get(&w.s, "https://example.test:444/");
        peer = scenario_accept_at(&w.s, "192.0.2.1:444");
        if (ends)
            simio_end(peer);
        else
            simio_say(peer, "HTTP/1.1 400 Bad Request\r\n\r\n");
        scenario_run(&w.s, 0);
        seen_is(call, "done ETLS_HANDSHAKE TLS");
        assert_int_equal(call->result.replay, TERN_REPLAY_UNSENT);
        assert_true(simio_is_closed(peer));
    }
    close_world(&w);
}

/* ---- it ends ---- */

static void ends_with(const char *wire, bool says_so, const char *expected)
{
    struct world w;
    struct seen *call;
    struct tls_server_conn *conn;

    open_world(&w, NULL, NULL);
    call = get(&w, URL);
    conn = tls_rig_server(&w.rig);
    if (wire[0] != '\0')
        tls_server_say(conn, wire);
    if (says_so)
        assert_int_equal(mbedtls_ssl_close_notify(&conn->ssl), 0);
    simio_end(conn->peer);
    scenario_run(&w.s, 0);
    seen_is(call, expected);
    assert_int_equal(simio_counts(w.rig.sim).open, 0);
    close_world(&w);
}

/* A body until the end of the connection is whole only if the end is told (RFC 9112 9.8). */
static void test_truncation_is_noticed(void **state)
{
    static const char until_end[] = "HTTP/1.1 200 OK\r\n\r\nuntil";

    (void)state;
    ends_with(until_end, true, "head 200 | body until | done");
    ends_with(until_end, false, "head 200 | body until | done EPEER_TRUNCATED READ");
    ends_with(OK_HI, false, "head 200 | body hi | done"); /* it says its own length */
    ends_with("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", true,
              "head 200 | body half | done EPEER_TRUNCATED READ");
    ends_with("", true, "done EPEER_EMPTY WAIT");
    ends_with("", false, "done EPEER_EMPTY WAIT");
}

static void test_idle_connection_says_goodbye_and_hears_it(void **state)
{
    struct world w;
    struct seen *call;
    struct tls_server_conn *conn;

    (void)state;
    open_world(&w, NULL, NULL);
    call = get(&w, URL);
    answer(&w, OK_HI);
    seen_is(call, "head 200 | body hi | done");
    scenario_run(&w.s, 60 * TERN_S); /* it expires */
    assert_true(tls_rig_server(&w.rig)->at_end);
    assert_int_equal(simio_counts(w.rig.sim).open, 0);
    call = get(&w, URL);
    answer(&w, OK_HI);
    seen_is(call, "head 200 | body hi | done");
    conn = tls_rig_server(&w.rig);
    assert_int_equal(mbedtls_ssl_close_notify(&conn->ssl), 0);
    scenario_run(&w.s, 0);
    assert_true(simio_is_closed(conn->peer));
    assert_int_equal(scenario_stats(&w.s).connections_idle, 0);
    close_world(&w);
}

/* A call is cancelled in the middle of its handshake: all of it goes. */
static void test_cancel_in_the_handshake(void **state)
{
    struct world w;
    struct seen *call;

    (void)state;
    open_world(&w, NULL, NULL);
    simio_listen(w.rig.sim, "192.0.2.1:444");
    call = scenario_get(&w.s, "https://example.test:444/");
    assert_int_equal(scenario_stats(&w.s).connections_dialling, 1);
    assert_int_equal(tern_call_cancel(w.rig.engine, call->id), TERN_OK);
    scenario_run(&w.s, 0);
    seen_is(call, "done ECANCELLED TLS");
    assert_int_equal(simio_counts(w.rig.sim).open, 0);
    assert_int_equal(scenario_stats(&w.s).connections_dialling, 0);
    close_world(&w);
}

/* ---- which HTTP ---- */

static const char *both[] = {"h2", "http/1.1", NULL};
static const char *old[] = {"http/1.1", NULL};

static void say(struct tls_server_conn *conn, struct tern_buf *frames)
{
    tls_server_say_bytes(conn, frames->data + frames->head, frames->len);
    tern_buf_deinit(frames);
}

/* The first connection answers its first stream. */
static void answer_h2(struct world *w)
{
    struct tern_buf out;

    tern_buf_init(&out, 1 << 20);
    h2_put(&out, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    h2_put_head(&out, 1, H2_END_HEADERS | H2_END_STREAM, ":status: 200\n");
    say(&w->rig.conns[0], &out);
    scenario_run(&w->s, 0);
}

static void reset_h2(struct world *w, int32_t id)
{
    struct tern_buf out;

    tern_buf_init(&out, 1 << 20);
    h2_put(&out, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    h2_put_u32(&out, NGHTTP2_RST_STREAM, id, NGHTTP2_HTTP_1_1_REQUIRED);
    say(&w->rig.conns[0], &out);
    scenario_run(&w->s, 0);
}

static void test_http_2_is_what_a_server_gets_that_takes_it(void **state)
{
    const struct tls_server_spec spec = {.alpn = both};
    struct world w;
    struct seen *call;

    (void)state;
    open_world(&w, &spec, NULL);
    call = get(&w, URL);
    answer_h2(&w);
    seen_is(call, "head 200 | done");
    assert_int_equal(call->result.version, TERN_HTTP_2);
    close_world(&w);
}

/* The first burst waits for one dial, since it may bring HTTP/2; the second knows better, though no connection is
 * left. */
/* Who insists on HTTP/2 is told that it cannot be had, by a server that says so or by one that knows no ALPN; nothing
 * of the request is sent. */
static void test_http_2_only_where_a_server_has_none(void **state)
{
    static const char *const addresses[] = {"192.0.2.1"};
    static const struct {
        const char **alpn;
        const char *seen;
    } cases[] = {{old, "done ETLS_HANDSHAKE TLS"}, {NULL, "done EPROTO_VERSION TLS"}};
    const struct tern_resolve_override override = {.host = "*", .addresses = addresses, .address_count = 1};
    const struct tern_client_config config = {.http_mode = TERN_HTTP_MODE_2_ONLY,
                                              .dns = {.overrides = &override, .override_count = 1},
                                              .tls = {.insecure = true}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tls_server_spec spec = {.alpn = cases[i].alpn};
        struct world w;
        struct seen *call;

        open_world(&w, &spec, NULL);
        assert_int_equal(tern_client_configure(w.s.client, &config, NULL), TERN_OK);
        call = get(&w, URL);
        seen_is(call, cases[i].seen);
        assert_int_equal(call->result.replay, TERN_REPLAY_UNSENT);
        assert_int_equal(simio_counts(w.rig.sim).open, 0);
        close_world(&w);
    }
}

static void test_what_an_origin_spoke_is_remembered(void **state)
{
    const struct tls_server_spec spec = {.alpn = old};
    const struct tern_request request = {.url = TERN_STR(URL)};
    struct world w;
    struct seen *calls[3];

    (void)state;
    open_world(&w, &spec, NULL);
    simio_connect_takes(w.rig.sim, "192.0.2.1:443", TERN_S);
    for (int i = 0; i < 3; i++)
        calls[i] = scenario_start_only(&w.s, &request);
    scenario_run(&w.s, 0);
    assert_int_equal(scenario_stats(&w.s).connections_dialling, 1);
    scenario_run(&w.s, 3 * TERN_S);
    for (size_t i = 0; i < w.rig.conn_count; i++)
        tls_server_say(&w.rig.conns[i], "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
    scenario_run(&w.s, 0);
    for (int i = 0; i < 3; i++)
        seen_is(calls[i], "head 200 | body hi | done");
    assert_int_equal(simio_counts(w.rig.sim).open, 0);
    for (int i = 0; i < 3; i++)
        scenario_start_only(&w.s, &request);
    scenario_run(&w.s, 0);
    assert_int_equal(scenario_stats(&w.s).connections_dialling, 3);
    close_world(&w);
}

static void test_a_server_that_asks_for_1_1_gets_it(void **state)
{
    const struct tls_server_spec spec = {.alpn = both};
    const struct tern_request post = {.url = TERN_STR(URL), .method = TERN_STR("POST")};
    struct world w;
    struct seen *call, *posted;

    (void)state;
    open_world(&w, &spec, NULL);
    call = get(&w, URL);
    posted = scenario_start(&w.s, &post);
    reset_h2(&w, 1);
    scenario_run(&w.s, TERN_S);
    tls_rig_expect(&w.rig, GET_ROOT);
    answer(&w, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
    seen_is(call, "head 200 | body hi | done");
    assert_int_equal(call->result.attempt, 2);
    assert_int_equal(call->result.version, TERN_HTTP_1_1);
    call = get(&w, URL); /* from the start now */
    answer(&w, OK_HI);
    seen_is(call, "head 200 | body hi | done");
    assert_int_equal(call->result.attempt, 1);
    assert_int_equal(w.rig.conn_count, 3);
    /* What may have been processed is not sent again. */
    reset_h2(&w, 3);
    seen_is(posted, "done EPROTO_VERSION WAIT");
    assert_int_equal(posted->result.replay, TERN_REPLAY_STALE);
    close_world(&w);
}

/* ---- strict transport security ---- */

static const struct tern_policy strict = {.hsts = true};

/* Gives the client a policy: its configuration is that of open_world else. */
static void open_strict(struct world *w, bool is_insecure)
{
    static const char *const addresses[] = {"192.0.2.1"};
    const struct tern_resolve_override override = {.host = "*", .addresses = addresses, .address_count = 1};
    struct tern_client_config config = {
        .user_agent = "", .dns = {.overrides = &override, .override_count = 1}, .policy = &strict};

    open_world(w, NULL, NULL);
    config.tls.insecure = is_insecure;
    if (!is_insecure) {
        config.tls.ca_pem = w->rig.root_pem;
        config.tls.ca_pem_len = strlen(w->rig.root_pem);
    }
    assert_int_equal(tern_client_configure(w->s.client, &config, NULL), TERN_OK);
}

static void test_a_host_that_wants_tls_gets_it(void **state)
{
    struct world w;
    struct seen *call;
    char *text;

    (void)state;
    open_strict(&w, false);
    simio_set_wall(w.rig.sim, 1700000000);
    seen_is(get(&w, "http://example.test/"), "done ECONNECT_REFUSED CONNECT"); /* not known yet */
    call = get(&w, URL);
    answer(&w, "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=60\r\nContent-Length: 2\r\n\r\nhi");
    seen_is(call, "head 200 | body hi | done");
    call = get(&w, "http://EXAMPLE.test.:80/");
    answer(&w, OK_HI);
    seen_is(call, "head 200 | body hi | done");
    assert_non_null(call->result.tls_version);
    assert_true(call->result.reused);
    assert_int_equal(tern_client_hsts_save(w.s.client, &text), TERN_OK);
    assert_string_equal(text, "example.test \"20231114 22:14:22\"\n");
    tern_client_hsts_free(text);
    simio_set_wall(w.rig.sim, 1700000062);
    seen_is(get(&w, "http://example.test/"), "done ECONNECT_REFUSED CONNECT");
    close_world(&w);
}

/* What one client has learned another is told, as text; what is no line of it is counted and passed over. */
static void test_what_was_learned_outlives_the_client(void **state)
{
    static const char known[] = "# curl's own\n.test \"20231114 22:14:22\"\nnonsense\n";
    struct world w;
    struct seen *call;
    size_t skipped = 0;

    (void)state;
    open_strict(&w, false);
    simio_set_wall(w.rig.sim, 1700000000);
    assert_int_equal(tern_client_hsts_load(w.s.client, (struct tern_str){known, sizeof(known) - 1}, &skipped), TERN_OK);
    assert_int_equal(skipped, 1);
    assert_int_equal(tern_client_hsts_load(w.s.client, TERN_STR("other.test \"20231114 22:14:22\""), NULL), TERN_OK);
    call = get(&w, "http://example.test/");
    answer(&w, OK_HI);
    seen_is(call, "head 200 | body hi | done");
    assert_non_null(call->result.tls_version);
    close_world(&w);
}

static void test_what_an_unverified_host_says_counts_for_nothing(void **state)
{
    struct world w;
    struct seen *call;

    (void)state;
    open_strict(&w, true);
    call = get(&w, URL);
    answer(&w, "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=60\r\nContent-Length: 2\r\n\r\nhi");
    seen_is(call, "head 200 | body hi | done");
    assert_int_not_equal(call->result.tls_verify, TERN_OK);
    seen_is(get(&w, "http://example.test/"), "done ECONNECT_REFUSED CONNECT");
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call_over_tls_in_pieces),
        cmocka_unit_test(test_second_connection_resumes),
        cmocka_unit_test(test_certificate_of_another_host),
        cmocka_unit_test(test_certificate_of_an_unknown_authority),
        cmocka_unit_test(test_no_version_in_common),
        cmocka_unit_test(test_trust_that_cannot_be_read),
        cmocka_unit_test(test_peer_that_speaks_no_tls),
        cmocka_unit_test(test_truncation_is_noticed),
        cmocka_unit_test(test_idle_connection_says_goodbye_and_hears_it),
        cmocka_unit_test(test_cancel_in_the_handshake),
        cmocka_unit_test(test_http_2_is_what_a_server_gets_that_takes_it),
        cmocka_unit_test(test_http_2_only_where_a_server_has_none),
        cmocka_unit_test(test_what_an_origin_spoke_is_remembered),
        cmocka_unit_test(test_a_server_that_asks_for_1_1_gets_it),
        cmocka_unit_test(test_a_host_that_wants_tls_gets_it),
        cmocka_unit_test(test_what_was_learned_outlives_the_client),
        cmocka_unit_test(test_what_an_unverified_host_says_counts_for_nothing),
    };

    return TLS_RIG_RUN_BOTH(tests, NULL, NULL);
}
