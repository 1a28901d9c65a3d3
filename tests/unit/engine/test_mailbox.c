/* The mailbox and the call handles, alone and under threads (the TSan build is the one that counts there). */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/list.h"
#include "engine/slots.h"

#define PRODUCERS 4
#define EACH 20000

struct letter {
    struct tern_message message;
    int from, number;
};

static struct letter *letter_of(struct tern_message *message)
{
    return TERN_CONTAINER_OF(message, struct letter, message);
}

static void test_oldest_first(void **state)
{
    (void)state;
    struct tern_mailbox mailbox;
    struct letter letters[3];
    tern_mailbox_init(&mailbox);
    assert_null(tern_mailbox_take(&mailbox));
    for (int i = 0; i < 3; i++) {
        letters[i].number = i;
        assert_int_equal(tern_mailbox_push(&mailbox, &letters[i].message), TERN_SENT);
    }
    assert_false(tern_mailbox_is_empty(&mailbox));
    struct tern_message *message = tern_mailbox_take(&mailbox);
    for (int i = 0; i < 3; i++, message = message->next)
        assert_int_equal(letter_of(message)->number, i);
    assert_null(message);
    assert_true(tern_mailbox_is_empty(&mailbox));
}

static void test_only_a_sleeper_is_woken_and_once(void **state)
{
    (void)state;
    struct tern_mailbox mailbox;
    struct letter a, b;
    tern_mailbox_init(&mailbox);
    assert_true(tern_mailbox_sleep(&mailbox));
    assert_true(tern_mailbox_is_empty(&mailbox));
    assert_int_equal(tern_mailbox_push(&mailbox, &a.message), TERN_SENT_WAKE);
    assert_int_equal(tern_mailbox_push(&mailbox, &b.message), TERN_SENT);
    assert_false(tern_mailbox_sleep(&mailbox));
    assert_ptr_equal(tern_mailbox_take(&mailbox), &a.message);
    assert_ptr_equal(a.message.next, &b.message);
    assert_true(tern_mailbox_sleep(&mailbox));
    assert_null(tern_mailbox_take(&mailbox)); /* a wake for another reason ends the sleep too */
    assert_int_equal(tern_mailbox_push(&mailbox, &a.message), TERN_SENT);
}

static void test_close_refuses_but_keeps(void **state)
{
    (void)state;
    struct tern_mailbox mailbox;
    struct letter a, b, c;
    tern_mailbox_init(&mailbox);
    assert_int_equal(tern_mailbox_push(&mailbox, &a.message), TERN_SENT);
    tern_mailbox_close(&mailbox);
    assert_int_equal(tern_mailbox_push(&mailbox, &b.message), TERN_SENT_NOT);
    assert_int_equal(tern_mailbox_push_always(&mailbox, &c.message), TERN_SENT);
    assert_ptr_equal(tern_mailbox_take(&mailbox), &a.message);
    assert_ptr_equal(a.message.next, &c.message);
    assert_null(c.message.next);
    assert_int_equal(tern_mailbox_push(&mailbox, &b.message), TERN_SENT_NOT); /* still, after a take */
    assert_true(tern_mailbox_sleep(&mailbox));
    assert_int_equal(tern_mailbox_push_always(&mailbox, &c.message), TERN_SENT_WAKE);
}

/* ---- threads: a consumer that really sleeps, on a counter of wakes ---- */

struct post_office {
    struct tern_mailbox mailbox;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    int wakes;
};

struct producer {
    struct post_office *office;
    int from;
};

static void wake(struct post_office *office)
{
    pthread_mutex_lock(&office->lock);
    office->wakes++;
    pthread_cond_signal(&office->woken);
    pthread_mutex_unlock(&office->lock);
}

static void *produce(void *arg)
{
    struct producer *producer = arg;
    for (int i = 0; i < EACH; i++) {
        struct letter *letter = malloc(sizeof *letter);
        letter->from = producer->from;
        letter->number = i;
        if (tern_mailbox_push(&producer->office->mailbox, &letter->message) == TERN_SENT_WAKE)
            wake(producer->office);
    }
    return NULL;
}

static void test_many_producers_lose_nothing(void **state)
{
    (void)state;
    struct post_office office = {.lock = PTHREAD_MUTEX_INITIALIZER, .woken = PTHREAD_COND_INITIALIZER};
    struct producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    int next[PRODUCERS] = {0}, got = 0, wakes_seen = 0;
    tern_mailbox_init(&office.mailbox);
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){&office, i};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    while (got < PRODUCERS * EACH) {
        if (tern_mailbox_sleep(&office.mailbox)) {
            /* A lost wake shows as a test that never ends. */
            pthread_mutex_lock(&office.lock);
            while (office.wakes == wakes_seen)
                pthread_cond_wait(&office.woken, &office.lock);
            wakes_seen++;
            pthread_mutex_unlock(&office.lock);
        }
        struct tern_message *message = tern_mailbox_take(&office.mailbox);
        while (message != NULL) {
            struct letter *letter = letter_of(message);
            message = message->next;
            assert_int_equal(letter->number, next[letter->from]++);
            free(letter);
            got++;
        }
    }
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    assert_null(tern_mailbox_take(&office.mailbox));
}

/* ---- handles ---- */

static void *cancelled;
static int cancels;

static void on_cancel(struct tern_slots *slots, void *object)
{
    (void)slots;
    cancelled = object;
    cancels++;
}

static void take_up(struct tern_mailbox *mailbox)
{
    struct tern_message *message = tern_mailbox_take(mailbox);
    while (message != NULL) {
        struct tern_message *next = message->next;
        message->run(message, false);
        message = next;
    }
}

static void start_slots(struct tern_slots *slots, struct tern_mailbox *mailbox, uint32_t max)
{
    tern_mailbox_init(mailbox);
    assert_int_equal(tern_slots_init(slots, max, mailbox), TERN_OK);
    slots->on_cancel = on_cancel;
    cancelled = NULL;
    cancels = 0;
}

static uint64_t reserve(struct tern_slots *slots, void *object)
{
    uint64_t id = 0;
    assert_int_equal(tern_slots_reserve(slots, &id), TERN_OK);
    assert_int_not_equal(id, 0);
    tern_slots_set(slots, id, object);
    return id;
}

static void test_stale_handles_find_nothing(void **state)
{
    (void)state;
    struct tern_slots slots;
    struct tern_mailbox mailbox;
    int a, b;
    start_slots(&slots, &mailbox, 1);
    uint64_t first = reserve(&slots, &a);
    uint64_t none;
    assert_int_equal(tern_slots_reserve(&slots, &none), TERN_ELIMIT);
    assert_ptr_equal(tern_slots_get(&slots, first), &a);
    tern_slots_release(&slots, first);
    assert_null(tern_slots_get(&slots, first));
    uint64_t second = reserve(&slots, &b);
    assert_int_not_equal(first, second);
    assert_null(tern_slots_get(&slots, first));
    assert_ptr_equal(tern_slots_get(&slots, second), &b);
    assert_false(tern_slots_cancel(&slots, first));
    assert_true(tern_mailbox_is_empty(&mailbox));
    /* Numbers that no reserve gave. */
    assert_null(tern_slots_get(&slots, 0));
    assert_null(tern_slots_get(&slots, 2));
    assert_null(tern_slots_get(&slots, UINT64_MAX));
    assert_false(tern_slots_cancel(&slots, 0));
    tern_slots_deinit(&slots);
}

static void test_cancel_is_heard_once(void **state)
{
    (void)state;
    struct tern_slots slots;
    struct tern_mailbox mailbox;
    int a;
    start_slots(&slots, &mailbox, 8);
    uint64_t id = reserve(&slots, &a);
    assert_true(tern_mailbox_sleep(&mailbox));
    assert_true(tern_slots_cancel(&slots, id)); /* a sleeper has to be woken */
    assert_false(tern_slots_cancel(&slots, id));
    take_up(&mailbox);
    assert_int_equal(cancels, 1);
    assert_ptr_equal(cancelled, &a);
    assert_false(tern_slots_cancel(&slots, id)); /* nobody sleeps: no wake, but heard again */
    take_up(&mailbox);
    assert_int_equal(cancels, 2);
    tern_slots_release(&slots, id);
    tern_slots_deinit(&slots);
}

static void test_a_slot_waits_for_its_cancel(void **state)
{
    (void)state;
    struct tern_slots slots;
    struct tern_mailbox mailbox;
    int a, b;
    uint64_t id;
    start_slots(&slots, &mailbox, 1);
    id = reserve(&slots, &a);
    assert_false(tern_slots_cancel(&slots, id));
    tern_slots_release(&slots, id); /* the call ends before its cancel is taken up */
    assert_int_equal(slots.live, 0);
    assert_int_equal(tern_slots_reserve(&slots, &id), TERN_ELIMIT);
    take_up(&mailbox);
    assert_int_equal(cancels, 0);
    id = reserve(&slots, &b);
    assert_ptr_equal(tern_slots_get(&slots, id), &b);
    tern_slots_release(&slots, id);
    tern_slots_deinit(&slots);
}

static void test_many_slots_stay_in_place(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static uint64_t ids[COUNT];
    static int objects[COUNT];
    struct tern_slots slots;
    struct tern_mailbox mailbox;
    start_slots(&slots, &mailbox, COUNT);
    for (int i = 0; i < COUNT; i++)
        ids[i] = reserve(&slots, &objects[i]);
    for (int i = 0; i < COUNT; i++)
        assert_ptr_equal(tern_slots_get(&slots, ids[i]), &objects[i]);
    uint64_t none;
    assert_int_equal(tern_slots_reserve(&slots, &none), TERN_ELIMIT);
    for (int i = 0; i < COUNT; i += 2)
        tern_slots_release(&slots, ids[i]);
    assert_int_equal(slots.live, COUNT / 2);
    for (int i = 0; i < COUNT; i += 2)
        ids[i] = reserve(&slots, &objects[i]);
    for (int i = 0; i < COUNT; i++)
        assert_ptr_equal(tern_slots_get(&slots, ids[i]), &objects[i]);
    tern_slots_deinit(&slots);
}

/* Threads reserve and cancel (their own handles and stale ones) while the engine's thread ends the calls. */

struct start {
    struct tern_message message;
    uint64_t id;
    struct tern_slots *slots;
};

static int started;

static void run_start(struct tern_message *message, bool dropped)
{
    struct start *start = TERN_CONTAINER_OF(message, struct start, message);
    (void)dropped;
    tern_slots_set(start->slots, start->id, start);
    started++;
    if (started % 2 != 0) { /* half of them end at once, the others by their cancel */
        tern_slots_release(start->slots, start->id);
        free(start);
    }
}

static void end_cancelled(struct tern_slots *slots, void *object)
{
    struct start *start = object;
    tern_slots_release(slots, start->id);
    free(start);
    cancels++;
}

static void *start_calls(void *arg)
{
    struct tern_slots *slots = arg;
    uint64_t last = 0;
    uintptr_t wakes = 0;
    for (int i = 0; i < EACH;) {
        uint64_t id;
        if (tern_slots_reserve(slots, &id) != TERN_OK)
            continue; /* all are out; the consumer brings some back */
        struct start *start = malloc(sizeof *start);
        *start = (struct start){.message.run = run_start, .id = id, .slots = slots};
        wakes += tern_mailbox_push_always(slots->mailbox, &start->message) == TERN_SENT_WAKE;
        wakes += tern_slots_cancel(slots, id);
        wakes += tern_slots_cancel(slots, last);
        last = id;
        i++;
    }
    return (void *)wakes;
}

static void test_handles_under_threads(void **state)
{
    (void)state;
    struct tern_slots slots;
    struct tern_mailbox mailbox;
    pthread_t threads[PRODUCERS];
    start_slots(&slots, &mailbox, 300);
    slots.on_cancel = end_cancelled;
    started = 0;
    for (int i = 0; i < PRODUCERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, start_calls, &slots), 0);
    while (started < PRODUCERS * EACH)
        take_up(&mailbox);
    for (int i = 0; i < PRODUCERS; i++) {
        void *wakes;
        pthread_join(threads[i], &wakes);
        assert_null(wakes); /* nobody slept */
    }
    take_up(&mailbox);
    assert_int_equal(cancels, PRODUCERS * EACH / 2);
    assert_int_equal(slots.live, 0);
    for (int i = 0; i < 300; i++) /* every slot has come back */
        reserve(&slots, &slots);
    tern_slots_deinit(&slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oldest_first),
        cmocka_unit_test(test_only_a_sleeper_is_woken_and_once),
        cmocka_unit_test(test_close_refuses_but_keeps),
        cmocka_unit_test(test_many_producers_lose_nothing),
        cmocka_unit_test(test_stale_handles_find_nothing),
        cmocka_unit_test(test_cancel_is_heard_once),
        cmocka_unit_test(test_a_slot_waits_for_its_cancel),
        cmocka_unit_test(test_many_slots_stay_in_place),
        cmocka_unit_test(test_handles_under_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
