/* Identity: what a client may be told, which challenge it answers, and what it remembers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "policy/auth.h"
#include "policy/spaces.h"
#include "tests/support/faultmem.h"

/* ---- configurations ---- */

static void ask(void *user, struct tern_client *client, uint64_t question, bool was_refused)
{
    (void)user;
    (void)client;
    (void)question;
    (void)was_refused;
}

static void test_configurations(void **state)
{
    static const struct {
        struct tern_auth auth;
        const char *why; /* NULL: taken */
    } cases[] = {
        {{.user = TERN_STR("u"), .password = TERN_STR("p:q")}, NULL},
        {{.user = TERN_STR("")}, NULL},
        {{.netrc = TERN_STR("")}, NULL},
        {{.ask_token = ask}, NULL},
        {{.schemes = 0}, "policy.auth: needs user or netrc, or else ask_token"},
        {{.user = TERN_STR("u"), .ask_token = ask}, "policy.auth: needs user or netrc, or else ask_token"},
        {{.user = TERN_STR("u:v")}, "policy.auth.user: must not hold a colon"},
        {{.user = TERN_STR("u\n")}, "policy.auth.user: must not hold control characters"},
        {{.user = TERN_STR("u"), .password = TERN_STR("p\x7f")}, "policy.auth.password: must not hold control"},
        {{.user = TERN_STR("u"), .schemes = 4}, "policy.auth.schemes 4: must be TERN_AUTH_*"},
        {{.netrc = TERN_STR("machine")}, "netrc, line 1: machine needs a host"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tern_keep keep = {NULL};
        struct tern_auth_rules rules;
        struct tern_fault why = {.text = ""};
        enum tern_error error = tern_auth_compile(&rules, &cases[i].auth, &keep, &why);

        assert_int_equal(error, cases[i].why != NULL ? TERN_ECONFIG : TERN_OK);
        if (cases[i].why != NULL && strncmp(why.text, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("%zu: %s", i, why.text);
        if (error == TERN_OK) {
            assert_int_equal(rules.config.schemes, TERN_AUTH_BASIC | TERN_AUTH_DIGEST);
            assert_true(tern_str_eq(rules.config.user, cases[i].auth.user));
            assert_true(rules.config.user.ptr == NULL || rules.config.user.ptr != cases[i].auth.user.ptr);
        }
        tern_keep_deinit(&keep);
    }
}

/* ---- choosing ---- */

#define ANY (TERN_AUTH_BASIC | TERN_AUTH_DIGEST)
#define MD5 "Digest realm=\"m\", nonce=1, qop=auth"
#define SHA "Digest realm=\"s\", nonce=2, algorithm=SHA-256, qop=auth"
#define BASIC "Basic realm=\"b\""

static void test_the_strongest_is_answered(void **state)
{
    static const struct {
        const char *first, *second;
        uint32_t schemes;
        bool has_text;
        enum tern_auth_scheme scheme;
        const char *realm; /* or the reason */
    } cases[] = {
        {BASIC, NULL, ANY, true, TERN_SCHEME_BASIC, NULL},
        {BASIC ", " MD5, NULL, ANY, true, TERN_SCHEME_DIGEST, "m"},
        {MD5 ", " BASIC, NULL, ANY, true, TERN_SCHEME_DIGEST, "m"},
        {MD5 ", " SHA, NULL, ANY, true, TERN_SCHEME_DIGEST, "s"},
        {SHA, MD5, ANY, true, TERN_SCHEME_DIGEST, "s"},
        {BASIC, MD5, ANY, true, TERN_SCHEME_DIGEST, "m"},
        {MD5, "DIGEST realm=\"n\", nonce=1", ANY, true, TERN_SCHEME_DIGEST, "m"},
        {"Negotiate, NTLM", BASIC, ANY, true, TERN_SCHEME_BASIC, NULL},
        {BASIC ", " MD5, NULL, TERN_AUTH_BASIC, true, TERN_SCHEME_BASIC, NULL},
        {BASIC, NULL, TERN_AUTH_DIGEST, true, TERN_SCHEME_NONE, "the server offers no scheme that is allowed"},
        {MD5, NULL, TERN_AUTH_BASIC, true, TERN_SCHEME_NONE, "the server offers no scheme that is allowed"},
        {NULL, NULL, ANY, true, TERN_SCHEME_NONE, "the server does not say what it wants (WWW-Authenticate)"},
        {"Digest realm=\"x\", nonce=1, qop=auth-int", NULL, ANY, true, TERN_SCHEME_DIGEST, "x"},
        {"Digest realm=\"x\", nonce=1, qop=auth-int", NULL, ANY, false, TERN_SCHEME_NONE,
         "the server wants the body hashed (auth-int), and it is not in memory or over 1 MiB"},
        {"Digest realm=\"x\", nonce=1, algorithm=SHA-512-256, qop=auth", MD5, ANY, true, TERN_SCHEME_DIGEST, "m"},
        {"Digest realm=\"x\", nonce=1, algorithm=SHA-512-256, qop=auth", NULL, ANY, true, TERN_SCHEME_NONE,
         "the server's Digest algorithm is not one of MD5 and SHA-256"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tern_field fields[] = {{TERN_STR("Date"), TERN_STR("x"), 0},
                                            {TERN_STR("www-authenticate"), tern_str(cases[i].first), 0},
                                            {TERN_STR("WWW-Authenticate"), tern_str(cases[i].second), 0}};
        size_t count = 1 + (cases[i].first != NULL) + (cases[i].second != NULL);
        enum tern_auth_scheme scheme;
        struct tern_digest digest;
        const char *reason;

        tern_digest_init(&digest);
        assert_int_equal(
            tern_auth_choose(fields, count, cases[i].schemes, cases[i].has_text, &digest, &scheme, &reason), TERN_OK);
        assert_int_equal(scheme, cases[i].scheme);
        if (scheme == TERN_SCHEME_NONE)
            assert_string_equal(reason, cases[i].realm);
        else
            assert_null(reason);
        if (scheme == TERN_SCHEME_DIGEST)
            assert_true(tern_str_eq(digest.realm, tern_str(cases[i].realm)));
        tern_digest_deinit(&digest);
    }
}

static void test_basic(void **state)
{
    /* RFC 7617 2 and 2.1. */
    static const struct {
        const char *user, *password, *value;
    } cases[] = {{"Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
                 {"test", "123\xc2\xa3", "Basic dGVzdDoxMjPCow=="},
                 {"", "", "Basic Og=="}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tern_buf out;

        tern_buf_init(&out, 128);
        assert_int_equal(tern_auth_basic(&out, tern_str(cases[i].user), tern_str(cases[i].password)), TERN_OK);
        assert_true(tern_str_eq(tern_buf_view(&out), tern_str(cases[i].value)));
        tern_buf_wipe(&out);
    }
    assert_int_equal(faultmem_live(), 0);
}

static void test_tokens(void **state)
{
    (void)state;
    assert_true(tern_auth_is_token(TERN_STR("mF_9.B5f-4.1JqM~+/==")));
    assert_false(tern_auth_is_token(TERN_STR("")));
    assert_false(tern_auth_is_token(TERN_STR("==")));
    assert_false(tern_auth_is_token(TERN_STR("a=b")));
    assert_false(tern_auth_is_token(TERN_STR("a b")));
    assert_false(tern_auth_is_token(TERN_STR("a\r\nEvil: 1")));
}

/* ---- spaces ---- */

static void test_which_part_a_challenge_speaks_of(void **state)
{
    static const struct {
        const char *domain, *path, *space;
    } cases[] = {
        /* NULL: Basic. */
        {NULL, "/a/b", "/a/"},
        {NULL, "/a/b/", "/a/b/"},
        {NULL, "/", "/"},
        {"", "/a/b", "/"},
        {"/a", "/a/b", "/a"},
        {"/x /a/", "/a/b", "/a/"},
        {"/x", "/a/b", "/"},
        {"HTTP://o.test/a", "/a/b", "/a"},
        {"http://evil.test/a", "/a/b", "/"},
        {"  /a  ", "/a/b", "/a"},
        {"relative", "/a/b", "/"},
        {"/a /a/bc", "/ab", "/"},
        {"/a /a/b", "/a/bc", "/a"},
        {"/a/b/c/d/e/f", "/a", "/"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tern_digest digest = {.domain = tern_str(cases[i].domain)};
        struct tern_str space = tern_auth_space(TERN_STR("http://o.test"), tern_str(cases[i].path),
                                                cases[i].domain != NULL ? &digest : NULL);

        assert_true(tern_str_eq(space, tern_str(cases[i].space)));
    }
}

static struct tern_digest make_digest(const char *nonce)
{
    struct tern_digest digest;

    tern_digest_init(&digest);
    assert_int_equal(tern_buf_append_str(&digest.nonce, tern_str(nonce)), TERN_OK);
    return digest;
}

static struct tern_space *note(struct tern_spaces *spaces, const char *who, const char *path, const char *nonce)
{
    struct tern_digest digest = make_digest(nonce);
    struct tern_space *space = tern_spaces_note(spaces, tern_str(who), tern_str(path), &digest);

    assert_non_null(space);
    assert_int_equal(digest.nonce.len, 0);
    return space;
}

static void test_spaces(void **state)
{
    struct tern_spaces spaces;
    struct tern_space *root, *below;

    (void)state;
    tern_spaces_init(&spaces, (struct tern_hash_seed){1, 2});
    root = note(&spaces, "a", "/", "1");
    below = note(&spaces, "a", "/p", "2");
    assert_ptr_equal(tern_spaces_find(&spaces, TERN_STR("a"), TERN_STR("/")), root);
    assert_ptr_equal(tern_spaces_find(&spaces, TERN_STR("a"), TERN_STR("/px")), root);
    assert_ptr_equal(tern_spaces_find(&spaces, TERN_STR("a"), TERN_STR("/p")), below);
    assert_ptr_equal(tern_spaces_find(&spaces, TERN_STR("a"), TERN_STR("/p/q")), below);
    assert_null(tern_spaces_find(&spaces, TERN_STR("b"), TERN_STR("/p/q")));
    /* The same nonce again goes on counting, another one does not. */
    root->nc = 5;
    assert_ptr_equal(note(&spaces, "a", "/", "1"), root);
    assert_int_equal(root->nc, 5);
    assert_int_equal(note(&spaces, "a", "/", "3")->nc, 0);
    tern_spaces_forget(&spaces, below);
    assert_ptr_equal(tern_spaces_find(&spaces, TERN_STR("a"), TERN_STR("/p")), root);
    tern_spaces_deinit(&spaces);
    assert_int_equal(faultmem_live(), 0);
}

static void test_spaces_are_bounded(void **state)
{
    struct tern_spaces spaces;
    char text[32];

    (void)state;
    tern_spaces_init(&spaces, (struct tern_hash_seed){1, 2});
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof(text), "/%d", i);
        (void)note(&spaces, "one", text, "n");
    }
    assert_int_equal(spaces.count, TERN_SPACES_PER_ORIGIN_MAX);
    assert_non_null(tern_spaces_find(&spaces, TERN_STR("one"), TERN_STR("/99")));
    assert_null(tern_spaces_find(&spaces, TERN_STR("one"), TERN_STR("/91")));
    for (int i = 0; i < 2 * TERN_SPACES_MAX; i++) {
        snprintf(text, sizeof(text), "many%d", i);
        (void)note(&spaces, text, "/", "n");
        assert_non_null(tern_spaces_find(&spaces, TERN_STR("one"), TERN_STR("/99"))); /* in use */
    }
    assert_int_equal(spaces.count, TERN_SPACES_MAX);
    tern_spaces_deinit(&spaces);
    assert_int_equal(faultmem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configurations),
        cmocka_unit_test(test_the_strongest_is_answered),
        cmocka_unit_test(test_basic),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_which_part_a_challenge_speaks_of),
        cmocka_unit_test(test_spaces),
        cmocka_unit_test(test_spaces_are_bounded),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
