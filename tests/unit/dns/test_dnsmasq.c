/* c-ares on the real reactor, against a real dnsmasq on loopback.
 *
 * dnsmasq comes from the PATH, or from $TERN_SERVERS where ./run has unpacked it. Where there is none, the program is
 * skipped (77), or fails if TERN_NO_SKIP is set. The engine's clock can be moved on, so nothing here waits for time to
 * pass but for the short timeouts of servers that stay silent. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dns/cares.h"
#include "dns/dns.h"
#include "dns/stamp.h"
#include "tests/support/faultmem.h"

#define MANY 100 /* addresses of many.test: over what fits a datagram, with EDNS and without */

/* ---- the servers ---- */

static struct {
    char dir[64], program[512], libraries[512];
    char hosts[128], resolv_conf[128];
    pid_t dnsmasq, failing;
    FILE *log;
    uint16_t port, failing_port, silent_port, closed_port;
    int silent_fd;
    bool has_ipv6;
} servers;

/* A UDP socket on a free port. With also_tcp the port is free for TCP too. */
static int bind_free_port(uint16_t *port, bool also_tcp)
{
    for (int tries = 0; tries < 100; tries++) {
        struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(any);
        int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), tcp;

        if (udp < 0 || bind(udp, (struct sockaddr *)&any, len) < 0 ||
            getsockname(udp, (struct sockaddr *)&any, &len) < 0)
            abort();
        *port = ntohs(any.sin_port);
        if (!also_tcp)
            return udp;
        tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool is_free = bind(tcp, (struct sockaddr *)&any, len) == 0;
        close(tcp);
        if (is_free)
            return udp;
        close(udp);
    }
    abort();
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    if (file == NULL || fputs(text, file) == EOF || fclose(file) != 0)
        abort();
}

/* Answers every question with SERVFAIL, until it is killed. */
static void fail_for_ever(int fd)
{
    unsigned char packet[2048];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        struct sockaddr_in from;
        socklen_t from_len = sizeof(from);
        ssize_t n = recvfrom(fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &from_len);

        if (n < 12)
            continue;
        packet[2] |= 0x80;                                   /* QR */
        packet[3] = (unsigned char)((packet[3] & 0xf0) | 2); /* RCODE */
        sendto(fd, packet, (size_t)n, 0, (struct sockaddr *)&from, from_len);
    }
}

static pid_t start_failing(void)
{
    int fd = bind_free_port(&servers.failing_port, false);
    pid_t pid = fork();

    if (pid == 0)
        fail_for_ever(fd);
    close(fd);
    return pid;
}

static void write_hosts(const char *changing)
{
    char text[MANY * 40 + 256];
    int len = snprintf(text, sizeof(text), "%s changing.test\n", changing);

    for (int i = 0; i < MANY; i++)
        len += snprintf(text + len, sizeof(text) - (size_t)len, "10.0.0.%d many.test\n", i + 1);
    write_file(servers.hosts, text);
}

/* dnsmasq says on its log what it has done, so that nobody has to guess when. */
static bool wait_for_log(const char *text)
{
    char line[1024];

    while (fgets(line, sizeof(line), servers.log) != NULL)
        if (strstr(line, text) != NULL)
            return true;
    return false;
}

static void write_conf(const char *path)
{
    char text[2048];

    snprintf(text, sizeof(text),
             "no-resolv\nno-hosts\nbind-interfaces\npid-file=\nlog-facility=-\nuser=root\ngroup=root\n"
             "listen-address=127.0.0.1\n%s"
             "port=%u\n"
             "addn-hosts=%s\n"
             "server=/fail.test/127.0.0.1#%u\n"
             "local=/test/\n"
             "host-record=both.test,192.0.2.1,2001:db8::1,77\n"
             "host-record=v4.test,192.0.2.4,88\n"
             "host-record=v6.test,2001:db8::6,99\n"
             "host-record=xn--bcher-kva.test,192.0.2.8\n"
             "host-record=www.sub.test,192.0.2.10\n"
             "host-record=www.other.test,192.0.2.11\n"
             "cname=alias.test,both.test,33\n",
             servers.has_ipv6 ? "listen-address=::1\n" : "", servers.port, servers.hosts, servers.failing_port);
    write_file(path, text);
}

static bool start_dnsmasq(void)
{
    char conf[128], argument[160];
    int log[2], taken = bind_free_port(&servers.port, true);

    snprintf(conf, sizeof(conf), "%s/conf", servers.dir);
    snprintf(argument, sizeof(argument), "--conf-file=%s", conf);
    write_conf(conf);
    if (pipe(log) < 0)
        abort();
    close(taken);
    servers.dnsmasq = fork();
    if (servers.dnsmasq == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(log[1], STDERR_FILENO);
        close(log[0]);
        execle(servers.program, "dnsmasq", "--keep-in-foreground", argument, (char *)NULL,
               (char *const[]){servers.libraries, NULL});
        _exit(127);
    }
    close(log[1]);
    servers.log = fdopen(log[0], "r");
    bool is_up = wait_for_log("read "); /* the last thing before it serves */
    unlink(conf);
    return is_up;
}

static bool find_dnsmasq(void)
{
    const char *unpacked = getenv("TERN_SERVERS");
    static const char *const folders[] = {"/usr/sbin", "/usr/local/sbin", "/sbin"};

    if (unpacked != NULL) {
        snprintf(servers.program, sizeof(servers.program), "%s/usr/sbin/dnsmasq", unpacked);
#ifdef __x86_64__
        const char *triplet = "x86_64-linux-gnu";
#else
        const char *triplet = "aarch64-linux-gnu";
#endif
        snprintf(servers.libraries, sizeof(servers.libraries), "LD_LIBRARY_PATH=%s/usr/lib/%s", unpacked, triplet);
        if (access(servers.program, X_OK) == 0)
            return true;
    }
    snprintf(servers.libraries, sizeof(servers.libraries), "LC_ALL=C");
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        snprintf(servers.program, sizeof(servers.program), "%s/dnsmasq", folders[i]);
        if (access(servers.program, X_OK) == 0)
            return true;
    }
    return false;
}

static int servers_start(void **state)
{
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);

    (void)state;
    servers.has_ipv6 = fd >= 0 && bind(fd, (struct sockaddr *)&loopback, sizeof(loopback)) == 0;
    close(fd);
    snprintf(servers.dir, sizeof(servers.dir), "/tmp/tern-dns-XXXXXX");
    if (mkdtemp(servers.dir) == NULL)
        return -1;
    chmod(servers.dir, 0755);
    snprintf(servers.hosts, sizeof(servers.hosts), "%s/hosts", servers.dir);
    snprintf(servers.resolv_conf, sizeof(servers.resolv_conf), "%s/resolv.conf", servers.dir);
    write_hosts("192.0.2.20");
    write_file(servers.resolv_conf, "search sub.test\n");
    servers.silent_fd = bind_free_port(&servers.silent_port, false);
    close(bind_free_port(&servers.closed_port, true));
    servers.failing = start_failing();
    return start_dnsmasq() ? 0 : -1;
}

static int servers_stop(void **state)
{
    (void)state;
    kill(servers.failing, SIGKILL);
    waitpid(servers.failing, NULL, 0);
    kill(servers.dnsmasq, SIGKILL);
    waitpid(servers.dnsmasq, NULL, 0);
    fclose(servers.log);
    close(servers.silent_fd);
    unlink(servers.hosts);
    unlink(servers.resolv_conf);
    return rmdir(servers.dir);
}

/* ---- an engine whose clock the test can move on ---- */

static uint64_t shift_ns;
static const struct tern_io_ops *real_ops;

static uint64_t shifted_now(struct tern_io *io)
{
    return real_ops->now(io) + shift_ns;
}

static int shifted_wait(struct tern_io *io, struct tern_io_event *out, int cap, uint64_t deadline_ns)
{
    if (deadline_ns != TERN_OFF)
        deadline_ns = deadline_ns > shift_ns ? deadline_ns - shift_ns : 0;
    return real_ops->wait(io, out, cap, deadline_ns);
}

struct rig {
    struct tern_engine *engine;
    struct tern_resolver *resolver;
};

/* One question straight to the resolver. */
struct asked {
    struct tern_dns_query query;
    struct tern_dns_answer answer;
    bool is_done;
};

static void on_answer(struct tern_dns_query *query, const struct tern_dns_answer *answer)
{
    struct asked *asked = TERN_CONTAINER_OF(query, struct asked, query);

    assert_false(asked->is_done);
    asked->answer = *answer;
    asked->is_done = true;
}

static void rig_init(struct rig *rig, const char *server_list, uint64_t timeout_ns)
{
    static struct tern_io_ops shifted;
    struct tern_dns_config config = {.servers = server_list, .timeout_ns = timeout_ns, .tries = 1};
    struct tern_dns_settings settings;
    struct tern_engine_seams seams = {0};

    assert_int_equal(tern_io_epoll_new(&seams.io, NULL), TERN_OK);
    real_ops = seams.io->ops;
    shifted = *real_ops;
    shifted.now = shifted_now;
    shifted.wait = shifted_wait;
    seams.io->ops = &shifted;
    assert_int_equal(tern_engine_new_with(NULL, &seams, &rig->engine, NULL), TERN_OK);
    assert_int_equal(tern_dns_settings_init(&settings, &config, NULL), TERN_OK);
    assert_int_equal(tern_cares_new(rig->engine, &settings, servers.resolv_conf, &rig->resolver), TERN_OK);
    tern_dns_settings_deinit(&settings);
}

static void rig_free(struct rig *rig)
{
    if (rig->resolver != NULL)
        rig->resolver->ops->free(rig->resolver);
    assert_int_equal(tern_engine_free(rig->engine), TERN_OK);
}

static char *dnsmasq_only(void)
{
    static char list[64];

    snprintf(list, sizeof(list), "127.0.0.1:%u", servers.port);
    return list;
}

static void ask(struct rig *rig, struct asked *asked, const char *name, enum tern_ip_family family)
{
    *asked = (struct asked){.query = {.on_answer = on_answer}};
    assert_int_equal(rig->resolver->ops->query(rig->resolver, name, family, &asked->query), TERN_OK);
    assert_false(asked->is_done); /* never from inside */
    while (!asked->is_done)
        assert_int_equal(tern_engine_turn(rig->engine, true), TERN_OK);
}

static void expect_found(struct rig *rig, const char *name, const char *ip, uint32_t ttl_s)
{
    bool is_ipv6 = strchr(ip, ':') != NULL;
    struct asked asked;
    char text[INET6_ADDRSTRLEN];

    ask(rig, &asked, name, is_ipv6 ? TERN_IP_V6 : TERN_IP_V4);
    assert_int_equal(asked.answer.status, TERN_DNS_FOUND);
    assert_int_equal(asked.answer.count, 1);
    assert_string_equal(inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, asked.answer.ips[0].bytes, text, sizeof(text)), ip);
    assert_int_equal(asked.answer.ttl_s, ttl_s);
}

static void expect_not(struct rig *rig, const char *name, enum tern_ip_family family, enum tern_dns_status status)
{
    struct asked asked;

    ask(rig, &asked, name, family);
    assert_int_equal(asked.answer.status, status);
    assert_non_null(asked.answer.reason);
}

/* ---- the tests ---- */

static void test_answers(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, dnsmasq_only(), 0);
    expect_found(&rig, "both.test", "192.0.2.1", 77);
    expect_found(&rig, "both.test", "2001:db8::1", 77);
    expect_found(&rig, "v6.test", "2001:db8::6", 99);
    expect_found(&rig, "alias.test", "192.0.2.1", 33);           /* the alias lives shorter than the address */
    expect_not(&rig, "v6.test", TERN_IP_V4, TERN_DNS_NOT_FOUND); /* NODATA */
    expect_not(&rig, "v4.test", TERN_IP_V6, TERN_DNS_NOT_FOUND);
    expect_not(&rig, "absent.test", TERN_IP_V4, TERN_DNS_NOT_FOUND);  /* NXDOMAIN */
    expect_not(&rig, "x.fail.test", TERN_IP_V4, TERN_DNS_FAILED);     /* SERVFAIL */
    expect_not(&rig, "refused.example", TERN_IP_V4, TERN_DNS_FAILED); /* REFUSED: dnsmasq knows nobody to ask */
    rig_free(&rig);
}

static void test_truncated_answer_comes_by_tcp(void **state)
{
    struct asked asked;
    struct rig rig;

    (void)state;
    rig_init(&rig, dnsmasq_only(), 0);
    ask(&rig, &asked, "many.test", TERN_IP_V4);
    assert_int_equal(asked.answer.status, TERN_DNS_FOUND);
    assert_int_equal(asked.answer.count, TERN_DNS_IPS_MAX); /* of MANY */
    rig_free(&rig);
}

static void test_answers_change(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, dnsmasq_only(), 0);
    expect_found(&rig, "changing.test", "192.0.2.20", 0);
    write_hosts("192.0.2.21");
    kill(servers.dnsmasq, SIGHUP);
    assert_true(wait_for_log("read "));
    expect_found(&rig, "changing.test", "192.0.2.21", 0);
    rig_free(&rig);
}

static void test_several_servers(void **state)
{
    char list[160];
    struct rig rig;

    (void)state;
    snprintf(list, sizeof(list), "127.0.0.1:%u,127.0.0.1:%u", servers.silent_port, servers.port);
    rig_init(&rig, list, 100 * TERN_MS);
    expect_found(&rig, "v4.test", "192.0.2.4", 88);
    rig_free(&rig);

    snprintf(list, sizeof(list), "127.0.0.1:%u,127.0.0.1:%u", servers.closed_port, servers.port);
    rig_init(&rig, list, 0);
    expect_found(&rig, "v4.test", "192.0.2.4", 88);
    rig_free(&rig);

    snprintf(list, sizeof(list), "127.0.0.1:%u,127.0.0.1:%u", servers.failing_port, servers.port);
    rig_init(&rig, list, 0);
    expect_found(&rig, "v4.test", "192.0.2.4", 88);
    rig_free(&rig);

    snprintf(list, sizeof(list), "127.0.0.1:%u", servers.silent_port);
    rig_init(&rig, list, 50 * TERN_MS);
    expect_not(&rig, "v4.test", TERN_IP_V4, TERN_DNS_TIMEOUT);
    rig_free(&rig);

    snprintf(list, sizeof(list), "127.0.0.1:%u", servers.closed_port);
    rig_init(&rig, list, 0);
    expect_not(&rig, "v4.test", TERN_IP_V4, TERN_DNS_FAILED);
    rig_free(&rig);
}

static void test_server_over_ipv6(void **state)
{
    char list[64];
    struct rig rig;

    (void)state;
    if (!servers.has_ipv6)
        skip();
    snprintf(list, sizeof(list), "[::1]:%u", servers.port);
    rig_init(&rig, list, 0);
    expect_found(&rig, "v6.test", "2001:db8::6", 99);
    rig_free(&rig);
}

static void test_search_and_change_of_resolv_conf(void **state)
{
    struct rig rig;
    uint64_t live;

    (void)state;
    rig_init(&rig, dnsmasq_only(), 0);
    expect_found(&rig, "www", "192.0.2.10", 0);
    live = faultmem_live();
    expect_not(&rig, "www.test", TERN_IP_V4, TERN_DNS_NOT_FOUND);
    write_file(servers.resolv_conf, "search other.test # longer\n");
    expect_found(&rig, "www", "192.0.2.10", 0); /* not looked at again yet */
    shift_ns += TERN_DNS_CHECK_NS;
    expect_found(&rig, "www", "192.0.2.11", 0);
    unlink(servers.resolv_conf); /* no search; the servers are given */
    shift_ns += TERN_DNS_CHECK_NS;
    expect_not(&rig, "www", TERN_IP_V4, TERN_DNS_FAILED); /* REFUSED */
    write_file(servers.resolv_conf, "search sub.test\n");
    shift_ns += TERN_DNS_CHECK_NS;
    expect_found(&rig, "www", "192.0.2.10", 0);
    assert_int_equal(faultmem_live(), live); /* the channels before it are gone */
    rig_free(&rig);
}

/* Freed at any turn of a lookup's life; whatever was open is closed, and nobody is called. */
static void test_free_in_flight(void **state)
{
    (void)state;
    for (int turns = 0; turns < 12; turns++) {
        struct asked asked[2] = {{.query = {.on_answer = on_answer}}, {.query = {.on_answer = on_answer}}};
        struct tern_engine_stats stats;
        char list[64];
        struct rig rig;

        snprintf(list, sizeof(list), "127.0.0.1:%u,127.0.0.1:%u", servers.silent_port, servers.port);
        rig_init(&rig, list, 20 * TERN_MS);
        for (int i = 0; i < 2; i++)
            assert_int_equal(
                rig.resolver->ops->query(rig.resolver, i == 0 ? "many.test" : "v6.test", TERN_IP_V4, &asked[i].query),
                TERN_OK);
        for (int turn = 0; turn < turns && !(asked[0].is_done && asked[1].is_done); turn++)
            assert_int_equal(tern_engine_turn(rig.engine, true), TERN_OK);
        rig.resolver->ops->free(rig.resolver);
        rig.resolver = NULL;
        asked[0].is_done = asked[1].is_done = true; /* on_answer would find it */
        assert_int_equal(tern_engine_step(rig.engine), TERN_OK);
        tern_engine_stats(rig.engine, &stats);
        assert_int_equal(stats.descriptors_watched, 0);
        rig_free(&rig);
    }
}

/* An engine that is idle after its lookups never wakes: no timer, no socket with something to say. */
static void test_idle_afterwards(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, dnsmasq_only(), 0);
    expect_found(&rig, "v4.test", "192.0.2.4", 88);
    ask(&rig, &(struct asked){0}, "many.test", TERN_IP_V4);
    assert_int_equal(tern_engine_next(rig.engine), TERN_OFF);
    rig_free(&rig);
}

static void test_no_memory(void **state)
{
    uint64_t n = 0;

    (void)state;
    for (bool failed = true; failed;) {
        struct asked asked = {.query = {.on_answer = on_answer}};
        uint64_t live = faultmem_live();
        struct rig rig;
        char list[64];

        snprintf(list, sizeof(list), "127.0.0.1:%u", servers.port);
        rig_init(&rig, list, 50 * TERN_MS);
        faultmem_fail_nth(++n);
        enum tern_error error = rig.resolver->ops->query(rig.resolver, "v4.test", TERN_IP_V4, &asked.query);
        while (error == TERN_OK && !asked.is_done)
            assert_int_equal(tern_engine_turn(rig.engine, true), TERN_OK);
        failed = faultmem_failed();
        faultmem_never_fail();
        if (error != TERN_OK)
            assert_int_equal(error, TERN_ENOMEM);
        else if (!failed)
            assert_int_equal(asked.answer.status, TERN_DNS_FOUND);
        expect_found(&rig, "v4.test", "192.0.2.4", 88);
        rig_free(&rig);
        assert_int_equal(faultmem_live(), live);
    }
    assert_true(n > 4);
}

/* The whole way: an IDN, a name in the hosts file that DNS knows otherwise, the cache. */
struct looked_up {
    struct tern_lookup lookup;
    char taken[512];
};

static void on_change(struct tern_lookup *lookup)
{
    struct looked_up *looked_up = lookup->owner;
    struct tern_sockaddr address;
    size_t len;

    while (tern_lookup_next(lookup, &address)) {
        len = strlen(looked_up->taken);
        len += (size_t)snprintf(looked_up->taken + len, sizeof(looked_up->taken) - len, " ");
        tern_sockaddr_print(&address, looked_up->taken + len, sizeof(looked_up->taken) - len);
    }
}

static void expect_lookup(struct rig *rig, struct tern_dns *dns, const char *name, const char *taken)
{
    struct looked_up looked_up = {0};
    struct tern_host host;

    assert_int_equal(tern_host_parse(&host, tern_str(name), NULL), TERN_OK);
    tern_lookup_start(dns, &looked_up.lookup, &host, 443, TERN_IP_V4, on_change, &looked_up);
    while (looked_up.lookup.state != TERN_LOOKUP_ENDED || tern_engine_next(rig->engine) == 0)
        assert_int_equal(tern_engine_turn(rig->engine, true), TERN_OK);
    assert_string_equal(looked_up.taken, taken);
    tern_lookup_cancel(&looked_up.lookup);
}

static void test_whole_way(void **state)
{
    char hosts[160];
    struct tern_dns_config config = {.servers = dnsmasq_only(), .hosts_path = hosts};
    struct tern_dns *dns;
    struct rig rig;

    (void)state;
    snprintf(hosts, sizeof(hosts), "%s/own-hosts", servers.dir);
    write_file(hosts, "192.0.2.99 v4.test\n");
    rig_init(&rig, NULL, 0);
    assert_int_equal(tern_dns_new(rig.engine, &config, NULL, &dns, NULL), TERN_OK);
    expect_lookup(&rig, dns,
                  "B\xc3\xbc"
                  "cher.test",
                  " 192.0.2.8:443");
    expect_lookup(&rig, dns, "v4.test", " 192.0.2.99:443");
    expect_lookup(&rig, dns, "both.test", " 192.0.2.1:443");
    expect_lookup(&rig, dns, "both.test", " 192.0.2.1:443");
    expect_lookup(&rig, dns, "absent.test", "");
    assert_int_equal(tern_dns_stats(dns)->queries, 3);
    assert_int_equal(tern_dns_stats(dns)->cache_hits, 1);
    unlink(hosts);
    shift_ns += TERN_DNS_CHECK_NS;
    expect_lookup(&rig, dns, "v4.test", " 192.0.2.4:443");
    tern_dns_free(dns);
    rig_free(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),          cmocka_unit_test(test_truncated_answer_comes_by_tcp),
        cmocka_unit_test(test_answers_change),   cmocka_unit_test(test_several_servers),
        cmocka_unit_test(test_server_over_ipv6), cmocka_unit_test(test_search_and_change_of_resolv_conf),
        cmocka_unit_test(test_free_in_flight),   cmocka_unit_test(test_idle_afterwards),
        cmocka_unit_test(test_no_memory),        cmocka_unit_test(test_whole_way),
    };

    if (!find_dnsmasq()) {
        puts("skipped: no dnsmasq here (Debian: dnsmasq-base)");
        return getenv("TERN_NO_SKIP") != NULL ? 1 : 77;
    }
    faultmem_install();
    return cmocka_run_group_tests(tests, servers_start, servers_stop);
}
