/* Requests: whatever passes the gate is one request on the wire, as an independent parser reads it, with just the
 * method, target and fields that went in. Lists: each element is part of the value, in order. The input: lines with
 * method, authority and target, then fields. */
#include <llhttp.h>

#include "base/fields.h"
#include "proto/request.h"
#include "tests/fuzz/fuzz.h"

#define FIELDS_MAX 32

/* What llhttp reads: the parts with a NUL behind each. */
struct reading {
    llhttp_t parser;
    struct tern_buf text;
    uint32_t complete;
};

static void put(struct tern_buf *out, struct tern_str s)
{
    FUZZ_CHECK(tern_buf_append(out, s.ptr, s.len) == TERN_OK);
}

static int on_text(llhttp_t *parser, const char *at, size_t len)
{
    put(&((struct reading *)parser->data)->text, tern_str_n(at, len));
    return 0;
}

static int on_end(llhttp_t *parser)
{
    put(&((struct reading *)parser->data)->text, tern_str_n("", 1));
    return 0;
}

static int on_complete(llhttp_t *parser)
{
    ((struct reading *)parser->data)->complete++;
    return 0;
}

static void put_part(struct tern_buf *out, struct tern_str part)
{
    put(out, part);
    put(out, tern_str_n("", 1));
}

/* llhttp knows the registered methods alone: others go by as PUT. */
static void check_wire(const struct tern_outgoing *message, struct tern_str wire)
{
    llhttp_settings_t settings;
    struct reading reading = {.text.max = SIZE_MAX / 2};
    struct tern_buf expected = {.max = SIZE_MAX / 2};

    FUZZ_CHECK(wire.len > message->method.len && memcmp(wire.ptr, message->method.ptr, message->method.len) == 0);
    llhttp_settings_init(&settings);
    settings.on_url = settings.on_header_field = settings.on_header_value = on_text;
    settings.on_url_complete = settings.on_header_field_complete = settings.on_header_value_complete = on_end;
    settings.on_message_complete = on_complete;
    llhttp_init(&reading.parser, HTTP_REQUEST, &settings);
    reading.parser.data = &reading;
    FUZZ_CHECK(llhttp_execute(&reading.parser, "PUT", 3) == HPE_OK);
    FUZZ_CHECK(llhttp_execute(&reading.parser, wire.ptr + message->method.len, wire.len - message->method.len) ==
               HPE_OK);
    FUZZ_CHECK(reading.complete == 1);
    put_part(&expected, message->target);
    put_part(&expected, TERN_STR("Host"));
    put_part(&expected, message->authority);
    for (size_t i = 0; i < message->field_count; i++) {
        put_part(&expected, message->fields[i].name);
        put_part(&expected, message->fields[i].value);
    }
    FUZZ_CHECK(reading.text.len >= expected.len); /* framing comes behind */
    fuzz_same(tern_buf_view(&expected), tern_str_n(reading.text.data + reading.text.head, expected.len));
    tern_buf_deinit(&expected);
    tern_buf_deinit(&reading.text);
}

static void check_list(struct tern_str value)
{
    struct tern_str rest = value, element;
    const char *last = value.ptr;

    while (tern_field_list_next(&rest, &element)) {
        FUZZ_CHECK(element.len > 0 && element.ptr >= last && element.ptr + element.len <= value.ptr + value.len);
        FUZZ_CHECK(tern_str_trim(element).len == element.len);
        last = element.ptr + element.len;
    }
}

/* Taken in one piece or byte by byte, it is the same field. */
static void check_pieces(const struct tern_field *field)
{
    struct tern_fields whole, pieces;

    tern_fields_init(&whole, 1, UINT32_MAX);
    tern_fields_init(&pieces, 1, UINT32_MAX);
    FUZZ_CHECK(tern_fields_add(&whole, field->name, field->value, 0) == TERN_OK);
    FUZZ_CHECK(tern_fields_begin(&pieces) == TERN_OK);
    for (size_t i = 0; i < field->name.len; i++)
        FUZZ_CHECK(tern_fields_name_append(&pieces, tern_str_n(field->name.ptr + i, 1)) == TERN_OK);
    for (size_t i = 0; i < field->value.len; i++)
        FUZZ_CHECK(tern_fields_value_append(&pieces, tern_str_n(field->value.ptr + i, 1)) == TERN_OK);
    tern_fields_end(&pieces);
    fuzz_same(tern_fields_at(&whole, 0).name, tern_fields_at(&pieces, 0).name);
    fuzz_same(tern_fields_at(&whole, 0).value, tern_fields_at(&pieces, 0).value);
    FUZZ_CHECK(tern_fields_at(&whole, 0).flags == tern_fields_at(&pieces, 0).flags);
    tern_fields_deinit(&pieces);
    tern_fields_deinit(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tern_str rest = {(const char *)data, size};
    struct tern_outgoing message = {
        .method = fuzz_line(&rest), .authority = fuzz_line(&rest), .target = fuzz_line(&rest)};
    struct tern_field given[FIELDS_MAX], sent[FIELDS_MAX];
    size_t count = fuzz_fields(&rest, given, FIELDS_MAX);
    struct tern_buf wire = {.max = SIZE_MAX / 2};
    enum tern_request_field use;

    message.scheme = TERN_STR("http");
    message.fields = sent;
    for (size_t i = 0; i < count; i++) {
        check_list(given[i].value);
        check_pieces(&given[i]);
        if (tern_request_field_check(&given[i], &use, NULL) == TERN_OK && use == TERN_REQUEST_FIELD_SEND)
            sent[message.field_count++] = given[i];
    }
    if (tern_request_check(&message, NULL) == TERN_OK) {
        FUZZ_CHECK(tern_request_head_write(&wire, &message, TERN_REQUEST_WIRE) == TERN_OK);
        check_wire(&message, tern_buf_view(&wire));
    }
    tern_buf_deinit(&wire);
    return 0;
}
