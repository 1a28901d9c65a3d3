/* The URL parser: tables, RFC 3986 section 5.4, and that parse, print, parse is a fixpoint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/rand.h"
#include "base/str.h"
#include "base/url.h"
#include "tests/support/faultmem.h"

static void expect(struct tern_str view, const char *text)
{
    if (text == NULL) {
        assert_null(view.ptr);
        return;
    }
    assert_non_null(view.ptr);
    if (view.len != strlen(text) || memcmp(view.ptr, text, view.len) != 0)
        fail_msg("\"%.*s\" is not \"%s\"", TERN_ARG(view), text);
}

static void every_part_is_found(void **state)
{
    struct tern_url url = {.port = 0};

    (void)state;
    assert_int_equal(tern_url_parse(&url, tern_str("HTTPS://Us%3aer:pa:ss@Example.COM:8443/a/b?c=d?&e#f/?g"), NULL),
                     TERN_OK);
    expect(url.text, "https://Us%3Aer:pa:ss@example.com:8443/a/b?c=d?&e#f/?g");
    expect(url.scheme, "https");
    expect(url.user, "Us%3Aer");
    expect(url.password, "pa:ss");
    expect(url.authority, "example.com:8443");
    expect(url.target, "/a/b?c=d?&e");
    expect(url.path, "/a/b");
    expect(url.query, "c=d?&e");
    expect(url.fragment, "f/?g");
    expect(tern_host_text(&url.host), "example.com");
    assert_int_equal(url.port, 8443);
    assert_int_equal(tern_url_parse(&url, tern_str("http://[FE80::1%25Eth0]:080"), NULL), TERN_OK);
    expect(url.text, "http://[fe80::1%25Eth0]/");
    expect(url.user, NULL);
    expect(url.password, NULL);
    expect(url.authority, "[fe80::1]"); /* RFC 6874 section 4: the zone stays at home */
    expect(url.target, "/");
    expect(url.query, NULL);
    expect(url.fragment, NULL);
    assert_int_equal(url.port, 80);
    tern_url_deinit(&url);
    assert_int_equal(faultmem_live(), 0);
}

static void what_can_be_mended_is(void **state)
{
    static const char *const table[][2] = {
        {"http://h", "http://h/"},
        {"http://h?q", "http://h/?q"},
        {"http://h#f", "http://h/#f"},
        {"http://h/?#", "http://h/?#"},
        {"http://h:/", "http://h/"},
        {"http://h:80/", "http://h/"},
        {"https://h:80/", "https://h:80/"},
        {"http://h:00000000000000000081/", "http://h:81/"},
        {"socks5h://h:1080", "socks5h://h:1080/"},
        {"foo+1.-://h", "foo+1.-://h/"},
        {"http://@h", "http://@h/"},
        {"http://u@h", "http://u@h/"},
        {"http://u:@h", "http://u:@h/"},
        {"http://u%40x@h", "http://u%40x@h/"},
        {"http://h/%7e%aF", "http://h/%7E%AF"},
        {"http://h/\xc3\xa9?\xc3\xa9#\xc3\xa9", "http://h/%C3%A9?%C3%A9#%C3%A9"},
        {"http://h/\"<>^`{|}[]", "http://h/%22%3C%3E%5E%60%7B%7C%7D%5B%5D"},
        {"http://h/a:@!$&'()*+,;=-._~", "http://h/a:@!$&'()*+,;=-._~"},
        {"http://h?a[]=/?#[/?", "http://h/?a%5B%5D=/?#%5B/?"},
        {"http://h/a#b#c", "http://h/a#b%23c"},
        {"http://%65xample.com", "http://example.com/"},
        {"http://%31.2.3.4", "http://1.2.3.4/"},
        {"http://b%C3%BCcher.example", "http://xn--bcher-kva.example/"},
        {"http://b\xc3\xbc"
         "cher.example",
         "http://xn--bcher-kva.example/"},
        {"http://h/a/./b/../c", "http://h/a/c"},
        {"http://h/a/b/..", "http://h/a/"},
        {"http://h/a/.", "http://h/a/"},
        {"http://h/../..", "http://h/"},
        {"http://h/a/%2e%2E/b/%2e", "http://h/b/"},
        {"http://h/a/.%2e/b", "http://h/b"},
        {"http://h//a//..//", "http://h//a//"},
        {"http://h/.../..a/a..", "http://h/.../..a/a.."},
        {"http://h/a?x/../y", "http://h/a?x/../y"},
    };
    struct tern_url url = {.port = 0};

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(tern_url_parse(&url, tern_str(table[i][0]), NULL), TERN_OK);
        expect(url.text, table[i][1]);
    }
    tern_url_deinit(&url);
}

static void what_cannot_be_right_is_refused_in_words(void **state)
{
    static const char missing_scheme[] = "URL scheme: is missing; a URL starts with http:// or https://";
    static const char missing_host[] = "URL host: is missing; the scheme is followed by \"://\" and a host";
    static const char *const table[][2] = {
        {"", missing_scheme},
        {"example.com/a", missing_scheme},
        {"//h/", missing_scheme},
        {"1http://h/", missing_scheme},
        {"://h/", missing_scheme},
        {"http:", missing_host},
        {"http:/h", missing_host},
        {"http:h", missing_host},
        {"h:80/x", missing_host},
        {"http:///x", "host \"\": is empty"},
        {"http://:80/", "host \"\": is empty"},
        {"http://u@/", "host \"\": is empty"},
        {"http://h /", "URL byte 9 \" \": spaces, controls and backslashes must be percent-encoded"},
        {" http://h/", "URL byte 1 \" \": spaces, controls and backslashes must be percent-encoded"},
        {"http://h\\@x/", "URL byte 9 \"\\\\\": spaces, controls and backslashes must be percent-encoded"},
        {"http://h/\r\nx", "URL byte 10 \"\\x0d\": spaces, controls and backslashes must be percent-encoded"},
        {"http://h/\x7f", "URL byte 10 \"\\x7f\": spaces, controls and backslashes must be percent-encoded"},
        {"http://a@b@c/", "URL userinfo: '@' must be written as %40"},
        {"http://h:0/", "URL port \"0\": must be a number from 1 to 65535"},
        {"http://h:65536/", "URL port \"65536\": must be a number from 1 to 65535"},
        {"http://h:4294967376/", "URL port \"4294967376\": must be a number from 1 to 65535"},
        {"http://h:+80/", "URL port \"+80\": must be a number from 1 to 65535"},
        {"http://h:80:80/", "URL port \"80:80\": must be a number from 1 to 65535"},
        {"http://h:80@x:y/", "URL port \"y\": must be a number from 1 to 65535"},
        {"http://h/%", "URL path: '%' must be followed by two hexadecimal digits"},
        {"http://h/%4", "URL path: '%' must be followed by two hexadecimal digits"},
        {"http://h/?%4g", "URL query: '%' must be followed by two hexadecimal digits"},
        {"http://h/#%x4", "URL fragment: '%' must be followed by two hexadecimal digits"},
        {"http://u%:p@h/", "URL user name: '%' must be followed by two hexadecimal digits"},
        {"http://u:secret%@h/", "URL password: '%' must be followed by two hexadecimal digits"},
        {"http://a%2Fb/", "URL host \"a%2Fb\": '%' may only encode what may stand in a host"},
        {"http://a%00b/", "URL host \"a%00b\": '%' may only encode what may stand in a host"},
        {"http://a%20b/", "URL host \"a%20b\": '%' may only encode what may stand in a host"},
        {"http://a%40b/", "URL host \"a%40b\": '%' may only encode what may stand in a host"},
        {"http://%3A%3A1/", "URL host \"%3A%3A1\": '%' may only encode what may stand in a host"},
        {"http://%5B::1]/", "URL host \"%5B\": '%' may only encode what may stand in a host"},
        {"http://a%/", "URL host \"a%\": '%' may only encode what may stand in a host"},
        {"http://a%2/", "URL host \"a%2\": '%' may only encode what may stand in a host"},
        {"http://%FF/", NULL},
        {"http://127.1/", "host \"127.1\": ends in a number, but is not an IPv4 address of four decimal numbers"},
        {"http://[::1/", "host \"[::1\": the bracket is not closed"},
        {"http://[::1]x/", "host \"[::1]x\": the bracket is not closed"},
        {"http://[fe80::1%eth0]/", "URL host \"[fe80::1%eth0]\": a zone is written as %25 and its name"},
        {"http://[fe80::1%25]/", "host \"[fe80::1%]\": the zone must be 1 to 31 letters, digits, '-', '.', '_' or '~'"},
        {"http://[fe80::1%25a%25]/", NULL},
        {"http://[v1.x]/", "host \"[v1.x]\": is not an IPv6 address"},
        {"http://a[/", NULL},
        {"http://a,b/", NULL},
    };
    struct tern_url url = {.port = 0};
    struct tern_fault fault;

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(tern_url_parse(&url, tern_str("http://before/"), NULL), TERN_OK);
        fault.error = TERN_OK;
        if (tern_url_parse(&url, tern_str(table[i][0]), &fault) != TERN_EURL)
            fail_msg("\"%s\" is accepted", table[i][0]);
        assert_int_equal(fault.error, TERN_EURL);
        if (table[i][1] != NULL)
            assert_string_equal(fault.text, table[i][1]);
        assert_null(strstr(fault.text, "secret"));
        assert_int_equal(url.text.len, 0);
        assert_int_equal(url.host.len, 0);
    }
    assert_int_equal(tern_url_parse(&url, TERN_STR("http://h/\0"), &fault), TERN_EURL);
    tern_url_deinit(&url);
}

/* RFC 3986 section 5.4, the strict column. What has no authority there is refused here. */
static void references_are_resolved(void **state)
{
    static const char *const table[][2] = {
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g/"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q#s"},
        {"g#s", "http://a/b/c/g#s"},
        {"g?y#s", "http://a/b/c/g?y#s"},
        {";x", "http://a/b/c/;x"},
        {"g;x", "http://a/b/c/g;x"},
        {"g;x?y#s", "http://a/b/c/g;x?y#s"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"../../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {".g", "http://a/b/c/.g"},
        {"g..", "http://a/b/c/g.."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"./g/.", "http://a/b/c/g/"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"},
        {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/./x", "http://a/b/c/g?y/./x"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"g#s/./x", "http://a/b/c/g#s/./x"},
        {"g#s/../x", "http://a/b/c/g#s/../x"},
        {"https://H:444/x", "https://h:444/x"},
    };
    struct tern_url base = {.port = 0}, url = {.port = 0};

    (void)state;
    assert_int_equal(tern_url_parse(&base, tern_str("http://a/b/c/d;p?q"), NULL), TERN_OK);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(tern_url_resolve(&url, &base, tern_str(table[i][0]), NULL), TERN_OK);
        expect(url.text, table[i][1]);
    }
    assert_int_equal(tern_url_resolve(&url, &base, tern_str("g:h"), NULL), TERN_EURL);
    assert_int_equal(tern_url_resolve(&url, &base, tern_str("http:g"), NULL), TERN_EURL);
    assert_int_equal(tern_url_resolve(&url, &base, tern_str("a b"), NULL), TERN_EURL);
    expect(base.text, "http://a/b/c/d;p?q");

    assert_int_equal(tern_url_parse(&base, tern_str("https://u:p@[fe80::1%25a]:81//x//y#f"), NULL), TERN_OK);
    assert_int_equal(tern_url_resolve(&url, &base, tern_str("z"), NULL), TERN_OK);
    expect(url.text, "https://u:p@[fe80::1%25a]:81//x//z");
    assert_true(tern_url_same_origin(&url, &base));
    assert_int_equal(tern_url_resolve(&url, &base, tern_str("..//z"), NULL), TERN_OK);
    expect(url.text, "https://u:p@[fe80::1%25a]:81//x//z");
    assert_int_equal(tern_url_resolve(&url, &base, tern_str("//h"), NULL), TERN_OK);
    expect(url.text, "https://h/");
    tern_url_deinit(&base);
    tern_url_deinit(&url);
}

static void an_origin_is_scheme_host_and_port(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } table[] = {
        {"http://h/a", "HTTP://u:p@H.:80/b?c#d", true},
        {"http://h/", "https://h/", false},
        {"http://h/", "http://h:81/", false},
        {"http://h/", "http://www.h/", false},
        {"http://h:443/", "https://h:443/", false},
        {"http://[::1]/", "http://[0:0::1]:80/", true},
        {"http://[::1%251]/", "http://[::1%252]/", false},
    };
    struct tern_url a = {.port = 0}, b = {.port = 0};

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(tern_url_parse(&a, tern_str(table[i].a), NULL), TERN_OK);
        assert_int_equal(tern_url_parse(&b, tern_str(table[i].b), NULL), TERN_OK);
        assert_int_equal(tern_url_same_origin(&a, &b), table[i].same);
    }
    tern_url_deinit(&a);
    tern_url_deinit(&b);
}

/* "http://h/" and fill again and again up to len. */
static enum tern_error parse_filled(struct tern_url *url, const char *fill, size_t len, struct tern_fault *fault)
{
    static char text[TERN_URL_MAX + 1];

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = fill[(i - 9) % strlen(fill)];
    memcpy(text, "http://h/", 9);
    return tern_url_parse(url, (struct tern_str){text, len}, fault);
}

static void length_is_limited_as_given_and_as_printed(void **state)
{
    struct tern_url url = {.port = 0};
    struct tern_fault fault;

    (void)state;
    assert_int_equal(parse_filled(&url, "a", TERN_URL_MAX, &fault), TERN_OK);
    assert_int_equal(url.text.len, TERN_URL_MAX);
    assert_int_equal(parse_filled(&url, "a", TERN_URL_MAX + 1, &fault), TERN_EURL);
    assert_string_equal(fault.text, "URL: is longer than 65536 bytes");
    assert_int_equal(parse_filled(&url, "|", TERN_URL_MAX / 2, &fault), TERN_EURL);
    assert_int_equal(parse_filled(&url, "|", 9 + (TERN_URL_MAX - 9) / 3, &fault), TERN_OK);
    assert_int_equal(parse_filled(&url, "|", 10 + (TERN_URL_MAX - 9) / 3, &fault), TERN_EURL);
    assert_string_equal(fault.text, "URL: is longer than 65536 bytes");
    assert_int_equal(parse_filled(&url, "/", TERN_URL_MAX, &fault), TERN_OK);
    assert_int_equal(parse_filled(&url, "./", TERN_URL_MAX, &fault), TERN_OK);
    expect(url.text, "http://h/");
    assert_int_equal(parse_filled(&url, "./", TERN_URL_MAX + 1, &fault), TERN_EURL);
    tern_url_deinit(&url);
}

static void append_piece(struct tern_buf *buf, struct tern_rand *rand)
{
    static const char *const pieces[] = {
        "http:",
        "https:",
        "//",
        "/",
        "/",
        ".",
        "..",
        "/../",
        "/./",
        "%2e",
        "%2E",
        "%",
        "%41",
        "%c3%bc",
        "%2f",
        "?",
        "#",
        "@",
        ":",
        ":80",
        ":443",
        ":8080",
        "a",
        "B",
        "example.com",
        "127.0.0.1",
        "0x7f",
        "[::1]",
        "[fe80::1%25x]",
        "[",
        "]",
        "\xc3\xbc",
        "\xff",
        "|",
        "\"",
        ";",
        "&",
        "=",
        "+",
        "-",
        "_",
        "~",
        " ",
        "\\",
        "\n",
        "xn--bcher-kva",
    };

    assert_int_equal(
        tern_buf_append_str(buf, tern_str(pieces[tern_rand_below(rand, sizeof(pieces) / sizeof(pieces[0]))])), TERN_OK);
}

/* What holds of every URL that is accepted. */
static void check_url(const struct tern_url *url, struct tern_url *again)
{
    assert_int_equal(tern_url_parse(again, url->text, NULL), TERN_OK);
    if (!tern_str_eq(again->text, url->text))
        fail_msg("\"%.*s\" becomes \"%.*s\"", TERN_ARG(url->text), TERN_ARG(again->text));
    assert_true(tern_str_eq(again->authority, url->authority));
    assert_true(tern_str_eq(again->target, url->target));
    assert_true(tern_url_same_origin(again, url));
    assert_int_equal(url->target.ptr[0], '/');
    for (size_t i = 0; i < url->text.len; i++)
        assert_in_range(url->text.ptr[i], 0x21, 0x7e);
    assert_null(memmem(url->path.ptr, url->path.len, "/../", 4));
    assert_null(memmem(url->path.ptr, url->path.len, "/./", 3));
}

static void parse_print_parse_is_a_fixpoint(void **state)
{
    struct tern_url base = {.port = 0}, url = {.port = 0}, again = {.port = 0};
    struct tern_buf text;
    struct tern_rand rand;
    unsigned parsed = 0, resolved = 0;

    (void)state;
    tern_buf_init(&text, 1000);
    tern_rand_seed(&rand, 6);
    assert_int_equal(tern_url_parse(&base, tern_str("http://u@base/a/b/c"), NULL), TERN_OK);
    for (int i = 0; i < 100000; i++) {
        uint64_t n = tern_rand_below(&rand, 8);

        tern_buf_clear(&text);
        for (uint64_t k = 0; k < n; k++)
            append_piece(&text, &rand);
        if (tern_url_resolve(&url, &base, tern_buf_view(&text), NULL) == TERN_OK) {
            check_url(&url, &again);
            resolved++;
        }
        tern_buf_clear(&text);
        assert_int_equal(tern_buf_append_str(&text, tern_str("http://")), TERN_OK);
        for (uint64_t k = 0; k < n; k++)
            append_piece(&text, &rand);
        if (tern_url_parse(&url, tern_buf_view(&text), NULL) == TERN_OK) {
            check_url(&url, &again);
            parsed++;
        }
    }
    assert_in_range(parsed, 1000, 99000);
    assert_in_range(resolved, 1000, 99000);
    tern_url_deinit(&base);
    tern_url_deinit(&url);
    tern_url_deinit(&again);
    tern_buf_deinit(&text);
}

static void every_allocation_may_fail(void **state)
{
    static const char text[] =
        "http://user:password@example.com/a/path/that/takes/some/room/and/then/some/more?and=query#f";
    struct tern_url url = {.port = 0};
    struct tern_fault fault;
    uint64_t n;

    (void)state;
    for (n = 1;; n++) {
        enum tern_error error;

        faultmem_fail_nth(n);
        error = tern_url_parse(&url, tern_str(text), &fault);
        if (!faultmem_failed())
            break;
        assert_int_equal(error, TERN_ENOMEM);
        assert_int_equal(fault.error, TERN_ENOMEM);
        assert_int_equal(url.text.len, 0);
        tern_url_deinit(&url);
        assert_int_equal(faultmem_live(), 0);
    }
    faultmem_never_fail();
    assert_true(n > 1);
    expect(url.text, text);
    tern_url_deinit(&url);
}

static void a_warm_parse_allocates_nothing(void **state)
{
    struct tern_url url = {.port = 0};
    uint64_t before;

    (void)state;
    assert_int_equal(tern_url_parse(&url, tern_str("http://example.com:8080/a/b?c"), NULL), TERN_OK);
    before = faultmem_count();
    for (int i = 0; i < 10; i++)
        assert_int_equal(tern_url_parse(&url, tern_str("http://example.com:8080/a/b?d"), NULL), TERN_OK);
    assert_int_equal(faultmem_count(), before);
    tern_url_deinit(&url);
}

static void the_same_text_again_is_not_parsed_again(void **state)
{
    struct tern_url url = {.port = 0};
    const char *first;

    (void)state;
    assert_int_equal(tern_url_parse(&url, tern_str("http://u:p@h:81/a?b#c"), NULL), TERN_OK);
    first = url.text.ptr;
    assert_int_equal(tern_url_parse(&url, tern_str("http://u:p@h:81/a?b#c"), NULL), TERN_OK);
    assert_ptr_equal(url.text.ptr, first);
    expect(url.user, "u");
    expect(url.password, "p");
    expect(url.authority, "h:81");
    expect(url.target, "/a?b");
    expect(url.fragment, "c");
    assert_int_equal(url.port, 81);
    assert_int_equal(tern_url_parse(&url, tern_str("http://u:p@h:82/a?b#c"), NULL), TERN_OK);
    assert_int_equal(url.port, 82);
    assert_int_equal(tern_url_parse(&url, tern_str("http://u:p@h:0/a?b#c"), NULL), TERN_EURL);
    assert_int_equal(tern_url_parse(&url, tern_str(""), NULL), TERN_EURL);
    tern_url_deinit(&url);
}

static void a_url_may_be_moved(void **state)
{
    struct tern_url from = {.port = 0}, to;

    (void)state;
    assert_int_equal(tern_url_parse(&from, tern_str("http://h/path"), NULL), TERN_OK);
    to = from;
    from = (struct tern_url){.port = 0};
    expect(to.path, "/path");
    tern_url_deinit(&to);
    tern_url_deinit(&from);
}

static void percent_decoding_keeps_what_is_not_encoded(void **state)
{
    struct tern_buf buf;

    (void)state;
    tern_buf_init(&buf, 20);
    assert_int_equal(tern_percent_decode(&buf, tern_str("a%3ab%zz%4%")), TERN_OK);
    expect(tern_buf_view(&buf), "a:b%zz%4%");
    assert_int_equal(tern_percent_decode(&buf, tern_str("123456789012")), TERN_ELIMIT);
    tern_buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_is_found),
        cmocka_unit_test(what_can_be_mended_is),
        cmocka_unit_test(what_cannot_be_right_is_refused_in_words),
        cmocka_unit_test(references_are_resolved),
        cmocka_unit_test(an_origin_is_scheme_host_and_port),
        cmocka_unit_test(length_is_limited_as_given_and_as_printed),
        cmocka_unit_test(parse_print_parse_is_a_fixpoint),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_warm_parse_allocates_nothing),
        cmocka_unit_test(the_same_text_again_is_not_parsed_again),
        cmocka_unit_test(a_url_may_be_moved),
        cmocka_unit_test(percent_decoding_keeps_what_is_not_encoded),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
