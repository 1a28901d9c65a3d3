/* A handshake that fails with a session on offer is tried once more without one. TLS is a stand-in that fails on
 * demand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/fault.h"
#include "tests/support/scenario.h"

#define ADDRESS "192.0.2.1:443"

/* How many of the next handshakes fail and how, and whether a session was on offer in them. */
static int failing;
static bool offered;
static enum tern_error failing_with = TERN_ETLS_HANDSHAKE;

/* The TLS stream of the stand-in: the lower one, but for the handshake. */
struct veneer {
    struct tern_bytestream stream;
    struct tern_bytestream *lower;
    bool has_failed;
};

static enum tern_flow handshake(struct tern_bytestream *stream)
{
    if (failing == 0)
        return TERN_FLOW_OK;
    failing--;
    ((struct veneer *)stream)->has_failed = true;
    return TERN_FLOW_ERROR;
}

static struct tern_bytestream *below(struct tern_bytestream *stream)
{
    return ((struct veneer *)stream)->lower;
}

static enum tern_flow read_below(struct tern_bytestream *stream, void *buf, size_t cap, size_t *n)
{
    return tern_bytestream_read(below(stream), buf, cap, n);
}

static enum tern_flow write_below(struct tern_bytestream *stream, const struct iovec *iov, int count, size_t *n)
{
    return tern_bytestream_writev(below(stream), iov, count, n);
}

static enum tern_flow no_shutdown(struct tern_bytestream *stream)
{
    (void)stream;
    return TERN_FLOW_OK;
}

static void on_lower_ready(struct tern_bytestream *lower)
{
    struct veneer *veneer = lower->owner;

    if (veneer->stream.on_ready != NULL)
        veneer->stream.on_ready(&veneer->stream);
}

static struct veneer *veneers[8];
static size_t veneer_count;

static void close_below(struct tern_bytestream *stream)
{
    tern_bytestream_close(below(stream));
}

static void names_below(struct tern_bytestream *stream, struct tern_sockaddr *local, struct tern_sockaddr *peer)
{
    tern_bytestream_names(below(stream), local, peer);
}

static void fault_of(const struct tern_bytestream *stream, struct tern_fault *out)
{
    const struct veneer *veneer = (const struct veneer *)stream;

    if (veneer->has_failed)
        tern_fault_plain(out, failing_with);
    else
        tern_bytestream_fault(veneer->lower, out);
}

static const struct tern_bytestream_ops veneer_ops = {handshake,   read_below,  write_below, no_shutdown,
                                                      close_below, names_below, fault_of};

static bool is_loaded(struct tern_tls_provider *provider, const struct tern_tls_profile *profile)
{
    (void)provider, (void)profile;
    return true;
}

static enum tern_error open_veneer(struct tern_tls_provider *provider, const struct tern_tls_open *how,
                                   struct tern_bytestream **out, struct tern_fault *fault)
{
    struct veneer *veneer = calloc(1, sizeof(*veneer));

    (void)provider, (void)fault;
    assert_non_null(veneer);
    assert_true(veneer_count < sizeof(veneers) / sizeof(veneers[0]));
    veneers[veneer_count++] = veneer;
    veneer->stream.ops = &veneer_ops;
    veneer->lower = how->lower;
    how->lower->owner = veneer;
    how->lower->on_ready = on_lower_ready;
    *out = &veneer->stream;
    return TERN_OK;
}

static void info(struct tern_tls_provider *provider, const struct tern_bytestream *stream, struct tern_tls_info *out)
{
    (void)provider, (void)stream;
    *out = (struct tern_tls_info){.version = "TLSv1.3", .suite = "NONE", .offered = offered};
}

static void free_provider(struct tern_tls_provider *provider)
{
    (void)provider;
}

static const struct tern_tls_provider_ops provider_ops = {
    .is_loaded = is_loaded, .open = open_veneer, .info = info, .free = free_provider};
static struct tern_tls_provider provider = {&provider_ops};

static enum tern_error new_tls(struct tern_engine *engine, struct tern_tls_provider **out, void *user)
{
    (void)engine, (void)user;
    *out = &provider;
    return TERN_OK;
}

/* One call, with so many handshakes that fail. */
static void run(int fail_count, bool with_session, const char *expected, uint32_t connects)
{
    struct tern_pool_seams seams = {.new_tls = new_tls};
    struct tern_client_config config = {.dns = {.hosts_path = ""}};
    struct scenario s = {0};
    struct simio_peer *peer = NULL, *next;
    struct seen *call;

    failing = fail_count;
    offered = with_session;
    s.sim = simio_new(NULL, &s.engine);
    simio_listen(s.sim, ADDRESS);
    assert_int_equal(tern_client_new_with(s.engine, &config, &seams, &s.client, NULL), TERN_OK);
    call = scenario_get(&s, "https://192.0.2.1/");
    while ((next = simio_accept(s.sim, ADDRESS)) != NULL)
        peer = next;
    assert_non_null(peer);
    if (!simio_is_closed(peer))
        simio_say(peer, "HTTP/1.1 204 No Content\r\n\r\n");
    scenario_run(&s, 0);
    seen_is(call, expected);
    assert_int_equal(simio_connects(s.sim, ADDRESS), connects);
    assert_int_equal(call->result.try_count, connects);
    scenario_close(&s);
    while (veneer_count > 0)
        free(veneers[--veneer_count]);
}

/* A dial that fails is no connection that died: the call does not try again by itself. */
static void test_reset_in_a_handshake_is_not_replayed(void **state)
{
    (void)state;
    failing_with = TERN_EPEER_RESET;
    run(3, false, "done EPEER_RESET TLS", 1);
    failing_with = TERN_ETLS_HANDSHAKE;
}

static void test_once_more_without_the_session(void **state)
{
    (void)state;
    run(1, true, "head 204 | done", 2);
}

static void test_but_only_once(void **state)
{
    (void)state;
    run(2, true, "done ETLS_HANDSHAKE TLS", 2);
}

static void test_not_where_none_was_on_offer(void **state)
{
    (void)state;
    run(1, false, "done ETLS_HANDSHAKE TLS", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset_in_a_handshake_is_not_replayed),
        cmocka_unit_test(test_once_more_without_the_session),
        cmocka_unit_test(test_but_only_once),
        cmocka_unit_test(test_not_where_none_was_on_offer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
