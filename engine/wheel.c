#include "engine/wheel.h"

#include "base/assert.h"

#define DIGIT_BITS 6u

void tern_wheel_init(struct tern_wheel *wheel, uint64_t now_ns)
{
    wheel->base_ns = now_ns;
    wheel->levels = 0;
    for (unsigned level = 0; level < TERN_WHEEL_LEVELS; level++) {
        wheel->slots[level] = 0;
        for (unsigned s = 0; s < TERN_WHEEL_SLOTS; s++)
            tern_list_init(&wheel->slot[level][s].timers);
    }
}

/* The earliest time that slot s of a level can hold, for a slot that is not behind base. */
static uint64_t slot_start(const struct tern_wheel *wheel, unsigned level, unsigned s)
{
    unsigned shift = level * DIGIT_BITS;
    uint64_t above = level + 1 < TERN_WHEEL_LEVELS ? wheel->base_ns >> (shift + DIGIT_BITS) << (shift + DIGIT_BITS) : 0;

    return above | (uint64_t)s << shift;
}

static void insert(struct tern_wheel *wheel, struct tern_timer *timer)
{
    uint64_t differs = timer->deadline_ns ^ wheel->base_ns;
    unsigned level = differs == 0 ? 0 : (63u - (unsigned)__builtin_clzll(differs)) / DIGIT_BITS;
    unsigned s = (unsigned)(timer->deadline_ns >> (level * DIGIT_BITS)) % TERN_WHEEL_SLOTS;
    struct tern_wheel_slot *slot = &wheel->slot[level][s];

    if (tern_list_is_empty(&slot->timers)) {
        wheel->levels |= 1u << level;
        wheel->slots[level] |= UINT64_C(1) << s;
        slot->next_ns = timer->deadline_ns;
        slot->is_loose = false;
    } else if (timer->deadline_ns < slot->next_ns) {
        slot->next_ns = timer->deadline_ns;
        slot->is_loose = false;
    }
    tern_list_push_back(&slot->timers, &timer->node);
    timer->place = (uint16_t)(level * TERN_WHEEL_SLOTS + s + 1);
}

static void clear_slot_bit(struct tern_wheel *wheel, unsigned level, unsigned s)
{
    wheel->slots[level] &= ~(UINT64_C(1) << s);
    if (wheel->slots[level] == 0)
        wheel->levels &= ~(1u << level);
}

void tern_wheel_cancel(struct tern_wheel *wheel, struct tern_timer *timer)
{
    if (timer->place == 0)
        return;
    tern_list_remove(&timer->node);
    if (timer->place != TERN_TIMER_DUE) {
        unsigned level = (timer->place - 1u) / TERN_WHEEL_SLOTS;
        unsigned s = (timer->place - 1u) % TERN_WHEEL_SLOTS;
        struct tern_wheel_slot *slot = &wheel->slot[level][s];
        if (tern_list_is_empty(&slot->timers))
            clear_slot_bit(wheel, level, s);
        else if (timer->deadline_ns == slot->next_ns)
            slot->is_loose = true;
    }
    timer->place = 0;
}

void tern_wheel_arm(struct tern_wheel *wheel, struct tern_timer *timer, uint64_t deadline_ns)
{
    tern_wheel_cancel(wheel, timer);
    timer->deadline_ns = deadline_ns > wheel->base_ns ? deadline_ns : wheel->base_ns;
    insert(wheel, timer);
}

void tern_wheel_expire(struct tern_wheel *wheel, uint64_t now_ns, struct tern_list *due)
{
    if (now_ns < wheel->base_ns)
        now_ns = wheel->base_ns;
    while (wheel->levels != 0) {
        unsigned level = (unsigned)__builtin_ctz(wheel->levels);
        unsigned s = (unsigned)__builtin_ctzll(wheel->slots[level]);
        uint64_t start = slot_start(wheel, level, s);
        if (start > now_ns)
            break;
        struct tern_list timers;
        tern_list_init(&timers);
        tern_list_splice_back(&timers, &wheel->slot[level][s].timers);
        clear_slot_bit(wheel, level, s);
        wheel->base_ns = start;
        struct tern_list *node;
        while ((node = tern_list_pop_front(&timers)) != NULL) {
            struct tern_timer *timer = TERN_CONTAINER_OF(node, struct tern_timer, node);
            if (level == 0) {
                TERN_ASSERT(timer->deadline_ns == start);
                timer->place = TERN_TIMER_DUE;
                tern_list_push_back(due, node);
            } else {
                insert(wheel, timer); /* below: it shares base's digit on this level now */
            }
        }
    }
    wheel->base_ns = now_ns;
}

struct tern_timer *tern_wheel_pop_due(struct tern_list *due)
{
    struct tern_list *node = tern_list_pop_front(due);

    if (node == NULL)
        return NULL;
    struct tern_timer *timer = TERN_CONTAINER_OF(node, struct tern_timer, node);
    timer->place = 0;
    return timer;
}

uint64_t tern_wheel_next(struct tern_wheel *wheel)
{
    if (wheel->levels == 0)
        return TERN_OFF;
    unsigned level = (unsigned)__builtin_ctz(wheel->levels);
    unsigned s = (unsigned)__builtin_ctzll(wheel->slots[level]);
    struct tern_wheel_slot *slot = &wheel->slot[level][s];
    if (slot->is_loose) {
        slot->next_ns = UINT64_MAX;
        TERN_LIST_FOREACH(node, &slot->timers) {
            const struct tern_timer *timer = TERN_CONTAINER_OF(node, struct tern_timer, node);
            if (timer->deadline_ns < slot->next_ns)
                slot->next_ns = timer->deadline_ns;
        }
        slot->is_loose = false;
    }
    return slot->next_ns;
}
