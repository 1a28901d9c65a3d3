#include "engine/mailbox.h"

#define ASLEEP ((uintptr_t)1)
#define CLOSED ((uintptr_t)2)
#define FLAGS (ASLEEP | CLOSED)

_Static_assert(_Alignof(struct tern_message) > FLAGS, "the flags lie in the low bits of a message's address");

void tern_mailbox_init(struct tern_mailbox *mailbox)
{
    atomic_init(&mailbox->head, 0);
}

static enum tern_mailbox_sent push(struct tern_mailbox *mailbox, struct tern_message *message, bool even_if_closed)
{
    uintptr_t head = atomic_load_explicit(&mailbox->head, memory_order_relaxed);
    uintptr_t wanted;

    do {
        if ((head & CLOSED) != 0 && !even_if_closed)
            return TERN_SENT_NOT;
        message->next = (struct tern_message *)(head & ~FLAGS);
        wanted = (uintptr_t)message | (head & CLOSED);
        /* Release hands the message's content over to the acquire in take. */
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->head, &head, wanted, memory_order_release,
                                                    memory_order_relaxed));
    return (head & ASLEEP) != 0 ? TERN_SENT_WAKE : TERN_SENT;
}

enum tern_mailbox_sent tern_mailbox_push(struct tern_mailbox *mailbox, struct tern_message *message)
{
    return push(mailbox, message, false);
}

enum tern_mailbox_sent tern_mailbox_push_always(struct tern_mailbox *mailbox, struct tern_message *message)
{
    return push(mailbox, message, true);
}

struct tern_message *tern_mailbox_take(struct tern_mailbox *mailbox)
{
    /* A look first: the exchange of an empty mailbox would take its cache line away from the producers for nothing. */
    if ((atomic_load_explicit(&mailbox->head, memory_order_relaxed) & ~CLOSED) == 0)
        return NULL;
    uintptr_t head = atomic_fetch_and_explicit(&mailbox->head, CLOSED, memory_order_acquire);
    struct tern_message *newest = (struct tern_message *)(head & ~FLAGS);
    struct tern_message *oldest = NULL;
    while (newest != NULL) {
        struct tern_message *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

bool tern_mailbox_sleep(struct tern_mailbox *mailbox)
{
    uintptr_t head = atomic_load_explicit(&mailbox->head, memory_order_relaxed);

    do {
        if ((head & ~FLAGS) != 0)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->head, &head, head | ASLEEP, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void tern_mailbox_close(struct tern_mailbox *mailbox)
{
    atomic_fetch_or_explicit(&mailbox->head, CLOSED, memory_order_relaxed);
}
