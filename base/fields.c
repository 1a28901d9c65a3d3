#include "base/fields.h"

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"

#define FIELDS_CAP_MIN 16

struct tern_field_span {
    uint32_t name_at, name_len;
    uint32_t value_at, value_len;
    uint32_t flags;
};

void tern_fields_init(struct tern_fields *fields, uint32_t count_max, uint32_t bytes_max)
{
    *fields = (struct tern_fields){.count_max = count_max};
    tern_buf_init(&fields->bytes, bytes_max);
}

void tern_fields_deinit(struct tern_fields *fields)
{
    tern_mem_free(fields->spans);
    tern_mem_free(fields->view);
    tern_buf_deinit(&fields->bytes);
    tern_fields_init(fields, fields->count_max, (uint32_t)fields->bytes.max);
}

void tern_fields_clear(struct tern_fields *fields)
{
    fields->count = 0;
    tern_buf_clear(&fields->bytes);
}

/* The view grows with the spans, so that showing the list later needs no memory and cannot fail. */
static enum tern_error grow(struct tern_fields *fields)
{
    uint32_t cap = fields->cap != 0 ? fields->cap : FIELDS_CAP_MIN / 2;
    struct tern_field_span *spans;
    struct tern_field *view;

    cap = cap <= fields->count_max / 2 ? cap * 2 : fields->count_max;
    spans = tern_mem_realloc(fields->spans, cap, sizeof(*spans));
    if (spans == NULL)
        return TERN_ENOMEM;
    fields->spans = spans;
    view = tern_mem_realloc(fields->view, cap, sizeof(*view));
    if (view == NULL)
        return TERN_ENOMEM;
    fields->view = view;
    fields->cap = cap;
    return TERN_OK;
}

enum tern_error tern_fields_begin(struct tern_fields *fields)
{
    uint32_t at = (uint32_t)fields->bytes.len;

    if (fields->count >= fields->count_max)
        return TERN_ELIMIT;
    if (fields->count == fields->cap) {
        enum tern_error error = grow(fields);

        if (error != TERN_OK)
            return error;
    }
    fields->spans[fields->count++] = (struct tern_field_span){.name_at = at, .value_at = at};
    return TERN_OK;
}

enum tern_error tern_fields_name_append(struct tern_fields *fields, struct tern_str piece)
{
    struct tern_field_span *span = &fields->spans[fields->count - 1];
    enum tern_error error = tern_buf_append_str(&fields->bytes, piece);

    TERN_ASSERT(span->value_len == 0);
    if (error != TERN_OK)
        return error;
    span->name_len += (uint32_t)piece.len;
    span->value_at += (uint32_t)piece.len;
    return TERN_OK;
}

enum tern_error tern_fields_value_append(struct tern_fields *fields, struct tern_str piece)
{
    enum tern_error error = tern_buf_append_str(&fields->bytes, piece);

    if (error == TERN_OK)
        fields->spans[fields->count - 1].value_len += (uint32_t)piece.len;
    return error;
}

bool tern_field_is_secret(struct tern_str name)
{
    return tern_str_ieq(name, TERN_STR("authorization")) || tern_str_ieq(name, TERN_STR("cookie")) ||
           tern_str_ieq(name, TERN_STR("proxy-authorization"));
}

void tern_fields_end(struct tern_fields *fields)
{
    struct tern_field_span *span = &fields->spans[fields->count - 1];
    struct tern_field field = tern_fields_at(fields, fields->count - 1);
    struct tern_str value = tern_str_trim(field.value);

    span->value_at += (uint32_t)(value.ptr - field.value.ptr);
    span->value_len = (uint32_t)value.len;
    if (tern_field_is_secret(field.name))
        span->flags |= TERN_FIELD_SECRET;
}

enum tern_error tern_fields_add(struct tern_fields *fields, struct tern_str name, struct tern_str value, uint32_t flags)
{
    uint32_t at = (uint32_t)fields->bytes.len;
    enum tern_error error;

    value = tern_str_trim(value);
    /* Each is in memory: no overflow of their sum. One reservation for both, so that the rest cannot fail. */
    if ((error = tern_buf_reserve(&fields->bytes, name.len + value.len)) != TERN_OK ||
        (error = tern_fields_begin(fields)) != TERN_OK)
        return error;
    if (name.len != 0)
        memcpy(tern_buf_tail(&fields->bytes), name.ptr, name.len);
    if (value.len != 0)
        memcpy(tern_buf_tail(&fields->bytes) + name.len, value.ptr, value.len);
    tern_buf_commit(&fields->bytes, name.len + value.len);
    fields->spans[fields->count - 1] = (struct tern_field_span){
        .name_at = at,
        .name_len = (uint32_t)name.len,
        .value_at = at + (uint32_t)name.len,
        .value_len = (uint32_t)value.len,
        .flags = flags | (tern_field_is_secret(name) ? TERN_FIELD_SECRET : 0),
    };
    return TERN_OK;
}

struct tern_field tern_fields_at(const struct tern_fields *fields, uint32_t i)
{
    const struct tern_field_span *span = &fields->spans[i];
    const char *bytes = tern_buf_view(&fields->bytes).ptr;

    TERN_ASSERT(i < fields->count);
    return (struct tern_field){
        {bytes + span->name_at, span->name_len}, {bytes + span->value_at, span->value_len}, span->flags};
}

const struct tern_field *tern_fields_view(struct tern_fields *fields)
{
    for (uint32_t i = 0; i < fields->count; i++)
        fields->view[i] = tern_fields_at(fields, i);
    return fields->count != 0 ? fields->view : NULL;
}

uint32_t tern_fields_find(const struct tern_fields *fields, struct tern_str name, uint32_t from)
{
    uint32_t i = from;

    while (i < fields->count && !tern_str_ieq(tern_fields_at(fields, i).name, name))
        i++;
    return i;
}

struct tern_str tern_fields_value(const struct tern_fields *fields, struct tern_str name)
{
    uint32_t i = tern_fields_find(fields, name, 0);

    return i < fields->count ? tern_fields_at(fields, i).value : (struct tern_str){NULL, 0};
}

uint32_t tern_fields_remove(struct tern_fields *fields, struct tern_str name)
{
    uint32_t kept = 0, count = fields->count;

    for (uint32_t i = 0; i < count; i++)
        if (!tern_str_ieq(tern_fields_at(fields, i).name, name))
            fields->spans[kept++] = fields->spans[i];
    fields->count = kept;
    return count - kept;
}

struct tern_str tern_fields_get(const struct tern_field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (tern_str_ieq(fields[i].name, tern_str(name)))
            return fields[i].value;
    return (struct tern_str){NULL, 0};
}
