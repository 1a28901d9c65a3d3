/* Outliers: which addresses are set aside and for how long, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policy/outlier.h"

#define CHOICES_MANY 100

static const struct tern_breaker two_in_a_row = {.address_failures = 2, .address_ns = 30 * TERN_S};

/* What an answer leads to: '.' nothing, 'A' its address is set aside, 's' it still is. With SET_ASIDE for_s is
 * checked. */
static void note(struct tern_outliers *outliers, const struct tern_breaker *config, const char *address, size_t choices,
                 uint64_t at_s, bool is_failure, char verdict, uint64_t for_s)
{
    const struct tern_outlier_note what = {
        .address = address, .choices = choices, .now_ns = at_s * TERN_S, .is_failure = is_failure};
    uint64_t until_ns = 0;

    assert_int_equal(".As"[tern_outliers_note(config, outliers, &what, &until_ns)], verdict);
    if (verdict != '.')
        assert_int_equal(until_ns, (at_s + for_s) * TERN_S);
}

/* One address among many: a line is an answer. */
static void test_one_address(void **state)
{
    static const struct {
        uint64_t at_s;
        bool is_failure;
        char verdict;
        uint64_t for_s; /* how long it is set aside from then on */
    } table[] = {
        {0, true, '.', 0},                         /* the first */
        {1, false, '.', 0},                        /* and no row */
        {2, true, '.', 0},     {3, true, 'A', 30}, /* in a row */
        {4, true, 's', 29},                        /* what was under way neither prolongs it nor counts */
        {5, false, '.', 0},                        /* nor ends it */
        {32, true, 's', 1},    {33, true, '.', 0}, /* it is back, and begins anew */
        {34, true, 'A', 60},                       /* the second time is longer */
        {94, true, '.', 0},    {95, true, 'A', 120},   {215, true, '.', 0},
        {216, true, 'A', 240}, {456, true, '.', 0},    {457, true, 'A', 240}, /* eight times, no more */
        {697, false, '.', 0},                                                 /* calm for no time */
        {726, false, '.', 0},  {727, false, '.', 0},                          /* for address_ns: one doubling less */
        {728, false, '.', 0},                                                 /* and not one more for each answer */
        {729, true, '.', 0},   {730, true, 'A', 240},                         /* three are left */
        {970, false, '.', 0},  {1000, false, '.', 0},  {1030, false, '.', 0},
        {1031, true, '.', 0},  {1032, true, 'A', 120}, {1152, false, '.', 0},
        {1200, false, '.', 0}, {1230, false, '.', 0},  {1260, false, '.', 0}, /* all is forgiven */
        {1261, true, '.', 0},  {1262, true, 'A', 30},
    };
    struct tern_outliers outliers = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        note(&outliers, &two_in_a_row, "192.0.2.1:80", 3, table[i].at_s, table[i].is_failure, table[i].verdict,
             table[i].for_s);
    tern_outliers_deinit(&outliers);
}

static const char *name(char text[32], unsigned i)
{
    snprintf(text, 32, "192.0.2.%u:80", i);
    return text;
}

/* All fail, and half of them stay. */
static void test_never_more_than_half(void **state)
{
    (void)state;
    for (unsigned choices = 0; choices <= 12; choices++) {
        struct tern_outliers outliers = {0};
        char text[32];

        for (unsigned i = 0; i < choices; i++) {
            note(&outliers, &two_in_a_row, name(text, i), choices, 0, true, '.', 0);
            note(&outliers, &two_in_a_row, text, choices, 1, true, i < choices / 2 ? 'A' : '.', 30);
        }
        if (choices == 3) { /* when the first is back the next may go */
            note(&outliers, &two_in_a_row, name(text, 1), choices, 30, true, '.', 0);
            note(&outliers, &two_in_a_row, text, choices, 31, true, 'A', 30);
            note(&outliers, &two_in_a_row, name(text, 0), choices, 32, true, '.', 0);
            note(&outliers, &two_in_a_row, text, choices, 33, true, '.', 0);
        }
        tern_outliers_deinit(&outliers);
    }
}

static void test_off(void **state)
{
    const struct tern_breaker offs[] = {{.address_ns = 30 * TERN_S}, {.address_failures = 1, .address_ns = TERN_OFF}};
    struct tern_outliers outliers = {0};

    (void)state;
    for (size_t i = 0; i < 2; i++)
        for (int n = 0; n < 100; n++)
            note(&outliers, &offs[i], "192.0.2.1:80", CHOICES_MANY, 0, true, '.', 0);
    assert_int_equal(outliers.count, 0);
    tern_outliers_deinit(&outliers);
}

/* Only what has failed is remembered, and of that no more than so many; what is set aside stays. */
static void test_bounded(void **state)
{
    struct tern_outliers outliers = {0};
    char text[32];

    (void)state;
    note(&outliers, &two_in_a_row, "192.0.2.1:80", CHOICES_MANY, 0, false, '.', 0);
    assert_int_equal(outliers.count, 0);
    note(&outliers, &two_in_a_row, "192.0.2.1:80", CHOICES_MANY, 0, true, '.', 0);
    assert_int_equal(outliers.count, 1);
    note(&outliers, &two_in_a_row, "192.0.2.1:80", CHOICES_MANY, 0, false, '.', 0);
    assert_int_equal(outliers.count, 0);

    for (unsigned i = 0; i < TERN_OUTLIERS_MAX; i++)
        note(&outliers, &two_in_a_row, name(text, i), CHOICES_MANY, i, true, '.', 0);
    note(&outliers, &two_in_a_row, name(text, 0), CHOICES_MANY, 20, true, 'A', 30);
    note(&outliers, &two_in_a_row, "192.0.2.100:80", CHOICES_MANY, 20, true, '.', 0); /* in place of 1 */
    assert_int_equal(outliers.count, TERN_OUTLIERS_MAX);
    note(&outliers, &two_in_a_row, name(text, 0), CHOICES_MANY, 20, true, 's', 30);
    note(&outliers, &two_in_a_row, name(text, 2), CHOICES_MANY, 20, true, 'A', 30);
    note(&outliers, &two_in_a_row, name(text, 1), CHOICES_MANY, 20, true, '.', 0); /* in place of 3 */
    assert_int_equal(outliers.count, TERN_OUTLIERS_MAX);
    for (unsigned i = 4; i < TERN_OUTLIERS_MAX; i++)
        note(&outliers, &two_in_a_row, name(text, i), CHOICES_MANY, 20, true, 'A', 30);
    note(&outliers, &two_in_a_row, "192.0.2.100:80", CHOICES_MANY, 20, true, 'A', 30);
    note(&outliers, &two_in_a_row, name(text, 1), CHOICES_MANY, 20, true, 'A', 30);
    note(&outliers, &two_in_a_row, "192.0.2.101:80", CHOICES_MANY, 20, true, '.', 0); /* all are set aside: no room */
    note(&outliers, &two_in_a_row, "192.0.2.101:80", CHOICES_MANY, 20, true, '.', 0);
    assert_int_equal(outliers.count, TERN_OUTLIERS_MAX);
    tern_outliers_deinit(&outliers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_address),
        cmocka_unit_test(test_never_more_than_half),
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
