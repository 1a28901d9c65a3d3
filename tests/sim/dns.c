/* The name servers: origin K is oK.sim, at 10.0.K.1 to .3 and 2001:db8:K::1 to ::3, of which each answer has some. */
#include <stdio.h>

#include "base/mem.h"
#include "tests/sim/seams.h"
#include "tests/sim/server.h"

struct servers {
    struct tern_resolver resolver;
    struct tern_engine *engine;
    struct tern_list open;
};

struct question {
    struct tern_list node;
    struct tern_timer timer;
    struct tern_engine *engine;
    struct tern_dns_query *query;
    struct tern_dns_answer answer;
};

static void find(struct tern_dns_answer *answer, unsigned origin, enum tern_ip_family family)
{
    /* All of them, or now and then another selection, with one where nobody lives. */
    bool is_changed = sim_fault(SIM_FAULT_DNS_CHANGE);

    answer->status = TERN_DNS_FOUND;
    answer->ttl_s = (uint32_t)sim_below(60);
    for (uint8_t i = 1; i <= 3; i++) {
        uint8_t *ip = answer->ips[answer->count].bytes;
        uint8_t last = is_changed && sim_chance(300) ? 9 : i;

        if (is_changed && sim_chance(400) && (i < 3 || answer->count > 0))
            continue;
        memcpy(ip, family == TERN_IP_V4 ? "\x0a\0\0" : "\x20\x01\x0d\xb8", 4);
        if (family == TERN_IP_V4) {
            ip[2] = (uint8_t)origin;
            ip[3] = last;
        } else {
            ip[5] = (uint8_t)origin;
            ip[15] = last;
        }
        answer->count++;
    }
}

static void on_due(struct tern_timer *timer)
{
    struct question *question = TERN_CONTAINER_OF(timer, struct question, timer);
    struct tern_dns_query *query = question->query;
    struct tern_dns_answer answer = question->answer;

    tern_list_remove(&question->node);
    sim_free(question);
    query->on_answer(query, &answer);
}

static enum tern_error ask(struct tern_resolver *resolver, const char *name, enum tern_ip_family family,
                           struct tern_dns_query *query)
{
    static const enum tern_dns_status failures[] = {TERN_DNS_NOT_FOUND, TERN_DNS_FAILED, TERN_DNS_TIMEOUT};
    struct servers *servers = TERN_CONTAINER_OF(resolver, struct servers, resolver);
    struct question *question;
    uint64_t takes_ns = sim_some_time(5 * TERN_MS);
    unsigned origin;

    if (sim_fault(SIM_FAULT_ENOMEM))
        return TERN_ENOMEM;
    question = sim_alloc(sizeof(*question));
    question->query = query;
    question->answer = (struct tern_dns_answer){.status = TERN_DNS_NOT_FOUND, .reason = "no such name"};
    if (sim_fault(SIM_FAULT_DNS_FAIL)) {
        question->answer.status = failures[sim_below(3)];
        question->answer.reason = "as the seed says";
    } else if (sscanf(name, "o%u.sim", &origin) == 1 && origin < SIM_ORIGINS) {
        find(&question->answer, origin, family);
    }
    if (sim_fault(SIM_FAULT_DNS_SLOW))
        takes_ns = sim_some_time(3 * TERN_S);
    tern_timer_init(&question->timer, on_due);
    tern_list_push_back(&servers->open, &question->node);
    tern_timer_arm(servers->engine, &question->timer, tern_engine_now(servers->engine) + takes_ns);
    return TERN_OK;
}

static void resolver_free(struct tern_resolver *resolver)
{
    struct servers *servers = TERN_CONTAINER_OF(resolver, struct servers, resolver);
    struct tern_list *node;

    while ((node = tern_list_pop_front(&servers->open)) != NULL) {
        struct question *question = TERN_CONTAINER_OF(node, struct question, node);

        tern_timer_cancel(servers->engine, &question->timer);
        sim_free(question);
    }
    sim_free(servers);
}

enum tern_error sim_resolver_new(struct tern_engine *engine, struct tern_resolver **out, void *user)
{
    static const struct tern_resolver_ops ops = {ask, resolver_free};
    struct servers *servers;

    (void)user;
    if (sim_fault(SIM_FAULT_ENOMEM))
        return TERN_ENOMEM;
    servers = sim_alloc(sizeof(*servers));
    servers->resolver.ops = &ops;
    servers->engine = engine;
    tern_list_init(&servers->open);
    *out = &servers->resolver;
    return TERN_OK;
}
