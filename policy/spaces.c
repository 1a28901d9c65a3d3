#include "policy/spaces.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"

void tern_spaces_init(struct tern_spaces *spaces, struct tern_hash_seed seed)
{
    *spaces = (struct tern_spaces){.seed = seed};
    tern_hash_init(&spaces->table);
    tern_list_init(&spaces->order);
}

static struct tern_space *of_node(const struct tern_list *node)
{
    return TERN_CONTAINER_OF(node, struct tern_space, node);
}

void tern_spaces_deinit(struct tern_spaces *spaces)
{
    while (!tern_list_is_empty(&spaces->order))
        tern_spaces_forget(spaces, of_node(spaces->order.next));
    tern_hash_deinit(&spaces->table);
}

void tern_spaces_forget(struct tern_spaces *spaces, struct tern_space *space)
{
    tern_hash_remove(&spaces->table, &space->hash);
    tern_list_remove(&space->node);
    spaces->count--;
    tern_digest_deinit(&space->digest);
    tern_mem_free(space);
}

/* Of those of who: the narrowest that path is in, the one that is for just this prefix, and how many there are. */
struct found {
    struct tern_space *narrowest, *same, *oldest;
    size_t count;
};

static struct found look(const struct tern_spaces *spaces, struct tern_str who, struct tern_str path)
{
    struct tern_hash_node *node = tern_hash_first(&spaces->table, tern_hash_bytes(spaces->seed, who.ptr, who.len));
    struct found found = {0};

    for (; node != NULL; node = tern_hash_next(node)) {
        struct tern_space *space = TERN_CONTAINER_OF(node, struct tern_space, hash);

        if (!tern_str_eq(space->who, who))
            continue;
        found.count++;
        found.oldest = space; /* the latest inserted comes first */
        if (tern_str_eq(space->path, path))
            found.same = space;
        if (tern_path_is_within(path, space->path) &&
            (found.narrowest == NULL || space->path.len > found.narrowest->path.len))
            found.narrowest = space;
    }
    return found;
}

struct tern_space *tern_spaces_find(struct tern_spaces *spaces, struct tern_str who, struct tern_str path)
{
    struct tern_space *space = look(spaces, who, path).narrowest;

    if (space != NULL) {
        tern_list_remove(&space->node);
        tern_list_push_front(&spaces->order, &space->node);
    }
    return space;
}

static struct tern_space *make(struct tern_spaces *spaces, struct tern_str who, struct tern_str path)
{
    struct tern_space *space = tern_mem_calloc(1, sizeof(*space) + who.len + path.len);

    if (space == NULL)
        return NULL;
    memcpy(space->text, who.ptr, who.len);
    memcpy(space->text + who.len, path.ptr, path.len);
    space->who = tern_str_n(space->text, who.len);
    space->path = tern_str_n(space->text + who.len, path.len);
    tern_digest_init(&space->digest);
    tern_list_init(&space->node);
    if (spaces->count == TERN_SPACES_MAX)
        tern_spaces_forget(spaces, of_node(spaces->order.prev));
    tern_hash_insert(&spaces->table, &space->hash, tern_hash_bytes(spaces->seed, who.ptr, who.len));
    tern_list_push_front(&spaces->order, &space->node);
    spaces->count++;
    return space;
}

struct tern_space *tern_spaces_note(struct tern_spaces *spaces, struct tern_str who, struct tern_str path,
                                    struct tern_digest *digest)
{
    struct found found = look(spaces, who, path);
    struct tern_space *space = found.same;

    if (space == NULL && found.count >= TERN_SPACES_PER_ORIGIN_MAX)
        tern_spaces_forget(spaces, found.oldest);
    if (space == NULL && (space = make(spaces, who, path)) == NULL)
        return NULL;
    space->is_digest = digest != NULL;
    if (digest == NULL)
        return space;
    if (!tern_str_eq(tern_buf_view(&digest->nonce), tern_buf_view(&space->digest.nonce)))
        space->nc = 0;
    tern_digest_deinit(&space->digest);
    space->digest = *digest;
    tern_digest_init(digest);
    return space;
}
