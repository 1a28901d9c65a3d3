/* Servers that want to know who asks: what they ask for, and whether what they are told is right and theirs. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/base64.h"
#include "base/str.h"
#include "tests/sim/identity.h"
#include "tests/sim/policy.h"
#include "tests/sim/user.h"
#include "tls/hash.h"

/* What an origin wants, the same in all of a history. Where it has both Digest and Basic, Digest is the answer. */
struct demand {
    bool basic, digest, bearer;
    bool is_sha256, is_sess, hashes_user, has_opaque, offers_md5_too;
    const char *qop; /* "": none, as RFC 2617 has it */
    const char *domain;
};

/* Each is said once, to one client. */
struct nonce {
    unsigned origin, client;
    bool is_weak; /* beside a stronger one: not to be used */
    struct sim_bytes counts;
};

static struct nonce *nonces;
static unsigned nonce_count, nonce_cap;

static bool chance(struct tern_rand *rand, uint32_t per_mille)
{
    return tern_rand_below(rand, 1000) < per_mille;
}

static struct demand demand_of(unsigned origin)
{
    static const char *const qops[] = {"auth", "auth", "auth,auth-int", "auth-int", ""};
    static const char *const domains[] = {NULL, NULL, "/", "/c1", "/c1 /c2?q http://o0.sim/"};
    struct tern_rand rand;
    struct demand demand = {0};

    sim_stream(&rand, 'a', origin);
    demand.digest = chance(&rand, 600);
    demand.basic = chance(&rand, 500);
    demand.bearer = chance(&rand, 500);
    demand.is_sha256 = chance(&rand, 500);
    demand.hashes_user = chance(&rand, 300);
    demand.has_opaque = chance(&rand, 500);
    demand.offers_md5_too = demand.is_sha256 && chance(&rand, 500);
    demand.qop = qops[tern_rand_below(&rand, 5)];
    demand.domain = domains[tern_rand_below(&rand, 5)];
    demand.is_sess = demand.qop[0] != '\0' && chance(&rand, 300);
    if (demand.digest && strcmp(demand.qop, "auth-int") == 0)
        demand.basic = false; /* else who cannot hash its body falls back to that */
    return demand;
}

static unsigned new_nonce(unsigned origin, unsigned client, bool is_weak)
{
    if (nonce_count == nonce_cap) {
        nonce_cap = nonce_cap * 2 + 16;
        nonces = realloc(nonces, nonce_cap * sizeof(*nonces));
        if (nonces == NULL)
            abort();
    }
    nonces[nonce_count] = (struct nonce){.origin = origin, .client = client, .is_weak = is_weak};
    return nonce_count++;
}

void sim_demand_end(void)
{
    while (nonce_count > 0)
        sim_bytes_free(&nonces[--nonce_count].counts);
    free(nonces);
    nonces = NULL;
    nonce_cap = 0;
}

/* ---- secrets ---- */

static void note_secrets(struct sim_request *request, const char *text, size_t len)
{
    static const char mark[] = "secret-";
    const char *at = text, *found;

    while ((found = memmem(at, len - (size_t)(at - text), mark, sizeof(mark) - 1)) != NULL) {
        size_t n = strspn(found, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");
        size_t rest = len - (size_t)(found - text);

        n = n < rest ? n : rest;
        SIM_CHECK(n < SIM_SECRET_MAX && request->secret_count < SIM_SECRETS_MAX, "a request has too many secrets");
        memcpy(request->secrets[request->secret_count], found, n);
        request->secrets[request->secret_count++][n] = '\0';
        at = found + n;
    }
}

void sim_demand_scan(struct sim_request *request, const char *value, size_t len)
{
    char plain[256];
    size_t plain_len;

    note_secrets(request, value, len);
    if (len <= 6 || strncasecmp(value, "Basic ", 6) != 0)
        return;
    SIM_CHECK(tern_base64_decode(tern_str_n(value + 6, len - 6), (uint8_t *)plain, sizeof(plain) - 1, &plain_len),
              "\"%.*s\" is no base64", (int)len, value);
    plain[plain_len] = '\0';
    note_secrets(request, plain, plain_len);
}

static bool is_token(const struct sim_token *token, const char *secret)
{
    unsigned number, round;
    int end = 0;

    return token != NULL && sscanf(secret, "secret-t%u.%u%n", &number, &round, &end) == 2 && secret[end] == '\0' &&
           number == token->number && round <= token->round;
}

/* Whether the secret may come with this request: as what it belongs to. */
static bool may_come(const struct sim_request *request, const struct sim_link *link, const struct sim_credentials *is,
                     const char *secret)
{
    char cookie[SIM_SECRET_MAX];

    snprintf(cookie, sizeof(cookie), "secret-k%u-h%u", request->call->client->number, link->origin);
    return strcmp(secret, cookie) == 0 || (link->keeps_secrets && strcmp(secret, request->call->secret) == 0) ||
           (is->has_password && is->may_show && (is->schemes & TERN_AUTH_BASIC) != 0 &&
            strcmp(secret, is->password) == 0) ||
           (is->may_show && is_token(is->token, secret));
}

/* ---- Digest (RFC 7616) ---- */

struct answer {
    char user[80], realm[16], uri[64], algorithm[16], nonce[16], nc[16], qop[16], cnonce[64], response[72], opaque[16],
        userhash[8];
};

static char *place_of(struct answer *answer, const char *name, size_t len, size_t *cap)
{
    struct {
        const char *name;
        char *out;
        size_t cap;
    } places[] = {
        {"username", answer->user, sizeof(answer->user)},
        {"realm", answer->realm, sizeof(answer->realm)},
        {"uri", answer->uri, sizeof(answer->uri)},
        {"algorithm", answer->algorithm, sizeof(answer->algorithm)},
        {"nonce", answer->nonce, sizeof(answer->nonce)},
        {"nc", answer->nc, sizeof(answer->nc)},
        {"qop", answer->qop, sizeof(answer->qop)},
        {"cnonce", answer->cnonce, sizeof(answer->cnonce)},
        {"response", answer->response, sizeof(answer->response)},
        {"opaque", answer->opaque, sizeof(answer->opaque)},
        {"userhash", answer->userhash, sizeof(answer->userhash)},
    };

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (len == strlen(places[i].name) && strncmp(name, places[i].name, len) == 0 && places[i].out[0] == '\0') {
            *cap = places[i].cap;
            return places[i].out;
        }
    sim_fail("an answer to Digest says %.*s, or twice", (int)len, name);
}

/* "name=value, name="value"", with backslashes in what is quoted. */
static void read_answer(struct answer *answer, const char *text)
{
    *answer = (struct answer){.user = ""};
    while (*text != '\0') {
        size_t len = strcspn(text, "="), cap = 0, n = 0;
        char *out = place_of(answer, text, len, &cap);
        bool is_quoted;

        text += len + (text[len] == '=');
        is_quoted = *text == '"';
        text += is_quoted;
        while (*text != '\0' && *text != (is_quoted ? '"' : ',')) {
            text += is_quoted && *text == '\\';
            SIM_CHECK(n + 1 < cap, "an answer to Digest is too long");
            out[n++] = *text++;
        }
        out[n] = '\0';
        text += is_quoted && *text == '"';
        text += strspn(text, ", ");
    }
}

struct hex {
    char text[65];
};

static struct hex hash(bool is_sha256, const void *bytes, size_t len)
{
    struct tern_str part = tern_str_n(bytes, len);
    uint8_t sum[32];
    struct hex hex;

    SIM_CHECK(is_sha256 ? tern_hash_sha256(&part, 1, sum) : tern_hash_md5(&part, 1, sum), "no hash");
    for (size_t i = 0; i < (is_sha256 ? 32 : 16); i++)
        snprintf(hex.text + 2 * i, 3, "%02x", sum[i]);
    return hex;
}

static struct hex hash_text(bool is_sha256, const char *format, ...) TERN_PRINTF(2, 3);

static struct hex hash_text(bool is_sha256, const char *format, ...)
{
    char text[512];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    SIM_CHECK(len >= 0 && (size_t)len < sizeof(text), "too much to hash");
    return hash(is_sha256, text, (size_t)len);
}

static struct hex hash_body(bool is_sha256, const struct sim_call *call, const struct sim_link *link)
{
    size_t len = link->has_body ? (size_t)call->body_len : 0;
    unsigned char *body = sim_alloc(len + 1);
    struct hex hex;

    SIM_CHECK(!link->has_body || call->body == TERN_BODY_MEMORY, "call %u hashes a body that it has not", call->number);
    sim_pattern_fill(body, call->body_seed, 0, len);
    hex = hash(is_sha256, body, len);
    sim_free(body);
    return hex;
}

static struct hex respond(const struct sim_request *request, const struct sim_link *link, const struct demand *demand,
                          const struct sim_credentials *is, const struct answer *answer)
{
    bool sha = demand->is_sha256;
    struct hex a1 = hash_text(sha, "%s:%s:%s", is->user, answer->realm, is->password), a2;

    if (demand->is_sess)
        a1 = hash_text(sha, "%s:%s:%s", a1.text, answer->nonce, answer->cnonce);
    if (strcmp(answer->qop, "auth-int") == 0)
        a2 = hash_text(sha, "%s:%s:%s", request->method, request->path, hash_body(sha, request->call, link).text);
    else
        a2 = hash_text(sha, "%s:%s", request->method, request->path);
    if (answer->qop[0] == '\0')
        return hash_text(sha, "%s:%s:%s", a1.text, answer->nonce, a2.text);
    return hash_text(sha, "%s:%s:%s:%s:%s:%s", a1.text, answer->nonce, answer->nc, answer->cnonce, answer->qop,
                     a2.text);
}

static const char *algorithm_of(const struct demand *demand)
{
    return demand->is_sha256 ? (demand->is_sess ? "SHA-256-sess" : "SHA-256") : (demand->is_sess ? "MD5-sess" : "MD5");
}

/* The nonce is this origin's, for this client, and this use of it the first. */
static void check_nonce(const struct sim_request *request, const struct sim_link *link, const struct answer *answer)
{
    const struct sim_call *call = request->call;
    unsigned number, count;
    struct nonce *nonce;
    unsigned char byte = 0;

    SIM_CHECK(sscanf(answer->nonce, "n%u", &number) == 1 && number < nonce_count, "call %u has nonce %s", call->number,
              answer->nonce);
    nonce = &nonces[number];
    SIM_CHECK(nonce->origin == link->origin && nonce->client == call->client->number,
              "call %u of client %u brings origin %u a nonce of origin %u for client %u", call->number,
              call->client->number, link->origin, nonce->origin, nonce->client);
    SIM_CHECK(!nonce->is_weak, "call %u answers the weaker challenge", call->number);
    if (answer->qop[0] == '\0')
        return;
    SIM_CHECK(sscanf(answer->nc, "%8x", &count) == 1 && strlen(answer->nc) == 8 && count > 0 && count < 10000,
              "call %u uses a nonce for the %s time", call->number, answer->nc);
    while (nonce->counts.len <= count)
        sim_bytes_add(&nonce->counts, &byte, 1);
    SIM_CHECK(nonce->counts.data[count] == 0, "call %u uses nonce %s for the %u. time again", call->number,
              answer->nonce, count);
    nonce->counts.data[count] = 1;
}

static void check_digest(const struct sim_request *request, const struct sim_link *link,
                         const struct sim_credentials *is)
{
    const struct sim_call *call = request->call;
    struct demand demand = demand_of(link->origin);
    struct answer answer;
    char realm[16], opaque[16];

    read_answer(&answer, request->authorization + 7);
    snprintf(realm, sizeof(realm), "realm %u", link->origin);
    snprintf(opaque, sizeof(opaque), "o%u", link->origin);
    SIM_CHECK(demand.digest && is->has_password && (is->schemes & TERN_AUTH_DIGEST) != 0,
              "call %u answers by Digest, which it may not", call->number);
    check_nonce(request, link, &answer);
    SIM_CHECK(strcmp(answer.realm, realm) == 0 && strcmp(answer.uri, request->path) == 0 &&
                  strcmp(answer.algorithm, algorithm_of(&demand)) == 0 &&
                  strcmp(answer.opaque, demand.has_opaque ? opaque : "") == 0 &&
                  (answer.qop[0] != '\0') == (demand.qop[0] != '\0') && strstr(demand.qop, answer.qop) != NULL,
              "call %u answers by Digest with \"%s\"", call->number, request->authorization);
    SIM_CHECK(strcmp(answer.user,
                     demand.hashes_user ? hash_text(demand.is_sha256, "%s:%s", is->user, realm).text : is->user) == 0,
              "call %u says that it is %s", call->number, answer.user);
    SIM_CHECK(strcmp(answer.response, respond(request, link, &demand, is, &answer).text) == 0,
              "call %u answers by Digest, and wrongly: \"%s\"", call->number, request->authorization);
}

/* ---- what a request says ---- */

static bool is_scheme(const struct sim_request *request, const char *scheme)
{
    return strncmp(request->authorization, scheme, strlen(scheme)) == 0;
}

static void check_basic(const struct sim_request *request, const struct sim_link *link,
                        const struct sim_credentials *is)
{
    const struct sim_call *call = request->call;
    struct demand demand = demand_of(link->origin);
    char expected[128], plain[128];
    size_t len;

    SIM_CHECK(tern_base64_decode(tern_str(request->authorization + 6), (uint8_t *)plain, sizeof(plain) - 1, &len),
              "call %u has Basic that is no base64", call->number);
    plain[len] = '\0';
    snprintf(expected, sizeof(expected), "%s:%s", is->user != NULL ? is->user : "", is->password);
    SIM_CHECK(is->has_password && is->may_show && strcmp(plain, expected) == 0, "call %u has Basic \"%s\"",
              call->number, plain);
    SIM_CHECK(is->schemes == TERN_AUTH_BASIC ||
                  ((is->schemes & TERN_AUTH_BASIC) != 0 && demand.basic && !demand.digest),
              "call %u has Basic where it was not asked for", call->number);
}

static void check_authorization(const struct sim_request *request, const struct sim_link *link,
                                const struct sim_credentials *is)
{
    const struct sim_call *call = request->call;
    bool is_due = is->may_show && (is->token != NULL || (is->has_password && is->schemes == TERN_AUTH_BASIC));

    if (call->has_field)
        SIM_CHECK(strcmp(request->authorization, link->keeps_secrets ? call->authorization : "") == 0,
                  "call %u has credentials \"%s\"", call->number, request->authorization);
    else if (request->authorization[0] == '\0')
        SIM_CHECK(!is_due, "call %u has no credentials", call->number);
    else if (is_scheme(request, "Digest "))
        check_digest(request, link, is);
    else if (is_scheme(request, "Basic "))
        check_basic(request, link, is);
    else
        SIM_CHECK(is_scheme(request, "Bearer ") && is->may_show && is_token(is->token, request->authorization + 7),
                  "call %u has credentials \"%s\"", call->number, request->authorization);
}

void sim_demand_check(struct sim_request *request, const struct sim_link *link)
{
    const struct sim_call *call = request->call;
    struct sim_credentials is = sim_identity_of(call, link);

    for (unsigned i = 0; i < request->secret_count; i++)
        SIM_CHECK(may_come(request, link, &is, request->secrets[i]), "call %u brings origin %u %s, which is not for it",
                  call->number, link->origin, request->secrets[i]);
    SIM_CHECK(strcmp(request->key, link->keeps_secrets ? call->key : "") == 0, "call %u has key \"%s\"", call->number,
              request->key);
    check_authorization(request, link, &is);
}

/* ---- what is demanded ---- */

static void put_digest(struct sim_answer *answer, const struct demand *demand, unsigned nonce, bool is_weak,
                       bool is_stale)
{
    unsigned origin = nonces[nonce].origin;
    struct demand offered = *demand;
    char opaque[32] = "", qop[32] = "", domain[48] = "";

    offered.is_sha256 &= !is_weak;
    if (demand->has_opaque)
        snprintf(opaque, sizeof(opaque), ", opaque=\"o%u\"", origin);
    if (demand->qop[0] != '\0')
        snprintf(qop, sizeof(qop), ", qop=\"%s\"", demand->qop);
    if (demand->domain != NULL)
        snprintf(domain, sizeof(domain), ", domain=\"%s\"", demand->domain);
    sim_answer_field(answer, "www-authenticate", "Digest realm=\"realm %u\", nonce=\"n%u\", algorithm=%s%s%s%s%s%s",
                     origin, nonce, algorithm_of(&offered), qop, opaque, domain,
                     demand->hashes_user ? ", userhash=true" : "", is_stale ? ", stale=true" : "");
}

static void challenge(struct sim_request *request, const struct demand *demand, char had, bool is_stale)
{
    struct sim_answer *answer = &request->answer;
    unsigned origin = request->call->policed.links[request->link].origin, client = request->call->client->number;

    answer->status = 401;
    answer->is_challenge = true;
    sim_answer_field(answer, "x-demand", "%u %c %c", request->link, had,
                     demand->digest  ? 'D'
                     : demand->basic ? 'B'
                                     : 'T');
    if (demand->bearer)
        sim_answer_field(answer, "www-authenticate", "Bearer realm=\"x\", error=\"invalid_token\"");
    if (demand->digest && demand->offers_md5_too)
        put_digest(answer, demand, new_nonce(origin, client, true), true, is_stale);
    if (demand->digest)
        put_digest(answer, demand, new_nonce(origin, client, false), false, is_stale);
    if (demand->basic)
        sim_answer_field(answer, "www-authenticate", "Basic realm=\"x, Digest nonce\", charset=\"UTF-8\"");
}

static void refuse_token(const struct sim_request *request, const struct sim_credentials *is)
{
    unsigned number, round;
    struct sim_token *token = (struct sim_token *)(uintptr_t)is->token;

    if (token != NULL && sscanf(request->authorization, "Bearer secret-t%u.%u", &number, &round) == 2 &&
        round > token->refused)
        token->refused = round;
}

bool sim_demand_plan_answer(struct sim_request *request)
{
    const struct sim_call *call = request->call;
    const struct sim_link *link = &call->policed.links[request->link];
    struct demand demand = demand_of(link->origin);
    struct sim_credentials is = sim_identity_of(call, link);
    char had = request->authorization[0] == '\0' ? '-'
               : is_scheme(request, "Bearer ")   ? 'T'
                                                 : request->authorization[0];
    bool is_right = (had == 'D' && demand.digest) || (had == 'B' && demand.basic) || (had == 'T' && demand.bearer);

    if (!demand.basic && !demand.digest && !demand.bearer)
        return false;
    if (had == 'D' && sim_fault(SIM_FAULT_STALE)) {
        challenge(request, &demand, had, true);
        return true;
    }
    if (sim_fault(is_right ? SIM_FAULT_DENY : SIM_FAULT_CHALLENGE) || (!is_right && sim_users.is_guarded)) {
        challenge(request, &demand, had, false);
        refuse_token(request, &is);
        return true;
    }
    if (had == 'D' && sim_chance(300))
        sim_answer_field(&request->answer, "authentication-info", "nextnonce=\"n%u\"",
                         new_nonce(link->origin, call->client->number, false));
    return false;
}
