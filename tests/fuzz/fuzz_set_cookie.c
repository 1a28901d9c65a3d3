/* Cookies: whatever servers and files say, none is sent to a host that its domain does not match, over http where it is
 * Secure, or across a public suffix; hearing again changes nothing, and the text of a jar reads as that jar. The input:
 * a byte of options, a line with a URL, a line with another, then lines: fields Set-Cookie of the first URL's server.
 * With FILE they are the lines of a file instead. */
#include "base/mem.h"
#include "policy/cookies.h"
#include "policy/suffix.h"
#include "tern/jar.h"
#include "tests/fuzz/fuzz.h"

#define NOW 1700000000

enum { FILE_TEXT = 1, CROSS_SITE = 2, SAFE = 4 };

static void init(struct tern_cookies *cookies)
{
    tern_cookies_init(cookies, (struct tern_hash_seed){1, 2});
}

static bool ends_with(struct tern_str s, struct tern_str end)
{
    return s.len >= end.len && tern_str_eq(tern_str_from(s, s.len - end.len), end);
}

/* What every cookie in a jar is. */
static void check_kept(const struct tern_cookies *cookies)
{
    uint32_t count = 0;

    TERN_LIST_FOREACH(node, &cookies->order) {
        const struct tern_cookie *cookie = tern_cookie_of_order(node);
        struct tern_host domain;

        count++;
        FUZZ_CHECK(tern_cookie_refuses(cookie->name, cookie->value) == NULL);
        FUZZ_CHECK(cookie->path.len > 0 && cookie->path.ptr[0] == '/');
        FUZZ_CHECK(tern_host_parse(&domain, cookie->domain, NULL) == TERN_OK);
        fuzz_same(tern_host_text(&domain), cookie->domain);
        FUZZ_CHECK(cookie->host_only || (domain.kind == TERN_HOST_NAME && !tern_suffix_is_public(&domain)));
        FUZZ_CHECK(cookie->expires_s > NOW);
    }
    FUZZ_CHECK(count == cookies->count);
    FUZZ_CHECK(count <= TERN_COOKIES_MAX);
}

/* RFC 6265bis 5.8.3 once more, cookie by cookie. */
static bool may_go(const struct tern_cookie *cookie, const struct tern_cookies_question *q)
{
    struct tern_str host = tern_host_text(&q->url->host);
    size_t more = host.len - cookie->domain.len;
    bool below = !cookie->host_only && ends_with(host, cookie->domain) && more > 0 && host.ptr[more - 1] == '.';

    if (!tern_str_eq(host, cookie->domain) && !below)
        return false;
    if (cookie->secure && !tern_str_eq(q->url->scheme, TERN_STR("https")))
        return false;
    return !q->is_cross_site || cookie->same_site == TERN_SAME_SITE_NONE ||
           (cookie->same_site != TERN_SAME_SITE_STRICT && q->is_safe);
}

static void check_sent(struct tern_cookies *cookies, const struct tern_cookies_question *q)
{
    struct tern_buf out;
    struct tern_str rest, pair;
    size_t end;

    tern_buf_init(&out, 2 * TERN_COOKIES_SENT_MAX);
    FUZZ_CHECK(tern_cookies_send(cookies, q, &out) == TERN_OK);
    FUZZ_CHECK(out.len <= TERN_COOKIES_SENT_MAX);
    for (rest = tern_buf_view(&out); rest.len > 0; rest = tern_str_from(rest, end < rest.len ? end + 1 : end)) {
        bool is_known = false;

        end = tern_str_find(rest, ';');
        pair = tern_str_trim(tern_str_n(rest.ptr, end));
        TERN_LIST_FOREACH(node, &cookies->order) {
            const struct tern_cookie *cookie = tern_cookie_of_order(node);
            struct tern_str value = tern_str_trim(cookie->value);

            is_known |=
                may_go(cookie, q) && ends_with(pair, value) && pair.len >= tern_str_trim(cookie->name).len + value.len;
        }
        FUZZ_CHECK(is_known);
    }
    tern_buf_deinit(&out);
}

static void check_text(const struct tern_cookies *cookies)
{
    struct tern_cookies again;
    struct tern_buf first, second;

    init(&again);
    tern_buf_init(&first, SIZE_MAX);
    tern_buf_init(&second, SIZE_MAX);
    FUZZ_CHECK(tern_cookies_save(cookies, &first, NOW) == TERN_OK);
    FUZZ_CHECK(tern_cookies_load(&again, tern_buf_view(&first), NOW, NULL) == TERN_OK);
    FUZZ_CHECK(again.count == cookies->count);
    FUZZ_CHECK(tern_cookies_save(&again, &second, NOW) == TERN_OK);
    fuzz_same(tern_buf_view(&first), tern_buf_view(&second));
    tern_buf_deinit(&first);
    tern_buf_deinit(&second);
    tern_cookies_deinit(&again);
}

static void hear_all(struct tern_cookies *cookies, const struct tern_url *url, struct tern_str rest)
{
    while (rest.len > 0) {
        struct tern_str line = fuzz_line(&rest);
        uint32_t before = cookies->count;
        const char *refusal;

        FUZZ_CHECK(tern_cookies_hear(cookies, url, line, NOW, &refusal) == TERN_OK);
        FUZZ_CHECK(refusal == NULL || cookies->count == before);
        before = cookies->count;
        FUZZ_CHECK(tern_cookies_hear(cookies, url, line, NOW, &refusal) == TERN_OK);
        FUZZ_CHECK(cookies->count == before);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tern_str rest = {(const char *)data, size};
    uint8_t options = fuzz_byte(&rest);
    struct tern_str first = fuzz_line(&rest), second = fuzz_line(&rest);
    struct tern_url from = {0}, to = {0};
    struct tern_cookies_question q = {
        .url = &to, .is_cross_site = (options & CROSS_SITE) != 0, .is_safe = (options & SAFE) != 0, .now_s = NOW};
    struct tern_cookies cookies;

    init(&cookies);
    if (tern_url_parse(&from, first, NULL) == TERN_OK && tern_url_parse(&to, second, NULL) == TERN_OK) {
        if ((options & FILE_TEXT) != 0)
            FUZZ_CHECK(tern_cookies_load(&cookies, rest, NOW, NULL) == TERN_OK);
        else
            hear_all(&cookies, &from, rest);
        check_kept(&cookies);
        check_sent(&cookies, &q);
        check_text(&cookies);
    }
    tern_cookies_deinit(&cookies);
    tern_url_deinit(&from);
    tern_url_deinit(&to);
    return 0;
}
