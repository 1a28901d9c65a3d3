/* Numbers, views and the seeded generator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/num.h"
#include "base/rand.h"
#include "base/str.h"

static void decimal_is_strict_and_bounded(void **state)
{
    static const struct {
        const char *text;
        uint64_t max;
        bool ok;
        uint64_t value;
    } table[] = {
        {"0", UINT64_MAX, true, 0},
        {"007", UINT64_MAX, true, 7},
        {"2147483648", UINT64_MAX, true, UINT64_C(1) << 31},
        {"4294967296", UINT64_MAX, true, UINT64_C(1) << 32},
        {"4294967296", UINT32_MAX, false, 0},
        {"4294967295", UINT32_MAX, true, UINT32_MAX},
        {"9223372036854775808", UINT64_MAX, true, UINT64_C(1) << 63},
        {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, false, 0},
        {"99999999999999999999999999", UINT64_MAX, false, 0},
        {"", UINT64_MAX, false, 0},
        {"+1", UINT64_MAX, false, 0},
        {"-1", UINT64_MAX, false, 0},
        {" 1", UINT64_MAX, false, 0},
        {"1 ", UINT64_MAX, false, 0},
        {"1a", UINT64_MAX, false, 0},
        {"0x1", UINT64_MAX, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        uint64_t value = 12345;

        assert_int_equal(tern_u64_parse(tern_str(table[i].text), table[i].max, &value), table[i].ok);
        assert_true(value == (table[i].ok ? table[i].value : 12345));
    }
}

static void decimal_is_printed(void **state)
{
    static const struct {
        uint32_t value;
        const char *text;
    } table[] = {
        {0, "0"},
        {9, "9"},
        {10, "10"},
        {99, "99"},
        {100, "100"},
        {65535, "65535"},
        {999999999, "999999999"},
        {1000000000, "1000000000"},
        {UINT32_MAX, "4294967295"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[TERN_U32_TEXT_MAX + 1];
        size_t len = tern_u32_print(text, table[i].value);

        text[len] = '\0';
        assert_string_equal(text, table[i].text);
    }
}

static void hexadecimal_digits(void **state)
{
    (void)state;
    assert_int_equal(tern_hex_value('a'), 10);
    assert_int_equal(tern_hex_value('F'), 15);
    assert_int_equal(tern_hex_value('@'), -1);
    assert_int_equal(tern_hex_value('\xff'), -1);
}

static void arithmetic_is_checked(void **state)
{
    uint64_t out;

    (void)state;
    assert_true(tern_u64_add(UINT64_MAX - 1, 1, &out) && out == UINT64_MAX);
    assert_false(tern_u64_add(UINT64_MAX, 1, &out));
    assert_true(tern_u64_mul(UINT64_C(1) << 32, UINT32_MAX, &out));
    assert_false(tern_u64_mul(UINT64_C(1) << 32, UINT64_C(1) << 32, &out));
    assert_true(tern_u64_add_sat(5, TERN_OFF) == TERN_OFF);
    assert_true(tern_u64_add_sat(5, 6) == 11);
}

static void views(void **state)
{
    (void)state;
    assert_true(tern_str_ieq(tern_str("Content-Length"), tern_str("cONTENT-lENGTH")));
    assert_false(tern_str_ieq(tern_str("a"), tern_str("ab")));
    assert_false(tern_str_ieq(tern_str("@["), tern_str("`{"))); /* 0x20 apart, and no letters */
    assert_true(tern_str_eq((struct tern_str){NULL, 0}, tern_str("")));
    assert_false(tern_str_eq(tern_str("a"), tern_str("A")));
    assert_true(tern_str_eq(tern_str_trim(tern_str(" \t a b\t ")), tern_str("a b")));
    assert_int_equal(tern_str_trim(tern_str(" \t ")).len, 0);
    assert_int_equal(tern_str_trim(tern_str("\r\na")).len, 3); /* only blanks go */
    assert_int_equal(tern_str_find(tern_str("a:b:"), ':'), 1);
    assert_int_equal(tern_str_find(tern_str("ab"), ':'), 2);
    assert_int_equal(tern_str_find((struct tern_str){NULL, 0}, ':'), 0);
}

static void one_seed_gives_one_history(void **state)
{
    struct tern_rand a, b;
    unsigned seen[6] = {0};

    (void)state;
    tern_rand_seed(&a, 0);
    tern_rand_seed(&b, 0);
    for (int i = 0; i < 60000; i++) {
        uint64_t n = tern_rand_below(&a, 6);

        assert_true(n == tern_rand_below(&b, 6));
        assert_true(n < 6);
        seen[n]++;
    }
    for (int i = 0; i < 6; i++)
        assert_in_range(seen[i], 9500, 10500);
    tern_rand_seed(&b, 1);
    assert_true(tern_rand_next(&a) != tern_rand_next(&b));
    assert_int_equal(tern_rand_below(&a, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimal_is_strict_and_bounded),
        cmocka_unit_test(decimal_is_printed),
        cmocka_unit_test(hexadecimal_digits),
        cmocka_unit_test(arithmetic_is_checked),
        cmocka_unit_test(views),
        cmocka_unit_test(one_seed_gives_one_history),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
