/* policy/spaces.h - what a client remembers of the servers that asked it for credentials: the parts of an origin that
 * they protect (RFC 9110 11.5), and how. So the next call there is not asked again. Pure: no time is in it, since a
 * nonce's age is the server's to judge. Bounded, the least lately used goes first. No secret is kept here. */
#ifndef TERN_POLICY_SPACES_H
#define TERN_POLICY_SPACES_H

#include "base/hash.h"
#include "base/list.h"
#include "policy/digest.h"

/* Under 1 KiB each, as a rule. */
#define TERN_SPACES_MAX 1024

/* Of one origin and user: a server that divides itself into more is asked again now and then. */
#define TERN_SPACES_PER_ORIGIN_MAX 8

#define TERN_SPACE_CNONCE_LEN 32

struct tern_space {
    struct tern_hash_node hash;
    struct tern_list node;
    bool is_digest; /* else Basic */
    struct tern_digest digest;
    uint32_t nc;                        /* how often its nonce was used */
    char cnonce[TERN_SPACE_CNONCE_LEN]; /* one for each nonce, so that a -sess key stays the same whoever computes it */
    struct tern_str who, path;          /* views of text; path: the prefix that it is for */
    char text[];
};

struct tern_spaces {
    struct tern_hash table;
    struct tern_list order; /* the one used last in front */
    struct tern_hash_seed seed;
    uint32_t count;
};

void tern_spaces_init(struct tern_spaces *spaces, struct tern_hash_seed seed);
void tern_spaces_deinit(struct tern_spaces *spaces);

/* The space that a path is in, the narrowest of several, or NULL. who is origin and user, as one text. Borrowed until
 * the next call that adds or forgets. */
struct tern_space *tern_spaces_find(struct tern_spaces *spaces, struct tern_str who, struct tern_str path);

/* A server has asked for credentials in the space that starts with path: digest is its challenge, which is taken (the
 * caller's is empty then), or NULL for Basic. What was known of that space is gone, but not the count of a nonce that
 * is still the same. NULL: out of memory. */
TERN_MUST_USE struct tern_space *tern_spaces_note(struct tern_spaces *spaces, struct tern_str who, struct tern_str path,
                                                  struct tern_digest *digest);

void tern_spaces_forget(struct tern_spaces *spaces, struct tern_space *space);

#endif
