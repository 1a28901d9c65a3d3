/* Digest: the RFCs' own examples, and values from an independent implementation (Python's hashlib, formulas of RFC 7616
 * 3.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "policy/digest.h"
#include "tests/support/faultmem.h"
#include "tls/hash.h"

static const struct tern_digest_hashes hashes = {.md5 = tern_hash_md5, .sha256 = tern_hash_sha256};

#define RFC_NONCE "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
#define RFC_OPAQUE "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
#define RFC_CNONCE "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
#define RFC_REALM "realm=\"http-auth@example.org\", nonce=\"" RFC_NONCE "\", "

static enum tern_error read_digest(struct tern_digest *digest, const char *params, const char **reason)
{
    char field[8192];
    struct tern_challenge challenge;
    struct tern_str rest;

    snprintf(field, sizeof(field), "Digest %s", params);
    rest = tern_str(field);
    assert_true(tern_challenge_next(&rest, &challenge));
    return tern_digest_read(digest, &challenge, reason);
}

static const struct tern_digest_request mufasa = {.user = TERN_STR("Mufasa"),
                                                  .password = TERN_STR("Circle of Life"),
                                                  .method = TERN_STR("GET"),
                                                  .uri = TERN_STR("/dir/index.html"),
                                                  .cnonce = TERN_STR(RFC_CNONCE),
                                                  .body = TERN_STR("entity"),
                                                  .nc = 1};

static void test_answers(void **state)
{
    static const struct {
        const char *params;
        struct tern_digest_request request; /* all zero: mufasa */
        const char *answer;
    } cases[] = {
        /* RFC 7616 3.9.1, both. */
        {RFC_REALM "qop=\"auth, auth-int\", algorithm=MD5, opaque=\"" RFC_OPAQUE "\"",
         {.nc = 0},
         "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm=MD5, "
         "nonce=\"" RFC_NONCE "\", nc=00000001, qop=auth, cnonce=\"" RFC_CNONCE "\", "
         "response=\"8ca523f5e9506fed4657c9700eebdbec\", opaque=\"" RFC_OPAQUE "\""},
        {RFC_REALM "qop=\"auth, auth-int\", algorithm=SHA-256, opaque=\"" RFC_OPAQUE "\"",
         {.nc = 0},
         "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm=SHA-256, "
         "nonce=\"" RFC_NONCE "\", nc=00000001, qop=auth, cnonce=\"" RFC_CNONCE "\", "
         "response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\", opaque=\"" RFC_OPAQUE "\""},
        /* RFC 2617 3.5; RFC 2069 2.4 with its erratum: no qop. */
        {"realm=\"testrealm@host.com\", qop=\"auth,auth-int\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"",
         {.user = TERN_STR("Mufasa"),
          .password = TERN_STR("Circle Of Life"),
          .method = TERN_STR("GET"),
          .uri = TERN_STR("/dir/index.html"),
          .cnonce = TERN_STR("0a4f113b"),
          .nc = 1},
         "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", uri=\"/dir/index.html\", "
         "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", nc=00000001, qop=auth, cnonce=\"0a4f113b\", "
         "response=\"6629fae49393a05397450978507c4ef1\""},
        {"realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"",
         {.user = TERN_STR("Mufasa"),
          .password = TERN_STR("CircleOfLife"),
          .method = TERN_STR("GET"),
          .uri = TERN_STR("/dir/index.html"),
          .nc = 1},
         "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", uri=\"/dir/index.html\", "
         "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", response=\"1949323746fe6a43ef61f9606e7febea\""},
        /* -sess, auth-int. */
        {RFC_REALM "qop=auth, algorithm=MD5-sess",
         {.nc = 0},
         "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm=MD5-sess, "
         "nonce=\"" RFC_NONCE "\", nc=00000001, qop=auth, cnonce=\"" RFC_CNONCE "\", "
         "response=\"e783283f46242139c486a698fec7211d\""},
        {RFC_REALM "qop=auth, algorithm=sha-256-SESS",
         {.user = TERN_STR("Mufasa"),
          .password = TERN_STR("Circle of Life"),
          .method = TERN_STR("GET"),
          .uri = TERN_STR("/dir/index.html"),
          .cnonce = TERN_STR(RFC_CNONCE),
          .nc = 0xabcd},
         "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", "
         "algorithm=SHA-256-sess, nonce=\"" RFC_NONCE "\", nc=0000abcd, qop=auth, cnonce=\"" RFC_CNONCE "\", "
         "response=\"3c8216764129518400f30d1141cbf73ffc391604953fdcf0499cfe5ef86fbed6\""},
        {RFC_REALM "qop=\"auth-int, token\", algorithm=SHA-256",
         {.user = TERN_STR("Mufasa"),
          .password = TERN_STR("Circle of Life"),
          .method = TERN_STR("POST"),
          .uri = TERN_STR("/dir/index.html"),
          .cnonce = TERN_STR(RFC_CNONCE),
          .body = TERN_STR("entity"),
          .nc = 1},
         "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm=SHA-256, "
         "nonce=\"" RFC_NONCE "\", nc=00000001, qop=auth-int, cnonce=\"" RFC_CNONCE "\", "
         "response=\"44b04ef08a3560323b537b144125be0b5c50c96c38ab61411356c265f602c7ff\""},
        /* The name of RFC 7616 3.9.2: hashed, and in UTF-8. */
        {"realm=\"api@example.org\", qop=auth, algorithm=SHA-256, "
         "nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", charset=UTF-8, userhash=true",
         {.user = TERN_STR("J\xc3\xa4s\xc3\xb8n Doe"),
          .password = TERN_STR("Secret, or not?"),
          .method = TERN_STR("GET"),
          .uri = TERN_STR("/doe.json"),
          .cnonce = TERN_STR("NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm"),
          .nc = 1},
         "Digest userhash=true, username=\"5a1a8a47df5c298551b9b42ba9b05835174a5bd7d511ff7fe9191d8e946fc4e7\", "
         "realm=\"api@example.org\", uri=\"/doe.json\", algorithm=SHA-256, "
         "nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", nc=00000001, qop=auth, "
         "cnonce=\"NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm\", "
         "response=\"06d0c14162099f487a92ebceaf71097534ee5f90d858386449c337ab69f7f6b8\""},
        {"realm=\"api@example.org\", qop=auth, algorithm=SHA-256, "
         "nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", charset=utf-8",
         {.user = TERN_STR("J\xc3\xa4s\xc3\xb8n Doe"),
          .password = TERN_STR("Secret, or not?"),
          .method = TERN_STR("GET"),
          .uri = TERN_STR("/doe.json"),
          .cnonce = TERN_STR("NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm"),
          .nc = 1},
         "Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, realm=\"api@example.org\", uri=\"/doe.json\", "
         "algorithm=SHA-256, nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", nc=00000001, qop=auth, "
         "cnonce=\"NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm\", "
         "response=\"06d0c14162099f487a92ebceaf71097534ee5f90d858386449c337ab69f7f6b8\""},
        /* Quotes and backslashes are hashed as they are meant and sent as they are written. */
        {"realm=\"r\\\"e\\\\a\", nonce=\"n\\\"1\", qop=auth",
         {.user = TERN_STR("a\"b\\c"),
          .password = TERN_STR("p"),
          .method = TERN_STR("GET"),
          .uri = TERN_STR("/"),
          .cnonce = TERN_STR("cc"),
          .nc = 1},
         "Digest username=\"a\\\"b\\\\c\", realm=\"r\\\"e\\\\a\", uri=\"/\", nonce=\"n\\\"1\", nc=00000001, qop=auth, "
         "cnonce=\"cc\", response=\"99e6db18ba410941164782ca0e39190e\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tern_digest_request *request = cases[i].request.nc != 0 ? &cases[i].request : &mufasa;
        struct tern_digest digest;
        const char *reason;
        struct tern_buf out;

        tern_digest_init(&digest);
        tern_buf_init(&out, 4096);
        assert_int_equal(read_digest(&digest, cases[i].params, &reason), TERN_OK);
        assert_null(reason);
        assert_int_equal(tern_digest_answer(&digest, request, &hashes, &out), TERN_OK);
        assert_int_equal(tern_buf_append_byte(&out, '\0'), TERN_OK);
        assert_string_equal(out.data + out.head, cases[i].answer);
        tern_buf_deinit(&out);
        tern_digest_deinit(&digest);
    }
}

static void test_challenges_that_cannot_be_answered(void **state)
{
    static const struct {
        const char *params, *reason;
    } cases[] = {
        {"realm=\"r\"", "no realm or no nonce"},
        {"nonce=\"n\"", "no realm or no nonce"},
        {"realm=\"r\", nonce=\"\"", "no realm or no nonce"},
        {"realm=\"r\", nonce=n, nonce=n", "something twice"},
        {"realm=\"r\", nonce=n, qop=auth, QOP=auth", "something twice"},
        {"realm=\"r\", nonce=n, qop=\"auth-conf\"", "neither auth nor auth-int"},
        {"realm=\"r\", nonce=n, qop=\"\"", "neither auth nor auth-int"},
        {"realm=\"r\", nonce=n, algorithm=SHA-512-256, qop=auth", "not one of MD5 and SHA-256"},
        {"realm=\"r\", nonce=n, algorithm=\"\"", "not one of MD5 and SHA-256"},
        {"realm=\"r\", nonce=n, algorithm=MD5-sess", "-sess algorithm without qop"},
    };
    struct tern_digest digest;
    const char *reason;
    char large[5000] = "realm=\"";

    (void)state;
    tern_digest_init(&digest);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(read_digest(&digest, cases[i].params, &reason), TERN_EPROTO);
        assert_non_null(strstr(reason, cases[i].reason));
    }
    memset(large + 7, 'x', 4100);
    strcpy(large + 4107, "\", nonce=n");
    assert_int_equal(read_digest(&digest, large, &reason), TERN_EPROTO);
    assert_non_null(strstr(reason, "longer than"));
    assert_int_equal(read_digest(&digest, "realm=\"r\", nonce=n, stale=TRUE, unknown=1", &reason), TERN_OK);
    assert_true(digest.is_stale);
    assert_int_equal(read_digest(&digest, "realm=\"\", nonce=n", &reason), TERN_OK);
    assert_false(digest.is_stale);
    tern_digest_deinit(&digest);
}

/* A name that has got past all checks with a line end in it does not reach a field. */
static void test_nothing_breaks_out_of_the_field(void **state)
{
    struct tern_digest_request request = mufasa;
    struct tern_digest digest;
    const char *reason;
    struct tern_buf out;

    (void)state;
    request.user = TERN_STR("x\r\nEvil: 1");
    tern_digest_init(&digest);
    tern_buf_init(&out, 4096);
    assert_int_equal(read_digest(&digest, RFC_REALM "qop=auth", &reason), TERN_OK);
    assert_int_equal(tern_digest_answer(&digest, &request, &hashes, &out), TERN_EFIELD);
    tern_buf_deinit(&out);
    tern_digest_deinit(&digest);
}

static void test_next_nonce(void **state)
{
    static const struct {
        const char *info;
        bool takes;
        const char *nonce;
    } cases[] = {
        {"nextnonce=\"b\", qop=auth, rspauth=\"00\"", true, "b"},
        {"qop=auth, nextnonce=\"c\\\"\"", true, "c\""},
        {"nextnonce=\"c\\\"\"", false, "c\""},
        {"nextnonce=\"\"", false, "c\""},
        {"nextnonce=\"x", false, "c\""},
        {"rspauth=\"00\"", false, "c\""},
        {"", false, "c\""},
    };
    struct tern_digest digest;
    const char *reason;

    (void)state;
    tern_digest_init(&digest);
    assert_int_equal(read_digest(&digest, "realm=\"r\", nonce=a, qop=auth", &reason), TERN_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(tern_digest_next_nonce(&digest, tern_str(cases[i].info)), cases[i].takes);
        assert_true(tern_str_eq(tern_buf_view(&digest.nonce), tern_str(cases[i].nonce)));
    }
    assert_true(tern_str_eq(digest.realm, TERN_STR("r")));
    assert_int_equal(read_digest(&digest, "realm=\"r\", nonce=a, qop=auth, algorithm=MD5-sess", &reason), TERN_OK);
    assert_false(tern_digest_next_nonce(&digest, TERN_STR("nextnonce=b")));
    tern_digest_deinit(&digest);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct tern_digest digest;
        const char *reason;
        struct tern_buf out;
        enum tern_error error;

        tern_digest_init(&digest);
        tern_buf_init(&out, 4096);
        faultmem_fail_nth(n);
        error = read_digest(&digest, RFC_REALM "qop=auth", &reason);
        if (error == TERN_OK)
            error = tern_digest_answer(&digest, &mufasa, &hashes, &out);
        tern_buf_deinit(&out);
        tern_digest_deinit(&digest);
        assert_int_equal(faultmem_live(), 0);
        if (!faultmem_failed())
            break;
        assert_int_equal(error, TERN_ENOMEM);
    }
    faultmem_never_fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_challenges_that_cannot_be_answered),
        cmocka_unit_test(test_nothing_breaks_out_of_the_field),
        cmocka_unit_test(test_next_nonce),
        cmocka_unit_test(test_out_of_memory),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
