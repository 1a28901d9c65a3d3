#include "dns/peers.h"

#include "base/mem.h"

#define PEER_OF(list_node) TERN_CONTAINER_OF(list_node, struct tern_dns_peer, node)

static uint64_t hash_of(const struct tern_dns_peers *peers, const struct tern_sockaddr *address)
{
    if (tern_sockaddr_family(address) == AF_INET6)
        return tern_hash_bytes(peers->seed, &address->u.in6.sin6_addr, sizeof(address->u.in6.sin6_addr));
    return tern_hash_bytes(peers->seed, &address->u.in.sin_addr, sizeof(address->u.in.sin_addr));
}

static struct tern_dns_peer *find(const struct tern_dns_peers *peers, const struct tern_sockaddr *address)
{
    struct tern_hash_node *node = tern_hash_first(&peers->table, hash_of(peers, address));

    for (; node != NULL; node = tern_hash_next(node)) {
        struct tern_dns_peer *peer = TERN_CONTAINER_OF(node, struct tern_dns_peer, hash_node);

        if (tern_sockaddr_equal(&peer->address, address))
            return peer;
    }
    return NULL;
}

static void drop(struct tern_dns_peers *peers, struct tern_dns_peer *peer)
{
    tern_hash_remove(&peers->table, &peer->hash_node);
    tern_list_remove(&peer->node);
    peers->count--;
    tern_mem_free(peer);
}

static struct tern_dns_peer *add(struct tern_dns_peers *peers, const struct tern_sockaddr *address)
{
    struct tern_dns_peer *peer;

    if (peers->count == TERN_DNS_PEERS_MAX)
        drop(peers, PEER_OF(peers->list.next));
    peer = tern_mem_calloc(1, sizeof(*peer));
    if (peer == NULL)
        return NULL;
    peer->address = *address;
    tern_list_init(&peer->node);
    tern_hash_insert(&peers->table, &peer->hash_node, hash_of(peers, address));
    peers->count++;
    return peer;
}

void tern_dns_peers_init(struct tern_dns_peers *peers, struct tern_hash_seed seed)
{
    *peers = (struct tern_dns_peers){.seed = seed};
    tern_hash_init(&peers->table);
    tern_list_init(&peers->list);
}

void tern_dns_peers_deinit(struct tern_dns_peers *peers)
{
    TERN_LIST_FOREACH(node, &peers->list)
        drop(peers, PEER_OF(node));
    tern_hash_deinit(&peers->table);
}

void tern_dns_peers_dialled(struct tern_dns_peers *peers, const struct tern_sockaddr *address)
{
    struct tern_dns_peer *peer = find(peers, address);

    if (peer == NULL && (peer = add(peers, address)) == NULL)
        return;
    peer->turn = ++peers->turns;
    tern_list_remove(&peer->node);
    tern_list_push_back(&peers->list, &peer->node);
}

void tern_dns_peers_set_failed(struct tern_dns_peers *peers, const struct tern_sockaddr *address, uint64_t until_ns)
{
    struct tern_dns_peer *peer = find(peers, address);

    if (peer != NULL)
        peer->failed_until_ns = until_ns;
}

void tern_dns_peers_set_aside(struct tern_dns_peers *peers, const struct tern_sockaddr *address, uint64_t until_ns)
{
    struct tern_dns_peer *peer = find(peers, address);

    if (peer != NULL)
        peer->aside_until_ns = until_ns;
}

const struct tern_dns_peer *tern_dns_peers_find(const struct tern_dns_peers *peers, const struct tern_sockaddr *address)
{
    return find(peers, address);
}
