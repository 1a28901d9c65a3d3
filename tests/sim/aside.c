/* Breakers, and addresses that are set aside, watched between the steps. */
#include <stdio.h>

#include "client/client.h"
#include "pool/conn.h"
#include "pool/dial.h"
#include "tests/sim/policy.h"
#include "tests/sim/user.h"

#define HELD_MAX 16
#define ADDRESSES_MAX 6 /* that an origin has at one time */

/* An address of one origin, as long as it is set aside. */
struct aside {
    char address[TERN_ADDRESS_TEXT_MAX];
    uint64_t since_ns, until_ns;
    struct {
        const struct tern_conn *conn; /* only compared */
        uint64_t opened_ns, uses;
    } held[HELD_MAX]; /* the connections to it at that time */
    unsigned held_count;
};

/* What was last seen of an origin under one client. */
struct watched {
    struct watched *next;
    const struct sim_token *who; /* the client's tokens: no other has had them, or will */
    char key[80];
    enum tern_breaker_phase phase;
    uint32_t round;
    uint64_t opened_ns;
    struct aside asides[TERN_OUTLIERS_MAX];
    unsigned aside_count;
    size_t choices_max;                /* that calls ever had */
    size_t choices_next, choices_last; /* that they may have after the next step, or could after the last */
};

static struct watched *all;

void sim_aside_end(void)
{
    while (all != NULL) {
        struct watched *watched = all;

        all = watched->next;
        sim_free(watched);
    }
}

static struct watched *find(const struct sim_client *client, const char *key, size_t len)
{
    for (struct watched *watched = all; watched != NULL; watched = watched->next)
        if (watched->who == client->config->tokens && strlen(watched->key) == len &&
            memcmp(watched->key, key, len) == 0)
            return watched;
    return NULL;
}

static struct watched *make(const struct sim_client *client, const char *key, size_t len)
{
    struct watched *watched = sim_alloc(sizeof(*watched));

    memcpy(watched->key, key, len);
    watched->who = client->config->tokens;
    watched->next = all;
    all = watched;
    return watched;
}

static bool is_of(const struct tern_bucket *bucket, const char *key)
{
    char own[TERN_HOST_TEXT_MAX + 16];

    snprintf(own, sizeof(own), "%c%04x%s", bucket->origin.is_secure ? 's' : 'h', bucket->origin.port,
             bucket->origin.host.text);
    return strcmp(own, key) == 0;
}

/* ---- breakers ---- */

/* In one step time stands still: an open breaker lets nobody through before a later one, and a probe's answer comes in
 * one later still. */
static void check_breaker(const struct sim_client *client, struct watched *watched,
                          const struct tern_breaker_state *state)
{
    static const uint8_t reachable[] = {
        [TERN_BREAKER_CLOSED] = 1u << TERN_BREAKER_OPEN,
        [TERN_BREAKER_OPEN] = 1u << TERN_BREAKER_HALF_OPEN | 1u << TERN_BREAKER_OPEN,
        [TERN_BREAKER_HALF_OPEN] = 1u << TERN_BREAKER_OPEN | 1u << TERN_BREAKER_CLOSED,
    };

    if (state->round != watched->round) {
        SIM_CHECK(state->round > watched->round && (reachable[watched->phase] >> state->phase & 1) != 0,
                  "the breaker of %s goes from %d to %d", watched->key, (int)watched->phase, (int)state->phase);
        SIM_CHECK(watched->phase != TERN_BREAKER_OPEN || sim.now_ns - watched->opened_ns >= client->open_ns_min,
                  "the breaker of %s was open for %llu ns", watched->key,
                  (unsigned long long)(sim.now_ns - watched->opened_ns));
        sim_note("the breaker of %s is in phase %d", watched->key, (int)state->phase);
    }
    SIM_CHECK(state->round != watched->round || state->phase == watched->phase, "the breaker of %s is in another phase",
              watched->key);
    watched->phase = state->phase;
    watched->round = state->round;
    watched->opened_ns = state->opened_ns;
}

/* ---- addresses ---- */

static struct aside *find_aside(struct watched *watched, const char *address)
{
    for (unsigned i = 0; i < watched->aside_count; i++)
        if (strcmp(watched->asides[i].address, address) == 0)
            return &watched->asides[i];
    return NULL;
}

static bool is_aside(const struct aside *aside)
{
    return aside != NULL && aside->until_ns > sim.now_ns;
}

/* The connections that the address has: they take nothing new. */
static void hold(struct aside *aside, const struct tern_pool *pool, const char *key)
{
    TERN_LIST_FOREACH(node, (struct tern_list *)&pool->connections) {
        const struct tern_conn *conn = TERN_CONTAINER_OF(node, struct tern_conn, pool_node);

        if (aside->held_count == HELD_MAX || !is_of(conn->bucket, key) ||
            strcmp(tern_conn_remote(conn), aside->address) != 0)
            continue;
        aside->held[aside->held_count].conn = conn;
        aside->held[aside->held_count].opened_ns = conn->opened_ns;
        aside->held[aside->held_count++].uses = conn->uses;
    }
}

static void note_asides(struct watched *watched, const struct tern_pool *pool, const struct tern_outliers *outliers)
{
    unsigned count = 0;

    for (size_t i = 0; i < outliers->count; i++) {
        const struct tern_outlier *outlier = &outliers->list[i];
        struct aside *aside = find_aside(watched, outlier->address);

        if (outlier->until_ns <= sim.now_ns)
            continue;
        count++;
        if (aside != NULL && aside->until_ns == outlier->until_ns)
            continue;
        SIM_CHECK(!is_aside(aside), "%s of %s is set aside again", outlier->address, watched->key);
        if (aside == NULL && watched->aside_count == TERN_OUTLIERS_MAX)
            continue;
        aside = aside != NULL ? aside : &watched->asides[watched->aside_count++];
        *aside = (struct aside){.since_ns = sim.now_ns, .until_ns = outlier->until_ns};
        memcpy(aside->address, outlier->address, sizeof(aside->address));
        hold(aside, pool, watched->key);
        sim_note("%s of %s is set aside", aside->address, watched->key);
    }
    SIM_CHECK(count <= watched->choices_max / 2 || count <= watched->choices_last / 2,
              "%u addresses of %s are set aside, of %zu", count, watched->key, watched->choices_max);
}

static void check_held(struct watched *watched, const struct tern_conn *conn)
{
    for (unsigned i = 0; i < watched->aside_count; i++)
        for (unsigned held = 0; held < watched->asides[i].held_count; held++)
            SIM_CHECK(watched->asides[i].held[held].conn != conn ||
                          watched->asides[i].held[held].opened_ns != conn->opened_ns ||
                          watched->asides[i].held[held].uses == conn->uses,
                      "a connection to %s takes calls to %s though that is set aside", tern_conn_remote(conn),
                      watched->key);
}

static void print_address(char out[TERN_SOCKADDR_TEXT_MAX], const struct tern_dns_address *address, uint16_t port)
{
    struct tern_sockaddr where = address->is_ipv6 ? tern_sockaddr_ipv6(address->ip.bytes, address->scope, port)
                                                  : tern_sockaddr_ipv4(address->ip.bytes, port);

    tern_sockaddr_print(&where, out, TERN_SOCKADDR_TEXT_MAX);
}

/* What was set aside before the dial began is dialled behind the others of its family, which have come with it. Without
 * memory an address is not remembered (dns/peers.h). */
static void check_dial(struct watched *watched, const struct tern_dial *dial)
{
    const struct tern_lookup *lookup = &dial->lookup;
    char text[TERN_SOCKADDR_TEXT_MAX];

    if (lookup->is_fixed || sim.faults[SIM_FAULT_ENOMEM] > 0)
        return;
    for (size_t i = 0; i < lookup->taken; i++) {
        const struct tern_dns_address *early = &lookup->addresses[i];
        const struct aside *aside;

        print_address(text, early, lookup->port);
        aside = find_aside(watched, text);
        if (!is_aside(aside) || aside->since_ns >= dial->begun_ns)
            continue;
        for (size_t j = i + 1; j < lookup->count; j++) {
            const struct tern_dns_address *late = &lookup->addresses[j];
            char other[TERN_SOCKADDR_TEXT_MAX];

            print_address(other, late, lookup->port);
            SIM_CHECK(late->is_ipv6 != early->is_ipv6 || late->has_failed || is_aside(find_aside(watched, other)),
                      "%s is dialled before %s, and is set aside", text, other);
        }
    }
}

/* Among how many addresses the bucket's calls choose, and among how many they could at the end of the next step: an
 * answer may come in the very one in which an address is set aside and its bucket goes. */
static void count_choices(struct watched *watched, const struct tern_bucket *bucket)
{
    size_t now = bucket->choices, next = bucket->check != NULL ? ADDRESSES_MAX : 0;

    TERN_LIST_FOREACH(node, (struct tern_list *)&bucket->dials) {
        const struct tern_lookup *lookup = &TERN_CONTAINER_OF(node, struct tern_dial, node)->lookup;

        if (lookup->taken == 0)
            continue; /* it connects to nothing yet */
        now = tern_lookup_choices(lookup) > now ? tern_lookup_choices(lookup) : now;
        next = lookup->state != TERN_LOOKUP_ENDED ? ADDRESSES_MAX : next;
    }
    watched->choices_max = now > watched->choices_max ? now : watched->choices_max;
    watched->choices_next = next > watched->choices_next ? next : watched->choices_next;
}

static void check_bucket(const struct sim_client *client, const struct tern_bucket *bucket)
{
    for (struct watched *watched = all; watched != NULL; watched = watched->next) {
        if (watched->who != client->config->tokens || !is_of(bucket, watched->key))
            continue;
        count_choices(watched, bucket);
        TERN_LIST_FOREACH(node, (struct tern_list *)&bucket->dials) {
            check_dial(watched, TERN_CONTAINER_OF(node, struct tern_dial, node));
        }
    }
}

static void check_connections(const struct sim_client *client)
{
    TERN_LIST_FOREACH(node, (struct tern_list *)&client->client->pool.connections) {
        const struct tern_conn *conn = TERN_CONTAINER_OF(node, struct tern_conn, pool_node);

        for (struct watched *watched = all; watched != NULL; watched = watched->next)
            if (watched->who == client->config->tokens && watched->aside_count > 0)
                check_held(watched, conn);
    }
}

void sim_aside_check(const struct sim_client *client)
{
    const struct tern_client *it = client->client;
    const struct tern_hash_node *node;

    for (struct watched *watched = all; watched != NULL; watched = watched->next)
        if (watched->who == client->config->tokens) {
            watched->choices_last = watched->choices_next;
            watched->choices_next = 0;
        }
    for (node = tern_hash_walk(&it->pool.buckets, NULL); node != NULL; node = tern_hash_walk(&it->pool.buckets, node))
        check_bucket(client, TERN_CONTAINER_OF(node, struct tern_bucket, hash));
    for (node = tern_hash_walk(&it->hosts.table, NULL); node != NULL; node = tern_hash_walk(&it->hosts.table, node)) {
        const struct tern_host_state *state = TERN_CONTAINER_OF(node, struct tern_host_state, hash);
        struct watched *watched = find(client, state->key, state->key_len);

        if (state->key[0] == '@' || state->key[0] == '=')
            continue;
        if (watched == NULL)
            watched = make(client, state->key, state->key_len);
        check_breaker(client, watched, &state->breaker);
        note_asides(watched, &it->pool, &state->outliers);
    }
    check_connections(client);
}
