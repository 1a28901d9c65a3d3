#include "client/hosts.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"

void tern_hosts_init(struct tern_hosts *hosts, struct tern_hash_seed seed)
{
    *hosts = (struct tern_hosts){.seed = seed};
    tern_hash_init(&hosts->table);
    tern_list_init(&hosts->order);
}

static void drop(struct tern_hosts *hosts, struct tern_host_state *state)
{
    TERN_ASSERT(state->pins == 0);
    tern_hash_remove(&hosts->table, &state->hash);
    tern_list_remove(&state->node);
    hosts->count--;
    tern_outliers_deinit(&state->outliers);
    tern_mem_free(state);
}

void tern_hosts_deinit(struct tern_hosts *hosts)
{
    while (!tern_list_is_empty(&hosts->order))
        drop(hosts, TERN_CONTAINER_OF(hosts->order.next, struct tern_host_state, node));
    tern_hash_deinit(&hosts->table);
}

static struct tern_host_state *find(struct tern_hosts *hosts, struct tern_str key, uint64_t hash)
{
    for (struct tern_hash_node *node = tern_hash_first(&hosts->table, hash); node != NULL;
         node = tern_hash_next(node)) {
        struct tern_host_state *state = TERN_CONTAINER_OF(node, struct tern_host_state, hash);

        if (tern_str_eq(tern_str_n(state->key, state->key_len), key))
            return state;
    }
    return NULL;
}

/* False: every one is in use. */
static bool make_room(struct tern_hosts *hosts)
{
    if (hosts->count < TERN_HOSTS_MAX)
        return true;
    for (struct tern_list *node = hosts->order.prev; node != &hosts->order; node = node->prev) {
        struct tern_host_state *state = TERN_CONTAINER_OF(node, struct tern_host_state, node);

        if (state->pins == 0) {
            drop(hosts, state);
            return true;
        }
    }
    return false;
}

static struct tern_host_state *make(struct tern_hosts *hosts, struct tern_str key, uint64_t hash)
{
    struct tern_host_state *state = make_room(hosts) ? tern_mem_calloc(1, sizeof(*state) + key.len) : NULL;

    if (state == NULL)
        return NULL;
    memcpy(state->key, key.ptr, key.len);
    state->key_len = key.len;
    tern_hash_insert(&hosts->table, &state->hash, hash);
    tern_list_init(&state->node);
    tern_list_init(&state->line);
    hosts->count++;
    return state;
}

struct tern_host_state *tern_hosts_pin(struct tern_hosts *hosts, struct tern_str key)
{
    uint64_t hash = tern_hash_bytes(hosts->seed, key.ptr, key.len);
    struct tern_host_state *state = find(hosts, key, hash);

    if (state == NULL && (state = make(hosts, key, hash)) == NULL)
        return NULL;
    tern_list_remove(&state->node);
    tern_list_push_front(&hosts->order, &state->node);
    state->pins++;
    return state;
}

void tern_hosts_unpin(struct tern_host_state *state)
{
    TERN_ASSERT(state->pins > 0);
    state->pins--;
}
