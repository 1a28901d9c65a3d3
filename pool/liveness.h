/* pool/liveness.h - whether the peer of an HTTP/2 connection is still there, as pure arithmetic: facts in, the next
 * moment to look or what to do out.
 *
 * A connection with calls on it that has been silent for quiet_ns is asked, by one PING; one that gives no sign of life
 * within ack_ns after that is dead. Whatever arrives is a sign of life, not the acknowledgement alone: behind a long
 * answer on a slow path it may be late.
 *
 * Servers may count PINGs against a client that sends them idly (gRPC's A8 proposal: so many without HEADERS or DATA in
 * between, and the connection is closed), so none is sent before such a frame has come since the last one. */
#ifndef TERN_POOL_LIVENESS_H
#define TERN_POOL_LIVENESS_H

#include <stdbool.h>

#include "tern/types.h"

struct tern_liveness {
    uint64_t quiet_ns; /* the limits: TERN_OFF or a length */
    uint64_t ack_ns;
    uint64_t alive_ns; /* the last sign of life, or when there was first reason to expect one */
    uint64_t asked_ns; /* the question that is open; 0: none */
    bool is_suspect;   /* asked because of silence: new calls go elsewhere meanwhile */
};

enum tern_liveness_verdict { TERN_LIVENESS_WAIT, TERN_LIVENESS_ASK, TERN_LIVENESS_DEAD };

/* When to look again, or TERN_OFF. may_ask: there are calls, and a PING may be sent or is on its way. */
uint64_t tern_liveness_next(const struct tern_liveness *life, bool may_ask);

enum tern_liveness_verdict tern_liveness_check(const struct tern_liveness *life, bool may_ask, uint64_t now_ns);

/* A PING was sent, or one that was on its way already counts. */
void tern_liveness_asked(struct tern_liveness *life, bool is_suspect, uint64_t now_ns);

/* It was acknowledged. */
void tern_liveness_answered(struct tern_liveness *life);

#endif
