/* Calls for one host on an HTTP/2 connection of another: only where asked for, proved and welcome. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/faultmem.h"
#include "tests/support/h2_rig.h"
#include "tests/support/scenario.h"
#include "tests/support/tls_rig.h"

/* Both names stand in the rig's certificate, the second by its wildcard. */
#define FIRST "https://example.test/"
#define SECOND "https://a.wild.example.test/"

static const char *both[] = {"h2", "http/1.1", NULL};

struct world {
    struct tls_rig rig;
    struct scenario s; /* on the rig's system; every name is 192.0.2.1 but far.wild.example.test */
};

static void open_world(struct world *w, struct tern_client_config config)
{
    static const char *const near[] = {"192.0.2.1"}, *const far[] = {"192.0.2.2"};
    const struct tern_resolve_override overrides[] = {
        {.host = "far.wild.example.test", .addresses = far, .address_count = 1},
        {.host = "*", .addresses = near, .address_count = 1},
    };
    const struct tls_server_spec spec = {.alpn = both};
    struct tern_fault why = {0};

    tls_rig_init(&w->rig, &spec);
    config.dns.overrides = overrides;
    config.dns.override_count = 2;
    config.tls.ca_pem = w->rig.root_pem;
    config.tls.ca_pem_len = strlen(w->rig.root_pem);
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

static void answer(struct world *w, size_t connection, int32_t id, const char *head)
{
    struct tern_buf out;

    tern_buf_init(&out, 1 << 20);
    if (id == 1)
        h2_put(&out, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    h2_put_head(&out, id, H2_END_HEADERS | H2_END_STREAM, head);
    assert_true(connection < w->rig.conn_count);
    tls_server_say_bytes(&w->rig.conns[connection], out.data + out.head, out.len);
    tern_buf_deinit(&out);
    scenario_run(&w->s, TERN_S);
}

/* A world in which FIRST has a connection, idle. */
static void open_warm(struct world *w, struct tern_client_config config)
{
    struct seen *call;

    open_world(w, config);
    call = get(w, FIRST);
    answer(w, 0, 1, ":status: 200\n");
    seen_is(call, "head 200 | done");
}

static const struct tern_client_config on = {.h2_coalesce = true};

static void test_hosts_share_a_connection(void **state)
{
    const struct tern_request request = {.url = TERN_STR(SECOND)};
    struct world w;
    struct seen *calls[3];

    (void)state;
    open_warm(&w, on);
    for (int i = 0; i < 3; i++)
        calls[i] = scenario_start_only(&w.s, &request);
    scenario_run(&w.s, TERN_S);
    for (int i = 0; i < 3; i++) {
        answer(&w, 0, 3 + 2 * i, ":status: 200\n");
        seen_is(calls[i], "head 200 | done");
        assert_true(calls[i]->result.reused);
    }
    assert_int_equal(w.rig.conn_count, 1);
    assert_int_equal(scenario_stats(&w.s).coalesced, 3);
    assert_int_equal(scenario_stats(&w.s).connections_idle, 1);
    assert_int_equal(scenario_stats(&w.s).connections_failed, 0);
    close_world(&w);
}

/* While the first host's calls run, too; and each may be cancelled without the other. */
static void test_busy_connection_is_shared(void **state)
{
    struct world w;
    struct seen *first, *second;

    (void)state;
    open_warm(&w, on);
    first = get(&w, FIRST);
    second = get(&w, SECOND);
    assert_int_equal(w.rig.conn_count, 1);
    assert_int_equal(tern_call_cancel(w.s.engine, first->id), TERN_OK);
    scenario_run(&w.s, 0);
    answer(&w, 0, 5, ":status: 200\n");
    seen_is(second, "head 200 | done");
    close_world(&w);
}

/* Each of these calls has to have a connection of its own. */
static void apart(struct tern_client_config config, struct tern_request request, const char *address)
{
    struct world w;

    open_warm(&w, config);
    if (strcmp(address, "192.0.2.1:443") != 0)
        simio_listen(w.rig.sim, address);
    scenario_start(&w.s, &request);
    scenario_run(&w.s, TERN_S);
    assert_int_equal(simio_connects(w.rig.sim, address), strcmp(address, "192.0.2.1:443") == 0 ? 2 : 1);
    assert_int_equal(scenario_stats(&w.s).coalesced, 0);
    close_world(&w);
}

static void test_not_unless_all_holds(void **state)
{
    const struct tern_request second = {.url = TERN_STR(SECOND)};
    const struct tern_connect_to nowhere = {.host = "x.test", .to_host = "y.test"};
    struct tern_client_config config;

    (void)state;
    apart((struct tern_client_config){0}, second, "192.0.2.1:443");
    apart(on, (struct tern_request){.url = TERN_STR(SECOND), .fresh_connection = true}, "192.0.2.1:443");
    apart(on, (struct tern_request){.url = TERN_STR("https://a.wild.example.test:8443/")}, "192.0.2.1:8443");
    apart(on, (struct tern_request){.url = TERN_STR("http://a.wild.example.test:443/")}, "192.0.2.1:443");
    apart(on, (struct tern_request){.url = TERN_STR("https://far.wild.example.test/")}, "192.0.2.2:443");
    apart(on, (struct tern_request){.url = TERN_STR("https://other.test/")}, "192.0.2.1:443"); /* not in it */
    config = on;
    config.tls.insecure = true;
    apart(config, second, "192.0.2.1:443");
    config = on;
    config.connect_to = &nowhere;
    config.connect_to_count = 1;
    apart(config, second, "192.0.2.1:443");
}

static const char *no_second_there(void *user, const struct tern_gate_question *question)
{
    (void)user;
    return question->address != NULL && question->host.len > 0 && question->host.ptr[0] == 'a' ? "not there" : NULL;
}

/* An address that is good for one host may not be for another. */
static void test_not_past_the_gate(void **state)
{
    const struct tern_gate gate = {.check = no_second_there};
    const struct tern_policy policy = {.gate = &gate};
    struct world w;
    struct seen *call;

    (void)state;
    open_warm(&w, (struct tern_client_config){.h2_coalesce = true, .policy = &policy});
    call = get(&w, SECOND);
    seen_is(call, "done EGATE CONNECT");
    assert_int_equal(scenario_stats(&w.s).coalesced, 0);
    close_world(&w);
}

/* Pins are for one host's key, and nothing says that they were meant for the other's. */
static void test_not_with_pins(void **state)
{
    struct tern_client_config config = on;
    struct world w;
    struct seen *call;
    struct tern_fault why = {0};
    char *pin;

    (void)state;
    open_world(&w, on);
    pin = cert_pin(w.rig.leaf);
    config.tls.pins = pin;
    config.tls.ca_pem = w.rig.root_pem;
    config.tls.ca_pem_len = strlen(w.rig.root_pem);
    config.dns.overrides = &(struct tern_resolve_override){
        .host = "*", .addresses = (const char *const[]){"192.0.2.1"}, .address_count = 1};
    config.dns.override_count = 1;
    if (tern_client_configure(w.s.client, &config, &why) != TERN_OK)
        fail_msg("%s", why.text);
    call = get(&w, FIRST);
    answer(&w, 0, 1, ":status: 200\n");
    seen_is(call, "head 200 | done");
    get(&w, SECOND);
    assert_int_equal(w.rig.conn_count, 2);
    close_world(&w);
    free(pin);
}

/* A certificate that was good when the connection was made proves nothing once it is over. */
static void test_not_after_the_certificate(void **state)
{
    struct world w;
    struct seen *call;

    (void)state;
    open_warm(&w, on);
    simio_set_wall(w.rig.sim, UINT64_C(2556144000)); /* 2051 */
    call = get(&w, SECOND);
    seen_is(call, "done ETLS_CERT_EXPIRED TLS");
    close_world(&w);
}

/* A resumed session shows no certificate. */
static void test_not_on_a_resumed_session(void **state)
{
    struct world w;
    struct seen *call;

    (void)state;
    open_warm(&w, on);
    scenario_run(&w.s, 60 * TERN_S);
    call = get(&w, FIRST);
    answer(&w, 1, 1, ":status: 200\n");
    seen_is(call, "head 200 | done");
    assert_true(call->result.tls_resumed);
    get(&w, SECOND);
    assert_int_equal(w.rig.conn_count, 3);
    close_world(&w);
}

/* RFC 9110 15.5.20: asked again on a connection of its own, and never again on that one. */
static void test_421_undoes_it(void **state)
{
    static const char body[] = "twice";
    const struct tern_request post = {
        .url = TERN_STR(SECOND),
        .method = TERN_STR("POST"),
        .body = {.kind = TERN_BODY_MEMORY, .data = body, .length = sizeof(body) - 1},
    };
    struct world w;
    struct seen *call;

    (void)state;
    open_warm(&w, on);
    call = scenario_start(&w.s, &post);
    scenario_run(&w.s, TERN_S);
    assert_int_equal(w.rig.conn_count, 1);
    answer(&w, 0, 3, ":status: 421\n");
    seen_is(call, "");
    answer(&w, 1, 1, ":status: 200\n");
    seen_is(call, "head 200 | done");
    assert_int_equal(call->result.attempt, 2);
    assert_int_equal(scenario_stats(&w.s).replayed, 1);
    call = get(&w, FIRST); /* its own host has its connection still */
    answer(&w, 0, 5, ":status: 200\n");
    seen_is(call, "head 200 | done");
    simio_end(w.rig.conns[1].peer);
    scenario_run(&w.s, 0);
    get(&w, SECOND);
    assert_int_equal(w.rig.conn_count, 3);
    assert_int_equal(scenario_stats(&w.s).coalesced, 1);
    close_world(&w);
}

/* On the connection of its own host it is an answer like any other. */
static void test_421_of_the_host_itself(void **state)
{
    struct world w;
    struct seen *call;

    (void)state;
    open_warm(&w, on);
    call = get(&w, FIRST);
    answer(&w, 0, 3, ":status: 421\n");
    seen_is(call, "head 421 | done");
    close_world(&w);
}

/* Whatever memory is refused on the way there: the call ends once, the other host's connection stays good. */
static void test_without_memory(void **state)
{
    const struct tern_request request = {.url = TERN_STR(SECOND)};
    bool failed = true;

    (void)state;
    for (uint64_t n = 1; failed; n++) {
        struct tern_fault why = {0};
        struct seen *call;
        struct world w;

        open_warm(&w, on);
        faultmem_fail_nth(n);
        call = scenario_try(&w.s, &request, &why);
        scenario_run(&w.s, TERN_S);
        failed = faultmem_failed();
        faultmem_never_fail();
        assert_true(call != NULL || why.error == TERN_ENOMEM);
        assert_true(call == NULL || call->dones == 0 || call->result.fault.error != TERN_OK);
        if (!failed) {
            assert_int_equal(scenario_stats(&w.s).coalesced, 1);
            assert_int_equal(w.rig.conn_count, 1);
        }
        close_world(&w);
        assert_true(n < 200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts_share_a_connection),
        cmocka_unit_test(test_busy_connection_is_shared),
        cmocka_unit_test(test_not_unless_all_holds),
        cmocka_unit_test(test_not_past_the_gate),
        cmocka_unit_test(test_not_with_pins),
        cmocka_unit_test(test_not_after_the_certificate),
        cmocka_unit_test(test_not_on_a_resumed_session),
        cmocka_unit_test(test_421_undoes_it),
        cmocka_unit_test(test_421_of_the_host_itself),
        cmocka_unit_test(test_without_memory),
    };

    faultmem_install();
    return TLS_RIG_RUN_BOTH(tests, NULL, NULL);
}
