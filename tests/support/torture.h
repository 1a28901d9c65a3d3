/* tests/support/torture.h - every scenario test once more, with something failing under it.
 *
 * With TERN_TORTURE set a test program runs each of its tests again and again: first as it is, then with the first of
 * its allocations failing, with the second, ... with the last; then with all from the first on failing, and so on; and
 * the same for the operations of the OS seam and of the file seam. What the test then expects in vain does not count.
 * What counts: nothing crashes, hangs or spins, no call ends twice or, once its engine is shut down, not at all, and
 * all memory and every socket come back.
 *
 *     TERN_TORTURE=all             every failure of every test
 *     TERN_TORTURE=SEED            a few of some, another choice for each number
 *     TERN_TORTURE_ONLY='TEST:MODE:N'   one, with its output: what a finding tells to run
 *     TERN_TORTURE_SECONDS=S    at most so long with one mode of a test, the failures spread over it; default: no limit
 *     TERN_TORTURE_FAILURES=N   at most N of one mode of a test, spread over it, the same ones each time; none of a
 *                               test that has more than 20,000; default: no limit
 *
 * Each test runs in a process of its own. A test takes part by making its world with simio_new or scenario_open. */
#ifndef TERN_TESTS_SUPPORT_TORTURE_H
#define TERN_TESTS_SUPPORT_TORTURE_H

#include <stdbool.h>

enum torture_seam { TORTURE_MEMORY, TORTURE_SYSTEM, TORTURE_FILES };

/* For the stand-ins, in each operation that may fail: whether this one does. */
bool torture_fails(enum torture_seam seam);

/* Between these nothing fails and nothing is counted: the test's own doings. They nest. */
void torture_hold(void);
void torture_release(void);

/* The world is made: from here on things fail. Before the first call nothing does. */
void torture_begin(void);

/* Whether something has failed: what is expected from here on may not come. */
bool torture_has_failed(void);

/* Something is wrong whatever has failed. Outside of torture the same as fail_msg. */
void torture_found(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The fixture holds memory of tern's own that only the test's end gives back: no leak is looked for where the test did
 * not come to it. */
void torture_fixture_keeps_memory(void);
bool torture_looks_for_leaks(void);

#endif
