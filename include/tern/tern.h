/* tern/tern.h - all of tern's public API.
 *
 *     error.h   what can go wrong
 *     engine.h  one thread's reactor
 *     client.h  a named profile: limits, timeouts, trust, pool
 *     call.h    one request, one result */
#ifndef TERN_TERN_H
#define TERN_TERN_H

#include "tern/call.h"

#endif
