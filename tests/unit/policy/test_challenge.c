/* WWW-Authenticate fields, as RFC 9110 11.6.1 and its appendix A have them, and as nobody should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "policy/challenge.h"

/* "Scheme(token68)" or "Scheme[name=value;name=\"value\"]", one after the other. */
static void show(char *out, size_t cap, const char *field)
{
    struct tern_str rest = tern_str(field);
    struct tern_challenge challenge;
    size_t len = 0;

    out[0] = '\0';
    while (tern_challenge_next(&rest, &challenge)) {
        struct tern_auth_param param;

        len += (size_t)snprintf(out + len, cap - len, "%.*s", TERN_ARG(challenge.scheme));
        if (challenge.token68.ptr != NULL)
            len += (size_t)snprintf(out + len, cap - len, "(%.*s)", TERN_ARG(challenge.token68));
        while (tern_auth_param_next(&challenge.params, &param))
            len += (size_t)snprintf(out + len, cap - len, param.is_quoted ? "[%.*s=\"%.*s\"]" : "[%.*s=%.*s]",
                                    TERN_ARG(param.name), TERN_ARG(param.value));
        assert_int_equal(challenge.params.len, 0);
        assert_true(len < cap - 1);
        out[len++] = ' ';
        out[len] = '\0';
    }
    assert_int_equal(rest.len, 0);
}

static void test_fields(void **state)
{
    static const struct {
        const char *field, *read;
    } cases[] = {
        /* RFC 9110 11.6.1, its own examples. */
        {"Basic realm=\"simple\", Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\"",
         "Basic[realm=\"simple\"] Newauth[realm=\"apps\"][type=1][title=\"Login to \\\"apps\\\"\"] "},
        {"Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\", Basic realm=\"simple\"",
         "Newauth[realm=\"apps\"][type=1][title=\"Login to \\\"apps\\\"\"] Basic[realm=\"simple\"] "},
        {"Negotiate", "Negotiate "},
        {"Negotiate, Basic realm=x", "Negotiate Basic[realm=x] "},
        {"Negotiate abc+/-._~9==", "Negotiate(abc+/-._~9==) "},
        {"Negotiate abc= , Basic realm=x", "Negotiate(abc=) Basic[realm=x] "},
        {"NTLM TlRM", "NTLM(TlRM) "},
        {"A, B,C", "A B C "},
        {" ,, A realm = \"x\" ,, b\t=\ty,", "A[realm=\"x\"][b=y] "},
        {"A a=b,B c=d,  E f=g", "A[a=b] B[c=d] E[f=g] "},
        {"A a=\"\", B", "A[a=\"\"] B "},
        {"A a=\",B c=d\"", "A[a=\",B c=d\"] "},
        {"", ""},
        {",,,", ""},
        /* What is not of the grammar ends it, and takes the challenge that it is in with it. */
        {"A a=b c=d", ""},
        {"A x=1, B a=, C", "A[x=1] B(a=) C "},
        {"A x=1, B a=1, b=, C", "A[x=1] "},
        {"A x=1, B a=\"b", "A[x=1] "},
        {"A x=1, B a=\"b\\", "A[x=1] "},
        {"A x=1, B a=\"b\"c", "A[x=1] "},
        {"A x=1, =b", ""},
        {"A x=1, \"B\"", ""},
        {"=", ""},
        {"A=b", ""},
        {"A abc def", ""},
        {"\"A\"", ""},
        {"A, ;", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[1024];

        show(out, sizeof(out), cases[i].field);
        if (strcmp(out, cases[i].read) != 0)
            fail_msg("%s: read as %s, not %s", cases[i].field, out, cases[i].read);
    }
}

static void test_backslashes(void **state)
{
    static const struct {
        const char *quoted, *plain;
    } cases[] = {{"x", "x"}, {"", ""}, {"a\\\"b", "a\"b"}, {"\\\\", "\\"}, {"\\a\\b", "ab"}, {"a\\\\\\\"", "a\\\""}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tern_auth_param param = {.value = tern_str(cases[i].quoted), .is_quoted = true};
        struct tern_buf out;

        tern_buf_init(&out, 64);
        assert_int_equal(tern_auth_param_append(&out, &param), TERN_OK);
        assert_true(tern_str_eq(tern_buf_view(&out), tern_str(cases[i].plain)));
        tern_buf_deinit(&out);
    }
}

/* A field as large as a head may be, in many small and in two large pieces. */
static void test_many(void **state)
{
    size_t len = 60000, count = 0;
    char *field = malloc(len + 1);
    struct tern_challenge challenge;
    struct tern_str rest;

    (void)state;
    for (size_t i = 0; i < len; i += 6)
        memcpy(field + i, "A b=c,", 6);
    rest = tern_str_n(field, len);
    while (tern_challenge_next(&rest, &challenge))
        count++;
    assert_int_equal(count, len / 6);
    memset(field, '\\', len);
    memcpy(field, "A b=\"", 5);
    rest = tern_str_n(field, len);
    assert_false(tern_challenge_next(&rest, &challenge));
    free(field);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_backslashes),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
