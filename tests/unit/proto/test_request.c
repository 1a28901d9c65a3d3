/* The gate for requests: every public string with every byte, and the wire read again by another reader. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include <llhttp.h>

#include "base/str.h"
#include "proto/request.h"

static struct tern_outgoing plain(void)
{
    return (struct tern_outgoing){.method = TERN_STR("GET"),
                                  .scheme = TERN_STR("http"),
                                  .authority = TERN_STR("example.com"),
                                  .target = TERN_STR("/")};
}

/* ---- another reader: llhttp as a server would use it ---- */

struct seen {
    char method[64], url[64], name[64], value[64]; /* of the last field that is not Host */
    char field[64];
    int fields;
    int complete;
};

static void keep(char *to, const char *at, size_t len)
{
    size_t have = strlen(to);

    assert_true(have + len < 64);
    memcpy(to + have, at, len);
    to[have + len] = '\0';
}

static int see_method(llhttp_t *parser, const char *at, size_t len)
{
    keep(((struct seen *)parser->data)->method, at, len);
    return 0;
}

static int see_url(llhttp_t *parser, const char *at, size_t len)
{
    keep(((struct seen *)parser->data)->url, at, len);
    return 0;
}

static int see_name(llhttp_t *parser, const char *at, size_t len)
{
    struct seen *seen = parser->data;

    seen->name[0] = seen->value[0] = '\0';
    keep(seen->name, at, len);
    seen->fields++;
    return 0;
}

static int see_value(llhttp_t *parser, const char *at, size_t len)
{
    keep(((struct seen *)parser->data)->value, at, len);
    return 0;
}

static int see_end(llhttp_t *parser)
{
    ((struct seen *)parser->data)->complete++;
    return 0;
}

/* Writes the request and reads it as a server does. */
static llhttp_errno_t read_again(const struct tern_outgoing *message, struct seen *seen)
{
    static const llhttp_settings_t settings = {.on_method = see_method,
                                               .on_url = see_url,
                                               .on_header_field = see_name,
                                               .on_header_value = see_value,
                                               .on_message_complete = see_end};
    struct tern_buf wire;
    llhttp_t parser;

    *seen = (struct seen){0};
    tern_buf_init(&wire, 1 << 16);
    assert_int_equal(tern_request_head_write(&wire, message, TERN_REQUEST_WIRE), TERN_OK);
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = seen;
    llhttp_errno_t error = llhttp_execute(&parser, wire.data + wire.head, wire.len);
    /* Exactly one empty line, and it is the last. */
    assert_ptr_equal(memmem(wire.data + wire.head, wire.len, "\r\n\r\n", 4), wire.data + wire.head + wire.len - 4);
    tern_buf_deinit(&wire);
    return error;
}

/* ---- every byte ---- */

static bool is_tchar(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static void every_byte_in_the_method(void **unused)
{
    (void)unused;
    for (int c = 0; c < 256; c++) {
        char method[] = {'A', (char)c, 'B'};
        struct tern_outgoing message = plain();
        struct tern_fault fault;
        message.method = tern_str_n(method, 3);
        enum tern_error error = tern_request_check(&message, &fault);
        assert_int_equal(error, is_tchar(c) ? TERN_OK : TERN_EINVAL);
        if (error != TERN_OK) {
            assert_non_null(strstr(fault.text, "method \"A"));
            assert_non_null(strstr(fault.text, "must be a token"));
        }
    }
}

static void every_byte_in_the_target(void **unused)
{
    (void)unused;
    for (int c = 0; c < 256; c++) {
        char target[] = {'/', 'a', (char)c, 'b'};
        struct tern_outgoing message = plain();
        struct tern_fault fault;
        message.target = tern_str_n(target, 4);
        enum tern_error error = tern_request_check(&message, &fault);
        assert_int_equal(error, c > 0x20 && c < 0x7f && c != '#' ? TERN_OK : TERN_EURL);
        if (error == TERN_OK) {
            struct seen seen;
            assert_int_equal(read_again(&message, &seen), HPE_OK);
            assert_string_equal(seen.method, "GET");
            assert_memory_equal(seen.url, target, 4);
            assert_int_equal(seen.fields, 1);
            assert_int_equal(seen.complete, 1);
        } else {
            assert_non_null(strstr(fault.text, "request target \"/a"));
        }
    }
}

static void every_byte_in_the_authority(void **unused)
{
    (void)unused;
    for (int c = 0; c < 256; c++) {
        char host[] = {'a', (char)c, 'b'};
        struct tern_outgoing message = plain();
        struct tern_fault fault;
        message.authority = tern_str_n(host, 3);
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    (c != 0 && strchr("-._~%!$&'()*+,;=:[]", c) != NULL);
        assert_int_equal(tern_request_check(&message, &fault), good ? TERN_OK : TERN_EURL);
        if (good) {
            struct seen seen;
            assert_int_equal(read_again(&message, &seen), HPE_OK);
            assert_string_equal(seen.name, "Host");
            assert_memory_equal(seen.value, host, 3);
        }
    }
}

static void every_byte_in_a_field_name(void **unused)
{
    (void)unused;
    for (int c = 0; c < 256; c++) {
        char name[] = {'X', (char)c, 'Y'};
        struct tern_field field = {tern_str_n(name, 3), TERN_STR("v"), 0};
        struct tern_outgoing message = plain();
        struct tern_fault fault;
        message.fields = &field;
        message.field_count = 1;
        enum tern_error error = tern_request_check(&message, &fault);
        assert_int_equal(error, is_tchar(c) ? TERN_OK : TERN_EFIELD);
        if (error == TERN_OK) {
            struct seen seen;
            assert_int_equal(read_again(&message, &seen), HPE_OK);
            assert_memory_equal(seen.name, name, 3);
            assert_string_equal(seen.value, "v");
            assert_int_equal(seen.fields, 2);
        }
    }
}

static void every_byte_in_a_field_value(void **unused)
{
    (void)unused;
    for (int c = 0; c < 256; c++) {
        char value[] = {'a', (char)c, 'b'};
        struct tern_field field = {TERN_STR("X"), tern_str_n(value, 3), 0};
        struct tern_outgoing message = plain();
        struct tern_fault fault;
        message.fields = &field;
        message.field_count = 1;
        enum tern_error error = tern_request_check(&message, &fault);
        assert_int_equal(error, c == '\t' || (c >= 0x20 && c != 0x7f) ? TERN_OK : TERN_EFIELD);
        if (error == TERN_OK) {
            struct seen seen;
            assert_int_equal(read_again(&message, &seen), HPE_OK);
            assert_string_equal(seen.name, "X");
            assert_memory_equal(seen.value, value, 3);
            assert_int_equal(seen.fields, 2);
        } else {
            assert_non_null(strstr(fault.text, "X"));
        }
    }
}

/* ---- the rules ---- */

static void what_becomes_of_each_field(void **unused)
{
    static const struct {
        const char *name, *value;
        enum tern_error error;
        enum tern_request_field use;
        const char *says;
    } rows[] = {
        {"Accept", "*/*", TERN_OK, TERN_REQUEST_FIELD_SEND, NULL},
        {"X-Empty", "", TERN_OK, TERN_REQUEST_FIELD_SEND, NULL},
        {"host", "a.example:81", TERN_OK, TERN_REQUEST_FIELD_HOST, NULL},
        {"Host", "", TERN_EFIELD, 0, "field Host: \"\""},
        {"Host", "a b", TERN_EFIELD, 0, "field Host: \"a b\""},
        {"Host", "u@a", TERN_EFIELD, 0, "field Host: \"u@a\""},
        {"Expect", "100-Continue", TERN_OK, TERN_REQUEST_FIELD_EXPECT, NULL},
        {"Expect", "200-ok", TERN_EFIELD, 0, "field Expect: \"200-ok\": only 100-continue"},
        {"Connection", "close", TERN_OK, TERN_REQUEST_FIELD_CLOSE, NULL},
        {"connection", "keep-alive, Close", TERN_OK, TERN_REQUEST_FIELD_CLOSE, NULL},
        {"Connection", "Keep-Alive", TERN_OK, TERN_REQUEST_FIELD_DROP, NULL},
        {"Connection", "X-Secret", TERN_EFIELD, 0, "field Connection: \"X-Secret\": only close and keep-alive"},
        {"Content-Length", "5", TERN_EFIELD, 0, "field Content-Length: comes from the body"},
        {"transfer-encoding", "chunked", TERN_EFIELD, 0, "field transfer-encoding: comes from the body"},
        {"TE", "trailers", TERN_EFIELD, 0, "field TE: belongs to the connection"},
        {"Upgrade", "h2c", TERN_EFIELD, 0, "belongs to the connection"},
        {"Keep-Alive", "timeout=5", TERN_EFIELD, 0, "belongs to the connection"},
        {"Proxy-Connection", "close", TERN_EFIELD, 0, "belongs to the connection"},
        {"HTTP2-Settings", "AAA", TERN_EFIELD, 0, "belongs to the connection"},
        {"", "v", TERN_EFIELD, 0, ""},
        {"A\r\nB", "v", TERN_EFIELD, 0, "\\x0d\\x0aB"},
        {"Authorization", "hunter2\r\nX: y", TERN_EFIELD, 0, "Authorization"},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tern_field field = {tern_str(rows[i].name), tern_str(rows[i].value), 0};
        enum tern_request_field use = TERN_REQUEST_FIELD_SEND;
        struct tern_fault fault = {0};
        assert_int_equal(tern_request_field_check(&field, &use, &fault), rows[i].error);
        if (rows[i].error == TERN_OK) {
            assert_int_equal(use, rows[i].use);
        } else if (strstr(fault.text, rows[i].says) == NULL || strstr(fault.text, "hunter2") != NULL) {
            fail_msg("%s", fault.text);
        }
    }
}

static void what_is_refused_of_the_rest(void **unused)
{
    static const struct {
        const char *method, *target, *authority;
        enum tern_error error;
    } rows[] = {
        {"GET", "/", "a", TERN_OK},         {"get", "/", "a", TERN_OK},
        {"OPTIONS", "*", "a", TERN_OK},     {"OPTIONS", "/x", "[2001:db8::1]:8080", TERN_OK},
        {"GET", "*", "a", TERN_EURL},       {"GET", "", "a", TERN_EURL},
        {"GET", "x", "a", TERN_EURL},       {"GET", "http://a/", "a", TERN_EURL},
        {"OPTIONS", "**", "a", TERN_EURL},  {"GET", "/", "", TERN_EURL},
        {"GET", "/", "u:p@a", TERN_EURL},   {"", "/", "a", TERN_EINVAL},
        {"CONNECT", "/", "a", TERN_EINVAL},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tern_outgoing message = plain();
        message.method = tern_str(rows[i].method);
        message.target = tern_str(rows[i].target);
        message.authority = tern_str(rows[i].authority);
        assert_int_equal(tern_request_check(&message, NULL), rows[i].error);
    }
    /* What a caller should have taken out. */
    struct tern_field host = {TERN_STR("Host"), TERN_STR("b"), 0};
    struct tern_outgoing message = plain();
    message.fields = &host;
    message.field_count = 1;
    assert_int_equal(tern_request_check(&message, NULL), TERN_EFIELD);
}

static void a_head_has_a_largest_size(void **unused)
{
    char *big = calloc(1, TERN_REQUEST_HEAD_BYTES_MAX);
    struct tern_outgoing message = plain();
    struct tern_fault fault;

    (void)unused;
    assert_non_null(big);
    memset(big, 'x', TERN_REQUEST_HEAD_BYTES_MAX);
    struct tern_field field = {TERN_STR("X"), {big, TERN_REQUEST_HEAD_BYTES_MAX - 1024}, 0};
    message.fields = &field;
    message.field_count = 1;
    assert_int_equal(tern_request_check(&message, &fault), TERN_OK);
    field.value.len = TERN_REQUEST_HEAD_BYTES_MAX;
    assert_int_equal(tern_request_check(&message, &fault), TERN_EFIELD);
    assert_non_null(strstr(fault.text, "more than 1048576"));
    free(big);
}

static void fields_that_passed_are_not_asked_again(void **unused)
{
    struct tern_field fields[] = {{TERN_STR("A"), TERN_STR("bc"), 0}, {TERN_STR("Def"), TERN_STR("gh\n"), 0}};
    struct tern_outgoing message = plain();
    struct tern_fault fault;
    size_t bytes;

    (void)unused;
    assert_int_equal(tern_request_fields_check(fields, 0, &bytes, &fault), TERN_OK);
    assert_int_equal(bytes, 0);
    assert_int_equal(tern_request_fields_check(fields, 1, &bytes, &fault), TERN_OK);
    assert_int_equal(bytes, strlen("A: bc\r\n"));
    assert_int_equal(tern_request_fields_check(fields, 2, &bytes, &fault), TERN_EFIELD);
    fields[1] = (struct tern_field){TERN_STR("Expect"), TERN_STR("100-continue"), 0};
    assert_int_equal(tern_request_fields_check(fields, 2, &bytes, &fault), TERN_EFIELD);
    fields[1].name = TERN_STR("Def");
    assert_int_equal(tern_request_fields_check(fields, 2, &bytes, &fault), TERN_OK);
    message.fields = fields;
    message.field_count = 2;
    message.fields_bytes = bytes;
    assert_int_equal(tern_request_check(&message, &fault), TERN_OK);
    message.fields_bytes = TERN_REQUEST_HEAD_BYTES_MAX - 256; /* the sum is of all */
    assert_int_equal(tern_request_check(&message, &fault), TERN_EFIELD);
    assert_non_null(strstr(fault.text, "more than 1048576"));
    message.fields_bytes = 0; /* not yet: then they are asked */
    fields[0].value = TERN_STR("b\rc");
    assert_int_equal(tern_request_check(&message, &fault), TERN_EFIELD);
}

static void a_trace_hides_secrets(void **unused)
{
    static const struct tern_field fields[] = {{TERN_STR("Authorization"), TERN_STR("hunter2"), TERN_FIELD_SECRET},
                                               {TERN_STR("A"), TERN_STR(" b\t"), 0}};
    struct tern_outgoing message = plain();
    struct tern_buf out;

    (void)unused;
    message.fields = fields;
    message.field_count = 2;
    tern_buf_init(&out, 1 << 16);
    assert_int_equal(tern_request_head_write(&out, &message, TERN_REQUEST_TRACE), TERN_OK);
    assert_true(
        tern_str_eq(tern_buf_view(&out), TERN_STR("GET / HTTP/1.1\r\nHost: example.com\r\nAuthorization: [secret]\r\n"
                                                  "A: b\r\n\r\n")));
    tern_buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_in_the_method),
        cmocka_unit_test(every_byte_in_the_target),
        cmocka_unit_test(every_byte_in_the_authority),
        cmocka_unit_test(every_byte_in_a_field_name),
        cmocka_unit_test(every_byte_in_a_field_value),
        cmocka_unit_test(what_becomes_of_each_field),
        cmocka_unit_test(what_is_refused_of_the_rest),
        cmocka_unit_test(a_head_has_a_largest_size),
        cmocka_unit_test(fields_that_passed_are_not_asked_again),
        cmocka_unit_test(a_trace_hides_secrets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
