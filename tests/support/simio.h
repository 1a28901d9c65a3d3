/* tests/support/simio.h - the operating system as a script: addresses, peers and time, all in memory.
 *
 * A scenario reads as a transcript. The engine under test is real; below it, time moves only where the test says so:
 *
 *     struct tern_engine *engine;
 *     struct simio *sim = simio_new(NULL, &engine);
 *     simio_listen(sim, "192.0.2.1:80");
 *     ... start a call ...
 *     simio_run(sim, TERN_MS);
 *     struct simio_peer *peer = simio_accept(sim, "192.0.2.1:80");
 *     simio_expect(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
 *     simio_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
 *     simio_end_after(peer, 3 * TERN_S);
 *     simio_run(sim, 10 * TERN_S);
 *     ... look at what the user saw ...
 *     tern_engine_free(engine);
 *
 * What the peer says arrives one piece a wait, each with its own edge, as packets do. An address nobody spoke of
 * refuses connections. A descriptor that is not the script's own is a file: it cannot be waited for. Misuse, and an
 * engine that spins or would sleep for ever, fail the test. File jobs run on the engine's thread. sim and its peers
 * live until the engine is freed. */
#ifndef TERN_TESTS_SIMIO_H
#define TERN_TESTS_SIMIO_H

#include "engine/engine.h"

#define SIMIO_START_NS (1000 * TERN_S)
#define SIMIO_WALL_START_S UINT64_C(1700000000) /* 2023-11-14 22:13:20 UTC */

struct simio;
struct simio_peer;

/* What was asked of the system so far. */
struct simio_counts {
    uint64_t waits, sockets, connects, recvs, sendmsgs, watches, unwatches, wakes, arms, closes;
    uint32_t open; /* sockets open now */
};

/* A scripted system and an engine on it. config may be NULL. */
struct simio *simio_new(const struct tern_engine_config *config, struct tern_engine **engine);
/* The system alone, for engines made by hand: it belongs to the engine that it is given to. simio_set_engine comes
 * before simio_run. */
struct simio *simio_new_bare(void);
struct tern_io *simio_io(struct simio *sim);
void simio_set_engine(struct simio *sim, struct tern_engine *engine);
struct simio_counts simio_counts(const struct simio *sim);

/* ---- time ---- */

uint64_t simio_now(const struct simio *sim);
/* Steps the engine and moves the clock from one event to the next until for_ns have passed; 0: what is due now. */
void simio_run(struct simio *sim, uint64_t for_ns);
/* Moves the wall clock alone. */
void simio_set_wall(struct simio *sim, uint64_t seconds);

/* ---- addresses, written as tern_sockaddr_parse reads them ---- */

void simio_listen(struct simio *sim, const char *address);
/* The same, and on_heard is called after each of the engine's writes on any of its connections. */
void simio_serve(struct simio *sim, const char *address, void (*on_heard)(struct simio_peer *peer, void *user),
                 void *user);
void simio_refuse(struct simio *sim, const char *address);
void simio_black_hole(struct simio *sim, const char *address);                  /* a connect never ends */
void simio_connect_fails(struct simio *sim, const char *address, int os_errno); /* at once, in connect */
void simio_connect_takes(struct simio *sim, const char *address, uint64_t ns);  /* after one of the above */
/* A path with length and width to it, for connections made from here on: what either says is there half of
 * round_trip_ns later; what the peer says leaves at bytes_per_s, the rest of it waiting in line. */
void simio_path(struct simio *sim, const char *address, uint64_t round_trip_ns, uint64_t bytes_per_s);
/* Connects that were tried at it. */
uint32_t simio_connects(struct simio *sim, const char *address);
/* The oldest connection to it that was not accepted yet, or NULL. */
struct simio_peer *simio_accept(struct simio *sim, const char *address);

/* ---- faults of the system ---- */

/* No way to any address of the family, as far as the order of addresses is concerned. Else there is one for both, from
 * 192.0.2.200 and 2001:db8::c8. */
void simio_no_route(struct simio *sim, int family);
void simio_socket_fails(struct simio *sim, int os_errno); /* the next one */
void simio_fork(struct simio *sim);                       /* from here on the engine is in a child */

/* ---- what the peer does ---- */

void simio_say(struct simio_peer *peer, const char *text);
void simio_say_bytes(struct simio_peer *peer, const void *bytes, size_t len);
void simio_say_split(struct simio_peer *peer, const char *text, size_t at); /* in two pieces, the first of at bytes */
void simio_end(struct simio_peer *peer);                                    /* FIN */
void simio_say_and_end(struct simio_peer *peer, const char *text);          /* both in one packet, with one edge */
void simio_reset(struct simio_peer *peer); /* RST; what was said before can still be read */
/* The same, later. What one peer does happens in the order of these calls, never before the one before it. */
void simio_say_after(struct simio_peer *peer, uint64_t ns, const char *text);
void simio_end_after(struct simio_peer *peer, uint64_t ns);
void simio_reset_after(struct simio_peer *peer, uint64_t ns);

/* recv gives at most bytes at a time from here on, on this connection, or (sim) on those made from here on. */
void simio_recv_max(struct simio_peer *peer, size_t bytes);
void simio_recv_max_all(struct simio *sim, size_t bytes);
/* The engine can write so many bytes more, then it meets EAGAIN until simio_window is called again. */
void simio_window(struct simio_peer *peer, size_t bytes);
void simio_window_all(struct simio *sim, size_t bytes);
/* ---- what the peer sees ---- */

struct tern_str simio_heard(struct simio_peer *peer);         /* all that was written and not yet forgotten */
void simio_forget(struct simio_peer *peer);                   /* what was heard so far */
void simio_expect(struct simio_peer *peer, const char *text); /* heard is just that; forgets it */
bool simio_is_closed(const struct simio_peer *peer);          /* the engine has closed its end */
void *simio_user(struct simio_peer *peer);                    /* the test's own, NULL at first */
void simio_set_user(struct simio_peer *peer, void *user);

/* ---- for torture.h, when a test was left somewhere ---- */

/* Shuts down the engine of every system there is; false where one is inside of a callback. */
bool simio_shut_down_all(void);
/* Whether sim is there: the test may have freed it with its engine. */
bool simio_is_live(const struct simio *sim);
/* Frees them all, and tells of sockets that were left open. */
void simio_free_all(void);

#endif
