/* dns/peers.h - what is remembered of addresses: which was dialled longest ago, and which failed of late or is set
 * aside.
 *
 * It orders equals only (dns/sort.h), so forgetting is harmless: an address that is not known counts as one never
 * dialled. Memory only: time is passed in. Belongs to one thread. */
#ifndef TERN_DNS_PEERS_H
#define TERN_DNS_PEERS_H

#include "base/hash.h"
#include "base/list.h"
#include "engine/addr.h"

/* Addresses remembered, each with its port; the one dialled longest ago is forgotten first. Eight times what one lookup
 * can bring. */
#define TERN_DNS_PEERS_MAX 1024

struct tern_dns_peer {
    struct tern_hash_node hash_node;
    struct tern_list node;
    struct tern_sockaddr address;
    uint64_t turn;            /* counts up with each dial; never 0 */
    uint64_t failed_until_ns; /* 0: it did not fail */
    uint64_t aside_until_ns;  /* 0: it was not set aside */
};

struct tern_dns_peers {
    struct tern_hash table;
    struct tern_hash_seed seed;
    struct tern_list list; /* the latest dialled last */
    size_t count;
    uint64_t turns;
};

void tern_dns_peers_init(struct tern_dns_peers *peers, struct tern_hash_seed seed);
void tern_dns_peers_deinit(struct tern_dns_peers *peers);

/* The address (IPv4 or IPv6) is dialled now: it comes last among its equals. Without memory nothing is remembered. */
void tern_dns_peers_dialled(struct tern_dns_peers *peers, const struct tern_sockaddr *address);

/* It failed, which counts until until_ns; or it works (until_ns 0). Says nothing of an address that is not known. */
void tern_dns_peers_set_failed(struct tern_dns_peers *peers, const struct tern_sockaddr *address, uint64_t until_ns);

/* It is set aside until then, whether it can be connected to or not. Says nothing of an address that is not known. */
void tern_dns_peers_set_aside(struct tern_dns_peers *peers, const struct tern_sockaddr *address, uint64_t until_ns);

/* Borrowed until the next change, or NULL. */
const struct tern_dns_peer *tern_dns_peers_find(const struct tern_dns_peers *peers,
                                                const struct tern_sockaddr *address);

#endif
