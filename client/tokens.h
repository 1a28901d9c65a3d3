/* client/tokens.h - the tokens that users get for a client's calls (tern_auth.ask_token): one for each function and
 * user pointer, asked for once however many calls want it. Bounded: those that no call needs go first. */
#ifndef TERN_CLIENT_TOKENS_H
#define TERN_CLIENT_TOKENS_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/list.h"
#include "tern/policy.h"

/* As many as there may be host configurations. */
#define TERN_TOKENS_MAX 4096
#define TERN_TOKEN_BYTES_MAX (16 * 1024)

struct tern_call;

struct tern_token {
    struct tern_hash_node hash;
    struct tern_list node; /* the one used last in front */
    void (*ask)(void *user, struct tern_client *client, uint64_t question, bool was_refused);
    void *user;
    uint32_t pins;         /* calls that are on it */
    uint64_t question;     /* open; 0: none */
    bool was_refused;      /* what it will be asked with */
    uint64_t round;        /* counts the tokens: which one a call was sent with */
    uint64_t expires_ns;   /* TERN_OFF: when it is refused */
    struct tern_buf text;  /* secret; empty: there is none */
    struct tern_list line; /* calls that wait (tern_identity.in_line) */
};

struct tern_tokens {
    struct tern_hash table;
    struct tern_list order;
    struct tern_hash_seed seed;
    uint32_t count;
    uint64_t questions; /* so many were asked: the last one's name */
};

void tern_tokens_init(struct tern_tokens *tokens, struct tern_hash_seed seed);
void tern_tokens_deinit(struct tern_tokens *tokens);

/* The one of a function and its pointer, with one pin more. NULL: out of memory, or all are pinned. */
struct tern_token *tern_tokens_pin(struct tern_tokens *tokens, const struct tern_auth *auth);
void tern_tokens_unpin(struct tern_token *token);

/* Whether there is one that is good at now_ns. */
bool tern_token_is_good(const struct tern_token *token, uint64_t now_ns);

/* A server has refused the token of that round: unless there is a newer one, it is forgotten. */
void tern_token_refused(struct tern_token *token, uint64_t round);

/* Asks the user, unless that was done and is not answered yet. The last thing that its caller does: the answer may come
 * from inside. */
void tern_token_ask(struct tern_tokens *tokens, struct tern_token *token, struct tern_client *client);

#endif
