/* base/hash.h - intrusive chained hash table, and the keyed hash that feeds it.
 *
 * Peers and users choose the keys, so the hash is keyed with a secret seed (SipHash-1-3: Aumasson and Bernstein,
 * "SipHash: a fast short-input PRF", 2012, with one round a block and three at the end). The table doubles when it
 * holds as many nodes as buckets; where no memory is left for that it stays as it is and only gets slower, so inserting
 * never fails. The hash finds candidates; the caller compares the whole key. */
#ifndef TERN_BASE_HASH_H
#define TERN_BASE_HASH_H

#include "tern/types.h"

#define TERN_HASH_SMALL 8 /* buckets a table has without allocating */

struct tern_hash_seed {
    uint64_t k0, k1;
};

uint64_t tern_hash_bytes(struct tern_hash_seed seed, const void *bytes, size_t len);

struct tern_hash_node {
    struct tern_hash_node *next;
    uint64_t hash;
};

/* Caller's storage; not to be moved or copied between init and deinit. */
struct tern_hash {
    struct tern_hash_node **buckets; /* small, or a block of mask + 1 */
    size_t mask;
    size_t count;
    struct tern_hash_node *small[TERN_HASH_SMALL];
};

void tern_hash_init(struct tern_hash *table);

/* Gives the buckets back. Nodes still inside are the caller's and are not touched. */
void tern_hash_deinit(struct tern_hash *table);

/* Borrows node, which is in no table, until it is removed. Equal hashes and equal keys are allowed. */
void tern_hash_insert(struct tern_hash *table, struct tern_hash_node *node, uint64_t hash);

/* node must be in this table. */
void tern_hash_remove(struct tern_hash *table, struct tern_hash_node *node);

/* The first node with this very hash, the latest inserted first, and the one after node with the same hash; or NULL. */
struct tern_hash_node *tern_hash_first(const struct tern_hash *table, uint64_t hash);
struct tern_hash_node *tern_hash_next(const struct tern_hash_node *node);

/* Walks all nodes in no particular order: start with NULL, end at NULL. To remove while walking, ask for the next
 * one first. Inserting ends the walk. */
struct tern_hash_node *tern_hash_walk(const struct tern_hash *table, const struct tern_hash_node *node);

#endif
