/* tern/tern.h - all of tern's public API, but for what only tests need (mock.h).
 *
 *     error.h   what can go wrong
 *     engine.h  one thread's reactor
 *     policy.h  where calls may go, redirects, retries, rates
 *     client.h  a named profile: limits, timeouts, trust, pool, policy
 *     call.h    one request, one result
 *     jar.h     cookies
 *     file.h    small files, whole */
#ifndef TERN_TERN_H
#define TERN_TERN_H

#include "tern/call.h"
#include "tern/file.h"
#include "tern/jar.h"

#endif
