#include "policy/resume.h"

#include "base/date.h"
#include "base/fields.h"
#include "base/num.h"

static struct tern_str field(const struct tern_head *head, const char *name)
{
    return tern_str_trim(tern_fields_get(head->fields, head->field_count, name));
}

/* RFC 9110 8.8.3. One that is weak begins with W/. */
static bool is_strong_tag(struct tern_str tag)
{
    return tag.len >= 2 && tag.ptr[0] == '"' && memchr(tag.ptr + 1, '"', tag.len - 1) == tag.ptr + tag.len - 1;
}

static bool is_strong_date(struct tern_str modified, struct tern_str date, int64_t wall_s)
{
    int64_t modified_s, date_s;

    return tern_date_parse(modified, wall_s, &modified_s) && tern_date_parse(date, wall_s, &date_s) &&
           date_s >= TERN_RESUME_DATE_GAP_S && modified_s <= date_s - TERN_RESUME_DATE_GAP_S;
}

bool tern_resume_read(const struct tern_head *head, int64_t wall_s, struct tern_resume_body *out)
{
    struct tern_str tag = field(head, "ETag"), length = field(head, "Content-Length");

    if (head->status != 200 || tern_str_ieq(field(head, "Accept-Ranges"), TERN_STR("none")) || length.ptr == NULL ||
        !tern_u64_parse(length, UINT64_MAX, &out->total_bytes))
        return false;
    out->is_date = tag.ptr == NULL; /* beside a tag a date must not be used (13.1.5) */
    out->validator = out->is_date ? field(head, "Last-Modified") : tag;
    return out->is_date ? is_strong_date(out->validator, field(head, "Date"), wall_s) : is_strong_tag(tag);
}

/* "bytes 5-9/10" (RFC 9110 14.4) */
static bool parse_range(struct tern_str text, uint64_t *first, uint64_t *last, uint64_t *total)
{
    struct tern_str unit = TERN_STR("bytes ");
    size_t dash, slash;

    if (text.len <= unit.len || !tern_str_ieq(tern_str_n(text.ptr, unit.len), unit))
        return false;
    text = tern_str_from(text, unit.len);
    dash = tern_str_find(text, '-');
    slash = tern_str_find(text, '/');
    return dash < slash && slash < text.len && tern_u64_parse(tern_str_n(text.ptr, dash), UINT64_MAX, first) &&
           tern_u64_parse(tern_str_n(text.ptr + dash + 1, slash - dash - 1), UINT64_MAX, last) &&
           tern_u64_parse(tern_str_from(text, slash + 1), UINT64_MAX, total);
}

const char *tern_resume_refuses(const struct tern_resume_body *body, uint64_t at_bytes, const struct tern_head *head)
{
    struct tern_str range = field(head, "Content-Range");
    uint64_t first, last, total;

    if (head->status != 206)
        return head->status == 200 ? "the body is another by now" : "the server does not give the rest of the body";
    if (!tern_str_eq(field(head, body->is_date ? "Last-Modified" : "ETag"), body->validator))
        return "the part is not of the same body";
    if (range.ptr == NULL || !parse_range(range, &first, &last, &total))
        return "the part does not say which it is";
    if (first != at_bytes || last != body->total_bytes - 1 || total != body->total_bytes)
        return "the part is another than was asked for";
    return NULL;
}
