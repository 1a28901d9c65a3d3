/* base/fields.h - a list of header fields, and the grammar of names, values, methods and targets.
 *
 * Names and values are copied into one arena and kept as offsets, so a list that was cleared takes the next message
 * without allocating. Order is kept, and so are repeated names. */
#ifndef TERN_BASE_FIELDS_H
#define TERN_BASE_FIELDS_H

#include "base/buf.h"

/* Caller's storage. May be moved by assignment. */
struct tern_fields {
    struct tern_field_span *spans; /* cap of them, where each field stands in the arena */
    struct tern_field *view;       /* cap of them, filled by tern_fields_view */
    uint32_t count;
    uint32_t cap;
    uint32_t count_max;
    struct tern_buf bytes;
};

/* A list of at most count_max fields whose names and values together have at most bytes_max bytes (at most UINT32_MAX).
 * Allocates nothing. */
void tern_fields_init(struct tern_fields *fields, uint32_t count_max, uint32_t bytes_max);
void tern_fields_deinit(struct tern_fields *fields);

/* Empties the list and keeps its memory. */
void tern_fields_clear(struct tern_fields *fields);

/* Appends a copy. The value is trimmed (RFC 9110 section 5.5). Nothing is validated: tern_field_check does that.
 * Authorization, Proxy-Authorization and Cookie get TERN_FIELD_SECRET. Errors: TERN_ELIMIT (count or bytes),
 * TERN_ENOMEM; the list is as before. */
TERN_MUST_USE enum tern_error tern_fields_add(struct tern_fields *fields, struct tern_str name, struct tern_str value,
                                              uint32_t flags);

/* Whether a field of that name always has TERN_FIELD_SECRET. */
bool tern_field_is_secret(struct tern_str name);

/* The same in pieces, for a parser that sees a field split: begin an empty field, append to its name, then to
 * its value, then end it (which trims the value and sets flags). No other function until end. Errors as above; the
 * list is then only good for clear and deinit. */
TERN_MUST_USE enum tern_error tern_fields_begin(struct tern_fields *fields);
TERN_MUST_USE enum tern_error tern_fields_name_append(struct tern_fields *fields, struct tern_str piece);
TERN_MUST_USE enum tern_error tern_fields_value_append(struct tern_fields *fields, struct tern_str piece);
void tern_fields_end(struct tern_fields *fields);

/* The i-th field, i < count. Borrows; good until the list changes. */
struct tern_field tern_fields_at(const struct tern_fields *fields, uint32_t i);

/* All fields->count fields as the public array. Borrows; good until the list changes. NULL where count is 0. */
const struct tern_field *tern_fields_view(struct tern_fields *fields);

/* The index of the first field called name at or behind from, or fields->count. Case does not matter. */
uint32_t tern_fields_find(const struct tern_fields *fields, struct tern_str name, uint32_t from);

/* Its value, or a view whose ptr is NULL. Borrows. */
struct tern_str tern_fields_value(const struct tern_fields *fields, struct tern_str name);

/* Removes every field called name and returns how many there were. Their bytes come back at clear. */
uint32_t tern_fields_remove(struct tern_fields *fields, struct tern_str name);

/* The grammar. token: RFC 9110 section 5.6.2. Methods are tokens (9.1). */
bool tern_is_token(struct tern_str s);

/* The length of the token that s starts with, or 0. */
size_t tern_token_length(struct tern_str s);

/* How many bytes s starts with that are no control characters: neither below 0x20, so no HTAB, nor 0x7f. */
size_t tern_text_length(struct tern_str s);

/* RFC 9110 section 5.5, obs-text allowed: no CTL but HTAB (so no CR, LF, NUL), no blank at either end. May be empty. */
bool tern_field_value_valid(struct tern_str s);

/* What may stand as request target on the wire: one or more of 0x21 to 0x7e (RFC 9112 section 3.2 allows less, but no
 * more). */
bool tern_target_valid(struct tern_str s);

/* A field for a request: the name a token, the value valid once trimmed. Errors: TERN_EFIELD; the text names the field
 * and the rule, and never shows the value. */
TERN_MUST_USE enum tern_error tern_field_check(struct tern_str name, struct tern_str value, struct tern_fault *fault);

/* Walks a comma list (RFC 9110 section 5.6.1): takes the next element off *rest, trimmed, commas inside quoted strings
 * not counted, empty elements skipped. False at the end. Where a field is repeated, walk each of its values in turn. */
bool tern_field_list_next(struct tern_str *rest, struct tern_str *element);

#endif
