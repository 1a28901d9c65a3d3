#include "dns/cares.h"

#include <pthread.h>

#include "base/mem.h"
#include "dns/cares_channel.h"
#include "dns/stamp.h"

/* What a channel is made with. */
struct cares_config {
    char *servers; /* or NULL */
    uint64_t timeout_ns;
    uint32_t tries;
};

struct cares_refresh;

struct cares {
    struct tern_resolver resolver;
    struct tern_engine *engine;
    struct cares_config config;
    char *path;                         /* resolv.conf */
    struct tern_cares_channel *channel; /* takes new queries; NULL until the first refresh is done */
    struct tern_list retired;           /* channels that only finish what they have */
    struct tern_list pending;           /* requests that wait for the refresh */
    struct tern_list answered;          /* requests whose answer is not delivered yet */
    struct tern_task deliver;
    struct cares_refresh *refresh;
    struct tern_file_stat stamp; /* of resolv.conf when channel was made */
    uint64_t checked_ns;
    bool is_freeing;
};

/* The file job that looks at resolv.conf and makes a channel where it is needed. */
struct cares_refresh {
    struct tern_job job;
    struct cares *cares; /* NULL: detached */
    struct cares_config config;
    char *path;
    bool is_forced;              /* make one even if the file is as it was */
    struct tern_file_stat stamp; /* in: of the channel in use; out: of the file */
    struct tern_cares_channel *channel;
};

/* One query. */
struct cares_request {
    struct tern_list node; /* pending or answered */
    struct cares *cares;
    struct tern_cares_channel *channel; /* while c-ares has it */
    struct tern_dns_query *query;
    enum tern_ip_family family;
    struct tern_dns_answer answer;
    char name[];
};

static bool config_copy(struct cares_config *to, const char *servers, uint64_t timeout_ns, uint32_t tries)
{
    *to = (struct cares_config){.timeout_ns = timeout_ns, .tries = tries};
    return servers == NULL || (to->servers = tern_mem_dup(tern_str(servers))) != NULL;
}

/* ---- answers ---- */

static void answer_later(struct cares_request *request)
{
    tern_list_push_back(&request->cares->answered, &request->node);
    tern_engine_defer(request->cares->engine, &request->cares->deliver);
}

static void answer_failed(struct cares_request *request, enum tern_dns_status status, const char *reason)
{
    request->answer.status = status;
    request->answer.reason = reason;
    answer_later(request);
}

static uint32_t least_ttl(uint32_t least, int ttl)
{
    uint32_t value = ttl > 0 ? (uint32_t)ttl : 0; /* the highest bit set means 0: RFC 2181 section 8 */

    return value < least ? value : least;
}

static void read_addresses(struct tern_dns_answer *answer, enum tern_ip_family family,
                           const struct ares_addrinfo *result)
{
    int wanted = family == TERN_IP_V6 ? AF_INET6 : AF_INET;

    answer->ttl_s = UINT32_MAX;
    for (const struct ares_addrinfo_cname *alias = result->cnames; alias != NULL; alias = alias->next)
        answer->ttl_s = least_ttl(answer->ttl_s, alias->ttl);
    for (const struct ares_addrinfo_node *node = result->nodes; node != NULL; node = node->ai_next) {
        if (node->ai_family != wanted || answer->count == TERN_DNS_IPS_MAX)
            continue;
        answer->ttl_s = least_ttl(answer->ttl_s, node->ai_ttl);
        if (wanted == AF_INET6)
            memcpy(answer->ips[answer->count++].bytes, &((struct sockaddr_in6 *)(void *)node->ai_addr)->sin6_addr, 16);
        else
            memcpy(answer->ips[answer->count++].bytes, &((struct sockaddr_in *)(void *)node->ai_addr)->sin_addr, 4);
    }
}

/* From inside c-ares, which may even be inside of ares_getaddrinfo: only takes the answer down. */
static void on_result(void *user, int status, int timeouts, struct ares_addrinfo *result)
{
    struct cares_request *request = user;
    enum tern_dns_status failure = TERN_DNS_FAILED;

    (void)timeouts;
    request->channel->queries--;
    if (request->cares->is_freeing) {
        ares_freeaddrinfo(result);
        tern_mem_free(request);
        return;
    }
    if (status == ARES_SUCCESS)
        read_addresses(&request->answer, request->family, result);
    ares_freeaddrinfo(result);
    if (request->answer.count != 0) {
        request->answer.status = TERN_DNS_FOUND;
        answer_later(request);
        return;
    }
    if (status == ARES_SUCCESS)
        status = ARES_ENODATA;
    if (status == ARES_ENOTFOUND || status == ARES_ENODATA)
        failure = TERN_DNS_NOT_FOUND;
    else if (status == ARES_ETIMEOUT)
        failure = TERN_DNS_TIMEOUT;
    answer_failed(request, failure, ares_strerror(status));
}

static void free_finished_channels(struct cares *cares)
{
    TERN_LIST_FOREACH(node, &cares->retired) {
        struct tern_cares_channel *channel = TERN_CONTAINER_OF(node, struct tern_cares_channel, node);

        if (channel->queries == 0)
            tern_cares_channel_free(channel);
    }
}

static void on_deliver(struct tern_task *task)
{
    struct cares *cares = TERN_CONTAINER_OF(task, struct cares, deliver);
    struct tern_list *node;

    while ((node = tern_list_pop_front(&cares->answered)) != NULL) {
        struct cares_request *request = TERN_CONTAINER_OF(node, struct cares_request, node);

        request->query->on_answer(request->query, &request->answer);
        tern_mem_free(request);
    }
    free_finished_channels(cares);
}

static void submit(struct cares_request *request)
{
    struct ares_addrinfo_hints hints = {.ai_flags = ARES_AI_NOSORT, /* dns/sort.c does */
                                        .ai_family = request->family == TERN_IP_V6 ? AF_INET6 : AF_INET,
                                        .ai_socktype = SOCK_STREAM};
    struct tern_cares_channel *channel = request->cares->channel;

    request->channel = channel;
    channel->queries++;
    ares_getaddrinfo(channel->handle, request->name, NULL, &hints, on_result, request);
    tern_cares_channel_rearm(channel);
}

/* ---- the channel in use, and what it was made from ---- */

static void refresh_free(struct cares_refresh *refresh)
{
    if (refresh == NULL)
        return;
    if (refresh->channel != NULL)
        tern_cares_channel_free(refresh->channel);
    tern_mem_free(refresh->config.servers);
    tern_mem_free(refresh->path);
    tern_mem_free(refresh);
}

static void refresh_run(struct tern_job *job, struct tern_files *files)
{
    struct cares_refresh *refresh = TERN_CONTAINER_OF(job, struct cares_refresh, job);
    struct tern_file_stat stamp;

    if (files->ops->stat(files, refresh->path, &stamp) < 0)
        stamp = (struct tern_file_stat){0};
    /* Looked at before c-ares reads it: a change in between is found by the next look. */
    if (refresh->is_forced || !tern_stamp_equal(&stamp, &refresh->stamp))
        refresh->channel = tern_cares_channel_new(refresh->path, refresh->config.servers, refresh->config.timeout_ns,
                                                  refresh->config.tries);
    refresh->stamp = stamp;
}

static void take_channel(struct cares *cares, struct cares_refresh *refresh)
{
    if (cares->channel != NULL)
        tern_list_push_back(&cares->retired, &cares->channel->node);
    cares->channel = refresh->channel;
    refresh->channel = NULL;
    tern_cares_channel_attach(cares->channel, cares->engine);
    cares->stamp = refresh->stamp;
    free_finished_channels(cares);
}

static void refresh_done(struct tern_job *job, bool cancelled)
{
    struct cares_refresh *refresh = TERN_CONTAINER_OF(job, struct cares_refresh, job);
    struct cares *cares = cancelled ? NULL : refresh->cares;
    struct tern_list *node;

    if (cares == NULL) {
        refresh_free(refresh);
        return;
    }
    cares->refresh = NULL;
    cares->checked_ns = tern_engine_now(cares->engine);
    if (refresh->channel != NULL)
        take_channel(cares, refresh);
    refresh_free(refresh);
    while ((node = tern_list_pop_front(&cares->pending)) != NULL) {
        struct cares_request *request = TERN_CONTAINER_OF(node, struct cares_request, node);

        if (cares->channel != NULL)
            submit(request);
        else
            answer_failed(request, TERN_DNS_FAILED, "the resolver cannot be set up");
    }
}

static enum tern_error refresh_start(struct cares *cares)
{
    struct cares_refresh *refresh = tern_mem_calloc(1, sizeof(*refresh));
    const struct cares_config *config = &cares->config;
    enum tern_error error = TERN_ENOMEM;

    if (refresh != NULL && config_copy(&refresh->config, config->servers, config->timeout_ns, config->tries) &&
        (refresh->path = tern_mem_dup(tern_str(cares->path))) != NULL) {
        refresh->cares = cares;
        refresh->is_forced = cares->channel == NULL;
        refresh->stamp = cares->stamp;
        refresh->job.run = refresh_run;
        refresh->job.done = refresh_done;
        error = tern_job_start(cares->engine, &refresh->job);
    }
    if (error == TERN_OK)
        cares->refresh = refresh;
    else
        refresh_free(refresh);
    return error;
}

static void refresh_detach(struct cares *cares)
{
    if (cares->refresh == NULL)
        return;
    cares->refresh->cares = NULL;
    tern_job_cancel(&cares->refresh->job);
    cares->refresh = NULL;
}

/* ---- the resolver ---- */

static enum tern_error cares_query(struct tern_resolver *resolver, const char *name, enum tern_ip_family family,
                                   struct tern_dns_query *query)
{
    struct cares *cares = TERN_CONTAINER_OF(resolver, struct cares, resolver);
    size_t name_size = strlen(name) + 1;
    struct cares_request *request = tern_mem_calloc(1, sizeof(*request) + name_size);
    bool is_fresh = cares->channel != NULL && tern_engine_now(cares->engine) - cares->checked_ns < TERN_DNS_CHECK_NS;
    enum tern_error error = TERN_OK;

    if (request == NULL)
        return TERN_ENOMEM;
    if (!is_fresh && cares->refresh == NULL)
        error = refresh_start(cares);
    if (error != TERN_OK && cares->channel == NULL) {
        tern_mem_free(request);
        return error;
    }
    request->cares = cares;
    request->query = query;
    request->family = family;
    memcpy(request->name, name, name_size);
    if (cares->refresh != NULL)
        tern_list_push_back(&cares->pending, &request->node);
    else
        submit(request);
    return TERN_OK;
}

static void free_requests(struct tern_list *list)
{
    TERN_LIST_FOREACH(node, list) {
        tern_list_remove(node);
        tern_mem_free(TERN_CONTAINER_OF(node, struct cares_request, node));
    }
}

static void cares_free(struct tern_resolver *resolver)
{
    struct cares *cares = TERN_CONTAINER_OF(resolver, struct cares, resolver);

    cares->is_freeing = true;
    refresh_detach(cares);
    if (cares->channel != NULL)
        tern_list_push_back(&cares->retired, &cares->channel->node);
    TERN_LIST_FOREACH(node, &cares->retired)
        tern_cares_channel_free(TERN_CONTAINER_OF(node, struct tern_cares_channel, node));
    free_requests(&cares->pending);
    free_requests(&cares->answered);
    tern_task_cancel(&cares->deliver);
    tern_mem_free(cares->config.servers);
    tern_mem_free(cares->path);
    tern_mem_free(cares);
}

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static int library_status;

/* For the process's whole life: the host may use c-ares too. */
static void library_init(void)
{
    library_status = ares_library_init(ARES_LIB_INIT_ALL);
}

enum tern_error tern_cares_new(struct tern_engine *engine, const struct tern_dns_settings *settings,
                               const char *resolv_conf_path, struct tern_resolver **out)
{
    static const struct tern_resolver_ops ops = {cares_query, cares_free};
    struct cares *cares;

    if (pthread_once(&library_once, library_init) != 0 || library_status != ARES_SUCCESS)
        return TERN_EOS;
    if ((cares = tern_mem_calloc(1, sizeof(*cares))) == NULL)
        return TERN_ENOMEM;
    cares->resolver.ops = &ops;
    cares->engine = engine;
    tern_list_init(&cares->retired);
    tern_list_init(&cares->pending);
    tern_list_init(&cares->answered);
    tern_task_init(&cares->deliver, on_deliver);
    if (!config_copy(&cares->config, settings->servers, settings->timeout_ns, settings->tries) ||
        (cares->path = tern_mem_dup(tern_str(resolv_conf_path))) == NULL) {
        cares_free(&cares->resolver);
        return TERN_ENOMEM;
    }
    *out = &cares->resolver;
    return TERN_OK;
}
