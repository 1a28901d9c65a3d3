/* tests/fuzz/fuzz.h - what the fuzz targets share (README.md beside it).
 *
 * A target is one file, fuzz_X.c, with one function: it takes bytes as they come, does with them what tern would, and
 * checks a property. Whatever breaks aborts, so that libFuzzer, the sanitizers and the replay see the same. */
#ifndef TERN_TESTS_FUZZ_FUZZ_H
#define TERN_TESTS_FUZZ_FUZZ_H

#include "base/buf.h"
#include "base/rand.h"
#include "base/str.h"

/* The target. Gives 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Aborts and says where, unless what must hold does. */
#define FUZZ_CHECK(holds) ((holds) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #holds))
_Noreturn void fuzz_fail(const char *file, int line, const char *what);
/* Aborts and shows both, unless they are equal. */
void fuzz_same(struct tern_str a, struct tern_str b);

/* Takes the first byte, or the first line (without its '\n'), or the first line as text with a NUL; what is not there
 * is 0 or empty. The text is the caller's, to free. */
uint8_t fuzz_byte(struct tern_str *rest);
struct tern_str fuzz_line(struct tern_str *rest);
char *fuzz_text(struct tern_str *rest);

/* Takes lines "name: value" up to the end or an empty line, at most max of them; gives their number. Borrows. */
size_t fuzz_fields(struct tern_str *rest, struct tern_field *out, size_t max);

#endif
