/* The hash table, and SipHash-1-3 against values of another implementation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/rand.h"
#include "tests/support/faultmem.h"

struct item {
    struct tern_hash_node node;
    int key;
    bool inside;
};

#define ITEMS 1000

static struct item items[ITEMS];

/* CPython 3.11 hashes bytes with SipHash-1-3; PYTHONHASHSEED=0 makes its key zero. */
static void the_hash_is_siphash_1_3(void **state)
{
    static const struct {
        const char *text;
        uint64_t hash;
    } table[] = {
        {"a", 0x407448d2b89b1813u},
        {"abc", 0xc03bc3a0042630f2u},
        {"1234567", 0xa33d651594fdae81u},
        {"12345678", 0x3489982430560a87u},
        {"123456789", 0x0fbc0f0007965fcfu},
        {"www.example.com", 0xb8215502bb4c7791u},
        {"the quick brown fox jumps over the lazy dog", 0x80a65583f613da2du},
    };
    const struct tern_hash_seed zero = {0, 0}, other = {0, 1};

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_true(tern_hash_bytes(zero, table[i].text, strlen(table[i].text)) == table[i].hash);
        assert_true(tern_hash_bytes(other, table[i].text, strlen(table[i].text)) != table[i].hash);
    }
}

static struct item *find(const struct tern_hash *table, int key, uint64_t hash)
{
    for (struct tern_hash_node *node = tern_hash_first(table, hash); node != NULL; node = tern_hash_next(node)) {
        assert_true(node->hash == hash);
        if (((struct item *)node)->key == key)
            return (struct item *)node;
    }
    return NULL;
}

/* Few hashes, so that chains and equal hashes abound. */
static uint64_t hash_of(int key)
{
    return (uint64_t)(key % 300) * 0x10001;
}

static size_t walk_count(const struct tern_hash *table)
{
    size_t n = 0;

    for (struct tern_hash_node *node = NULL; (node = tern_hash_walk(table, node)) != NULL; n++)
        assert_true(((struct item *)node)->inside);
    return n;
}

static void random_operations(struct tern_hash *table, uint64_t seed)
{
    struct tern_rand rand;
    size_t inside = 0;

    tern_rand_seed(&rand, seed);
    for (int i = 0; i < ITEMS; i++)
        items[i] = (struct item){.key = i};
    for (int step = 0; step < 20000; step++) {
        struct item *item = &items[tern_rand_below(&rand, ITEMS)];

        if (item->inside) {
            tern_hash_remove(table, &item->node);
            inside--;
        } else {
            tern_hash_insert(table, &item->node, hash_of(item->key));
            inside++;
        }
        item->inside = !item->inside;
        assert_int_equal(table->count, inside);
        item = &items[tern_rand_below(&rand, ITEMS)];
        assert_ptr_equal(find(table, item->key, hash_of(item->key)), item->inside ? item : NULL);
    }
    assert_int_equal(walk_count(table), inside);
}

static void it_finds_what_is_inside(void **state)
{
    struct tern_hash table;

    (void)state;
    tern_hash_init(&table);
    random_operations(&table, 1);
    assert_true(table.mask > TERN_HASH_SMALL);
    tern_hash_deinit(&table);
    assert_int_equal(faultmem_live(), 0);
}

static void without_memory_it_is_slow_but_right(void **state)
{
    struct tern_hash table;

    (void)state;
    tern_hash_init(&table);
    faultmem_fail_from(1);
    random_operations(&table, 2);
    assert_true(faultmem_failed());
    assert_int_equal(table.mask, TERN_HASH_SMALL - 1);
    faultmem_never_fail();
    tern_hash_deinit(&table);
}

static void equal_hashes_keep_their_order_over_growth(void **state)
{
    struct tern_hash table;
    struct tern_hash_node *node;

    (void)state;
    tern_hash_init(&table);
    for (int i = 0; i < 100; i++)
        tern_hash_insert(&table, &items[i].node, 7);
    node = tern_hash_first(&table, 7);
    for (int i = 99; i >= 0; i--, node = tern_hash_next(node))
        assert_ptr_equal(node, &items[i].node);
    assert_null(node);
    tern_hash_deinit(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_siphash_1_3),
        cmocka_unit_test(it_finds_what_is_inside),
        cmocka_unit_test(without_memory_it_is_slow_but_right),
        cmocka_unit_test(equal_hashes_keep_their_order_over_growth),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
