#include "pool/watchdog.h"

/* since + limit, where both are there; saturating, so that a far limit is simply never reached. */
static uint64_t due(uint64_t since, uint64_t limit)
{
    if (since == 0 || limit == TERN_OFF)
        return TERN_OFF;
    return since > TERN_OFF - limit ? TERN_OFF : since + limit;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t tern_watchdog_next(const struct tern_watchdog *dog)
{
    const struct tern_timeouts *t = dog->timeouts;
    uint64_t next = dog->total_deadline_ns;

    next = earlier(next, due(dog->begun_ns, t->attempt_ns));
    next = earlier(next, due(dog->waiting_ns, t->pool_ns));
    next = earlier(next, due(dog->dialling_ns, t->connect_ns));
    next = earlier(next, due(dog->blocked_ns, t->write_ns));
    next = earlier(next, due(dog->silent_ns, t->read_ns));
    next = earlier(next, due(dog->head_ns, t->head_ns));
    next = earlier(next, due(dog->expect_ns, t->continue_ns));
    return earlier(next, due(dog->speed_ns, t->low_speed_ns));
}

static struct tern_watchdog_verdict end(enum tern_error error, uint64_t limit_ns)
{
    return (struct tern_watchdog_verdict){.bark = TERN_BARK_END, .error = error, .limit_ns = limit_ns};
}

/* True if fewer bytes moved since speed_ns than the limit asks for; else a new stretch begins. */
static bool is_too_slow(struct tern_watchdog *dog, uint64_t now_ns, uint64_t bytes)
{
    uint64_t seconds_ns = now_ns - dog->speed_ns;
    unsigned __int128 least = (unsigned __int128)dog->timeouts->low_speed_bytes_per_s * seconds_ns / TERN_S;

    if (bytes - dog->speed_bytes < least)
        return true;
    dog->speed_ns = now_ns;
    dog->speed_bytes = bytes;
    return false;
}

struct tern_watchdog_verdict tern_watchdog_check(struct tern_watchdog *dog, uint64_t now_ns, uint64_t bytes)
{
    const struct tern_timeouts *t = dog->timeouts;

    if (now_ns >= dog->total_deadline_ns)
        return end(TERN_EDEADLINE, t->total_ns);
    if (now_ns >= due(dog->begun_ns, t->attempt_ns))
        return end(TERN_EATTEMPT_TIMEOUT, t->attempt_ns);
    if (now_ns >= due(dog->waiting_ns, t->pool_ns))
        return end(TERN_EPOOL_TIMEOUT, t->pool_ns);
    if (now_ns >= due(dog->dialling_ns, t->connect_ns))
        return end(TERN_ECONNECT_TIMEOUT, t->connect_ns);
    if (now_ns >= due(dog->blocked_ns, t->write_ns))
        return end(TERN_EWRITE_TIMEOUT, t->write_ns);
    if (now_ns >= due(dog->silent_ns, t->read_ns))
        return end(TERN_EREAD_TIMEOUT, t->read_ns);
    if (now_ns >= due(dog->head_ns, t->head_ns))
        return end(TERN_EHEAD_TIMEOUT, t->head_ns);
    if (now_ns >= due(dog->speed_ns, t->low_speed_ns) && is_too_slow(dog, now_ns, bytes))
        return end(TERN_ELOW_SPEED, t->low_speed_ns);
    if (now_ns >= due(dog->expect_ns, t->continue_ns)) {
        dog->expect_ns = 0;
        return (struct tern_watchdog_verdict){.bark = TERN_BARK_CONTINUE};
    }
    return (struct tern_watchdog_verdict){.bark = TERN_BARK_NONE};
}
