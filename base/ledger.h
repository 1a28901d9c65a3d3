/* base/ledger.h - how much memory peers may make us hold, and how much of it is held: counted, with a ceiling, at every
 * level (connection, client, engine).
 *
 * Two numbers. promised: what a peer may still send unasked, since a receive window was opened for it. held: what came
 * and could not be passed on yet. A window is opened only where room() allows; a byte that comes moves from the one to
 * the other. So promised + held never grows beyond max by a window; what was read before anyone knew that it would have
 * to wait (HTTP/1.1) is held in any case.
 *
 * A ledger posts to its parent too. One thread. */
#ifndef TERN_BASE_LEDGER_H
#define TERN_BASE_LEDGER_H

#include "tern/types.h"

struct tern_ledger {
    struct tern_ledger *parent; /* borrowed; NULL: none. It outlives this one, which is at 0 by then */
    uint64_t bytes_max;
    uint64_t promised_bytes;
    uint64_t held_bytes;
    uint64_t held_bytes_peak;
};

static inline void tern_ledger_init(struct tern_ledger *ledger, struct tern_ledger *parent, uint64_t bytes_max)
{
    *ledger = (struct tern_ledger){.parent = parent, .bytes_max = bytes_max};
}

/* What may be promised or held besides, here and at every level above. */
static inline uint64_t tern_ledger_room(const struct tern_ledger *ledger)
{
    uint64_t room = UINT64_MAX;

    for (; ledger != NULL; ledger = ledger->parent) {
        uint64_t used = ledger->promised_bytes + ledger->held_bytes;
        uint64_t left = used < ledger->bytes_max ? ledger->bytes_max - used : 0;
        room = left < room ? left : room;
    }
    return room;
}

static inline void tern_ledger_promise(struct tern_ledger *ledger, uint64_t bytes)
{
    for (; ledger != NULL; ledger = ledger->parent)
        ledger->promised_bytes += bytes;
}

static inline void tern_ledger_revoke(struct tern_ledger *ledger, uint64_t bytes)
{
    for (; ledger != NULL; ledger = ledger->parent)
        ledger->promised_bytes -= bytes;
}

static inline void tern_ledger_hold(struct tern_ledger *ledger, uint64_t bytes)
{
    for (; ledger != NULL; ledger = ledger->parent) {
        ledger->held_bytes += bytes;
        if (ledger->held_bytes > ledger->held_bytes_peak)
            ledger->held_bytes_peak = ledger->held_bytes;
    }
}

static inline void tern_ledger_drop(struct tern_ledger *ledger, uint64_t bytes)
{
    for (; ledger != NULL; ledger = ledger->parent)
        ledger->held_bytes -= bytes;
}

#endif
