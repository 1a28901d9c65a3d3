/* fetch/text.h - growing text, lists of strings, and how fetch fails.
 *
 * fetch is a program, not a library: where memory runs out it says so and exits with 27. Everything else that can go
 * wrong is a struct failure: an exit code (curl's, see failure.h) and one line for a person. */
#ifndef FETCH_TEXT_H
#define FETCH_TEXT_H

#include <tern/tern.h>

/* Never NULL: exits with CODE_MEMORY instead. count times size is checked. Freed with free. */
void *fetch_alloc(size_t count, size_t size);
void *fetch_grow(void *block, size_t count, size_t size);

/* All zero is empty. ptr is NUL-terminated once anything was added, and NULL before. */
struct text {
    char *ptr;
    size_t len;
    size_t capacity;
};

void text_add(struct text *text, const char *bytes, size_t len);
void text_adds(struct text *text, const char *string);
void text_addf(struct text *text, const char *format, ...) TERN_PRINTF(2, 3);
/* Appends a JSON string, quotes included. */
void text_add_json(struct text *text, struct tern_str string);
/* Appends string with all but unreserved characters as %HH (RFC 3986 2.3). */
void text_add_escaped(struct text *text, struct tern_str string);
void text_free(struct text *text);

/* Appends all of a file; "-" is the standard input. Errors: false, and errno tells. */
bool text_add_file(struct text *text, const char *path);

/* A list of borrowed strings. All zero is empty. */
struct strings {
    const char **items;
    size_t count;
};

void strings_add(struct strings *strings, const char *string);
void strings_free(struct strings *strings);

/* The view without blanks at its ends. */
struct tern_str str_trim(struct tern_str s);
/* Equal, the case of ASCII letters aside. */
bool str_same(struct tern_str a, struct tern_str b);

/* Digits and nothing else, up to max. Errors: false, *out untouched. */
bool parse_number(const char *s, uint64_t max, uint64_t *out);

#endif
