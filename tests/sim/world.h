/* tests/sim/world.h - what a history is made of: one seed, virtual time, what is to happen, which faults there are, the
 * trace and its digest.
 *
 * One process plays one history at a time, so the world is a global. All chance comes from its seed: the world's own
 * stream, and a stream for each call and for each connection's server (sim_stream), so that a history with one call
 * taken out still makes the same plans for the others. Nothing here may depend on an address in memory. */
#ifndef TERN_TESTS_SIM_WORLD_H
#define TERN_TESTS_SIM_WORLD_H

#include <stdnoreturn.h>

#include "base/rand.h"
#include "tern/types.h"

/* X(NAME, "name", how many of 1,000 occasions where it is on at all). A seed turns each one off, on or up. */
#define SIM_FAULT_TABLE(X)                                                                                             \
    X(SHORT_READ, "short-read", 200)                                                                                   \
    X(SHORT_WRITE, "short-write", 200)                                                                                 \
    X(EAGAIN, "eagain", 60)             /* of recv and sendmsg, for nothing */                                         \
    X(EINTR, "eintr", 100)              /* a wait that returns with nothing */                                         \
    X(SPURIOUS, "spurious-edge", 50)    /* readiness of what is not ready */                                           \
    X(REORDER, "reorder", 300)          /* readiness told late, in another order */                                    \
    X(SPLIT, "split", 300)              /* what a server says comes in pieces */                                       \
    X(LATENCY, "latency", 100)          /* a packet takes long */                                                      \
    X(RST, "rst", 15)                   /* for each of a server's messages */                                          \
    X(HALF_CLOSE, "half-close", 15)     /* the server ends its half and reads on */                                    \
    X(STALL, "stall", 10)               /* the server reads and says nothing any more */                               \
    X(DEAF, "deaf", 10)                 /* the server reads nothing any more */                                        \
    X(REFUSED, "refused", 30)           /* connect */                                                                  \
    X(BLACK_HOLE, "black-hole", 20)     /* connect */                                                                  \
    X(CONNECT_ERROR, "unreachable", 20) /* connect, at once or later, with some errno */                               \
    X(EMFILE, "emfile", 15)             /* socket */                                                                   \
    X(ENOBUFS, "enobufs", 15)           /* socket, sendmsg */                                                          \
    X(ENOSPC, "enospc", 10)             /* watch: the user's share of watches is used up */                            \
    X(EIO, "eio", 30)                   /* files */                                                                    \
    X(ENOMEM, "enomem", 2)              /* any allocation */                                                           \
    X(DNS_FAIL, "dns-fail", 60)                                                                                        \
    X(DNS_CHANGE, "dns-change", 100) /* other addresses than before */                                                 \
    X(DNS_SLOW, "dns-slow", 60)                                                                                        \
    X(CLOCK_JUMP, "clock-jump", 20) /* of the wall clock, when an engine is stepped */                                 \
    X(TLS_LOAD, "tls-load", 50)     /* the trust cannot be loaded */                                                   \
    X(TLS_ALERT, "tls-alert", 20)                                                                                      \
    X(TLS_CERT, "tls-cert", 20)            /* the certificate is another host's */                                     \
    X(TLS_TICKET, "tls-ticket", 50)        /* a ticket that breaks the handshake */                                    \
    X(TLS_RECORD, "tls-record", 4)         /* a broken record */                                                       \
    X(TLS_TRUNCATED, "tls-truncated", 100) /* an end without close_notify */                                           \
    X(SLOW, "slow-answer", 100)                                                                                        \
    X(RUDE, "rude", 60)                   /* a malformed answer, too much, too many */                                 \
    X(CUT, "cut-answer", 30)              /* an answer broken off */                                                   \
    X(IMPATIENT, "impatient", 40)         /* an answer before the request's end */                                     \
    X(REFUSE_STREAM, "refuse-stream", 40) /* h2: REFUSED_STREAM */                                                     \
    X(RESET_STREAM, "reset-stream", 30)   /* h2: another RST_STREAM */                                                 \
    X(GOAWAY, "goaway", 20)               /* h2, or h1's Connection: close */                                          \
    X(IDLE_CLOSE, "idle-close", 100)      /* the server closes a connection that it keeps */                           \
    X(NUISANCE, "nuisance", 40)           /* h2: PING, SETTINGS, empty DATA, unknown frames; h1: 1xx */                \
    X(BODY_WAIT, "body-wait", 200)        /* the user's body is not there yet */                                       \
    X(BODY_FAIL, "body-fail", 20)         /* the user's body fails, or has another length */                           \
    X(CANCEL, "cancel", 80)                                                                                            \
    X(PAUSE, "pause", 120)                                                                                             \
    X(CONFIGURE, "configure", 300) /* another configuration under way */                                               \
    X(CLOSE_CLIENT, "close-client", 100)                                                                               \
    X(REDIRECT, "redirect", 250)                                                                                       \
    X(OVERLOAD, "overload", 150)   /* 429 or 503, with how long to wait */                                             \
    X(CODED, "coded", 500)         /* an answer in a content coding, to who takes it */                                \
    X(SPOILT, "spoilt", 50)        /* and that is not what its sum says */                                             \
    X(CHALLENGE, "challenge", 400) /* 401 to who does not say who it is */                                             \
    X(STALE, "stale-nonce", 150)                                                                                       \
    X(DENY, "deny", 150)               /* 401 to who does, and is right */                                             \
    X(TOKEN_FAIL, "token-fail", 150)   /* no token is to be had */                                                     \
    X(TOKEN_LATE, "token-late", 500)   /* or not at once */                                                            \
    X(BREAK, "break-off", 700)         /* an answer that can be gone on with breaks off */                             \
    X(OTHER_RANGE, "other-range", 700) /* and what comes then is not the rest of it */                                 \
    X(AILING, "ailing", 600)           /* 503 from an address of which that is known */

enum sim_fault {
#define SIM_X(name, text, per_mille) SIM_FAULT_##name,
    SIM_FAULT_TABLE(SIM_X)
#undef SIM_X
        SIM_FAULT_COUNT
};

const char *sim_fault_name(enum sim_fault fault);

#define SIM_CALLS_MAX 256

/* What is played. */
struct sim_options {
    uint64_t seed;
    uint64_t without;                /* bit: this fault never happens */
    bool is_left_out[SIM_CALLS_MAX]; /* these calls are not made */
    bool is_verbose;                 /* print the trace */
};

struct sim_event;

struct sim_world {
    struct sim_options options;
    struct tern_rand rand;
    uint64_t now_ns;
    uint64_t wall_offset_ns;
    uint64_t digest;
    uint64_t notes;                 /* lines in the trace */
    bool is_calm;                   /* no fault happens any more, and what was held back comes */
    uint32_t rate[SIM_FAULT_COUNT]; /* per mille */
    uint64_t faults[SIM_FAULT_COUNT];
    struct sim_event *events; /* a heap */
    size_t event_count, event_cap;
    uint64_t event_order;
    uint32_t call_count; /* planned */
};

extern struct sim_world sim;

#define SIM_START_NS (1000 * TERN_S)
#define SIM_WALL_START_S UINT64_C(1700000000)

void sim_world_begin(const struct sim_options *options);
void sim_world_end(void);

/* ---- chance ---- */

void sim_stream(struct tern_rand *out, uint64_t purpose, uint64_t number); /* one of the seed's streams */
uint64_t sim_below(uint64_t below);
bool sim_chance(uint32_t per_mille);
uint64_t sim_between(struct tern_rand *rand, uint64_t least, uint64_t most);
/* A length of time of the order of typical_ns, now and then a few orders away. */
uint64_t sim_some_time(uint64_t typical_ns);

/* Whether the fault happens on this occasion; counts it. */
bool sim_fault(enum sim_fault fault);

/* ---- time ---- */

/* Has run(context, number) called after_ns from now, between the engines' steps. context lives until the world's
 * end. */
void sim_after(uint64_t after_ns, void (*run)(void *context, uint64_t number), void *context, uint64_t number);
uint64_t sim_next_event(void); /* or TERN_OFF */
uint64_t sim_wall_s(void);
bool sim_run_event(void); /* one that is due; false: there is none */

/* ---- the trace ---- */

/* A line of it. */
void sim_note(const char *format, ...) TERN_PRINTF(1, 2);
/* The engine has broken a promise: prints why and ends the process. */
noreturn void sim_fail(const char *format, ...) TERN_PRINTF(1, 2);
#define SIM_CHECK(x, ...) ((x) ? (void)0 : sim_fail(__VA_ARGS__))

/* ---- memory of the simulator's own, which never fails ---- */

void *sim_alloc(size_t size); /* zeroed */
void sim_free(void *block);

struct sim_bytes {
    unsigned char *data;
    size_t len, cap;
};

void sim_bytes_add(struct sim_bytes *bytes, const void *data, size_t len);
void sim_bytes_print(struct sim_bytes *bytes, const char *format, ...) TERN_PRINTF(2, 3);
void sim_bytes_drop(struct sim_bytes *bytes, size_t len); /* the first of them */
void sim_bytes_free(struct sim_bytes *bytes);

/* The byte at `at` of the body called seed: both sides know what must arrive. */
static inline unsigned char sim_pattern(uint64_t seed, uint64_t at)
{
    return (unsigned char)((seed + at) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

void sim_pattern_fill(void *out, uint64_t seed, uint64_t at, size_t len);
bool sim_pattern_is(const void *data, uint64_t seed, uint64_t at, size_t len);

/* ---- the engine's memory ---- */

/* Puts the counting and failing allocator in place: once, first. */
void sim_memory_install(void);
uint64_t sim_memory_blocks(void);
uint64_t sim_memory_bytes(void);
uint64_t sim_memory_peak(void);

#endif
