/* Intrusive lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/list.h"

struct item {
    int value;
    struct tern_list node;
};

static void expect(struct tern_list *list, const char *values)
{
    size_t n = 0;

    TERN_LIST_FOREACH(node, list) {
        assert_int_equal(TERN_CONTAINER_OF(node, struct item, node)->value, values[n]);
        assert_ptr_equal(node->prev->next, node);
        n++;
    }
    assert_int_equal(values[n], '\0');
}

static struct item a = {.value = 'a'}, b = {.value = 'b'}, c = {.value = 'c'};

static void start(struct tern_list *list)
{
    tern_list_init(list);
    tern_list_init(&a.node);
    tern_list_init(&b.node);
    tern_list_init(&c.node);
}

static void both_ends(void **state)
{
    struct tern_list list;

    (void)state;
    start(&list);
    assert_true(tern_list_is_empty(&list));
    assert_null(tern_list_pop_front(&list));
    tern_list_push_back(&list, &b.node);
    tern_list_push_front(&list, &a.node);
    tern_list_push_back(&list, &c.node);
    expect(&list, "abc");
    assert_ptr_equal(tern_list_pop_front(&list), &a.node);
    expect(&list, "bc");
}

static void a_removed_node_may_be_removed_again(void **state)
{
    struct tern_list list;

    (void)state;
    start(&list);
    tern_list_push_back(&list, &a.node);
    tern_list_push_back(&list, &b.node);
    assert_true(tern_list_is_linked(&a.node));
    tern_list_remove(&a.node);
    tern_list_remove(&a.node);
    assert_false(tern_list_is_linked(&a.node));
    expect(&list, "b");
}

static void walking_survives_removal_of_the_node(void **state)
{
    struct tern_list list;

    (void)state;
    start(&list);
    tern_list_push_back(&list, &a.node);
    tern_list_push_back(&list, &b.node);
    tern_list_push_back(&list, &c.node);
    TERN_LIST_FOREACH(node, &list)
        if (node != &b.node)
            tern_list_remove(node);
    expect(&list, "b");
}

static void splice_moves_all_to_the_end(void **state)
{
    struct tern_list list, other;

    (void)state;
    start(&list);
    tern_list_init(&other);
    tern_list_splice_back(&list, &other);
    assert_true(tern_list_is_empty(&list));
    tern_list_push_back(&list, &a.node);
    tern_list_push_back(&other, &b.node);
    tern_list_push_back(&other, &c.node);
    tern_list_splice_back(&list, &other);
    expect(&list, "abc");
    assert_true(tern_list_is_empty(&other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends),
        cmocka_unit_test(a_removed_node_may_be_removed_again),
        cmocka_unit_test(walking_survives_removal_of_the_node),
        cmocka_unit_test(splice_moves_all_to_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
