/* engine/mailbox.h - messages from any thread to the engine's: many producers, one consumer, no lock.
 *
 * The whole state is one word: the newest message (a stack), and two flags in its low bits. ASLEEP says that the
 * consumer may be about to wait, so that the producer that takes the flag away has to wake it; CLOSED that posts are
 * refused. As they change together with the stack, a message is never left behind a sleeping engine, and never slips
 * past a close. */
#ifndef TERN_ENGINE_MAILBOX_H
#define TERN_ENGINE_MAILBOX_H

#include <stdatomic.h>

#include "tern/error.h"

/* Embedded in what it carries. The sender gives the memory away until run. run is called once, on the engine's
 * thread: from inside a step with dropped false, or, where the engine is freed before that, with dropped true: then
 * it only frees. */
struct tern_message {
    struct tern_message *next;
    void (*run)(struct tern_message *message, bool dropped);
    bool is_bounded; /* the engine's: counts against mailbox_max */
};

enum tern_mailbox_sent {
    TERN_SENT,      /* the engine was awake and will see it */
    TERN_SENT_WAKE, /* the engine may sleep: the caller wakes it (once for all who post in the meantime) */
    TERN_SENT_NOT   /* closed: the message is still the caller's */
};

struct tern_mailbox {
    _Atomic uintptr_t head;
};

void tern_mailbox_init(struct tern_mailbox *mailbox);

/* Any thread; lock-free; allocates nothing. Messages of one thread arrive in order. push_always ignores a close: for
 * answers to what the engine itself asked for, which it waits for before it goes. */
TERN_MUST_USE enum tern_mailbox_sent tern_mailbox_push(struct tern_mailbox *mailbox, struct tern_message *message);
TERN_MUST_USE enum tern_mailbox_sent tern_mailbox_push_always(struct tern_mailbox *mailbox,
                                                              struct tern_message *message);

/* The rest is the consumer's. take gives all messages, oldest first, linked by next, or NULL; it ends the sleep too. */
struct tern_message *tern_mailbox_take(struct tern_mailbox *mailbox);

/* A look without an order of memory: what is there is seen soon, or by sleep for certain. */
static inline bool tern_mailbox_is_empty(struct tern_mailbox *mailbox)
{
    return (atomic_load_explicit(&mailbox->head, memory_order_relaxed) & ~(uintptr_t)3) == 0;
}

/* Announces a wait. False if there are messages: do not wait then. */
TERN_MUST_USE bool tern_mailbox_sleep(struct tern_mailbox *mailbox);

/* Refuses every later push. What was pushed before is still there to take. */
void tern_mailbox_close(struct tern_mailbox *mailbox);

#endif
