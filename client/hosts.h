/* client/hosts.h - what a client remembers of the hosts that it asked, for its rate limits, breakers and hedges: a
 * bounded table, from which the one that was not looked at for longest goes first. */
#ifndef TERN_CLIENT_HOSTS_H
#define TERN_CLIENT_HOSTS_H

#include "base/hash.h"
#include "base/list.h"
#include "policy/breaker.h"
#include "policy/hedge.h"
#include "policy/outlier.h"
#include "policy/rate.h"

/* Some 350 bytes each. A client of more hosts at once forgets the state of some: better than growing without end. */
#define TERN_HOSTS_MAX 4096

struct tern_host_state {
    struct tern_hash_node hash;
    struct tern_list node; /* the one looked at last in front */
    uint32_t pins;         /* calls that are on it */
    struct tern_rate_state rate;
    struct tern_list line; /* calls that wait for their turn (tern_call.in_line), the first one's timer set to it */
    uint32_t line_count;
    struct tern_breaker_state breaker;
    struct tern_outliers outliers;
    struct tern_hedge_state hedge;
    size_t key_len;
    char key[];
};

struct tern_hosts {
    struct tern_hash table;
    struct tern_list order;
    struct tern_hash_seed seed;
    uint32_t count;
};

void tern_hosts_init(struct tern_hosts *hosts, struct tern_hash_seed seed);
void tern_hosts_deinit(struct tern_hosts *hosts);

/* The state behind a key, made where there is none, with one pin more. NULL: out of memory, or every one is pinned. */
struct tern_host_state *tern_hosts_pin(struct tern_hosts *hosts, struct tern_str key);
void tern_hosts_unpin(struct tern_host_state *state);

#endif
