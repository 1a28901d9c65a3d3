/* tests/support/faultmem.h - an allocator that counts, and fails on demand.
 *
 * Install it first thing in main. All counting is atomic, so threads may allocate; which of them meets the failure is
 * then up to the scheduler. Over a whole operation:
 *     for (uint64_t n = 1;; n++) {
 *         faultmem_fail_nth(n);
 *         error = operation();
 *         if (!faultmem_failed())
 *             break;              // it made fewer than n allocations: all have been failed in turn
 *         assert_int_equal(error, TERN_ENOMEM);
 *         ... and nothing leaked, and all is as before
 *     }
 *     faultmem_never_fail(); */
#ifndef TERN_TESTS_SUPPORT_FAULTMEM_H
#define TERN_TESTS_SUPPORT_FAULTMEM_H

#include <stdbool.h>
#include <stdint.h>

/* Replaces tern's allocator for the rest of the process; stops the program where that is refused. */
void faultmem_install(void);

/* The nth allocation from now fails (1 is the next); or that one and all after it. */
void faultmem_fail_nth(uint64_t n);
void faultmem_fail_from(uint64_t n);
void faultmem_never_fail(void);

/* Has an allocation failed since the last of the calls above? */
bool faultmem_failed(void);

/* Allocations and reallocations asked for since the program started, and blocks now alive. */
uint64_t faultmem_count(void);
uint64_t faultmem_live(void);

#endif
