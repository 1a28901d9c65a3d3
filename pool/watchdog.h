/* pool/watchdog.h - all time limits of one exchange, as pure arithmetic: facts in, the next deadline or the limit that
 * passed out.
 *
 * One timer serves them all: it is armed for the earliest deadline and set again only for an earlier one. When it fires
 * the facts are asked again, so progress costs an assignment, not a timer operation. A fact of 0 means "not so now". */
#ifndef TERN_POOL_WATCHDOG_H
#define TERN_POOL_WATCHDOG_H

#include "tern/call.h"

struct tern_watchdog {
    const struct tern_timeouts *timeouts; /* every field resolved: TERN_OFF or a length */
    uint64_t total_deadline_ns;           /* TERN_OFF: none */
    uint64_t begun_ns;                    /* since when the attempt has run */
    uint64_t waiting_ns;                  /* since when it waits for a connection with nobody dialling for it */
    uint64_t dialling_ns;                 /* since when one is dialled for it */
    uint64_t blocked_ns;                  /* since when the peer has taken none of what is to be written */
    uint64_t silent_ns;                   /* since when the peer was expected to send, and has not */
    uint64_t head_ns;                     /* since when the whole head has been awaited */
    uint64_t expect_ns;                   /* since when leave for the body has been awaited */
    uint64_t speed_ns;                    /* since when speed_bytes have been counted */
    uint64_t speed_bytes;                 /* the count at speed_ns */
};

enum tern_watchdog_bark {
    TERN_BARK_NONE,
    TERN_BARK_CONTINUE, /* the wait for 100 (Continue) is over: send the body */
    TERN_BARK_END       /* a limit passed: see the error */
};

struct tern_watchdog_verdict {
    enum tern_watchdog_bark bark;
    enum tern_error error; /* with TERN_BARK_END */
    uint64_t limit_ns;     /* the limit that passed, for the text */
};

/* The earliest time at which tern_watchdog_check could bark, or TERN_OFF. */
uint64_t tern_watchdog_next(const struct tern_watchdog *dog);

/* bytes: body bytes moved so far in both directions. Never barks before tern_watchdog_next. */
struct tern_watchdog_verdict tern_watchdog_check(struct tern_watchdog *dog, uint64_t now_ns, uint64_t bytes);

#endif
