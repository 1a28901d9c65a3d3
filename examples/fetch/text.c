#include "text.h"

#include "failure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static void out_of_memory(void)
{
    fputs("fetch: (27) out of memory\n", stderr);
    exit(CODE_MEMORY);
}

void *fetch_grow(void *block, size_t count, size_t size)
{
    void *grown = reallocarray(block, count != 0 ? count : 1, size);
    if (grown == NULL)
        out_of_memory();
    return grown;
}

void *fetch_alloc(size_t count, size_t size)
{
    void *block = calloc(count != 0 ? count : 1, size);
    if (block == NULL)
        out_of_memory();
    return block;
}

/* Room for len more bytes and a NUL. */
static void reserve(struct text *text, size_t len)
{
    if (len < text->capacity && text->len < text->capacity - len)
        return;
    size_t capacity = text->capacity != 0 ? text->capacity : 256;
    while (capacity - text->len <= len) {
        if (capacity > SIZE_MAX / 2)
            out_of_memory();
        capacity *= 2;
    }
    text->ptr = fetch_grow(text->ptr, capacity, 1);
    text->capacity = capacity;
}

void text_add(struct text *text, const char *bytes, size_t len)
{
    reserve(text, len);
    if (len != 0)
        memcpy(text->ptr + text->len, bytes, len);
    text->len += len;
    text->ptr[text->len] = '\0';
}

void text_adds(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

void text_addf(struct text *text, const char *format, ...)
{
    char small[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(small, sizeof small, format, args); /* NOLINT(clang-analyzer-valist.Uninitialized): it is */
    va_end(args);
    if (len < 0)
        return;
    if ((size_t)len < sizeof small) {
        text_add(text, small, (size_t)len);
        return;
    }
    reserve(text, (size_t)len);
    va_start(args, format);
    vsnprintf(text->ptr + text->len, (size_t)len + 1, format, args);
    va_end(args);
    text->len += (size_t)len;
}

void text_add_json(struct text *text, struct tern_str string)
{
    text_adds(text, "\"");
    for (size_t i = 0; i < string.len; i++) {
        char c = string.ptr[i];
        if (c == '"' || c == '\\')
            text_addf(text, "\\%c", c);
        else if ((unsigned char)c < 0x20 || c == 0x7f)
            text_addf(text, "\\u%04x", (unsigned char)c);
        else
            text_add(text, &c, 1);
    }
    text_adds(text, "\"");
}

void text_add_escaped(struct text *text, struct tern_str string)
{
    for (size_t i = 0; i < string.len; i++) {
        char c = string.ptr[i];
        bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                          c == '.' || c == '_' || c == '~';
        if (unreserved)
            text_add(text, &c, 1);
        else
            text_addf(text, "%%%02X", (unsigned char)c);
    }
}

void text_free(struct text *text)
{
    free(text->ptr);
    *text = (struct text){0};
}

bool text_add_file(struct text *text, const char *path)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n;
    do {
        reserve(text, 65536);
        n = read(fd, text->ptr + text->len, 65536);
        if (n > 0)
            text->len += (size_t)n;
    } while (n > 0 || (n < 0 && errno == EINTR));
    text->ptr[text->len] = '\0';
    int error = errno;
    if (!standard)
        close(fd);
    errno = error;
    return n == 0;
}

void strings_add(struct strings *strings, const char *string)
{
    /* Grown by doubling: a new block at each power of two. */
    if ((strings->count & (strings->count - 1)) == 0)
        strings->items =
            fetch_grow(strings->items, strings->count != 0 ? strings->count * 2 : 1, sizeof *strings->items);
    strings->items[strings->count++] = string;
}

void strings_free(struct strings *strings)
{
    free(strings->items);
    *strings = (struct strings){0};
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

struct tern_str str_trim(struct tern_str s)
{
    while (s.len > 0 && blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool str_same(struct tern_str a, struct tern_str b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

bool parse_number(const char *s, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++) {
        if (*s < '0' || *s > '9')
            return false;
        uint64_t digit = (uint64_t)(*s - '0');
        if (digit > max || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}
