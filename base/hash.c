#include "base/hash.h"

#include <endian.h>

#include "base/assert.h"
#include "base/mem.h"

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static void sip_block(struct sip *s, uint64_t m)
{
    s->v3 ^= m;
    sip_round(s);
    s->v0 ^= m;
}

uint64_t tern_hash_bytes(struct tern_hash_seed seed, const void *bytes, size_t len)
{
    /* The constants are the paper's "somepseudorandomlygeneratedbytes". */
    struct sip s = {seed.k0 ^ 0x736f6d6570736575u, seed.k1 ^ 0x646f72616e646f6du, seed.k0 ^ 0x6c7967656e657261u,
                    seed.k1 ^ 0x7465646279746573u};
    const unsigned char *at = bytes;
    size_t left = len;
    uint64_t m;

    for (; left >= 8; at += 8, left -= 8) {
        memcpy(&m, at, 8);
        sip_block(&s, le64toh(m));
    }
    m = 0;
    if (left != 0)
        memcpy(&m, at, left);
    sip_block(&s, le64toh(m) | (uint64_t)len << 56);
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

void tern_hash_init(struct tern_hash *table)
{
    *table = (struct tern_hash){.mask = TERN_HASH_SMALL - 1};
    table->buckets = table->small;
}

void tern_hash_deinit(struct tern_hash *table)
{
    if (table->buckets != table->small)
        tern_mem_free(table->buckets);
    tern_hash_init(table);
}

static void link_node(struct tern_hash_node **buckets, size_t mask, struct tern_hash_node *node)
{
    struct tern_hash_node **bucket = &buckets[node->hash & mask];

    node->next = *bucket;
    *bucket = node;
}

static void grow(struct tern_hash *table)
{
    size_t count = (table->mask + 1) * 2;
    struct tern_hash_node **buckets = tern_mem_calloc(count, sizeof(*buckets));

    if (buckets == NULL)
        return;
    for (size_t i = 0; i <= table->mask; i++) {
        struct tern_hash_node *turned = NULL;

        /* Linking puts a node in front, so walk each chain from its end: equal hashes keep their order. */
        while (table->buckets[i] != NULL) {
            struct tern_hash_node *node = table->buckets[i];

            table->buckets[i] = node->next;
            node->next = turned;
            turned = node;
        }
        while (turned != NULL) {
            struct tern_hash_node *node = turned;

            turned = node->next;
            link_node(buckets, count - 1, node);
        }
    }
    if (table->buckets != table->small)
        tern_mem_free(table->buckets);
    table->buckets = buckets;
    table->mask = count - 1;
}

void tern_hash_insert(struct tern_hash *table, struct tern_hash_node *node, uint64_t hash)
{
    if (table->count > table->mask)
        grow(table);
    node->hash = hash;
    link_node(table->buckets, table->mask, node);
    table->count++;
}

void tern_hash_remove(struct tern_hash *table, struct tern_hash_node *node)
{
    struct tern_hash_node **at = &table->buckets[node->hash & table->mask];

    while (*at != node) {
        TERN_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    table->count--;
}

static struct tern_hash_node *same_hash(struct tern_hash_node *node, uint64_t hash)
{
    while (node != NULL && node->hash != hash)
        node = node->next;
    return node;
}

struct tern_hash_node *tern_hash_first(const struct tern_hash *table, uint64_t hash)
{
    return same_hash(table->buckets[hash & table->mask], hash);
}

struct tern_hash_node *tern_hash_next(const struct tern_hash_node *node)
{
    return same_hash(node->next, node->hash);
}

struct tern_hash_node *tern_hash_walk(const struct tern_hash *table, const struct tern_hash_node *node)
{
    size_t bucket = 0;

    if (node != NULL) {
        if (node->next != NULL)
            return node->next;
        bucket = (node->hash & table->mask) + 1;
    }
    for (; bucket <= table->mask; bucket++)
        if (table->buckets[bucket] != NULL)
            return table->buckets[bucket];
    return NULL;
}
