/* Header fields: the list and its grammar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/fields.h"
#include "base/str.h"
#include "tests/support/faultmem.h"

static void expect(struct tern_str view, const char *text)
{
    assert_int_equal(view.len, strlen(text));
    assert_memory_equal(view.ptr, text, view.len);
}

static enum tern_error add(struct tern_fields *fields, const char *name, const char *value)
{
    return tern_fields_add(fields, tern_str(name), tern_str(value), 0);
}

static void order_case_and_repeats_are_kept(void **state)
{
    struct tern_fields fields;
    const struct tern_field *view;

    (void)state;
    tern_fields_init(&fields, 10, 1000);
    assert_null(tern_fields_view(&fields));
    assert_int_equal(add(&fields, "Accept", " a\t"), TERN_OK);
    assert_int_equal(add(&fields, "X-Empty", ""), TERN_OK);
    assert_int_equal(add(&fields, "ACCEPT", "b"), TERN_OK);
    view = tern_fields_view(&fields);
    assert_int_equal(fields.count, 3);
    expect(view[0].name, "Accept");
    expect(view[0].value, "a");
    expect(view[1].value, "");
    expect(view[2].name, "ACCEPT");
    expect(tern_fields_value(&fields, tern_str("accept")), "a");
    assert_non_null(tern_fields_value(&fields, tern_str("x-empty")).ptr);
    assert_null(tern_fields_value(&fields, tern_str("Host")).ptr);
    assert_int_equal(tern_fields_find(&fields, tern_str("accept"), 1), 2);
    assert_int_equal(tern_fields_find(&fields, tern_str("accept"), 3), 3);
    expect(tern_fields_get(view, fields.count, "X-EMPTY"), "");
    expect(tern_fields_get(view, fields.count, "aCCept"), "a");
    assert_null(tern_fields_get(view, fields.count, "Accep").ptr);
    tern_fields_deinit(&fields);
    assert_int_equal(faultmem_live(), 0);
}

static void removing_takes_every_one_of_that_name(void **state)
{
    struct tern_fields fields;

    (void)state;
    tern_fields_init(&fields, 10, 1000);
    assert_int_equal(add(&fields, "a", "1"), TERN_OK);
    assert_int_equal(add(&fields, "b", "2"), TERN_OK);
    assert_int_equal(add(&fields, "A", "3"), TERN_OK);
    assert_int_equal(tern_fields_remove(&fields, tern_str("a")), 2);
    assert_int_equal(tern_fields_remove(&fields, tern_str("a")), 0);
    assert_int_equal(fields.count, 1);
    expect(tern_fields_at(&fields, 0).value, "2");
    assert_int_equal(add(&fields, "c", "4"), TERN_OK);
    expect(tern_fields_value(&fields, tern_str("c")), "4");
    tern_fields_deinit(&fields);
}

static void a_field_may_come_in_pieces(void **state)
{
    struct tern_fields fields;
    struct tern_field field;

    (void)state;
    tern_fields_init(&fields, 2, 100);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(tern_fields_begin(&fields), TERN_OK);
        assert_int_equal(tern_fields_name_append(&fields, tern_str("Coo")), TERN_OK);
        assert_int_equal(tern_fields_name_append(&fields, tern_str("kie")), TERN_OK);
        assert_int_equal(tern_fields_value_append(&fields, tern_str("  a")), TERN_OK);
        assert_int_equal(tern_fields_value_append(&fields, tern_str(" b")), TERN_OK);
        assert_int_equal(tern_fields_value_append(&fields, tern_str(" ")), TERN_OK);
        tern_fields_end(&fields);
    }
    field = tern_fields_at(&fields, 1);
    expect(field.name, "Cookie");
    expect(field.value, "a b");
    assert_int_equal(field.flags, TERN_FIELD_SECRET);
    assert_int_equal(tern_fields_begin(&fields), TERN_ELIMIT);
    tern_fields_deinit(&fields);
}

static void credentials_are_always_secret(void **state)
{
    static const struct {
        const char *name;
        uint32_t given, flags;
    } table[] = {
        {"authorization", 0, TERN_FIELD_SECRET},
        {"Cookie", 0, TERN_FIELD_SECRET},
        {"Proxy-Authorization", 0, TERN_FIELD_SECRET},
        {"X-Token", TERN_FIELD_SECRET, TERN_FIELD_SECRET},
        {"X-Authorization", 0, 0},
    };
    struct tern_fields fields;

    (void)state;
    tern_fields_init(&fields, 10, 1000);
    for (uint32_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(tern_fields_add(&fields, tern_str(table[i].name), tern_str("x"), table[i].given), TERN_OK);
        assert_int_equal(tern_fields_at(&fields, i).flags, table[i].flags);
    }
    tern_fields_deinit(&fields);
}

static void both_limits_hold_and_the_list_stays_good(void **state)
{
    struct tern_fields fields;

    (void)state;
    tern_fields_init(&fields, 2, 10);
    assert_int_equal(add(&fields, "name", "123456"), TERN_OK);
    assert_int_equal(add(&fields, "b", ""), TERN_ELIMIT);
    assert_int_equal(fields.count, 1);
    tern_fields_clear(&fields);
    assert_int_equal(add(&fields, "name", "1234567"), TERN_ELIMIT);
    assert_int_equal(fields.bytes.len, 0);
    assert_int_equal(add(&fields, "a", "1"), TERN_OK);
    assert_int_equal(add(&fields, "b", "2"), TERN_OK);
    assert_int_equal(add(&fields, "c", "3"), TERN_ELIMIT);
    assert_int_equal(fields.count, 2);
    expect(tern_fields_at(&fields, 1).value, "2");
    tern_fields_deinit(&fields);
}

static enum tern_error add_many(struct tern_fields *fields)
{
    enum tern_error error = TERN_OK;
    char name[16];

    for (int i = 0; i < 100 && error == TERN_OK; i++) {
        name[0] = (char)('a' + i % 26);
        name[1] = '\0';
        error = add(fields, name, "a value that takes some room");
    }
    return error;
}

static void every_allocation_may_fail(void **state)
{
    struct tern_fields fields;
    uint64_t n;

    (void)state;
    tern_fields_init(&fields, 200, 10000);
    for (n = 1;; n++) {
        enum tern_error error;

        faultmem_fail_nth(n);
        error = add_many(&fields);
        if (!faultmem_failed())
            break;
        assert_int_equal(error, TERN_ENOMEM);
        faultmem_never_fail();
        for (uint32_t i = 0; i < fields.count; i++)
            expect(tern_fields_view(&fields)[i].value, "a value that takes some room");
        tern_fields_deinit(&fields);
        assert_int_equal(faultmem_live(), 0);
    }
    faultmem_never_fail();
    assert_true(n > 6);
    assert_int_equal(fields.count, 100);
    tern_fields_deinit(&fields);
}

static void a_cleared_list_allocates_nothing(void **state)
{
    struct tern_fields fields;
    uint64_t before;

    (void)state;
    tern_fields_init(&fields, 200, 10000);
    assert_int_equal(add_many(&fields), TERN_OK);
    before = faultmem_count();
    for (int i = 0; i < 10; i++) {
        tern_fields_clear(&fields);
        assert_int_equal(add_many(&fields), TERN_OK);
        assert_non_null(tern_fields_view(&fields));
    }
    assert_int_equal(faultmem_count(), before);
    tern_fields_deinit(&fields);
}

static void each_byte_is_judged(void **state)
{
    static const char tchar[] = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[3] = {'x', (char)c, 'x'};
        struct tern_str s = {text, 3};
        bool ctl = c < 0x20 || c == 0x7f;

        assert_int_equal(tern_is_token(s), c != 0 && strchr(tchar, c) != NULL);
        assert_int_equal(tern_field_value_valid(s), !ctl || c == '\t');
        assert_int_equal(tern_target_valid(s), c > 0x20 && c < 0x7f);
    }
    assert_false(tern_is_token(tern_str("")));
    assert_false(tern_target_valid(tern_str("")));
    assert_true(tern_field_value_valid(tern_str("")));
    assert_false(tern_field_value_valid(tern_str(" a")));
    assert_false(tern_field_value_valid(tern_str("a\t")));
}

/* Values are looked at sixteen bytes at a time, or eight: no place and no neighbour may hide a control, or make one. */
static void a_control_is_found_wherever_it_stands(void **state)
{
    static const char neighbours[] = {'!', 'a', '~', '\x80', '\xff'};
    char text[36];

    (void)state;
    for (size_t n = 0; n < sizeof(neighbours); n++)
        for (size_t len = 1; len <= sizeof(text); len++)
            for (size_t at = 0; at < len; at++)
                for (int c = 0; c < 256; c++) {
                    bool ctl = (c < 0x20 && c != '\t') || c == 0x7f;
                    bool at_edge = at == 0 || at == len - 1;

                    memset(text, neighbours[n], len);
                    text[at] = (char)c;
                    assert_int_equal(tern_field_value_valid((struct tern_str){text, len}),
                                     !ctl && !(at_edge && (c == ' ' || c == '\t')));
                    assert_int_equal(tern_text_length((struct tern_str){text, len}), ctl || c == '\t' ? at : len);
                }
}

/* Letters and hyphens too. */
static void a_token_ends_where_it_ends(void **state)
{
    static const char neighbours[] = {'a', 'Z', '-', '_', '7'};
    char text[36];

    (void)state;
    for (size_t n = 0; n < sizeof(neighbours); n++)
        for (size_t len = 1; len <= sizeof(text); len++)
            for (size_t at = 0; at < len; at++)
                for (int c = 0; c < 256; c++) {
                    char one = (char)c;

                    memset(text, neighbours[n], len);
                    text[at] = one;
                    assert_int_equal(tern_token_length((struct tern_str){text, len}),
                                     tern_is_token((struct tern_str){&one, 1}) ? len : at);
                }
}

static void names_differ_in_more_than_case(void **state)
{
    (void)state;
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++) {
            char left[] = {(char)a, 'x'}, right[] = {(char)b, 'X'};

            assert_int_equal(tern_str_ieq(tern_str_n(left, 2), tern_str_n(right, 2)),
                             tern_ascii_lower((char)a) == tern_ascii_lower((char)b));
        }
    assert_true(tern_str_ieq(tern_str_n(NULL, 0), TERN_STR("")));
}

static void a_bad_field_is_named_and_its_value_is_not_shown(void **state)
{
    struct tern_fault fault;

    (void)state;
    assert_int_equal(tern_field_check(tern_str("X-Good"), tern_str(" padded "), &fault), TERN_OK);
    assert_int_equal(tern_field_check(tern_str("Bad Name"), tern_str("x"), &fault), TERN_EFIELD);
    assert_string_equal(fault.text,
                        "header field name \"Bad Name\": must be a token: letters, digits and !#$%&'*+-.^_`|~");
    assert_int_equal(tern_field_check(tern_str("X"), tern_str("secret\r\nHost: evil"), &fault), TERN_EFIELD);
    assert_string_equal(fault.text, "value of header field \"X\": must not hold CR, LF, NUL or another control");
    assert_int_equal(tern_field_check(tern_str("X"), TERN_STR("a\0b"), NULL), TERN_EFIELD);
    assert_int_equal(tern_field_check(tern_str(""), tern_str("x"), NULL), TERN_EFIELD);
}

static void comma_lists_are_walked(void **state)
{
    struct tern_str rest = tern_str(" ,a , \"b,\\\",c\" ;x=\"y,z\",,d,"), element;

    (void)state;
    assert_true(tern_field_list_next(&rest, &element));
    expect(element, "a");
    assert_true(tern_field_list_next(&rest, &element));
    expect(element, "\"b,\\\",c\" ;x=\"y,z\"");
    assert_true(tern_field_list_next(&rest, &element));
    expect(element, "d");
    assert_false(tern_field_list_next(&rest, &element));
    rest = tern_str("\"open, \\");
    assert_true(tern_field_list_next(&rest, &element));
    expect(element, "\"open, \\");
    assert_false(tern_field_list_next(&rest, &element));
    rest = (struct tern_str){NULL, 0};
    assert_false(tern_field_list_next(&rest, &element));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_case_and_repeats_are_kept),
        cmocka_unit_test(removing_takes_every_one_of_that_name),
        cmocka_unit_test(a_field_may_come_in_pieces),
        cmocka_unit_test(credentials_are_always_secret),
        cmocka_unit_test(both_limits_hold_and_the_list_stays_good),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_cleared_list_allocates_nothing),
        cmocka_unit_test(each_byte_is_judged),
        cmocka_unit_test(a_control_is_found_wherever_it_stands),
        cmocka_unit_test(a_token_ends_where_it_ends),
        cmocka_unit_test(names_differ_in_more_than_case),
        cmocka_unit_test(a_bad_field_is_named_and_its_value_is_not_shown),
        cmocka_unit_test(comma_lists_are_walked),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
