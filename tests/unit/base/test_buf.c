/* The bounded buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/rand.h"
#include "base/str.h"
#include "tests/support/faultmem.h"

static void expect(const struct tern_buf *buf, const char *text)
{
    assert_int_equal(buf->len, strlen(text));
    assert_memory_equal(tern_buf_view(buf).ptr, text, buf->len);
}

static void bytes_go_in_and_out(void **state)
{
    struct tern_buf buf;

    (void)state;
    tern_buf_init(&buf, 1000);
    assert_int_equal(tern_buf_append(&buf, NULL, 0), TERN_OK);
    expect(&buf, "");
    assert_int_equal(tern_buf_append(&buf, "hello ", 6), TERN_OK);
    assert_int_equal(tern_buf_append_str(&buf, tern_str("world")), TERN_OK);
    assert_int_equal(tern_buf_append_byte(&buf, '!'), TERN_OK);
    expect(&buf, "hello world!");
    tern_buf_consume(&buf, 6);
    expect(&buf, "world!");
    tern_buf_truncate(&buf, 1);
    expect(&buf, "world");
    assert_int_equal(tern_buf_printf(&buf, " %d %s", 42, "x"), TERN_OK);
    expect(&buf, "world 42 x");
    assert_int_equal(tern_buf_reserve(&buf, 3), TERN_OK);
    memcpy(tern_buf_tail(&buf), "abc", 3);
    tern_buf_commit(&buf, 2);
    expect(&buf, "world 42 xab");
    tern_buf_clear(&buf);
    expect(&buf, "");
    tern_buf_deinit(&buf);
    assert_int_equal(faultmem_live(), 0);
}

static void the_ceiling_holds_and_nothing_is_half_done(void **state)
{
    struct tern_buf buf;

    (void)state;
    tern_buf_init(&buf, 10);
    assert_int_equal(tern_buf_append(&buf, "12345678", 8), TERN_OK);
    assert_int_equal(tern_buf_append(&buf, "abc", 3), TERN_ELIMIT);
    assert_int_equal(tern_buf_printf(&buf, "%s", "abc"), TERN_ELIMIT);
    assert_int_equal(tern_buf_reserve(&buf, SIZE_MAX), TERN_ELIMIT);
    expect(&buf, "12345678");
    assert_int_equal(tern_buf_printf(&buf, "%d", 90), TERN_OK);
    expect(&buf, "1234567890");
    assert_int_equal(tern_buf_append_byte(&buf, 'x'), TERN_ELIMIT);
    tern_buf_consume(&buf, 9);
    assert_int_equal(tern_buf_append(&buf, "abcdefghi", 9), TERN_OK);
    expect(&buf, "0abcdefghi");
    tern_buf_deinit(&buf);
}

static void without_memory_it_is_as_before(void **state)
{
    struct tern_buf buf;
    char big[200];

    (void)state;
    memset(big, 'b', sizeof(big));
    tern_buf_init(&buf, SIZE_MAX);
    faultmem_fail_nth(1);
    assert_int_equal(tern_buf_append(&buf, "a", 1), TERN_ENOMEM);
    faultmem_never_fail();
    assert_int_equal(tern_buf_append(&buf, "abc", 3), TERN_OK);
    tern_buf_consume(&buf, 1);
    faultmem_fail_from(1);
    assert_int_equal(tern_buf_append(&buf, big, sizeof(big)), TERN_ENOMEM);
    assert_int_equal(tern_buf_printf(&buf, "%100d", 1), TERN_ENOMEM);
    assert_int_equal(tern_buf_reserve(&buf, SIZE_MAX - 2), TERN_ENOMEM);
    faultmem_never_fail();
    expect(&buf, "bc");
    tern_buf_deinit(&buf);
}

/* Against a plain array, with bytes that can be told apart. */
static void random_appends_and_consumes(void **state)
{
    enum { MAX = 500, ROUNDS = 50000 };
    struct tern_buf buf;
    struct tern_rand rand;
    unsigned char in = 0, out = 0, piece[64];

    (void)state;
    tern_buf_init(&buf, MAX);
    tern_rand_seed(&rand, 3);
    for (int i = 0; i < ROUNDS; i++) {
        size_t n = tern_rand_below(&rand, sizeof(piece));

        if (tern_rand_below(&rand, 2) == 0) {
            bool fits = buf.len + n <= MAX;

            for (size_t k = 0; k < n; k++)
                piece[k] = (unsigned char)(in + k);
            assert_int_equal(tern_buf_append(&buf, piece, n), fits ? TERN_OK : TERN_ELIMIT);
            in = (unsigned char)(in + (fits ? n : 0));
        } else {
            n = n <= buf.len ? n : buf.len;
            for (size_t k = 0; k < n; k++)
                assert_int_equal((unsigned char)tern_buf_view(&buf).ptr[k], (unsigned char)(out + k));
            out = (unsigned char)(out + n);
            tern_buf_consume(&buf, n);
        }
        assert_true(buf.cap <= MAX);
    }
    tern_buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_in_and_out),
        cmocka_unit_test(the_ceiling_holds_and_nothing_is_half_done),
        cmocka_unit_test(without_memory_it_is_as_before),
        cmocka_unit_test(random_appends_and_consumes),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
