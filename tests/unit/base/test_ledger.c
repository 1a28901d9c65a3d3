#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/ledger.h"

static void test_room_is_the_least_of_all_levels(void **state)
{
    struct tern_ledger engine, client, a, b;

    (void)state;
    tern_ledger_init(&engine, NULL, 1000);
    tern_ledger_init(&client, &engine, 500);
    tern_ledger_init(&a, &client, 300);
    tern_ledger_init(&b, &client, TERN_OFF);
    assert_int_equal(tern_ledger_room(&a), 300);
    assert_int_equal(tern_ledger_room(&b), 500);
    tern_ledger_promise(&b, 350);
    assert_int_equal(tern_ledger_room(&a), 150);
    tern_ledger_hold(&engine, 900); /* another client's; it may be more than there is room for */
    assert_int_equal(tern_ledger_room(&a), 0);
    tern_ledger_drop(&engine, 900);
    tern_ledger_revoke(&b, 350);
    assert_int_equal(tern_ledger_room(&a), 300);
}

static void test_counts_and_peaks(void **state)
{
    struct tern_ledger client, conn;

    (void)state;
    tern_ledger_init(&client, NULL, 1000);
    tern_ledger_init(&conn, &client, 1000);
    tern_ledger_promise(&conn, 600);
    tern_ledger_revoke(&conn, 250); /* so many have come, and wait */
    tern_ledger_hold(&conn, 250);
    assert_int_equal(client.promised_bytes, 350);
    assert_int_equal(client.held_bytes, 250);
    assert_int_equal(tern_ledger_room(&conn), 400);
    tern_ledger_drop(&conn, 250);
    tern_ledger_hold(&client, 100);
    assert_int_equal(client.held_bytes, 100);
    assert_int_equal(client.held_bytes_peak, 250);
    assert_int_equal(conn.held_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room_is_the_least_of_all_levels),
        cmocka_unit_test(test_counts_and_peaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
