/* The replaceable allocator and what stands on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tern/engine.h"
#include "tests/support/faultmem.h"

static void *no_alloc(size_t size, void *user)
{
    (void)size;
    (void)user;
    return NULL;
}

static void *no_realloc(void *block, size_t size, void *user)
{
    (void)block;
    return no_alloc(size, user);
}

static void no_free(void *block, void *user)
{
    (void)block;
    (void)user;
}

static void an_allocator_needs_all_its_functions(void **state)
{
    static const struct tern_allocator without[] = {
        {NULL, no_realloc, no_free, NULL}, {no_alloc, NULL, no_free, NULL}, {no_alloc, no_realloc, NULL, NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
        assert_int_equal(tern_set_allocator(&without[i]), TERN_EINVAL);
    assert_int_equal(tern_set_allocator(NULL), TERN_EINVAL);
}

static void zeroed_memory_is_zero_and_products_are_checked(void **state)
{
    uint32_t *block = tern_mem_calloc(100, sizeof(*block));

    (void)state;
    assert_non_null(block);
    for (int i = 0; i < 100; i++)
        assert_int_equal(block[i], 0);
    assert_null(tern_mem_calloc(SIZE_MAX / 2 + 1, 2));
    assert_null(tern_mem_realloc(block, SIZE_MAX / 4 + 1, 4));
    tern_mem_free(block);
    tern_mem_free(NULL);
    assert_int_equal(faultmem_live(), 0);
}

static void realloc_keeps_what_was_there(void **state)
{
    char *block = tern_mem_realloc(NULL, 4, 1), *larger;

    (void)state;
    memcpy(block, "abcd", 4);
    faultmem_fail_nth(1);
    assert_null(tern_mem_realloc(block, 100, 1));
    faultmem_never_fail();
    larger = tern_mem_realloc(block, 100, 1);
    assert_memory_equal(larger, "abcd", 4);
    tern_mem_free(larger);
}

static void dup_ends_in_nul(void **state)
{
    char *copy = tern_mem_dup(tern_str("name"));

    (void)state;
    assert_string_equal(copy, "name");
    tern_mem_free(copy);
    copy = tern_mem_dup((struct tern_str){NULL, 0});
    assert_string_equal(copy, "");
    tern_mem_free(copy);
    faultmem_fail_nth(1);
    assert_null(tern_mem_dup(tern_str("name")));
    faultmem_never_fail();
}

static void wipe_leaves_nothing(void **state)
{
    char secret[8] = "secret";

    (void)state;
    tern_mem_wipe(secret, sizeof(secret));
    assert_memory_equal(secret, "\0\0\0\0\0\0\0\0", 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allocator_needs_all_its_functions),
        cmocka_unit_test(zeroed_memory_is_zero_and_products_are_checked),
        cmocka_unit_test(realloc_keeps_what_was_there),
        cmocka_unit_test(dup_ends_in_nul),
        cmocka_unit_test(wipe_leaves_nothing),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
