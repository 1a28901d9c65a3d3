#include "client/tokens.h"

#include "base/assert.h"
#include "base/mem.h"
#include "policy/auth.h"

void tern_tokens_init(struct tern_tokens *tokens, struct tern_hash_seed seed)
{
    *tokens = (struct tern_tokens){.seed = seed};
    tern_hash_init(&tokens->table);
    tern_list_init(&tokens->order);
}

static struct tern_token *of_node(const struct tern_list *node)
{
    return TERN_CONTAINER_OF(node, struct tern_token, node);
}

static void drop(struct tern_tokens *tokens, struct tern_token *token)
{
    TERN_ASSERT(token->pins == 0);
    tern_hash_remove(&tokens->table, &token->hash);
    tern_list_remove(&token->node);
    tokens->count--;
    tern_buf_wipe(&token->text);
    tern_mem_free(token);
}

void tern_tokens_deinit(struct tern_tokens *tokens)
{
    while (!tern_list_is_empty(&tokens->order))
        drop(tokens, of_node(tokens->order.next));
    tern_hash_deinit(&tokens->table);
}

static uint64_t hash_of(const struct tern_tokens *tokens, const struct tern_auth *auth)
{
    const uintptr_t key[2] = {(uintptr_t)auth->ask_token, (uintptr_t)auth->token_user};

    return tern_hash_bytes(tokens->seed, key, sizeof(key));
}

static struct tern_token *find(const struct tern_tokens *tokens, const struct tern_auth *auth)
{
    struct tern_hash_node *node = tern_hash_first(&tokens->table, hash_of(tokens, auth));

    for (; node != NULL; node = tern_hash_next(node)) {
        struct tern_token *token = TERN_CONTAINER_OF(node, struct tern_token, hash);

        if (token->ask == auth->ask_token && token->user == auth->token_user)
            return token;
    }
    return NULL;
}

/* False: every one is in use. */
static bool make_room(struct tern_tokens *tokens)
{
    struct tern_list *node = tokens->order.prev;

    if (tokens->count < TERN_TOKENS_MAX)
        return true;
    while (node != &tokens->order && of_node(node)->pins > 0)
        node = node->prev;
    if (node == &tokens->order)
        return false;
    drop(tokens, of_node(node));
    return true;
}

static struct tern_token *make(struct tern_tokens *tokens, const struct tern_auth *auth)
{
    struct tern_token *token = make_room(tokens) ? tern_mem_calloc(1, sizeof(*token)) : NULL;

    if (token == NULL)
        return NULL;
    token->ask = auth->ask_token;
    token->user = auth->token_user;
    tern_buf_init(&token->text, TERN_TOKEN_BYTES_MAX);
    tern_hash_insert(&tokens->table, &token->hash, hash_of(tokens, auth));
    tern_list_init(&token->node);
    tern_list_init(&token->line);
    tokens->count++;
    return token;
}

struct tern_token *tern_tokens_pin(struct tern_tokens *tokens, const struct tern_auth *auth)
{
    struct tern_token *token = find(tokens, auth);

    if (token == NULL && (token = make(tokens, auth)) == NULL)
        return NULL;
    tern_list_remove(&token->node);
    tern_list_push_front(&tokens->order, &token->node);
    token->pins++;
    return token;
}

void tern_tokens_unpin(struct tern_token *token)
{
    TERN_ASSERT(token->pins > 0);
    token->pins--;
}

bool tern_token_is_good(const struct tern_token *token, uint64_t now_ns)
{
    return token->text.len > 0 && now_ns < token->expires_ns;
}

void tern_token_refused(struct tern_token *token, uint64_t round)
{
    if (round != token->round || token->text.len == 0)
        return;
    tern_buf_wipe(&token->text);
    token->was_refused = true;
}

void tern_token_ask(struct tern_tokens *tokens, struct tern_token *token, struct tern_client *client)
{
    bool was_refused = token->was_refused;

    if (token->question != 0)
        return;
    token->question = ++tokens->questions;
    token->was_refused = false;
    token->ask(token->user, client, token->question, was_refused);
}
