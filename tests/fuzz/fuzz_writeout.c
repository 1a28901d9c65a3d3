/* What fetch -w prints: any format is taken to its end, text without variables comes out as it is, and %{json} and
 * %{header_json} are JSON whatever the URL and the fields are. The input: lines with the format, the URL, the method,
 * the text of a failure, then fields. */
#include <stdlib.h>

#include "base/fields.h"
#include "examples/fetch/writeout.h"
#include "tests/fuzz/fuzz.h"

#define FIELDS_MAX 16

/* ---- a reader of JSON (RFC 8259), which says where the value at `at` ends, or NULL ---- */

static const char *json_string(const char *at)
{
    for (at++; *at != '"'; at++) {
        if ((unsigned char)*at < 0x20)
            return NULL;
        if (*at == '\\') {
            at++;
            if (*at == 'u') {
                if (strspn(at + 1, "0123456789abcdefABCDEF") < 4)
                    return NULL;
                at += 4;
            } else if (*at == '\0' || strchr("\"\\/bfnrt", *at) == NULL) {
                return NULL;
            }
        }
    }
    return at + 1;
}

static const char *json_blank(const char *at)
{
    return at != NULL ? at + strspn(at, " \t\r\n") : NULL;
}

static const char *json_value(const char *at, int depth)
{
    char end = *at == '{' ? '}' : ']';
    bool is_object = *at == '{';

    if (*at == '"')
        return json_string(at);
    if (strncmp(at, "null", 4) == 0)
        return at + 4;
    if (*at != '{' && *at != '[')
        return strspn(at, "0123456789.") > 0 ? at + strspn(at, "0123456789.") : NULL;
    at = json_blank(at + 1);
    if (*at == end)
        return at + 1;
    while (depth > 0) {
        if (is_object) {
            at = *at == '"' ? json_blank(json_string(at)) : NULL;
            if (at == NULL || *at != ':')
                return NULL;
            at = json_blank(at + 1);
        }
        at = json_blank(json_value(at, depth - 1));
        if (at == NULL || (*at != ',' && *at != end))
            return NULL;
        if (*at == end)
            return at + 1;
        at = json_blank(at + 1);
    }
    return NULL;
}

/* ---- */

static void print(const char *format, const struct outcome *outcome, struct text *out, struct text *err)
{
    *out = *err = (struct text){0};
    writeout_format(format, outcome, out, err);
}

static void drop(struct text *out, struct text *err)
{
    text_free(out);
    text_free(err);
}

static void check_json(const char *format, const struct outcome *outcome)
{
    struct text out, err;
    const char *end;

    print(format, outcome, &out, &err);
    end = json_blank(json_value(out.ptr, 3));
    FUZZ_CHECK(end != NULL && *end == '\0' && err.len == 0);
    drop(&out, &err);
}

/* Each '%' doubled, no backslash. */
static void check_plain(const char *format, const struct outcome *outcome)
{
    struct text out, err, doubled = {0};
    char *plain = strdup(format);

    FUZZ_CHECK(plain != NULL);
    text_adds(&doubled, "");
    for (char *at = plain; *at != '\0'; at++) {
        if (*at == '\\')
            *at = '/';
        text_add(&doubled, at, 1);
        if (*at == '%')
            text_add(&doubled, at, 1);
    }
    print(doubled.ptr, outcome, &out, &err);
    fuzz_same(tern_str_n(out.ptr, out.len), tern_str(plain));
    FUZZ_CHECK(err.len == 0);
    drop(&out, &err);
    text_free(&doubled);
    free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tern_str rest = {(const char *)data, size};
    char *format = fuzz_text(&rest), *url = fuzz_text(&rest), *method = fuzz_text(&rest),
         *failure_text = fuzz_text(&rest);
    struct failure failure = {.code = failure_text[0] != '\0' ? CODE_EMPTY : CODE_OK};
    struct tern_result result = {.local = "192.0.2.200:40000", .remote = "[2001:db8::1]:443", .version = TERN_HTTP_1_1};
    struct tern_field fields[FIELDS_MAX];
    struct outcome outcome = {.url = url,
                              .effective = tern_str(url),
                              .method = method,
                              .filename = method,
                              .status = 200,
                              .result = &result,
                              .failure = &failure,
                              .fields = fields};
    size_t count = fuzz_fields(&rest, fields, FIELDS_MAX);
    struct text out, err;

    strncpy(failure.text, failure_text, sizeof(failure.text) - 1);
    for (size_t i = 0; i < count; i++) /* only what a codec lets through */
        if (tern_is_token(fields[i].name) && tern_field_value_valid(fields[i].value))
            fields[outcome.field_count++] = fields[i];
    print(format, &outcome, &out, &err);
    drop(&out, &err);
    check_plain(format, &outcome);
    check_json("%{json}", &outcome);
    check_json("%{header_json}", &outcome);
    free(failure_text);
    free(method);
    free(url);
    free(format);
    return 0;
}
