/* What is kept for resumption, for how long and for whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/faultmem.h"
#include "tls/session_cache.h"

static struct tern_session_cache cache;

static const uint8_t *key(uint8_t n)
{
    static uint8_t bytes[256][TERN_SESSION_KEY_BYTES];

    bytes[n][TERN_SESSION_KEY_BYTES - 1] = n;
    return bytes[n];
}

static void add(uint8_t n, const char *text, uint64_t expires_s, bool is_single_use)
{
    tern_session_cache_add(&cache, key(n), text, strlen(text), expires_s, UINT64_MAX, is_single_use);
}

/* text NULL: there is none. */
static void expect(uint8_t n, uint64_t now_s, const char *text)
{
    struct tern_session *session = tern_session_cache_take(&cache, key(n), now_s);

    if (text == NULL) {
        assert_null(session);
        return;
    }
    assert_non_null(session);
    assert_int_equal(session->len, strlen(text));
    assert_memory_equal(session->bytes, text, session->len);
    if (session->is_single_use)
        tern_session_free(session);
}

static void single_use_is_given_once(void **state)
{
    (void)state;
    add(1, "older", 100, true);
    add(1, "newer", 100, true);
    expect(2, 0, NULL);
    expect(1, 0, "newer");
    expect(1, 0, "older");
    expect(1, 0, NULL);
}

static void others_stay(void **state)
{
    (void)state;
    add(1, "again", 100, false);
    expect(1, 0, "again");
    expect(1, 99, "again");
    expect(1, 100, NULL);
    assert_int_equal(cache.count, 0);
}

static void none_outlives_its_certificate(void **state)
{
    (void)state;
    tern_session_cache_add(&cache, key(1), "a", 1, 100, 50, false);
    expect(1, 49, "a");
    expect(1, 50, NULL);
}

static void a_dropped_key_is_gone_and_no_other(void **state)
{
    (void)state;
    add(1, "a", 100, true);
    add(2, "b", 100, true);
    add(1, "c", 100, false);
    tern_session_cache_drop(&cache, key(1));
    expect(1, 0, NULL);
    expect(2, 0, "b");
}

static void the_oldest_goes_first(void **state)
{
    char text[2] = "A";

    (void)state;
    for (int i = 0; i < TERN_SESSION_CACHE_KEY_MAX + 1; i++, text[0]++)
        add(1, text, 100, true);
    assert_int_equal(cache.count, TERN_SESSION_CACHE_KEY_MAX);
    for (int i = 0; i < TERN_SESSION_CACHE_KEY_MAX; i++) {
        text[0]--;
        expect(1, 0, text); /* down to "B" */
    }
    expect(1, 0, NULL);

    for (int i = 0; i < TERN_SESSION_CACHE_MAX; i++)
        add((uint8_t)i, "x", 100, false);
    assert_int_equal(cache.count, TERN_SESSION_CACHE_MAX);
    expect(0, 0, "x"); /* now the latest used */
    add(0, "y", 100, false);
    assert_int_equal(cache.count, TERN_SESSION_CACHE_MAX);
    expect(1, 0, NULL);
    expect(2, 0, "x");
}

static void no_memory_and_too_much_are_not_kept(void **state)
{
    static char large[TERN_SESSION_BYTES_MAX + 1];
    uint64_t live = faultmem_live();

    (void)state;
    tern_session_cache_add(&cache, key(1), large, sizeof(large), 100, UINT64_MAX, true);
    faultmem_fail_nth(1);
    add(1, "a", 100, true);
    assert_true(faultmem_failed());
    faultmem_never_fail();
    expect(1, 0, NULL);
    assert_int_equal(faultmem_live(), live);
}

static int setup(void **state)
{
    (void)state;
    tern_session_cache_init(&cache);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tern_session_cache_deinit(&cache);
    assert_int_equal(faultmem_live(), 0);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(single_use_is_given_once),      TEST(others_stay),
        TEST(none_outlives_its_certificate), TEST(a_dropped_key_is_gone_and_no_other),
        TEST(the_oldest_goes_first),         TEST(no_memory_and_too_much_are_not_kept),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
