#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/fault.h"

_Noreturn void fuzz_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

void fuzz_same(struct tern_str a, struct tern_str b)
{
    char one[4096], other[4096];

    if (tern_str_eq(a, b))
        return;
    fprintf(stderr, "differ:\n%s\n%s\n", tern_escape(one, sizeof(one), a), tern_escape(other, sizeof(other), b));
    abort();
}

uint8_t fuzz_byte(struct tern_str *rest)
{
    uint8_t byte = 0;

    if (rest->len != 0) {
        byte = (uint8_t)rest->ptr[0];
        *rest = tern_str_from(*rest, 1);
    }
    return byte;
}

struct tern_str fuzz_line(struct tern_str *rest)
{
    size_t end = tern_str_find(*rest, '\n');
    struct tern_str line = {rest->ptr, end};

    *rest = tern_str_from(*rest, end < rest->len ? end + 1 : end);
    return line;
}

char *fuzz_text(struct tern_str *rest)
{
    struct tern_str line = fuzz_line(rest);
    char *text = strndup(line.len != 0 ? line.ptr : "", line.len);

    FUZZ_CHECK(text != NULL);
    return text;
}

size_t fuzz_fields(struct tern_str *rest, struct tern_field *out, size_t max)
{
    size_t count = 0;

    while (count < max && rest->len != 0) {
        struct tern_str line = fuzz_line(rest);
        size_t colon = tern_str_find(line, ':');

        if (line.len == 0)
            break;
        out[count++] = (struct tern_field){
            {line.ptr, colon}, tern_str_trim(tern_str_from(line, colon < line.len ? colon + 1 : colon)), 0};
    }
    return count;
}
