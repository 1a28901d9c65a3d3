#include "tests/support/fakedns.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/num.h"

#define RULES_MAX 64

/* What one name answers in one family. */
struct rule {
    char name[256];
    enum tern_ip_family family;
    struct tern_dns_answer answer;
    enum tern_dns_status failure; /* FOUND: none */
    uint64_t takes_ns;
    uint32_t asked;
};

struct fakedns {
    struct tern_resolver resolver;
    struct tern_engine *engine;
    struct tern_list open;
    struct rule rules[RULES_MAX];
    size_t rule_count;
};

struct question {
    struct tern_list node;
    struct tern_timer timer;
    struct rule *rule;
    struct tern_dns_query *query;
};

static struct rule *rule_of(struct fakedns *servers, const char *name, enum tern_ip_family family)
{
    for (size_t i = 0; i < servers->rule_count; i++)
        if (servers->rules[i].family == family && strcmp(servers->rules[i].name, name) == 0)
            return &servers->rules[i];
    if (servers->rule_count == RULES_MAX)
        fail_msg("fakedns: more than %d rules", RULES_MAX);

    struct rule *rule = &servers->rules[servers->rule_count++];
    snprintf(rule->name, sizeof(rule->name), "%s", name);
    rule->family = family;
    return rule;
}

static void on_due(struct tern_timer *timer)
{
    struct question *question = TERN_CONTAINER_OF(timer, struct question, timer);
    struct tern_dns_query *query = question->query;
    struct tern_dns_answer answer = question->rule->answer;

    if (question->rule->failure != TERN_DNS_FOUND) {
        answer.status = question->rule->failure;
        answer.reason = "as the script says";
    } else if (answer.count == 0) {
        answer.status = TERN_DNS_NOT_FOUND;
        answer.reason = "not found";
    }
    tern_list_remove(&question->node);
    tern_mem_free(question);
    query->on_answer(query, &answer);
}

static enum tern_error fake_query(struct tern_resolver *resolver, const char *name, enum tern_ip_family family,
                                  struct tern_dns_query *query)
{
    struct fakedns *servers = TERN_CONTAINER_OF(resolver, struct fakedns, resolver);
    struct question *question = tern_mem_calloc(1, sizeof(*question));

    if (question == NULL)
        return TERN_ENOMEM;
    question->rule = rule_of(servers, name, family);
    question->rule->asked++;
    question->query = query;
    tern_timer_init(&question->timer, on_due);
    tern_list_push_back(&servers->open, &question->node);
    tern_timer_arm(servers->engine, &question->timer,
                   tern_u64_add_sat(tern_engine_now(servers->engine), question->rule->takes_ns));
    return TERN_OK;
}

static void fake_free(struct tern_resolver *resolver)
{
    struct fakedns *servers = TERN_CONTAINER_OF(resolver, struct fakedns, resolver);

    TERN_LIST_FOREACH(node, &servers->open) {
        struct question *question = TERN_CONTAINER_OF(node, struct question, node);

        tern_timer_cancel(servers->engine, &question->timer);
        tern_mem_free(question);
    }
    free(servers);
}

struct fakedns *fakedns_new(struct tern_engine *engine)
{
    static const struct tern_resolver_ops ops = {fake_query, fake_free};
    struct fakedns *servers = calloc(1, sizeof(*servers));

    assert_non_null(servers);
    servers->resolver.ops = &ops;
    servers->engine = engine;
    tern_list_init(&servers->open);
    return servers;
}

struct tern_resolver *fakedns_resolver(struct fakedns *servers)
{
    return &servers->resolver;
}

void fakedns_answer(struct fakedns *servers, const char *name, const char *addresses, uint32_t ttl_s)
{
    struct tern_dns_answer *v4 = &rule_of(servers, name, TERN_IP_V4)->answer;
    struct tern_dns_answer *v6 = &rule_of(servers, name, TERN_IP_V6)->answer;
    char word[64];
    int len;

    *v4 = *v6 = (struct tern_dns_answer){.status = TERN_DNS_FOUND, .ttl_s = ttl_s};
    while (sscanf(addresses, " %63s%n", word, &len) == 1) {
        bool is_ipv6 = strchr(word, ':') != NULL;
        struct tern_dns_answer *answer = is_ipv6 ? v6 : v4;

        assert_true(answer->count < TERN_DNS_IPS_MAX);
        if (inet_pton(is_ipv6 ? AF_INET6 : AF_INET, word, answer->ips[answer->count++].bytes) != 1)
            fail_msg("fakedns: \"%s\" is no address", word);
        addresses += len;
    }
}

void fakedns_fails(struct fakedns *servers, const char *name, enum tern_ip_family family, enum tern_dns_status status)
{
    if (family != TERN_IP_V6)
        rule_of(servers, name, TERN_IP_V4)->failure = status;
    if (family != TERN_IP_V4)
        rule_of(servers, name, TERN_IP_V6)->failure = status;
}

void fakedns_takes(struct fakedns *servers, const char *name, enum tern_ip_family family, uint64_t ns)
{
    if (family != TERN_IP_V6)
        rule_of(servers, name, TERN_IP_V4)->takes_ns = ns;
    if (family != TERN_IP_V4)
        rule_of(servers, name, TERN_IP_V6)->takes_ns = ns;
}

uint32_t fakedns_asked(const struct fakedns *servers, const char *name, enum tern_ip_family family)
{
    uint32_t asked = 0;

    for (size_t i = 0; i < servers->rule_count; i++)
        if (strcmp(servers->rules[i].name, name) == 0 && (family == TERN_IP_ANY || servers->rules[i].family == family))
            asked += servers->rules[i].asked;
    return asked;
}
