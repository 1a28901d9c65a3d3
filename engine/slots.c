#include "engine/slots.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/list.h"

/* A handle is generation << INDEX_BITS | index + 1: an index + 1 of up to 2^24 and 39 bits of generation. At a
 * hundred thousand calls a second through one slot a generation comes again after two months. */
#define INDEX_BITS 25
#define INDEX_MASK ((UINT64_C(1) << INDEX_BITS) - 1)
#define GENERATION_MASK ((UINT64_C(1) << (64 - INDEX_BITS)) - 1)

#define LIVE UINT64_C(1)
#define QUEUED UINT64_C(2)
#define GENERATION_SHIFT 2

#define CHUNK_SLOTS 256u

static void run_cancel(struct tern_message *message, bool dropped);

enum tern_error tern_slots_init(struct tern_slots *slots, uint32_t max, struct tern_mailbox *mailbox)
{
    TERN_ASSERT(max >= 1 && max <= TERN_SLOTS_MAX);
    *slots = (struct tern_slots){.max = max, .mailbox = mailbox};
    uint32_t count = (max + CHUNK_SLOTS - 1) / CHUNK_SLOTS;
    slots->chunks = tern_mem_calloc(count, sizeof(*slots->chunks));
    if (slots->chunks == NULL)
        return TERN_ENOMEM;
    slots->chunk_count = count;
    return TERN_OK;
}

void tern_slots_deinit(struct tern_slots *slots)
{
    for (uint32_t i = 0; i < slots->chunk_count; i++)
        tern_mem_free(atomic_load_explicit(&slots->chunks[i], memory_order_relaxed));
    tern_mem_free(slots->chunks);
    *slots = (struct tern_slots){0};
}

/* The slot of an index that was given out. */
static struct tern_slot *slot_at(struct tern_slots *slots, uint32_t index)
{
    struct tern_slot *chunk = atomic_load_explicit(&slots->chunks[index / CHUNK_SLOTS], memory_order_acquire);

    return &chunk[index % CHUNK_SLOTS];
}

/* The slot that a handle names, whatever its generation, or NULL for a number that no reserve has given. */
static struct tern_slot *slot_of(struct tern_slots *slots, uint64_t id)
{
    uint64_t index = (id & INDEX_MASK) - 1; /* 0 becomes the largest */

    if (index >= slots->max)
        return NULL;
    struct tern_slot *chunk = atomic_load_explicit(&slots->chunks[index / CHUNK_SLOTS], memory_order_acquire);
    return chunk != NULL ? &chunk[index % CHUNK_SLOTS] : NULL;
}

static bool is_live(uint64_t word, uint64_t id)
{
    return (word & LIVE) != 0 && word >> GENERATION_SHIFT == id >> INDEX_BITS;
}

/* Makes the chunk of index, unless another thread is first. */
static bool ensure_chunk(struct tern_slots *slots, uint32_t index)
{
    struct tern_slot *_Atomic *place = &slots->chunks[index / CHUNK_SLOTS];

    if (atomic_load_explicit(place, memory_order_acquire) != NULL)
        return true;
    struct tern_slot *chunk = tern_mem_calloc(CHUNK_SLOTS, sizeof(*chunk));
    if (chunk == NULL)
        return false;
    for (uint32_t i = 0; i < CHUNK_SLOTS; i++) {
        chunk[i].slots = slots;
        chunk[i].index = index / CHUNK_SLOTS * CHUNK_SLOTS + i;
        chunk[i].message.run = run_cancel;
    }
    struct tern_slot *expected = NULL;
    if (!atomic_compare_exchange_strong_explicit(place, &expected, chunk, memory_order_acq_rel, memory_order_acquire))
        tern_mem_free(chunk);
    return true;
}

/* Index + 1 from the free list, or 0. */
static uint32_t pop_free(struct tern_slots *slots)
{
    uint64_t head = atomic_load_explicit(&slots->free_list, memory_order_acquire);

    while ((uint32_t)head != 0) {
        struct tern_slot *slot = slot_at(slots, (uint32_t)head - 1);
        /* May be read while another thread pops and pushes the slot: then the count differs and the exchange fails. */
        uint32_t next = atomic_load_explicit(&slot->next_free, memory_order_relaxed);
        uint64_t wanted = ((head >> 32) + 1) << 32 | next;
        if (atomic_compare_exchange_weak_explicit(&slots->free_list, &head, wanted, memory_order_acq_rel,
                                                  memory_order_acquire))
            return (uint32_t)head;
    }
    return 0;
}

static void push_free(struct tern_slots *slots, uint32_t index)
{
    struct tern_slot *slot = slot_at(slots, index);
    uint64_t head = atomic_load_explicit(&slots->free_list, memory_order_relaxed);
    uint64_t wanted;

    do {
        atomic_store_explicit(&slot->next_free, (uint32_t)head, memory_order_relaxed);
        wanted = ((head >> 32) + 1) << 32 | (index + 1);
    } while (!atomic_compare_exchange_weak_explicit(&slots->free_list, &head, wanted, memory_order_release,
                                                    memory_order_relaxed));
}

enum tern_error tern_slots_reserve(struct tern_slots *slots, uint64_t *id)
{
    uint32_t number = pop_free(slots);

    if (number == 0) {
        uint32_t used = atomic_load_explicit(&slots->used, memory_order_relaxed);
        do {
            if (used >= slots->max)
                return TERN_ELIMIT;
            if (!ensure_chunk(slots, used))
                return TERN_ENOMEM;
        } while (!atomic_compare_exchange_weak_explicit(&slots->used, &used, used + 1, memory_order_relaxed,
                                                        memory_order_relaxed));
        number = used + 1;
    }
    struct tern_slot *slot = slot_at(slots, number - 1);
    slot->object = NULL;
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed) | LIVE;
    atomic_store_explicit(&slot->word, word, memory_order_release);
    atomic_fetch_add_explicit(&slots->live, 1, memory_order_relaxed);
    *id = word >> GENERATION_SHIFT << INDEX_BITS | number;
    return TERN_OK;
}

void tern_slots_set(struct tern_slots *slots, uint64_t id, void *object)
{
    struct tern_slot *slot = slot_of(slots, id);

    TERN_ASSERT(slot != NULL && is_live(atomic_load_explicit(&slot->word, memory_order_relaxed), id));
    slot->object = object;
}

void *tern_slots_get(struct tern_slots *slots, uint64_t id)
{
    struct tern_slot *slot = slot_of(slots, id);

    if (slot == NULL || !is_live(atomic_load_explicit(&slot->word, memory_order_acquire), id))
        return NULL;
    return slot->object;
}

void tern_slots_release(struct tern_slots *slots, uint64_t id)
{
    struct tern_slot *slot = slot_of(slots, id);

    TERN_ASSERT(slot != NULL && is_live(atomic_load_explicit(&slot->word, memory_order_relaxed), id));
    uint64_t next = ((id >> INDEX_BITS) + 1) & GENERATION_MASK;
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&slot->word, &word, next << GENERATION_SHIFT | (word & QUEUED),
                                                  memory_order_acq_rel, memory_order_relaxed))
        ;
    atomic_fetch_sub_explicit(&slots->live, 1, memory_order_relaxed);
    if ((word & QUEUED) == 0)
        push_free(slots, slot->index); /* else the message's arrival does */
}

bool tern_slots_cancel(struct tern_slots *slots, uint64_t id)
{
    struct tern_slot *slot = slot_of(slots, id);

    if (slot == NULL)
        return false;
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    do {
        if (!is_live(word, id) || (word & QUEUED) != 0)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&slot->word, &word, word | QUEUED, memory_order_acq_rel,
                                                    memory_order_acquire));
    return tern_mailbox_push_always(slots->mailbox, &slot->message) == TERN_SENT_WAKE;
}

/* The slot's message has come back to the engine's thread. */
static void run_cancel(struct tern_message *message, bool dropped)
{
    struct tern_slot *slot = TERN_CONTAINER_OF(message, struct tern_slot, message);
    uint64_t word = atomic_fetch_and_explicit(&slot->word, ~QUEUED, memory_order_acq_rel);

    if ((word & LIVE) == 0)
        push_free(slot->slots, slot->index);
    else if (!dropped && slot->object != NULL)
        slot->slots->on_cancel(slot->slots, slot->object);
}
