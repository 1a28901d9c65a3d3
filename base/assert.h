/* base/assert.h - checks of tern's own invariants, never of what comes from outside. */
#ifndef TERN_BASE_ASSERT_H
#define TERN_BASE_ASSERT_H

#include <assert.h>

/* Active unless NDEBUG is set. x has no side effects; in release builds it is parsed but not evaluated, so that what is
 * only asserted on does not count as unused. */
#ifdef NDEBUG
#define TERN_ASSERT(x) ((void)sizeof((x) ? 1 : 0))
#else
#define TERN_ASSERT(x) assert(x)
#endif

#endif
