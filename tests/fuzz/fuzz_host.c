/* Hosts, internationalised ones too: normalising what was normalised changes nothing, the URL parser sees the same host
 * in the same text, and a pattern made of it matches it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/url.h"
#include "policy/match.h"
#include "tests/fuzz/fuzz.h"

/* Bytes that mean something else in a URL, or are decoded there. */
static bool is_plain(struct tern_str host)
{
    for (size_t i = 0; i < host.len; i++)
        if (strchr("/?#@:\\[]%", host.ptr[i]) != NULL || (unsigned char)host.ptr[i] <= 0x20 || host.ptr[i] == 0x7f)
            return false;
    return host.len > 0;
}

static void check_in_url(struct tern_str text, const struct tern_host *host)
{
    struct tern_url url = {0};
    char *in = NULL;
    int len = asprintf(&in, "http://%.*s/", TERN_ARG(text));
    enum tern_error error;

    FUZZ_CHECK(len > 0);
    error = tern_url_parse(&url, tern_str_n(in, (size_t)len), NULL);
    FUZZ_CHECK((error == TERN_OK) == (host != NULL));
    if (error == TERN_OK)
        fuzz_same(tern_host_text(&url.host), tern_host_text(host));
    free(in);
    tern_url_deinit(&url);
}

static void check_name(const struct tern_host *host)
{
    size_t label = 0;

    FUZZ_CHECK(host->len > 0 && host->len <= TERN_HOST_TEXT_MAX && host->text[host->len - 1] != '.');
    for (size_t i = 0; i < host->len; i++) {
        char c = host->text[i];

        FUZZ_CHECK(c == '.' || c == '-' || c == '_' || tern_ascii_is_digit(c) || (c >= 'a' && c <= 'z'));
        label = c == '.' ? 0 : label + 1;
        FUZZ_CHECK(label <= TERN_HOST_LABEL_MAX && (c != '.' || (i > 0 && host->text[i - 1] != '.')));
    }
}

static void check_pattern(const struct tern_host *host)
{
    struct tern_match match;

    FUZZ_CHECK(tern_match_parse(&match, tern_host_text(host), NULL) == TERN_OK);
    FUZZ_CHECK(tern_match_host(&match, host));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tern_str text = {(const char *)data, size};
    struct tern_match match;
    struct tern_host host, again;
    enum tern_error error = tern_host_parse(&host, text, NULL);

    FUZZ_CHECK(error == TERN_OK || error == TERN_EURL);
    if (error == TERN_OK) {
        FUZZ_CHECK(tern_host_parse(&again, tern_host_text(&host), NULL) == TERN_OK);
        fuzz_same(tern_host_text(&host), tern_host_text(&again));
        FUZZ_CHECK(tern_host_eq(&host, &again) && host.kind == again.kind);
        FUZZ_CHECK(host.text[host.len] == '\0');
        if (host.kind == TERN_HOST_NAME)
            check_name(&host);
        if (host.zone_at == 0)
            check_pattern(&host);
    }
    if (is_plain(text))
        check_in_url(text, error == TERN_OK ? &host : NULL);
    error = tern_match_parse(&match, text, NULL);
    FUZZ_CHECK(error == TERN_OK || error == TERN_ECONFIG);
    return 0;
}
