#include "client/client.h"

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/url.h"
#include "client/build.h"
#include "client/call.h"
#include "client/mock.h"
#include "dns/dns.h"
#include "pool/warm.h"

static const uint8_t successors[] = {
    [TERN_CLIENT_OPEN] = 1u << TERN_CLIENT_DRAINING | 1u << TERN_CLIENT_DROPPING,
    [TERN_CLIENT_DRAINING] = 1u << TERN_CLIENT_DROPPING,
    [TERN_CLIENT_DROPPING] = 0,
};

static void set_state(struct tern_client *client, enum tern_client_state state)
{
    TERN_ASSERT((successors[client->state] >> state & 1u) != 0);
    client->state = state;
}

/* ---- freeing ---- */

static void bury(struct tern_corpse *corpse)
{
    tern_mem_free(TERN_CONTAINER_OF(corpse, struct tern_client, corpse));
}

/* Everything but the struct itself, to which events of this turn may still point. */
static void release(struct tern_client *client)
{
    struct tern_list *node;

    while ((node = tern_list_pop_front(&client->spares)) != NULL)
        tern_call_free(TERN_CONTAINER_OF(node, struct tern_call, node));
    client->spare_count = 0;
    tern_mock_release(client->mock);
    tern_pool_deinit(&client->pool);
    tern_hosts_deinit(&client->hosts);
    tern_hsts_deinit(&client->hsts);
    tern_spaces_deinit(&client->spaces);
    tern_tokens_deinit(&client->tokens);
    tern_settings_release(client->settings);
    client->settings = NULL;
    tern_engine_remove_member(client->engine, &client->member);
    client->tls->ops->free(client->tls);
    tern_engine_bury(client->engine, &client->corpse);
}

static void release_if_done(struct tern_client *client)
{
    if (client->state != TERN_CLIENT_OPEN && client->call_count == 0)
        release(client);
}

void tern_client_call_ended(struct tern_client *client)
{
    client->call_count--;
    release_if_done(client);
}

/* ---- what the engine tells ---- */

static struct tern_client *of_member(struct tern_member *member)
{
    return TERN_CONTAINER_OF(member, struct tern_client, member);
}

static void end_all(struct tern_client *client, enum tern_error error, bool is_silent)
{
    while (!tern_list_is_empty(&client->calls))
        tern_call_end_now(TERN_CONTAINER_OF(client->calls.next, struct tern_call, node), error, is_silent);
}

static void close_now(struct tern_client *client, enum tern_error error, bool is_silent)
{
    client->call_count++; /* so that it is not freed before the last line */
    if (client->state != TERN_CLIENT_DROPPING)
        set_state(client, TERN_CLIENT_DROPPING);
    end_all(client, error, is_silent);
    tern_client_call_ended(client);
}

static void on_shutdown(struct tern_member *member)
{
    close_now(of_member(member), TERN_ESHUTDOWN, false);
}

static void on_free(struct tern_member *member)
{
    close_now(of_member(member), TERN_ESHUTDOWN, true);
}

static void on_fork(struct tern_member *member)
{
    struct tern_client *client = of_member(member);

    client->call_count++;
    end_all(client, TERN_EFORK, false);
    tern_pool_drop(&client->pool);
    tern_client_call_ended(client);
}

/* ---- making ---- */

static enum tern_error make_tls(struct tern_client *client, struct tern_fault *why)
{
    enum tern_error error;

    if (client->seams.new_tls == NULL)
        return tern_tls_mbedtls_new(client->engine, &client->tls, why);
    error = client->seams.new_tls(client->engine, &client->tls, client->seams.user);
    return error == TERN_OK ? TERN_OK : tern_fault_plain(why, error);
}

enum tern_error tern_client_new_with(struct tern_engine *engine, const struct tern_client_config *config,
                                     const struct tern_pool_seams *seams, struct tern_client **out,
                                     struct tern_fault *why)
{
    struct tern_client *client = tern_mem_calloc(1, sizeof(*client));
    enum tern_error error;

    if (client == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    client->engine = engine;
    client->seams = *seams;
    client->corpse.bury = bury;
    client->member = (struct tern_member){.on_shutdown = on_shutdown, .on_free = on_free, .on_fork = on_fork};
    tern_list_init(&client->calls);
    tern_list_init(&client->spares);
    error = tern_settings_new(engine, config, seams, &client->settings, why);
    if (error == TERN_OK)
        error = make_tls(client, why);
    if (error == TERN_OK && (error = tern_engine_add_member(engine, &client->member)) != TERN_OK) {
        tern_fault_plain(why, error);
        client->tls->ops->free(client->tls);
    }
    if (error != TERN_OK) {
        tern_settings_release(client->settings);
        tern_mem_free(client);
        return error;
    }
    tern_hosts_init(&client->hosts, engine->hash_seed);
    tern_hsts_init(&client->hsts, engine->hash_seed);
    tern_spaces_init(&client->spaces, engine->hash_seed);
    tern_tokens_init(&client->tokens, engine->hash_seed);
    tern_rand_seed(&client->rand,
                   tern_hash_bytes(engine->hash_seed, &engine->member_count, sizeof(engine->member_count)));
    engine->calls.on_cancel = tern_call_on_post_cancel;
    tern_pool_init(&client->pool, engine, client->tls, &client->settings->own.profile->config.limits, &client->stats);
    client->transport = &client->pool.transport;
    *out = client;
    return TERN_OK;
}

enum tern_error tern_client_new(struct tern_engine *engine, const struct tern_client_config *config,
                                struct tern_client **out, struct tern_fault *why)
{
    return tern_client_new_with(engine, config, &(struct tern_pool_seams){0}, out, why);
}

enum tern_error tern_client_configure(struct tern_client *client, const struct tern_client_config *config,
                                      struct tern_fault *why)
{
    struct tern_settings *settings;
    enum tern_error error;

    if (client->state != TERN_CLIENT_OPEN)
        return tern_fault_plain(why, TERN_ECLOSED);
    error = tern_settings_new(client->engine, config, &client->seams, &settings, why);
    if (error != TERN_OK)
        return error;
    tern_dns_follow(settings->own.profile->dns, client->settings->own.profile->dns);
    tern_settings_release(client->settings);
    client->settings = settings;
    tern_pool_set_limits(&client->pool, &settings->own.profile->config.limits);
    return TERN_OK;
}

enum tern_error tern_client_check_open(const struct tern_client *client)
{
    if (client->engine->state == TERN_ENGINE_FORKED)
        return TERN_EFORK;
    return client->engine->state == TERN_ENGINE_OPEN && client->state == TERN_CLIENT_OPEN ? TERN_OK : TERN_ECLOSED;
}

/* Where a call to url would go, if it may, and under what settings. The gate's own function is for steps: it hears of
 * each address that is dialled. */
static enum tern_error aim(struct tern_client *client, struct tern_url *url, const struct tern_site **site,
                           struct tern_fault *why)
{
    const char *refusal = NULL;
    bool is_upgraded;
    enum tern_error error = TERN_OK;

    *site = tern_settings_site(client->settings, &url->host);
    if ((*site)->policy.hsts)
        error = tern_hsts_upgrade(&client->hsts, url, tern_engine_wall_s(client->engine), &is_upgraded);
    if (error != TERN_OK)
        return tern_fault_plain(why, error);
    if ((*site)->gate != NULL)
        refusal = tern_gate_rules_refuse((*site)->gate, url);
    return refusal == NULL ? TERN_OK : tern_fault_set(why, TERN_EGATE, "%s: %s", url->host.text, refusal);
}

enum tern_error tern_client_preconnect(struct tern_client *client, struct tern_str text, uint32_t n,
                                       struct tern_fault *why)
{
    enum tern_error error = tern_client_check_open(client);
    const struct tern_site *site = NULL;
    struct tern_url url = {0};
    struct tern_origin origin;

    if (error != TERN_OK)
        return tern_fault_plain(why, error);
    if ((error = tern_url_parse(&url, text, why)) == TERN_OK && (error = aim(client, &url, &site, why)) == TERN_OK)
        error = tern_origin_of_url(&origin, &url, why);
    tern_url_deinit(&url);
    if (error != TERN_OK || client->mock != NULL)
        return error;
    (void)tern_engine_now(client->engine); /* timeouts are measured from it, and between turns it is old */
    error = tern_warm_open(&client->pool, site->profile, &origin, n);
    return error == TERN_OK ? TERN_OK : tern_fault_plain(why, error);
}

void tern_client_close(struct tern_client *client, enum tern_close_mode mode)
{
    enum tern_client_state state = mode == TERN_CLOSE_DROP ? TERN_CLIENT_DROPPING : TERN_CLIENT_DRAINING;

    if (client == NULL || client->state >= state)
        return;
    set_state(client, state);
    tern_pool_drain(&client->pool);
    if (state == TERN_CLIENT_DROPPING)
        TERN_LIST_FOREACH(node, &client->calls)
            tern_call_end_later(TERN_CONTAINER_OF(node, struct tern_call, node), TERN_ESHUTDOWN);
    release_if_done(client);
}

/* ---- asking ---- */

void tern_client_stats(const struct tern_client *client, struct tern_client_stats *out)
{
    const struct tern_pool *pool = &client->pool;
    const struct tern_dns_stats *dns = tern_dns_stats(client->settings->own.profile->dns);

    *out = client->stats;
    out->connections_idle = pool->idle_count;
    out->connections_dialling = pool->dial_count;
    out->connections_active = pool->connection_count - pool->idle_count - pool->dial_count;
    out->calls_waiting = pool->waiter_count;
    out->memory_promised_bytes = pool->ledger.promised_bytes;
    out->memory_held_bytes = pool->ledger.held_bytes;
    out->memory_held_bytes_peak = pool->ledger.held_bytes_peak;
    out->dns_lookups = dns->queries;
    out->dns_cache_hits = dns->cache_hits;
    out->dns_stale_hits = dns->stale_hits;
    out->dns_refreshes = dns->refreshes;
}

enum tern_error tern_client_explain(const struct tern_client *client, struct tern_str text, char *out, size_t size,
                                    struct tern_fault *why)
{
    struct tern_url url = {0};
    enum tern_error error = tern_url_parse(&url, text, why);

    if (error == TERN_OK)
        tern_settings_explain(client->settings, &url.host, out, size);
    tern_url_deinit(&url);
    return error;
}

/* ---- strict transport security ---- */

#define HSTS_TEXT_BYTES_MAX (TERN_HSTS_HOSTS_MAX * (TERN_HOST_TEXT_MAX + 32))

enum tern_error tern_client_hsts_load(struct tern_client *client, struct tern_str text, size_t *skipped)
{
    size_t ignored;

    return tern_hsts_load(&client->hsts, text, tern_engine_wall_s(client->engine),
                          skipped != NULL ? skipped : &ignored);
}

enum tern_error tern_client_hsts_save(const struct tern_client *client, char **out)
{
    struct tern_buf text;
    enum tern_error error;

    tern_buf_init(&text, HSTS_TEXT_BYTES_MAX);
    error = tern_hsts_save(&client->hsts, &text, tern_engine_wall_s(client->engine));
    if (error == TERN_OK && (*out = tern_mem_dup(tern_buf_view(&text))) == NULL)
        error = TERN_ENOMEM;
    tern_buf_deinit(&text);
    return error;
}

void tern_client_hsts_free(char *text)
{
    tern_mem_free(text);
}

/* ---- who it is ---- */

const char *tern_client_name(const struct tern_client *client)
{
    return client->settings->own.profile->config.name;
}

struct tern_engine *tern_client_engine(const struct tern_client *client)
{
    return client->engine;
}
