/* engine/wheel.h - a hierarchical timer wheel. Memory only: time is passed in. One thread; allocates nothing.
 *
 * 1. Level l has 64 slots of 64^l ns, so that the wheel covers all of uint64_t with a tick of one nanosecond: nothing
 *    is rounded, and nothing fires early.
 * 2. A timer lies on the level of the highest base-64 digit in which its deadline differs from base. So all timers of a
 *    level are due before all of the next, and within a level in order of the slots.
 * 3. base never passes a slot that holds timers without spreading them over the levels below first. So timers of one
 *    deadline always lie in one slot, in the order in which they were armed.
 *
 * Arm and cancel are O(1); a timer moves down at most 10 times before it fires. */
#ifndef TERN_ENGINE_WHEEL_H
#define TERN_ENGINE_WHEEL_H

#include "base/list.h"
#include "tern/types.h"

#define TERN_WHEEL_LEVELS 11
#define TERN_WHEEL_SLOTS 64

/* Embedded in its owner. Before the first use: tern_timer_init. */
struct tern_timer {
    struct tern_list node;
    uint64_t deadline_ns;
    uint16_t place; /* 0: not armed; level * 64 + slot + 1, or TERN_TIMER_DUE */
    void (*on_timer)(struct tern_timer *timer);
};

/* The place of a timer on the list of those that are due. */
#define TERN_TIMER_DUE UINT16_MAX

struct tern_wheel_slot {
    struct tern_list timers;
    uint64_t next_ns; /* the earliest deadline in it, or a lower bound while is_loose */
    bool is_loose;    /* the earliest was cancelled since */
};

struct tern_wheel {
    uint64_t base_ns;                  /* the time up to which timers have been taken out */
    uint32_t levels;                   /* bit l: level l has timers */
    uint64_t slots[TERN_WHEEL_LEVELS]; /* bit s: slot s has timers */
    struct tern_wheel_slot slot[TERN_WHEEL_LEVELS][TERN_WHEEL_SLOTS];
};

static inline void tern_timer_init(struct tern_timer *timer, void (*on_timer)(struct tern_timer *timer))
{
    *timer = (struct tern_timer){.on_timer = on_timer};
}

static inline bool tern_timer_is_armed(const struct tern_timer *timer)
{
    return timer->place != 0;
}

void tern_wheel_init(struct tern_wheel *wheel, uint64_t now_ns);

/* Arms the timer, or moves it if it is armed already. A deadline that has passed counts as base_ns: it is due at the
 * next expire, never within one that is going on. */
void tern_wheel_arm(struct tern_wheel *wheel, struct tern_timer *timer, uint64_t deadline_ns);

/* Takes the timer out, from the wheel or from the due ones. Harmless if it is not armed. */
void tern_wheel_cancel(struct tern_wheel *wheel, struct tern_timer *timer);

/* Moves base on to now_ns and puts every timer with a deadline up to it at the end of due, by deadline and then in
 * arming order. A time before base_ns counts as base_ns. */
void tern_wheel_expire(struct tern_wheel *wheel, uint64_t now_ns, struct tern_list *due);

/* The first due timer, no longer armed, or NULL. */
struct tern_timer *tern_wheel_pop_due(struct tern_list *due);

/* The earliest deadline, exactly, or TERN_OFF if there is none. */
uint64_t tern_wheel_next(struct tern_wheel *wheel);

#endif
