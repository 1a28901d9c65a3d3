#include "policy/cookies.h"

#include "base/mem.h"
#include "base/str.h"
#include "policy/suffix.h"

struct tern_cookie_site {
    struct tern_hash_node hash;
    struct tern_list cookies;
    uint32_t count;
    size_t len;
    char name[];
};

/* ---- keeping ---- */

void tern_cookies_init(struct tern_cookies *cookies, struct tern_hash_seed seed)
{
    *cookies = (struct tern_cookies){.seed = seed};
    tern_hash_init(&cookies->sites);
    tern_list_init(&cookies->order);
}

static struct tern_cookie *of_node(const struct tern_list *node)
{
    return TERN_CONTAINER_OF(node, struct tern_cookie, node);
}

static void drop_if_empty(struct tern_cookies *cookies, struct tern_cookie_site *site)
{
    if (site->count > 0)
        return;
    tern_hash_remove(&cookies->sites, &site->hash);
    tern_mem_free(site);
}

/* The values are secrets. */
static void cookie_free(struct tern_cookie *cookie)
{
    tern_mem_wipe(cookie->bytes, cookie->domain.len + cookie->path.len + cookie->name.len + cookie->value.len);
    tern_mem_free(cookie);
}

static void forget(struct tern_cookies *cookies, struct tern_cookie *cookie)
{
    struct tern_cookie_site *site = cookie->site;

    tern_list_remove(&cookie->node);
    tern_list_remove(&cookie->ordered);
    cookies->count--;
    site->count--;
    drop_if_empty(cookies, site);
    cookie_free(cookie);
}

void tern_cookies_clear(struct tern_cookies *cookies, bool sessions_only)
{
    TERN_LIST_FOREACH(node, &cookies->order)
        if (!sessions_only || tern_cookie_of_order(node)->expires_s == INT64_MAX)
            forget(cookies, tern_cookie_of_order(node));
}

void tern_cookies_deinit(struct tern_cookies *cookies)
{
    tern_cookies_clear(cookies, false);
    tern_hash_deinit(&cookies->sites);
}

static struct tern_cookie_site *find_site(const struct tern_cookies *cookies, struct tern_str name)
{
    uint64_t hash = tern_hash_bytes(cookies->seed, name.ptr, name.len);

    for (struct tern_hash_node *node = tern_hash_first(&cookies->sites, hash); node != NULL;
         node = tern_hash_next(node)) {
        struct tern_cookie_site *site = TERN_CONTAINER_OF(node, struct tern_cookie_site, hash);

        if (tern_str_eq(tern_str_n(site->name, site->len), name))
            return site;
    }
    return NULL;
}

static struct tern_cookie_site *make_site(struct tern_cookies *cookies, struct tern_str name)
{
    struct tern_cookie_site *site = tern_mem_calloc(1, sizeof(*site) + name.len);

    if (site == NULL)
        return NULL;
    memcpy(site->name, name.ptr, name.len);
    site->len = name.len;
    tern_list_init(&site->cookies);
    tern_hash_insert(&cookies->sites, &site->hash, tern_hash_bytes(cookies->seed, name.ptr, name.len));
    return site;
}

static char *put(char *to, struct tern_str *view)
{
    if (view->len > 0)
        memcpy(to, view->ptr, view->len);
    view->ptr = to;
    return to + view->len;
}

static struct tern_cookie *copy_of(const struct tern_cookie *model)
{
    size_t len = model->domain.len + model->path.len + model->name.len + model->value.len;
    struct tern_cookie *cookie = tern_mem_alloc(sizeof(*cookie) + len);
    char *to;

    if (cookie == NULL)
        return NULL;
    *cookie = *model;
    tern_list_init(&cookie->node);
    tern_list_init(&cookie->ordered);
    to = put(cookie->bytes, &cookie->domain);
    to = put(to, &cookie->path);
    to = put(to, &cookie->name);
    put(to, &cookie->value);
    return cookie;
}

static struct tern_cookie *find_same(const struct tern_cookie_site *site, const struct tern_cookie *model)
{
    TERN_LIST_FOREACH(node, &site->cookies) {
        struct tern_cookie *cookie = of_node(node);

        if (cookie->host_only == model->host_only && tern_str_eq(cookie->name, model->name) &&
            tern_str_eq(cookie->path, model->path) && tern_str_eq(cookie->domain, model->domain))
            return cookie;
    }
    return NULL;
}

/* ---- making room (5.7: "remove excess cookies") ---- */

/* The lowest goes first. */
static int rank(const struct tern_cookie *cookie, int64_t now_s, bool is_site_full)
{
    if (cookie->expires_s <= now_s)
        return 0;
    if (!is_site_full && cookie->site->count <= TERN_COOKIES_SITE_FAIR)
        return 3;
    return cookie->secure ? 2 : 1;
}

static bool goes_before(const struct tern_cookie *a, const struct tern_cookie *b, int64_t now_s, bool is_site_full)
{
    int rank_a = rank(a, now_s, is_site_full), rank_b = rank(b, now_s, is_site_full);

    return rank_a != rank_b ? rank_a < rank_b : a->accessed < b->accessed;
}

static void forget_one_of_site(struct tern_cookies *cookies, const struct tern_cookie_site *site, int64_t now_s)
{
    struct tern_cookie *first = of_node(site->cookies.next);

    TERN_LIST_FOREACH(node, &site->cookies)
        if (goes_before(of_node(node), first, now_s, true))
            first = of_node(node);
    forget(cookies, first);
}

static void forget_one(struct tern_cookies *cookies, int64_t now_s)
{
    struct tern_cookie *first = tern_cookie_of_order(cookies->order.next);

    TERN_LIST_FOREACH(node, &cookies->order)
        if (goes_before(tern_cookie_of_order(node), first, now_s, false))
            first = tern_cookie_of_order(node);
    forget(cookies, first);
}

enum tern_error tern_cookies_keep(struct tern_cookies *cookies, const struct tern_host *host,
                                  const struct tern_cookie *model, int64_t now_s)
{
    struct tern_str name = tern_suffix_site(host);
    struct tern_cookie_site *site = find_site(cookies, name);
    struct tern_cookie *cookie, *old = site != NULL ? find_same(site, model) : NULL;

    if (model->expires_s <= now_s) { /* the way to take one back */
        if (old != NULL)
            forget(cookies, old);
        return TERN_OK;
    }
    cookie = copy_of(model);
    if (cookie == NULL)
        return TERN_ENOMEM;
    if (site == NULL && (site = make_site(cookies, name)) == NULL) {
        cookie_free(cookie);
        return TERN_ENOMEM;
    }
    cookie->site = site;
    cookie->created = cookie->accessed = ++cookies->clock;
    tern_list_push_back(&site->cookies, &cookie->node);
    cookies->count++;
    site->count++;
    if (old != NULL) { /* in whose place it stands (step 23) */
        cookie->created = old->created;
        tern_list_insert_before(&old->ordered, &cookie->ordered);
        forget(cookies, old);
    } else {
        tern_list_push_back(&cookies->order, &cookie->ordered);
    }
    if (site->count > TERN_COOKIES_SITE_MAX)
        forget_one_of_site(cookies, site, now_s);
    if (cookies->count > TERN_COOKIES_MAX)
        forget_one(cookies, now_s);
    return TERN_OK;
}

/* ---- hearing (5.7) ---- */

static bool is_https(const struct tern_url *url)
{
    return tern_str_eq(url->scheme, TERN_STR("https"));
}

/* 5.1.3, of normalised names; an address matches itself alone. */
static bool domain_matches(const struct tern_host *host, struct tern_str domain)
{
    return tern_str_eq(tern_host_text(host), domain) || tern_host_is_below(host, domain);
}

/* 5.1.4: up to the last '/', without it. */
static struct tern_str default_path(struct tern_str path)
{
    size_t len = path.len;

    while (len > 1 && path.ptr[len - 1] != '/')
        len--;
    return tern_str_n(path.ptr, len > 1 ? len - 1 : 1);
}

/* Steps 9 and 10. NULL, or why not. */
static const char *settle_domain(struct tern_cookie *model, struct tern_host *domain, const struct tern_url *url,
                                 struct tern_str said, enum tern_error *error)
{
    bool is_host = said.len == 0;

    *domain = url->host;
    for (size_t i = 0; i < said.len; i++)
        if ((unsigned char)said.ptr[i] > 0x7f)
            return "Domain is not ASCII";
    if (!is_host && (*error = tern_host_parse(domain, said, NULL)) != TERN_OK)
        return *error == TERN_ENOMEM ? "out of memory" : "Domain is no host";
    if (!domain_matches(&url->host, tern_host_text(domain)))
        return "Domain is not the host nor above it";
    is_host |= domain->kind != TERN_HOST_NAME;
    if (tern_suffix_is_public(domain)) {
        if (!tern_host_eq(domain, &url->host))
            return "Domain is a public suffix";
        is_host = true;
    }
    if (tern_host_text(domain).len < tern_suffix_site(&url->host).len)
        return "Domain is above a public suffix";
    model->host_only = is_host;
    model->domain = tern_host_text(domain);
    return NULL;
}

/* Step 17: what comes in the clear does not overlay what was set over TLS. */
static bool overlays_secure(const struct tern_cookies *cookies, const struct tern_host *domain,
                            const struct tern_cookie *model, int64_t now_s)
{
    const struct tern_cookie_site *site = find_site(cookies, tern_suffix_site(domain));
    struct tern_host other = {.kind = domain->kind};

    if (site == NULL)
        return false;
    TERN_LIST_FOREACH(node, &site->cookies) {
        const struct tern_cookie *cookie = of_node(node);

        if (!cookie->secure || cookie->expires_s <= now_s || !tern_str_eq(cookie->name, model->name) ||
            !tern_path_is_within(model->path, cookie->path))
            continue;
        memcpy(other.text, cookie->domain.ptr, cookie->domain.len);
        other.len = (uint16_t)cookie->domain.len;
        if (domain_matches(domain, cookie->domain) || domain_matches(&other, model->domain))
            return true;
    }
    return false;
}

enum tern_error tern_cookies_hear(struct tern_cookies *cookies, const struct tern_url *url, struct tern_str text,
                                  int64_t now_s, const char **refusal)
{
    struct tern_cookie model = {0};
    struct tern_set_cookie said;
    struct tern_host domain;
    enum tern_error error = TERN_OK;

    if ((*refusal = tern_set_cookie_parse(&said, text, now_s)) != NULL ||
        (*refusal = settle_domain(&model, &domain, url, said.domain, &error)) != NULL)
        return error == TERN_ENOMEM ? error : TERN_OK;
    model.path = said.path.len > 0 ? said.path : default_path(url->path);
    model.name = said.name;
    model.value = said.value;
    model.expires_s = said.expires_s;
    model.secure = said.secure;
    model.http_only = said.http_only;
    model.same_site = said.same_site;
    if (model.path.len > TERN_COOKIE_ATTRIBUTE_MAX)
        *refusal = "the URL's path is too long to be the cookie's";
    else if (model.secure && !is_https(url))
        *refusal = "Secure, but not over https";
    else if (!model.secure && !is_https(url) && overlays_secure(cookies, &domain, &model, now_s))
        *refusal = "there is a Secure one of that name";
    else
        *refusal = tern_cookie_breaks_prefix(said.name, said.value, said.secure,
                                             model.host_only && tern_str_eq(said.path, TERN_STR("/")));
    return *refusal == NULL ? tern_cookies_keep(cookies, &domain, &model, now_s) : TERN_OK;
}

/* ---- sending (5.8.3) ---- */

static bool is_sent(const struct tern_cookie *cookie, const struct tern_cookies_question *q)
{
    const struct tern_url *url = q->url;

    if (cookie->host_only ? !tern_str_eq(tern_host_text(&url->host), cookie->domain)
                          : !domain_matches(&url->host, cookie->domain))
        return false;
    if (!tern_path_is_within(url->path, cookie->path) || (cookie->secure && !is_https(url)))
        return false;
    if (!q->is_cross_site || cookie->same_site == TERN_SAME_SITE_NONE)
        return true;
    return cookie->same_site != TERN_SAME_SITE_STRICT && q->is_safe;
}

/* Whether a value of Cookie has a pair of that name. */
static bool names(struct tern_str cookies, struct tern_str name)
{
    while (cookies.len > 0) {
        size_t end = tern_str_find(cookies, ';');
        struct tern_str pair = tern_str_trim(tern_str_n(cookies.ptr, end));
        size_t equals = tern_str_find(pair, '=');

        if (equals < pair.len && tern_str_eq(tern_str_trim(tern_str_n(pair.ptr, equals)), name))
            return true;
        cookies = tern_str_from(cookies, end < cookies.len ? end + 1 : end);
    }
    return false;
}

/* Longer paths first, then older ones. */
static bool comes_first(const struct tern_cookie *a, const struct tern_cookie *b)
{
    return a->path.len != b->path.len ? a->path.len > b->path.len : a->created < b->created;
}

static size_t collect(struct tern_cookies *cookies, const struct tern_cookies_question *q,
                      struct tern_cookie *out[TERN_COOKIES_SITE_MAX])
{
    struct tern_cookie_site *site = find_site(cookies, tern_suffix_site(&q->url->host));
    size_t count = 0;

    if (site == NULL)
        return 0;
    TERN_LIST_FOREACH(node, &site->cookies) {
        struct tern_cookie *cookie = of_node(node);
        size_t at = count;

        if (cookie->expires_s <= q->now_s || !is_sent(cookie, q) || names(q->own, cookie->name))
            continue;
        for (; at > 0 && comes_first(cookie, out[at - 1]); at--)
            out[at] = out[at - 1];
        out[at] = cookie;
        count++;
    }
    return count;
}

static enum tern_error append(struct tern_buf *out, const struct tern_cookie *cookie)
{
    enum tern_error error = TERN_OK;

    if (out->len > 0)
        error = tern_buf_append_str(out, TERN_STR("; "));
    if (error == TERN_OK)
        error = tern_buf_append_str(out, cookie->name);
    if (error == TERN_OK && cookie->name.len > 0)
        error = tern_buf_append_byte(out, '=');
    return error == TERN_OK ? tern_buf_append_str(out, cookie->value) : error;
}

enum tern_error tern_cookies_send(struct tern_cookies *cookies, const struct tern_cookies_question *q,
                                  struct tern_buf *out)
{
    struct tern_cookie *sent[TERN_COOKIES_SITE_MAX];
    size_t count = collect(cookies, q, sent), bytes = 0;

    for (size_t i = 0; i < count; i++) {
        size_t more = 2 + sent[i]->name.len + 1 + sent[i]->value.len;
        enum tern_error error;

        if (bytes + more > TERN_COOKIES_SENT_MAX)
            continue; /* a shorter one may still fit */
        if ((error = append(out, sent[i])) != TERN_OK)
            return error;
        bytes += more;
        sent[i]->accessed = ++cookies->clock;
    }
    return TERN_OK;
}
