/* tests/support/faultfiles.h - the real file system, with operations that fail where torture.h says so. */
#ifndef TERN_TESTS_SUPPORT_FAULTFILES_H
#define TERN_TESTS_SUPPORT_FAULTFILES_H

#include "engine/files.h"

/* Static; any thread. */
struct tern_files *faultfiles(void);

#endif
