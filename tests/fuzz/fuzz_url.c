/* URLs: what parses prints as a text that parses to the same, in agreement with the host normaliser and with the gate
 * for requests; and so for what a reference resolves to. The input: a line with a URL, then a reference. */
#include "base/fields.h"
#include "base/url.h"
#include "proto/request.h"
#include "tests/fuzz/fuzz.h"

static void check_host(const struct tern_host *host)
{
    struct tern_host again;

    FUZZ_CHECK(tern_host_parse(&again, tern_host_text(host), NULL) == TERN_OK);
    fuzz_same(tern_host_text(host), tern_host_text(&again));
    FUZZ_CHECK(tern_host_eq(host, &again));
}

/* What goes on the wire passes the gate. */
static void check_request(const struct tern_url *url)
{
    const struct tern_outgoing message = {
        .method = TERN_STR("GET"), .scheme = url->scheme, .authority = url->authority, .target = url->target};

    FUZZ_CHECK(tern_request_check(&message, NULL) == TERN_OK);
}

static void check(const struct tern_url *url)
{
    struct tern_url again = {0};

    FUZZ_CHECK(url->text.len <= TERN_URL_MAX && url->path.len > 0 && url->path.ptr[0] == '/');
    FUZZ_CHECK(tern_url_parse(&again, url->text, NULL) == TERN_OK);
    fuzz_same(url->text, again.text);
    fuzz_same(url->scheme, again.scheme);
    fuzz_same(url->user, again.user);
    fuzz_same(url->password, again.password);
    fuzz_same(url->authority, again.authority);
    fuzz_same(url->target, again.target);
    fuzz_same(url->path, again.path);
    fuzz_same(url->query, again.query);
    fuzz_same(url->fragment, again.fragment);
    FUZZ_CHECK((url->query.ptr == NULL) == (again.query.ptr == NULL));
    FUZZ_CHECK((url->fragment.ptr == NULL) == (again.fragment.ptr == NULL));
    FUZZ_CHECK(url->port == again.port && tern_host_eq(&url->host, &again.host));
    FUZZ_CHECK(tern_url_same_origin(url, &again));
    check_host(&url->host);
    check_request(url);
    tern_url_deinit(&again);
}

static void check_resolved(const struct tern_url *base, struct tern_str reference)
{
    struct tern_url to = {0}, absolute = {0}, again = {0};
    enum tern_error error = tern_url_resolve(&to, base, reference, NULL);

    FUZZ_CHECK(error == TERN_OK || error == TERN_EURL);
    if (tern_url_parse(&absolute, reference, NULL) == TERN_OK) {
        FUZZ_CHECK(error == TERN_OK);
        fuzz_same(to.text, absolute.text);
    }
    if (error == TERN_OK) {
        check(&to);
        FUZZ_CHECK(tern_url_resolve(&again, base, to.text, NULL) == TERN_OK);
        fuzz_same(to.text, again.text);
    }
    tern_url_deinit(&again);
    tern_url_deinit(&absolute);
    tern_url_deinit(&to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tern_str rest = {(const char *)data, size}, text = fuzz_line(&rest);
    struct tern_fault fault = {0};
    struct tern_url url = {0};
    enum tern_error error = tern_url_parse(&url, text, &fault);

    if (error == TERN_OK) {
        check(&url);
        check_resolved(&url, rest);
    } else {
        FUZZ_CHECK(error == TERN_EURL && fault.error == TERN_EURL && fault.text[0] != '\0');
        FUZZ_CHECK(url.text.len == 0);
    }
    tern_url_deinit(&url);
    return 0;
}
