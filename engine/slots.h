/* engine/slots.h - call handles: numbers that stay harmless when they are stale.
 *
 * A handle is a generation and the index of a slot. A slot's generation moves on when its call ends, so an old handle
 * finds nothing. Slots lie in chunks that never move or shrink while the engine lives; therefore any thread may look at
 * a slot, even through a stale handle.
 *
 *     FREE --reserve--> LIVE --release--> FREE
 *                         |                ^
 *                       cancel             | the cancel message is taken up
 *                         v                |
 *                   LIVE+QUEUED --release--> QUEUED
 *
 * Generation and both flags are one atomic word. QUEUED means that the slot's own message is in the mailbox: it is
 * pushed once however often a call is cancelled, needs no memory, and the slot is not given out again before it has
 * come back. */
#ifndef TERN_ENGINE_SLOTS_H
#define TERN_ENGINE_SLOTS_H

#include "engine/mailbox.h"

#define TERN_SLOTS_MAX (1u << 24)

struct tern_slots;

struct tern_slot {
    _Atomic uint64_t word;      /* generation << 2 | QUEUED | LIVE */
    _Atomic uint32_t next_free; /* index + 1 of the next on the free list, or 0 */
    uint32_t index;
    void *object;                /* engine's thread only */
    struct tern_message message; /* the cancel, while QUEUED */
    struct tern_slots *slots;
};

struct tern_slots {
    void (*on_cancel)(struct tern_slots *slots, void *object); /* engine's thread, from inside a step */
    struct tern_slot *_Atomic *chunks;
    uint32_t chunk_count;
    uint32_t max;
    /* change count << 32 | index + 1: the count keeps a popped head from looking unchanged. */
    _Atomic uint64_t free_list;
    _Atomic uint32_t used; /* slots ever given out */
    _Atomic uint32_t live;
    struct tern_mailbox *mailbox;
    void *user; /* the owner's */
};

/* max 1 to TERN_SLOTS_MAX. Errors: TERN_ENOMEM. deinit when no other thread can hold on to it any more. */
TERN_MUST_USE enum tern_error tern_slots_init(struct tern_slots *slots, uint32_t max, struct tern_mailbox *mailbox);
void tern_slots_deinit(struct tern_slots *slots);

/* A new handle, never 0, without an object yet. Any thread. Errors: TERN_ELIMIT (max are in use), TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_slots_reserve(struct tern_slots *slots, uint64_t *id);

/* Engine's thread. set gives a live handle its object; get answers NULL for a stale handle or one without an object. */
void tern_slots_set(struct tern_slots *slots, uint64_t id, void *object);
void *tern_slots_get(struct tern_slots *slots, uint64_t id);

/* Ends a live handle. Engine's thread, or the thread that reserved it as long as nobody else knows the handle. */
void tern_slots_release(struct tern_slots *slots, uint64_t id);

/* Asks for on_cancel(object) on the engine's thread. Any thread; never fails; nothing happens if the call has ended
 * by then. True: wake the engine. */
TERN_MUST_USE bool tern_slots_cancel(struct tern_slots *slots, uint64_t id);

#endif
