/* The table of errors, faults and escaping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>

#include "base/fault.h"

static void every_error_has_name_text_and_class(void **state)
{
    (void)state;
    for (int i = 0; i < TERN_ERROR_COUNT; i++) {
        enum tern_error error = (enum tern_error)i;

        assert_memory_equal(tern_error_name(error), "TERN_", 5);
        assert_true(strlen(tern_error_text(error)) > 5);
        assert_int_equal(tern_error_class(error) == TERN_CLASS_NONE, i == 0);
        assert_string_not_equal(tern_error_class_name(tern_error_class(error)), "unknown");
    }
    assert_string_equal(tern_error_name(TERN_EURL), "TERN_EURL");
    assert_string_equal(tern_error_text(TERN_ENOMEM), "out of memory");
    assert_int_equal(tern_error_class(TERN_EDEADLINE), TERN_CLASS_TIMEOUT);
    assert_string_equal(tern_error_class_name(TERN_CLASS_CANCELLED), "cancelled");
}

static void what_is_no_error_is_answered_too(void **state)
{
    (void)state;
    assert_string_equal(tern_error_name((enum tern_error)9999), "TERN_?");
    assert_string_equal(tern_error_text((enum tern_error) - 1), "an unknown error");
    assert_string_equal(tern_error_class_name((enum tern_error_class)99), "unknown");
}

static void a_fault_is_one_line_of_printable_ascii(void **state)
{
    struct tern_fault fault = {.os_errno = 5, .tls_code = 6};
    char longer[400];

    (void)state;
    assert_int_equal(tern_fault_set(&fault, TERN_EURL, "port %d\r\n\xc3", 7), TERN_EURL);
    assert_string_equal(fault.text, "port 7???");
    assert_int_equal(fault.error, TERN_EURL);
    assert_int_equal(fault.os_errno, 0);
    assert_int_equal(fault.tls_code, 0);
    tern_fault_set(&fault, TERN_EURL, "again: %s", fault.text);
    assert_string_equal(fault.text, "again: port 7???");
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    tern_fault_set(&fault, TERN_EURL, "%s", longer);
    assert_int_equal(strlen(fault.text), TERN_FAULT_TEXT_MAX - 1);
    assert_string_equal(fault.text + TERN_FAULT_TEXT_MAX - 5, "x...");
    assert_int_equal(tern_fault_set(NULL, TERN_EFIELD, "nobody listens"), TERN_EFIELD);
}

static void an_errno_is_told_in_words(void **state)
{
    struct tern_fault fault;

    (void)state;
    assert_int_equal(tern_fault_errno(&fault, TERN_ECONNECT_REFUSED, ECONNREFUSED, "connect to %s", "127.0.0.1:81"),
                     TERN_ECONNECT_REFUSED);
    assert_string_equal(fault.text, "connect to 127.0.0.1:81: Connection refused");
    assert_int_equal(fault.os_errno, ECONNREFUSED);
    assert_int_equal(tern_fault_errno(NULL, TERN_EOS, EIO, "x"), TERN_EOS);
    assert_int_equal(tern_fault_plain(&fault, TERN_ENOMEM), TERN_ENOMEM);
    assert_string_equal(fault.text, "out of memory");
}

static void errno_means_another_error_at_each_stage(void **state)
{
    (void)state;
    assert_int_equal(tern_error_of_connect(ECONNREFUSED), TERN_ECONNECT_REFUSED);
    assert_int_equal(tern_error_of_connect(EHOSTUNREACH), TERN_ECONNECT_UNREACHABLE);
    assert_int_equal(tern_error_of_connect(ETIMEDOUT), TERN_ECONNECT_TIMEOUT);
    assert_int_equal(tern_error_of_connect(EMFILE), TERN_EDESCRIPTORS);
    assert_int_equal(tern_error_of_connect(ENOBUFS), TERN_ENOMEM);
    assert_int_equal(tern_error_of_connect(EACCES), TERN_ECONNECT_FAILED);
    assert_int_equal(tern_error_of_stream(ECONNRESET), TERN_EPEER_RESET);
    assert_int_equal(tern_error_of_stream(EPIPE), TERN_EPEER_RESET);
    assert_int_equal(tern_error_of_stream(ETIMEDOUT), TERN_EPEER_RESET);
    assert_int_equal(tern_error_of_stream(ENOMEM), TERN_ENOMEM);
    assert_int_equal(tern_error_of_stream(EIO), TERN_EOS);
}

static void escaping_shows_every_byte(void **state)
{
    char out[64];

    (void)state;
    assert_string_equal(tern_escape(out, sizeof(out), tern_str("a b~")), "a b~");
    assert_string_equal(tern_escape(out, sizeof(out), TERN_STR("\"\\\r\n\0\x7f\xff")),
                        "\\\"\\\\\\x0d\\x0a\\x00\\x7f\\xff");
    assert_string_equal(tern_escape(out, sizeof(out), (struct tern_str){NULL, 0}), "");
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;

        tern_escape(out, sizeof(out), (struct tern_str){&byte, 1});
        for (const char *at = out; *at != '\0'; at++)
            assert_in_range(*at, 0x20, 0x7e);
    }
}

static void escaping_cuts_between_characters(void **state)
{
    char out[8];

    (void)state;
    assert_string_equal(tern_escape(out, sizeof(out), tern_str("1234567")), "1234567");
    assert_string_equal(tern_escape(out, sizeof(out), tern_str("12345678")), "1234...");
    assert_string_equal(tern_escape(out, sizeof(out), tern_str("\n\n")), "\\x0a...");
    assert_string_equal(tern_escape(out, sizeof(out), tern_str("12\n45")), "12...");
    assert_string_equal(tern_escape(out, sizeof(out), tern_str("123\n")), "123\\x0a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_name_text_and_class),     cmocka_unit_test(what_is_no_error_is_answered_too),
        cmocka_unit_test(a_fault_is_one_line_of_printable_ascii),  cmocka_unit_test(an_errno_is_told_in_words),
        cmocka_unit_test(errno_means_another_error_at_each_stage), cmocka_unit_test(escaping_shows_every_byte),
        cmocka_unit_test(escaping_cuts_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
