/* Policies: what a request must be because of them, and answers that put them to work. */
#include <stdio.h>
#include <time.h>

#include "tests/sim/identity.h"
#include "tests/sim/policy.h"
#include "tests/sim/user.h"

unsigned sim_policy_link(const struct sim_call *call, const char *path)
{
    unsigned number = 0, link = 0;
    char expected[64];

    (void)sscanf(path, "/c%u?q=1&l=%u", &number, &link);
    snprintf(expected, sizeof(expected), link == 0 ? "%s" : "%s&l=%u", call->path, link);
    SIM_CHECK(strcmp(path, expected) == 0 && link < call->policed.link_count, "call %u asks for %s", call->number,
              path);
    return link;
}

static bool is_gate_open(const struct tern_gate *gate, const struct sim_call *call, const struct sim_link *link,
                         const char *address)
{
    const struct sim_origin *origin = &sim_origins[link->origin];
    bool is_port = gate->port_count == 0, is_name = link->origin != SIM_ORIGIN_LITERAL;

    for (size_t i = 0; i < gate->port_count; i++)
        is_port |= gate->ports[i] == origin->port;
    if (!is_port || (gate->https_only && !origin->is_secure) || (gate->allow_count > 0 && !is_name) ||
        (gate->refuse_userinfo && call->has_userinfo && link->hop == 1))
        return false;
    if ((gate->deny_count > 0 && link->origin == 2) || (gate->deny_count > 1 && !is_name) ||
        (gate->deny_count > 2 && is_name))
        return false;
    if (strncmp(address, "unix:", 5) == 0)
        return true;
    return !gate->public_only && gate->check(NULL, &(struct tern_gate_question){.address = address}) == NULL;
}

/* Every host sets one, which says whose it is. */
static void print_cookie(char out[64], const struct sim_call *call, unsigned origin)
{
    snprintf(out, 64, "mark=secret-k%u-h%u", call->client->number, origin);
}

static void check_cookie(const struct sim_request *request, const struct sim_link *link)
{
    const struct sim_call *call = request->call;
    const char *rest = request->cookie;
    char own[64];

    print_cookie(own, call, link->origin);
    for (; *rest != '\0'; rest += strncmp(rest, "; ", 2) == 0 ? 2 : 0) {
        SIM_CHECK(strncmp(rest, own, strlen(own)) == 0, "call %u brings origin %u cookies \"%s\"", call->number,
                  link->origin, request->cookie);
        rest += strlen(own);
    }
    SIM_CHECK(request->cookie[0] == '\0' || (!call->policed.has_own && call->policed.config->jar != NULL),
              "call %u has cookies and no jar", call->number);
}

void sim_policy_check_request(const struct sim_request *request, const struct sim_link *link)
{
    struct sim_call *call = request->call;
    const struct sim_site *site = sim_policy_site(call, link->origin);
    char address[TERN_SOCKADDR_TEXT_MAX];

    tern_sockaddr_print(&request->peer->socket->address, address, sizeof(address));
    SIM_CHECK(!link->is_refused, "call %u follows a redirect that its policy refuses", call->number);
    SIM_CHECK(strcmp(request->user_agent, site->user_agent) == 0, "call %u to origin %u goes by \"%s\", not \"%s\"",
              call->number, link->origin, request->user_agent, site->user_agent);
    SIM_CHECK(site->effective.gate == NULL || is_gate_open(site->effective.gate, call, link, address),
              "call %u comes to origin %u at %s, which its gate refuses", call->number, link->origin, address);
    SIM_CHECK(sim_policy_decoding(call, link->origin) != NULL || request->accept_encoding[0] == '\0',
              "call %u asks for codings %s, which nobody takes", call->number, request->accept_encoding);
    check_cookie(request, link);
    SIM_CHECK(++call->policed.seen <= call->policed.asked, "call %u makes %u requests in %u attempts", call->number,
              call->policed.seen, call->policed.asked);
}

bool sim_policy_may_repeat(const struct sim_call *call, const struct sim_link *link)
{
    const struct tern_retries *retries = sim_policy_retries(call, link->origin);

    return (strcmp(link->method, "POST") != 0 && strcmp(link->method, "PATCH") != 0) || call->has_key ||
           (retries != NULL && retries->unsafe_too);
}

/* What a client of this policy makes of its request behind a redirect (RFC 9110 15.4). */
static struct sim_link next_link(const struct sim_call *call, const struct sim_link *link, unsigned status,
                                 unsigned origin)
{
    const struct tern_redirects *redirects = sim_policy_redirects(call, link->origin);
    const struct sim_origin *from = &sim_origins[link->origin], *to = &sim_origins[origin];
    bool is_post = strcmp(link->method, "POST") == 0, keeps_post = false, to_get = false;
    struct sim_link next = *link;

    next.origin = origin;
    next.hop = call->policed.hop + 1; /* the link's own is not known where the call has gone round */
    next.is_refused = redirects == NULL || call->policed.hop > redirects->hops_max;
    if (redirects == NULL)
        return next;
    if (status <= 303)
        keeps_post = status == 301   ? redirects->keep_post_301
                     : status == 302 ? redirects->keep_post_302
                                     : redirects->keep_post_303;
    if (status <= 303 && is_post)
        to_get = !keeps_post;
    else if (status == 303)
        to_get = strcmp(link->method, "GET") != 0 && strcmp(link->method, "HEAD") != 0;
    if (to_get)
        next.method = "GET";
    next.has_body = link->has_body && !to_get;
    next.keeps_secrets = link->keeps_secrets && (origin == link->origin || redirects->keep_secrets);
    next.is_refused |= (from->is_secure && !to->is_secure && !redirects->allow_downgrade) ||
                       (origin != link->origin && redirects->same_origin_only);
    return next;
}

/* Back to where the call has been, if it would ask for the same there; what is processed twice then has to bear it. */
static bool is_loop(const struct sim_call *call, const struct sim_link *to, const struct sim_link *next)
{
    return to->origin == next->origin && strcmp(to->method, next->method) == 0 && to->has_body == next->has_body &&
           to->keeps_secrets == next->keeps_secrets && !to->is_refused && !next->is_refused &&
           sim_policy_may_repeat(call, next);
}

static unsigned next_number(struct sim_call *call, const struct sim_link *next)
{
    struct sim_policed *policed = &call->policed;
    unsigned number = sim_chance(300) ? (unsigned)sim_below(policed->link_count) : policed->link_count;

    if (number < policed->link_count && is_loop(call, &policed->links[number], next)) {
        policed->loops = true;
        policed->links[number].hop = next->hop;
        return number;
    }
    number = policed->link_count++;
    policed->links[number] = *next;
    return number;
}

static void redirect(struct sim_request *request)
{
    static const unsigned statuses[] = {301, 302, 303, 307, 308};
    struct sim_call *call = request->call;
    struct sim_policed *policed = &call->policed;
    const struct sim_link *link = &policed->links[request->link];
    unsigned number, origin = link->origin;
    const struct sim_origin *to;
    struct sim_link next;
    char query[24] = "?q=1";
    char port[8] = "";

    if (policed->link_count == SIM_LINKS_MAX || call->policed.hop + 1 >= SIM_HOPS_MAX)
        return;
    if (sim_chance(200))
        origin = call->origin; /* back where its secrets are at home */
    else if (sim_chance(600))
        origin = (unsigned)sim_below(SIM_ORIGINS_ALL);
    to = &sim_origins[origin];
    request->answer.status = statuses[sim_below(5)];
    next = next_link(call, link, request->answer.status, origin);
    number = next_number(call, &next);
    if (number > 0)
        snprintf(query, sizeof(query), "?q=1&l=%u", number);
    if (!to->is_standard)
        snprintf(port, sizeof(port), ":%u", to->port);
    if (sim_chance(50))
        sim_answer_field(&request->answer, "location", "%s", sim_chance(500) ? "ftp://o0.sim/" : "http://[");
    else if (origin == link->origin && sim_chance(500))
        sim_answer_field(&request->answer, "location", "%s#there", query);
    else if (to->is_secure == sim_origins[link->origin].is_secure && sim_chance(300))
        sim_answer_field(&request->answer, "location", "//%s%s/x/../c%u%s", to->host, port, call->number, query);
    else
        sim_answer_field(&request->answer, "location", "%s://%s%s%s/c%u%s", to->scheme, sim_chance(100) ? "xx:yy@" : "",
                         to->host, port, call->number, query);
}

/* IMF-fixdate (RFC 9110 5.6.7). */
static void put_date(struct sim_answer *answer, uint64_t wall_s)
{
    time_t at = (time_t)wall_s;
    struct tm parts;
    char text[40];

    strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&at, &parts));
    sim_answer_field(answer, "retry-after", "%s", text);
    sim_answer_field(answer, "x-until", "%llu", (unsigned long long)wall_s);
}

static void complain(struct sim_answer *answer)
{
    unsigned wait_s = (unsigned)sim_below(sim_chance(100) ? 100 : 4), left_s = (unsigned)sim_below(4);
    bool has_wait = sim_chance(600), has_left = sim_chance(300);

    answer->status = sim_chance(500) ? 429 : 503;
    if (has_wait && sim_chance(400)) {
        put_date(answer, sim_wall_s() + wait_s);
        has_wait = false;
    } else if (has_wait) {
        sim_answer_field(answer, "retry-after", "%u", wait_s);
    }
    if (has_left && sim_chance(500)) {
        sim_answer_field(answer, "ratelimit", "\"default\";r=0;t=%u", left_s);
    } else if (has_left) {
        sim_answer_field(answer, "x-ratelimit-remaining", "0");
        sim_answer_field(answer, "x-ratelimit-reset", "%u", left_s);
    }
    wait_s = has_wait ? wait_s : 0;
    left_s = has_left ? left_s : 0;
    sim_answer_field(answer, "x-hold", "%u", wait_s > left_s ? wait_s : left_s);
}

/* For the host itself, or for whom it may not set any. */
static void set_cookie(struct sim_request *request)
{
    static const char *const attributes[] = {"",
                                             "; Path=/",
                                             "; Max-Age=1; HttpOnly",
                                             "; Max-Age=0",
                                             "; Domain=sim",
                                             "; Domain=o1.sim",
                                             "; Domain=0.0.1",
                                             "; SameSite=Strict"};
    unsigned origin = request->call->policed.links[request->link].origin, i = (unsigned)sim_below(8);
    char cookie[64];

    print_cookie(cookie, request->call, origin);
    sim_answer_field(&request->answer, "set-cookie", "%s%s", cookie, attributes[i]);
}

void sim_policy_plan_answer(struct sim_request *request)
{
    if (sim_chance(400))
        set_cookie(request);
    if ((sim_users.is_broken && sim_chance(850)) || sim_demand_plan_answer(request))
        return;
    if (sim_fault(SIM_FAULT_REDIRECT))
        redirect(request);
    else if (sim_fault(SIM_FAULT_OVERLOAD))
        complain(&request->answer);
}
