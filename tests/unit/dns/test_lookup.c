/* Lookups over a scripted resolver, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/dns.h"
#include "tests/support/fakedns.h"
#include "tests/support/faultmem.h"
#include "tests/support/simio.h"

/* ---- the rig ---- */

struct rig {
    struct tern_engine *engine;
    struct simio *sim;
    struct fakedns *servers;
    struct tern_dns *dns;
    struct fake_files {
        struct tern_files files;
        const char *hosts; /* NULL: there is no file */
        uint64_t version, opens, reads;
        size_t at;
        int read_errno;
    } files;
};

/* What a user of a lookup sees. */
struct seen {
    struct tern_lookup lookup;
    struct rig *rig;
    unsigned changes;
    uint64_t first_ns, end_ns; /* of the virtual clock */
    char taken[2048];          /* all addresses in the order in which they were taken, at once, with spaces */
    bool takes_none, cancels, frees_dns;
    struct seen *restarts;
};

static int fake_open(struct tern_files *files, const char *path, int flags, mode_t mode)
{
    struct fake_files *fake = (struct fake_files *)(void *)files;

    (void)flags, (void)mode;
    assert_string_equal(path, "/hosts");
    fake->opens++;
    fake->at = 0;
    return fake->hosts != NULL ? 5 : -2;
}

static ssize_t fake_read(struct tern_files *files, int fd, void *buf, size_t cap)
{
    struct fake_files *fake = (struct fake_files *)(void *)files;
    size_t n = strlen(fake->hosts) - fake->at;

    assert_int_equal(fd, 5);
    fake->reads++;
    if (fake->read_errno != 0)
        return -fake->read_errno;
    n = n < cap ? n : cap;
    memcpy(buf, fake->hosts + fake->at, n);
    fake->at += n;
    return (ssize_t)n;
}

static int fake_close(struct tern_files *files, int fd)
{
    (void)files;
    assert_int_equal(fd, 5);
    return 0;
}

static int fake_fstat(struct tern_files *files, int fd, struct tern_file_stat *out)
{
    struct fake_files *fake = (struct fake_files *)(void *)files;

    assert_int_equal(fd, 5);
    *out = (struct tern_file_stat){.size_bytes = strlen(fake->hosts), .mtime_s = (int64_t)fake->version, .inode = 9};
    return 0;
}

static const struct tern_files_ops fake_ops = {
    .open = fake_open, .read = fake_read, .close = fake_close, .fstat = fake_fstat};

static void rig_free(struct rig *rig)
{
    tern_dns_free(rig->dns);
    assert_int_equal(tern_engine_free(rig->engine), TERN_OK);
}

static void rig_init(struct rig *rig, const struct tern_dns_config *config)
{
    struct tern_dns_config none = {.hosts_path = ""};

    *rig = (struct rig){.files = {.files = {&fake_ops}, .version = 1}};
    rig->sim = simio_new(NULL, &rig->engine);
    rig->engine->files = &rig->files.files;
    rig->servers = fakedns_new(rig->engine);
    assert_int_equal(
        tern_dns_new(rig->engine, config != NULL ? config : &none, fakedns_resolver(rig->servers), &rig->dns, NULL),
        TERN_OK);
}

static void take_all(struct seen *seen)
{
    struct tern_sockaddr address;
    size_t len = strlen(seen->taken);

    while (tern_lookup_next(&seen->lookup, &address)) {
        len += (size_t)snprintf(seen->taken + len, sizeof(seen->taken) - len, "%s", len != 0 ? " " : "");
        len += tern_sockaddr_print(&address, seen->taken + len, sizeof(seen->taken) - len);
    }
}

static void start(struct rig *rig, struct seen *seen, const char *host, enum tern_ip_family family);

static void on_change(struct tern_lookup *lookup)
{
    struct seen *seen = lookup->owner;

    if (seen->changes++ == 0)
        seen->first_ns = simio_now(seen->rig->sim);
    if (lookup->state == TERN_LOOKUP_ENDED)
        seen->end_ns = simio_now(seen->rig->sim);
    if (!seen->takes_none)
        take_all(seen);
    if (seen->cancels)
        tern_lookup_cancel(lookup);
    if (seen->restarts != NULL)
        start(seen->rig, seen->restarts, "restart.test", TERN_IP_ANY);
    if (seen->frees_dns) {
        tern_dns_free(seen->rig->dns);
        seen->rig->dns = NULL;
    }
}

static void start(struct rig *rig, struct seen *seen, const char *host, enum tern_ip_family family)
{
    struct tern_host parsed;

    assert_int_equal(tern_host_parse(&parsed, tern_str(host), NULL), TERN_OK);
    tern_lookup_cancel(&seen->lookup);
    seen->rig = rig;
    seen->changes = 0;
    seen->taken[0] = '\0';
    tern_lookup_start(rig->dns, &seen->lookup, &parsed, 80, family, on_change, seen);
    assert_int_equal(seen->changes, 0); /* never from inside */
}

/* Looks host up to the end and expects what was taken. */
static void expect(struct rig *rig, const char *host, enum tern_ip_family family, const char *taken)
{
    struct seen seen = {0};

    start(rig, &seen, host, family);
    simio_run(rig->sim, 10 * TERN_MS);
    assert_int_equal(seen.lookup.state, TERN_LOOKUP_ENDED);
    assert_string_equal(seen.taken, taken);
    assert_int_equal(seen.lookup.fault.error == TERN_OK, taken[0] != '\0');
    tern_lookup_cancel(&seen.lookup);
}

static void expect_fault(struct rig *rig, const char *host, enum tern_error error, const char *text)
{
    struct seen seen = {0};

    start(rig, &seen, host, TERN_IP_ANY);
    simio_run(rig->sim, 10 * TERN_MS);
    assert_int_equal(seen.lookup.state, TERN_LOOKUP_ENDED);
    assert_int_equal(seen.lookup.fault.error, error);
    assert_string_equal(seen.lookup.fault.text, text);
    tern_lookup_cancel(&seen.lookup);
}

/* ---- what needs no server ---- */

static void test_literals(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, NULL);
    expect(&rig, "192.0.2.7", TERN_IP_ANY, "192.0.2.7:80");
    expect(&rig, "[2001:db8::7]", TERN_IP_ANY, "[2001:db8::7]:80");
    expect(&rig, "fe80::7%3", TERN_IP_ANY, "[fe80::7%3]:80");
    expect(&rig, "fe80::7%eth0", TERN_IP_ANY, "[fe80::7%2]:80");
    expect(&rig, "192.0.2.7", TERN_IP_V6, "");
    expect(&rig, "2001:db8::7", TERN_IP_V4, "");
    expect_fault(&rig, "fe80::7%nowhere", TERN_EDNS_NOT_FOUND,
                 "cannot look up fe80::7%nowhere: this machine has no such network interface");
    assert_int_equal(tern_dns_stats(rig.dns)->queries, 0);
    rig_free(&rig);
}

static void test_localhost(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, NULL);
    expect(&rig, "localhost", TERN_IP_ANY, "[::1]:80 127.0.0.1:80");
    expect(&rig, "a.b.LocalHost.", TERN_IP_V4, "127.0.0.1:80");
    expect(&rig, "notlocalhost", TERN_IP_ANY, "");
    assert_int_equal(fakedns_asked(rig.servers, "localhost", TERN_IP_ANY), 0);
    assert_int_equal(fakedns_asked(rig.servers, "notlocalhost", TERN_IP_ANY), 2);
    rig_free(&rig);
}

static void test_overrides(void **state)
{
    const char *one[] = {"192.0.2.1"}, *two[] = {"192.0.2.2", "2001:db8::2", "192.0.2.22"}, *three[] = {"192.0.2.3"},
               *four[] = {"192.0.2.4"};
    struct tern_resolve_override overrides[] = {
        {.host = "*", .port = 81, .addresses = one, .address_count = 1},
        {.host = "A.test", .port = 80, .addresses = one, .address_count = 1},
        {.host = "a.test", .port = 80, .addresses = two, .address_count = 3},
        {.host = "b.test", .port = 0, .addresses = three, .address_count = 1},
        {.host = "192.0.2.99", .port = 80, .addresses = four, .address_count = 1},
        {.host = "other.test", .port = 81, .addresses = four, .address_count = 1},
    };
    struct tern_dns_config config = {.hosts_path = "", .overrides = overrides, .override_count = 6};
    struct rig rig;

    (void)state;
    rig_init(&rig, &config);
    expect(&rig, "a.test", TERN_IP_ANY, "192.0.2.2:80 [2001:db8::2]:80 192.0.2.22:80"); /* its own order */
    expect(&rig, "a.test", TERN_IP_V6, "[2001:db8::2]:80");
    expect(&rig, "b.test", TERN_IP_ANY, "192.0.2.3:80");
    expect(&rig, "b.test", TERN_IP_V6, "");
    expect(&rig, "192.0.2.99", TERN_IP_ANY, "192.0.2.4:80");
    expect(&rig, "other.test", TERN_IP_ANY, "");
    assert_int_equal(tern_dns_stats(rig.dns)->queries, 2); /* other.test */

    overrides[0] = overrides[5];
    overrides[5] = (struct tern_resolve_override){.host = "*", .addresses = one, .address_count = 1};
    rig_free(&rig);
    rig_init(&rig, &config);
    expect(&rig, "other.test", TERN_IP_ANY, "192.0.2.1:80");
    expect(&rig, "a.test", TERN_IP_V6, "[2001:db8::2]:80");
    rig_free(&rig);
}

/* ---- both families ---- */

static void test_order_and_interleaving(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, NULL);
    fakedns_answer(rig.servers, "a.test", "192.0.2.1 192.0.2.2 192.0.2.3 2001:db8::1 2001:db8::2", 60);
    expect(&rig, "a.test", TERN_IP_ANY, "[2001:db8::1]:80 192.0.2.1:80 [2001:db8::2]:80 192.0.2.2:80 192.0.2.3:80");
    simio_no_route(rig.sim, AF_INET6);
    expect(&rig, "a.test", TERN_IP_ANY, "192.0.2.1:80 [2001:db8::1]:80 192.0.2.2:80 [2001:db8::2]:80 192.0.2.3:80");
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.1:80 192.0.2.2:80 192.0.2.3:80");
    rig_free(&rig);
}

/* RFC 8305 section 3: IPv4 that comes first waits 50 ms for IPv6. */
static void test_resolution_delay(void **state)
{
    struct seen seen = {0};
    struct rig rig;
    uint64_t from_ns;

    (void)state;
    rig_init(&rig, NULL);
    fakedns_answer(rig.servers, "a.test", "192.0.2.1 2001:db8::1 192.0.2.2 2001:db8::2", 0);
    fakedns_takes(rig.servers, "a.test", TERN_IP_V6, 49 * TERN_MS);
    from_ns = simio_now(rig.sim);
    start(&rig, &seen, "a.test", TERN_IP_ANY);
    simio_run(rig.sim, 48 * TERN_MS);
    assert_int_equal(seen.changes, 0);
    take_all(&seen);
    assert_string_equal(seen.taken, ""); /* not even by asking */
    simio_run(rig.sim, 100 * TERN_MS);
    assert_int_equal(seen.changes, 1);
    assert_int_equal(seen.first_ns - from_ns, 49 * TERN_MS);
    assert_string_equal(seen.taken, "[2001:db8::1]:80 192.0.2.1:80 [2001:db8::2]:80 192.0.2.2:80");

    /* Late: IPv4 goes ahead, and what comes later takes its turn from there. */
    fakedns_takes(rig.servers, "a.test", TERN_IP_V6, 200 * TERN_MS);
    from_ns = simio_now(rig.sim);
    seen.takes_none = true;
    start(&rig, &seen, "a.test", TERN_IP_ANY);
    simio_run(rig.sim, 100 * TERN_MS);
    assert_int_equal(seen.changes, 1);
    assert_int_equal(seen.lookup.state, TERN_LOOKUP_RUNNING);
    assert_int_equal(seen.first_ns - from_ns, TERN_DNS_RESOLUTION_DELAY_NS);
    struct tern_sockaddr address;
    char text[TERN_SOCKADDR_TEXT_MAX];
    assert_true(tern_lookup_next(&seen.lookup, &address));
    tern_sockaddr_print(&address, text, sizeof(text));
    assert_string_equal(text, "192.0.2.1:80");
    simio_run(rig.sim, 200 * TERN_MS);
    assert_int_equal(seen.changes, 2);
    assert_int_equal(seen.lookup.state, TERN_LOOKUP_ENDED);
    take_all(&seen);
    assert_string_equal(seen.taken, "[2001:db8::1]:80 192.0.2.2:80 [2001:db8::2]:80");
    assert_false(tern_lookup_next(&seen.lookup, &address));
    tern_lookup_cancel(&seen.lookup);
    rig_free(&rig);
}

/* IPv6 first is told at once; so is IPv4 when there is no IPv6. */
static void test_no_delay_without_need(void **state)
{
    struct seen seen = {0};
    struct rig rig;
    uint64_t from_ns;

    (void)state;
    rig_init(&rig, NULL);
    fakedns_answer(rig.servers, "a.test", "192.0.2.1 2001:db8::1", 0);
    fakedns_takes(rig.servers, "a.test", TERN_IP_V4, 300 * TERN_MS);
    from_ns = simio_now(rig.sim);
    start(&rig, &seen, "a.test", TERN_IP_ANY);
    simio_run(rig.sim, TERN_S);
    assert_int_equal(seen.first_ns, from_ns);
    assert_int_equal(seen.end_ns - from_ns, 300 * TERN_MS);
    assert_int_equal(seen.changes, 2);
    assert_string_equal(seen.taken, "[2001:db8::1]:80 192.0.2.1:80");

    /* After an address of IPv6 it is IPv4's turn, even if another of IPv6 is better and was there before. */
    struct tern_sockaddr address;
    fakedns_answer(rig.servers, "a.test", "192.0.2.1 2001:db8::1 2001:db8::2", 0);
    seen.takes_none = true;
    start(&rig, &seen, "a.test", TERN_IP_ANY);
    simio_run(rig.sim, TERN_MS);
    assert_true(tern_lookup_next(&seen.lookup, &address));
    simio_run(rig.sim, TERN_S);
    take_all(&seen);
    assert_string_equal(seen.taken, "192.0.2.1:80 [2001:db8::1]:80"); /* which was dialled before */
    seen.takes_none = false;

    fakedns_answer(rig.servers, "b.test", "192.0.2.1", 0);
    fakedns_takes(rig.servers, "b.test", TERN_IP_V6, 10 * TERN_MS);
    from_ns = simio_now(rig.sim);
    start(&rig, &seen, "b.test", TERN_IP_ANY);
    simio_run(rig.sim, TERN_S);
    assert_int_equal(seen.changes, 1);
    assert_int_equal(seen.first_ns - from_ns, 10 * TERN_MS);

    from_ns = simio_now(rig.sim);
    start(&rig, &seen, "b.test", TERN_IP_V4);
    simio_run(rig.sim, TERN_S);
    assert_int_equal(seen.first_ns, from_ns);
    assert_string_equal(seen.taken, "192.0.2.1:80");
    tern_lookup_cancel(&seen.lookup);
    rig_free(&rig);
}

static void test_failures(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, NULL);
    expect_fault(&rig, "no.test", TERN_EDNS_NOT_FOUND, "cannot look up no.test: not found");
    fakedns_fails(rig.servers, "no.test", TERN_IP_V4, TERN_DNS_TIMEOUT);
    expect_fault(&rig, "no.test", TERN_EDNS_NOT_FOUND, "cannot look up no.test: not found"); /* kept */
    simio_run(rig.sim, 5 * TERN_S);
    expect_fault(&rig, "no.test", TERN_EDNS_FAILED, "cannot look up no.test: as the script says");

    /* One family that fails does not spoil the other. */
    fakedns_answer(rig.servers, "half.test", "192.0.2.1 2001:db8::1", 60);
    fakedns_fails(rig.servers, "half.test", TERN_IP_V6, TERN_DNS_FAILED);
    expect(&rig, "half.test", TERN_IP_ANY, "192.0.2.1:80");
    fakedns_fails(rig.servers, "half.test", TERN_IP_V6, TERN_DNS_FOUND);
    expect(&rig, "half.test", TERN_IP_ANY, "[2001:db8::1]:80 192.0.2.1:80"); /* the failure was not kept */
    rig_free(&rig);
}

/* ---- the cache ---- */

static void test_ttl(void **state)
{
    struct tern_dns_config config = {.hosts_path = "", .ttl_ns_max = 100 * TERN_S, .negative_ns = 3 * TERN_S};
    struct rig rig;

    (void)state;
    rig_init(&rig, &config);
    fakedns_answer(rig.servers, "a.test", "192.0.2.1", 60);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.1:80");
    fakedns_answer(rig.servers, "a.test", "192.0.2.2", 1000);
    simio_run(rig.sim, 47 * TERN_S);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.1:80");
    assert_int_equal(fakedns_asked(rig.servers, "a.test", TERN_IP_V4), 1);
    assert_int_equal(tern_dns_stats(rig.dns)->cache_hits, 1);
    simio_run(rig.sim, 13 * TERN_S);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.2:80");
    simio_run(rig.sim, 79 * TERN_S);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.2:80");
    assert_int_equal(fakedns_asked(rig.servers, "a.test", TERN_IP_V4), 2);
    simio_run(rig.sim, 21 * TERN_S); /* ttl_ns_max, before the TTL */
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.2:80");
    assert_int_equal(fakedns_asked(rig.servers, "a.test", TERN_IP_V4), 3);

    expect(&rig, "no.test", TERN_IP_V4, "");
    fakedns_answer(rig.servers, "no.test", "192.0.2.3", 0);
    simio_run(rig.sim, 2 * TERN_S);
    expect(&rig, "no.test", TERN_IP_V4, "");
    simio_run(rig.sim, TERN_S);
    expect(&rig, "no.test", TERN_IP_V4, "192.0.2.3:80");
    expect(&rig, "no.test", TERN_IP_V4, "192.0.2.3:80"); /* TTL 0: not kept */
    assert_int_equal(fakedns_asked(rig.servers, "no.test", TERN_IP_V4), 3);
    rig_free(&rig);
}

static void test_negative_off(void **state)
{
    struct tern_dns_config config = {.hosts_path = "", .negative_ns = TERN_OFF};
    struct rig rig;

    (void)state;
    rig_init(&rig, &config);
    expect(&rig, "no.test", TERN_IP_V4, "");
    expect(&rig, "no.test", TERN_IP_V4, "");
    assert_int_equal(fakedns_asked(rig.servers, "no.test", TERN_IP_V4), 2);
    rig_free(&rig);
}

/* Least recently used goes first. */
static void test_cache_max(void **state)
{
    struct tern_dns_config config = {.hosts_path = "", .cache_max = 2}; /* two names, four entries */
    struct rig rig;

    (void)state;
    rig_init(&rig, &config);
    fakedns_answer(rig.servers, "a.test", "192.0.2.1 2001:db8::1", 60);
    fakedns_answer(rig.servers, "b.test", "192.0.2.2 2001:db8::2", 60);
    fakedns_answer(rig.servers, "c.test", "192.0.2.3 2001:db8::3", 60);
    expect(&rig, "a.test", TERN_IP_ANY, "[2001:db8::1]:80 192.0.2.1:80");
    expect(&rig, "b.test", TERN_IP_ANY, "[2001:db8::2]:80 192.0.2.2:80");
    expect(&rig, "a.test", TERN_IP_ANY, "[2001:db8::1]:80 192.0.2.1:80");
    expect(&rig, "c.test", TERN_IP_ANY, "[2001:db8::3]:80 192.0.2.3:80");
    expect(&rig, "a.test", TERN_IP_ANY, "[2001:db8::1]:80 192.0.2.1:80");
    assert_int_equal(fakedns_asked(rig.servers, "a.test", TERN_IP_ANY), 2);
    expect(&rig, "b.test", TERN_IP_ANY, "[2001:db8::2]:80 192.0.2.2:80");
    assert_int_equal(fakedns_asked(rig.servers, "b.test", TERN_IP_ANY), 4);
    rig_free(&rig);
}

static void test_equal_lookups_share_a_query(void **state)
{
    struct seen seen[5] = {0};
    struct rig rig;

    (void)state;
    rig_init(&rig, NULL);
    fakedns_answer(rig.servers, "a.test", "192.0.2.1", 0);
    fakedns_takes(rig.servers, "a.test", TERN_IP_ANY, 20 * TERN_MS);
    for (int i = 0; i < 5; i++) {
        start(&rig, &seen[i], i == 2 ? "A.TEST." : "a.test", i == 3 ? TERN_IP_V4 : TERN_IP_ANY);
        simio_run(rig.sim, TERN_MS);
    }
    tern_lookup_cancel(&seen[0].lookup); /* the one that asked */
    simio_run(rig.sim, TERN_S);
    assert_int_equal(seen[0].changes, 0);
    for (int i = 1; i < 5; i++) {
        assert_string_equal(seen[i].taken, "192.0.2.1:80");
        tern_lookup_cancel(&seen[i].lookup);
    }
    assert_int_equal(fakedns_asked(rig.servers, "a.test", TERN_IP_ANY), 2);
    rig_free(&rig);
}

/* An answer is kept even if nobody waits for it any more. */
static void test_abandoned_query_fills_the_cache(void **state)
{
    struct seen seen = {0};
    struct rig rig;

    (void)state;
    rig_init(&rig, NULL);
    fakedns_answer(rig.servers, "a.test", "192.0.2.1", 60);
    fakedns_takes(rig.servers, "a.test", TERN_IP_ANY, 20 * TERN_MS);
    start(&rig, &seen, "a.test", TERN_IP_V4);
    tern_lookup_cancel(&seen.lookup);
    simio_run(rig.sim, TERN_S);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.1:80");
    assert_int_equal(fakedns_asked(rig.servers, "a.test", TERN_IP_V4), 1);
    rig_free(&rig);
}

/* ---- names that move ---- */

/* In the last fifth of a TTL the answer is taken, and asked for again behind the lookup's back. */
static void test_refresh(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, NULL);
    fakedns_answer(rig.servers, "a.test", "192.0.2.1", 100);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.1:80");
    fakedns_answer(rig.servers, "a.test", "192.0.2.2", 100);
    fakedns_takes(rig.servers, "a.test", TERN_IP_V4, 20 * TERN_MS);
    simio_run(rig.sim, 79 * TERN_S);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.1:80");
    assert_int_equal(tern_dns_stats(rig.dns)->refreshes, 0);
    simio_run(rig.sim, TERN_S);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.1:80");
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.1:80"); /* and one question only */
    simio_run(rig.sim, TERN_S);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.2:80");
    assert_int_equal(fakedns_asked(rig.servers, "a.test", TERN_IP_V4), 2);
    assert_int_equal(tern_dns_stats(rig.dns)->refreshes, 1);
    simio_run(rig.sim, 1000 * TERN_S); /* nobody uses it: nobody asks */
    assert_int_equal(fakedns_asked(rig.servers, "a.test", TERN_IP_V4), 2);
    rig_free(&rig);
}

static void test_stale_where_servers_fail(void **state)
{
    struct tern_dns_config config = {.hosts_path = "", .stale_ns = 100 * TERN_S};
    struct rig rig;

    (void)state;
    rig_init(&rig, &config);
    fakedns_answer(rig.servers, "a.test", "192.0.2.1", 10);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.1:80");
    fakedns_fails(rig.servers, "a.test", TERN_IP_V4, TERN_DNS_FAILED);
    simio_run(rig.sim, 10 * TERN_S);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.1:80");
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.1:80");
    assert_int_equal(tern_dns_stats(rig.dns)->stale_hits, 2);
    assert_int_equal(fakedns_asked(rig.servers, "a.test", TERN_IP_V4), 2); /* left alone for a while */
    fakedns_answer(rig.servers, "a.test", "192.0.2.2", 10);
    fakedns_fails(rig.servers, "a.test", TERN_IP_V4, TERN_DNS_FOUND);
    simio_run(rig.sim, TERN_DNS_RECHECK_NS);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.1:80"); /* holds up nobody */
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.2:80");

    fakedns_fails(rig.servers, "a.test", TERN_IP_V4, TERN_DNS_TIMEOUT);
    simio_run(rig.sim, 109 * TERN_S);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.2:80");
    simio_run(rig.sim, TERN_S); /* stale_ns after the TTL */
    expect(&rig, "a.test", TERN_IP_V4, "");
    rig_free(&rig);
}

/* Servers that say nothing hold up the first lookup only. */
static void test_stale_where_servers_are_silent(void **state)
{
    struct seen seen = {0};
    struct rig rig;
    uint64_t from_ns;

    (void)state;
    rig_init(&rig, NULL);
    fakedns_answer(rig.servers, "a.test", "192.0.2.1 2001:db8::1", 10);
    expect(&rig, "a.test", TERN_IP_ANY, "[2001:db8::1]:80 192.0.2.1:80");
    fakedns_takes(rig.servers, "a.test", TERN_IP_ANY, TERN_OFF);
    simio_run(rig.sim, 10 * TERN_S);
    from_ns = simio_now(rig.sim);
    start(&rig, &seen, "a.test", TERN_IP_ANY);
    simio_run(rig.sim, 2 * TERN_S);
    assert_string_equal(seen.taken, "[2001:db8::1]:80 192.0.2.1:80");
    assert_int_equal(seen.end_ns - from_ns, TERN_DNS_PATIENCE_NS);
    expect(&rig, "a.test", TERN_IP_ANY, "[2001:db8::1]:80 192.0.2.1:80"); /* in 10 ms */
    tern_lookup_cancel(&seen.lookup);
    rig_free(&rig);
}

static void test_no_such_name_is_never_stale(void **state)
{
    struct tern_dns_config config = {.hosts_path = "", .stale_ns = TERN_OFF};
    struct rig rig;

    (void)state;
    rig_init(&rig, NULL);
    fakedns_answer(rig.servers, "a.test", "192.0.2.1", 10);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.1:80");
    fakedns_fails(rig.servers, "a.test", TERN_IP_V4, TERN_DNS_NOT_FOUND);
    simio_run(rig.sim, 10 * TERN_S);
    expect(&rig, "a.test", TERN_IP_V4, "");
    fakedns_fails(rig.servers, "a.test", TERN_IP_V4, TERN_DNS_FAILED);
    simio_run(rig.sim, 6 * TERN_S); /* the name has gone, and what it was with it */
    expect(&rig, "a.test", TERN_IP_V4, "");
    assert_int_equal(tern_dns_stats(rig.dns)->stale_hits, 0);
    rig_free(&rig);

    rig_init(&rig, &config); /* off */
    fakedns_answer(rig.servers, "a.test", "192.0.2.1", 10);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.1:80");
    fakedns_fails(rig.servers, "a.test", TERN_IP_V4, TERN_DNS_FAILED);
    simio_run(rig.sim, 10 * TERN_S);
    expect(&rig, "a.test", TERN_IP_V4, "");
    rig_free(&rig);
}

/* Takes one address, and asserts which. */
static void expect_first(struct rig *rig, const char *expected)
{
    struct seen seen = {.takes_none = true};
    struct tern_sockaddr address;
    char text[TERN_SOCKADDR_TEXT_MAX];

    start(rig, &seen, "a.test", TERN_IP_ANY);
    simio_run(rig->sim, 10 * TERN_MS);
    assert_true(tern_lookup_next(&seen.lookup, &address));
    tern_sockaddr_print(&address, text, sizeof(text));
    assert_string_equal(text, expected);
    tern_lookup_cancel(&seen.lookup);
}

static void test_dials_take_turns(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, NULL);
    fakedns_answer(rig.servers, "a.test", "192.0.2.1 192.0.2.2 192.0.2.3", 60);
    for (int i = 0; i < 2; i++) {
        expect_first(&rig, "192.0.2.1:80");
        expect_first(&rig, "192.0.2.2:80");
        expect_first(&rig, "192.0.2.3:80");
    }
    /* Not across what RFC 6724 tells apart: IPv6 comes first here, and its equals take turns too. */
    fakedns_answer(rig.servers, "a.test", "192.0.2.1 2001:db8::1 2001:db8::2", 60);
    simio_run(rig.sim, 60 * TERN_S);
    expect_first(&rig, "[2001:db8::1]:80");
    expect_first(&rig, "[2001:db8::2]:80");
    expect_first(&rig, "[2001:db8::1]:80");
    rig_free(&rig);
}

static void test_failed_comes_last(void **state)
{
    struct tern_dns_config config = {.hosts_path = "", .failed_ns = 20 * TERN_S};
    struct tern_sockaddr v6, v4;
    struct rig rig;

    (void)state;
    rig_init(&rig, &config);
    fakedns_answer(rig.servers, "a.test", "192.0.2.1 192.0.2.2 2001:db8::1", 600);
    assert_true(tern_sockaddr_parse(&v6, tern_str("[2001:db8::1]:80")));
    assert_true(tern_sockaddr_parse(&v4, tern_str("192.0.2.1:80")));
    expect(&rig, "a.test", TERN_IP_ANY, "[2001:db8::1]:80 192.0.2.1:80 192.0.2.2:80");
    tern_dns_failed(rig.dns, &v6);
    tern_dns_failed(rig.dns, &v4);
    expect(&rig, "a.test", TERN_IP_ANY, "192.0.2.2:80 [2001:db8::1]:80 192.0.2.1:80");
    tern_dns_worked(rig.dns, &v4);
    expect(&rig, "a.test", TERN_IP_ANY, "192.0.2.2:80 192.0.2.1:80 [2001:db8::1]:80");
    simio_run(rig.sim, 20 * TERN_S);
    expect(&rig, "a.test", TERN_IP_ANY, "[2001:db8::1]:80 192.0.2.2:80 192.0.2.1:80");
    rig_free(&rig);
}

static void denies(struct rig *rig, const char *host, const char *address, bool expected)
{
    struct seen seen = {.takes_none = true};
    struct tern_sockaddr parsed;

    assert_true(tern_sockaddr_parse(&parsed, tern_str(address)));
    start(rig, &seen, host, TERN_IP_ANY);
    assert_false(tern_lookup_denies(&seen.lookup, &parsed) && seen.lookup.state != TERN_LOOKUP_ENDED);
    simio_run(rig->sim, 10 * TERN_MS);
    assert_int_equal(tern_lookup_denies(&seen.lookup, &parsed), expected);
    tern_lookup_cancel(&seen.lookup);
}

/* Only what is known for certain is denied. */
static void test_denies(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, NULL);
    fakedns_answer(rig.servers, "a.test", "192.0.2.1", 10);
    denies(&rig, "a.test", "192.0.2.1:443", false);
    denies(&rig, "a.test", "192.0.2.2:80", true);
    denies(&rig, "a.test", "[2001:db8::1]:80", true);
    denies(&rig, "none.test", "192.0.2.1:80", true);
    denies(&rig, "localhost", "192.0.2.1:80", false);
    fakedns_answer(rig.servers, "half.test", "192.0.2.1", 10);
    fakedns_fails(rig.servers, "half.test", TERN_IP_V6, TERN_DNS_FAILED);
    denies(&rig, "half.test", "[2001:db8::1]:80", false);
    denies(&rig, "half.test", "192.0.2.2:80", true);
    fakedns_fails(rig.servers, "a.test", TERN_IP_ANY, TERN_DNS_FAILED);
    simio_run(rig.sim, 10 * TERN_S);
    denies(&rig, "a.test", "192.0.2.2:80", false); /* stale */
    rig_free(&rig);
}

/* ---- the hosts file ---- */

static void test_hosts_file(void **state)
{
    struct tern_dns_config config = {.hosts_path = "/hosts"};
    struct seen seen[2] = {0};
    struct rig rig;

    (void)state;
    rig_init(&rig, &config);
    fakedns_answer(rig.servers, "a.test", "192.0.2.1", 60);
    rig.files.hosts = "192.0.2.77 a.test\n2001:db8::77 a.test\n192.0.2.78 b.test\n";
    start(&rig, &seen[0], "a.test", TERN_IP_ANY);
    start(&rig, &seen[1], "b.test", TERN_IP_ANY);
    simio_run(rig.sim, TERN_MS);
    assert_string_equal(seen[0].taken, "[2001:db8::77]:80 192.0.2.77:80");
    assert_string_equal(seen[1].taken, "192.0.2.78:80"); /* and no question about IPv6 */
    assert_int_equal(rig.files.opens, 1);
    expect(&rig, "b.test", TERN_IP_V6, ""); /* the file has none: the servers are asked */
    assert_int_equal(tern_dns_stats(rig.dns)->queries, 1);

    /* A change is seen by the first lookup that comes a second after the last look. */
    rig.files.hosts = "192.0.2.79 a.test\n";
    rig.files.version++;
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.77:80");
    simio_run(rig.sim, TERN_S);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.79:80");
    assert_int_equal(rig.files.opens, 2);

    /* No change: looked at and not read. */
    uint64_t reads = rig.files.reads;
    simio_run(rig.sim, TERN_S);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.79:80");
    assert_int_equal(rig.files.opens, 3);
    assert_int_equal(rig.files.reads, reads);

    /* Unreadable: what was known stays; gone: empty. */
    rig.files.version++;
    rig.files.read_errno = 5;
    simio_run(rig.sim, TERN_S);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.79:80");
    rig.files.hosts = NULL;
    simio_run(rig.sim, TERN_S);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.1:80");
    rig.files.hosts = "192.0.2.80 a.test\n";
    rig.files.read_errno = 0;
    simio_run(rig.sim, TERN_S);
    expect(&rig, "a.test", TERN_IP_V4, "192.0.2.80:80");
    tern_lookup_cancel(&seen[0].lookup);
    tern_lookup_cancel(&seen[1].lookup);
    rig_free(&rig);
}

static void test_end_while_the_hosts_file_is_read(void **state)
{
    struct tern_dns_config config = {.hosts_path = "/hosts"};
    struct seen seen = {0};
    struct rig rig;

    (void)state;
    rig_init(&rig, &config);
    rig.files.hosts = "192.0.2.77 a.test\n";
    start(&rig, &seen, "a.test", TERN_IP_V4);
    tern_lookup_cancel(&seen.lookup);
    simio_run(rig.sim, TERN_MS);
    assert_int_equal(seen.changes, 0);

    simio_run(rig.sim, TERN_S);
    start(&rig, &seen, "a.test", TERN_IP_V4);
    tern_lookup_cancel(&seen.lookup);
    rig_free(&rig);
}

/* ---- ending early ---- */

static void test_cancel_at_every_moment(void **state)
{
    (void)state;
    for (uint64_t ms = 0; ms < 80; ms++) {
        struct seen seen = {0};
        struct rig rig;

        rig_init(&rig, NULL);
        fakedns_answer(rig.servers, "a.test", "192.0.2.1 2001:db8::1", 60);
        fakedns_takes(rig.servers, "a.test", TERN_IP_V4, 5 * TERN_MS);
        fakedns_takes(rig.servers, "a.test", TERN_IP_V6, 70 * TERN_MS);
        start(&rig, &seen, "a.test", TERN_IP_ANY);
        simio_run(rig.sim, ms * TERN_MS);
        unsigned changes = seen.changes;
        assert_int_equal(changes, (ms >= 55) + (ms >= 70));
        tern_lookup_cancel(&seen.lookup);
        tern_lookup_cancel(&seen.lookup);
        if (ms % 2 == 0)
            simio_run(rig.sim, TERN_S);
        assert_int_equal(seen.changes, changes);
        rig_free(&rig);
    }
}

/* What needs no server is told later all the same, and can be cancelled until then. */
static void test_cancel_before_the_news(void **state)
{
    struct seen seen = {0};
    struct rig rig;

    (void)state;
    rig_init(&rig, NULL);
    start(&rig, &seen, "192.0.2.1", TERN_IP_ANY);
    tern_lookup_cancel(&seen.lookup);
    simio_run(rig.sim, TERN_S);
    assert_int_equal(seen.changes, 0);
    rig_free(&rig);
}

static void test_inside_on_change(void **state)
{
    struct seen cancels = {.cancels = true}, restarts = {0}, again = {0};
    struct rig rig;

    (void)state;
    rig_init(&rig, NULL);
    fakedns_answer(rig.servers, "a.test", "192.0.2.1 2001:db8::1", 60);
    fakedns_answer(rig.servers, "restart.test", "192.0.2.2", 60);
    fakedns_takes(rig.servers, "a.test", TERN_IP_V4, TERN_MS);
    start(&rig, &cancels, "a.test", TERN_IP_ANY);
    restarts.restarts = &again;
    start(&rig, &restarts, "192.0.2.3", TERN_IP_ANY);
    simio_run(rig.sim, TERN_S);
    assert_int_equal(cancels.changes, 1);
    assert_string_equal(cancels.taken, "[2001:db8::1]:80");
    assert_string_equal(again.taken, "192.0.2.2:80");
    tern_lookup_cancel(&again.lookup);
    tern_lookup_cancel(&restarts.lookup);

    cancels.frees_dns = true; /* and the other family is still being asked for */
    simio_run(rig.sim, 61 * TERN_S);
    start(&rig, &cancels, "a.test", TERN_IP_ANY);
    simio_run(rig.sim, TERN_S);
    assert_int_equal(cancels.changes, 1);
    assert_null(rig.dns);
    rig_free(&rig);
}

/* ---- limits and memory ---- */

static enum tern_error hanging_query(struct tern_resolver *resolver, const char *name, enum tern_ip_family family,
                                     struct tern_dns_query *query)
{
    (void)resolver, (void)name, (void)family, (void)query;
    return TERN_OK;
}

static void hanging_free(struct tern_resolver *resolver)
{
    (void)resolver;
}

static void test_queries_max(void **state)
{
    static const struct tern_resolver_ops ops = {.query = hanging_query, .free = hanging_free};
    struct tern_dns_config config = {.hosts_path = ""};
    struct tern_resolver hanging = {&ops};
    struct seen seen = {0};
    struct rig rig;
    char name[32];

    (void)state;
    rig_init(&rig, NULL);
    tern_dns_free(rig.dns);
    assert_int_equal(tern_dns_new(rig.engine, &config, &hanging, &rig.dns, NULL), TERN_OK);
    for (int i = 0; i < TERN_DNS_QUERIES_MAX; i++) { /* each is left to itself */
        snprintf(name, sizeof(name), "n%d.test", i);
        start(&rig, &seen, name, TERN_IP_V4);
    }
    simio_run(rig.sim, TERN_MS);
    assert_int_equal(seen.lookup.state, TERN_LOOKUP_RUNNING);
    tern_lookup_cancel(&seen.lookup);
    expect_fault(&rig, "one.more.test", TERN_ELIMIT,
                 "cannot look up one.more.test: too many names are being looked up");
    start(&rig, &seen, "n0.test", TERN_IP_V4); /* joins */
    simio_run(rig.sim, TERN_MS);
    assert_int_equal(seen.lookup.state, TERN_LOOKUP_RUNNING);
    tern_lookup_cancel(&seen.lookup);
    rig_free(&rig);
}

/* Every allocation fails in turn: the lookup ends all the same, with what it has or with TERN_ENOMEM. */
static void test_no_memory(void **state)
{
    struct tern_dns_config config = {.hosts_path = "/hosts"};
    uint64_t n = 0;

    (void)state;
    for (bool failed = true; failed;) {
        struct seen seen = {0};
        struct rig rig;
        uint64_t live = faultmem_live();

        rig_init(&rig, &config);
        rig.files.hosts = "192.0.2.9 other.test\n";
        fakedns_answer(rig.servers, "a.test", "192.0.2.1 2001:db8::1", 60);
        faultmem_fail_nth(++n);
        start(&rig, &seen, "a.test", TERN_IP_ANY);
        simio_run(rig.sim, 10 * TERN_S);
        failed = faultmem_failed();
        faultmem_never_fail();
        assert_int_equal(seen.lookup.state, TERN_LOOKUP_ENDED);
        if (seen.lookup.fault.error == TERN_OK)
            assert_string_not_equal(seen.taken, "");
        else
            assert_int_equal(seen.lookup.fault.error, TERN_ENOMEM);
        expect(&rig, "a.test", TERN_IP_ANY, "[2001:db8::1]:80 192.0.2.1:80");
        tern_lookup_cancel(&seen.lookup);
        rig_free(&rig);
        assert_int_equal(faultmem_live(), live);
    }
    assert_true(n > 5);
}

static void test_no_memory_for_new(void **state)
{
    const char *address[] = {"192.0.2.1"};
    struct tern_resolve_override override = {.host = "a.test", .addresses = address, .address_count = 1};
    struct tern_dns_config config = {.servers = "192.0.2.53", .overrides = &override, .override_count = 1};
    struct rig rig;

    (void)state;
    rig_init(&rig, NULL);
    for (uint64_t n = 1;; n++) {
        struct tern_dns *dns = NULL;
        struct tern_fault why;
        uint64_t live = faultmem_live();

        faultmem_fail_nth(n);
        enum tern_error error = tern_dns_new(rig.engine, &config, NULL, &dns, &why);
        bool failed = faultmem_failed();
        faultmem_never_fail();
        tern_dns_free(dns);
        assert_int_equal(faultmem_live(), live);
        if (!failed) {
            assert_int_equal(error, TERN_OK);
            assert_true(n > 5);
            break;
        }
        assert_int_equal(error, TERN_ENOMEM);
        assert_int_equal(why.error, TERN_ENOMEM);
    }
    rig_free(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_localhost),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_order_and_interleaving),
        cmocka_unit_test(test_resolution_delay),
        cmocka_unit_test(test_no_delay_without_need),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_ttl),
        cmocka_unit_test(test_negative_off),
        cmocka_unit_test(test_cache_max),
        cmocka_unit_test(test_equal_lookups_share_a_query),
        cmocka_unit_test(test_abandoned_query_fills_the_cache),
        cmocka_unit_test(test_refresh),
        cmocka_unit_test(test_stale_where_servers_fail),
        cmocka_unit_test(test_stale_where_servers_are_silent),
        cmocka_unit_test(test_no_such_name_is_never_stale),
        cmocka_unit_test(test_dials_take_turns),
        cmocka_unit_test(test_failed_comes_last),
        cmocka_unit_test(test_denies),
        cmocka_unit_test(test_hosts_file),
        cmocka_unit_test(test_end_while_the_hosts_file_is_read),
        cmocka_unit_test(test_cancel_at_every_moment),
        cmocka_unit_test(test_cancel_before_the_news),
        cmocka_unit_test(test_inside_on_change),
        cmocka_unit_test(test_queries_max),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_no_memory_for_new),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
