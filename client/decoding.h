/* client/decoding.h - a call's body, decoded on its way to the user (policy.decoding). Called by call.c alone.
 *
 * What cannot be delivered at once (the user has paused the call or owes credit, or this turn has decoded enough) waits
 * as it came; the transport is paused meanwhile, so that it is no more than what one read or the call's window
 * brought. */
#ifndef TERN_CLIENT_DECODING_H
#define TERN_CLIENT_DECODING_H

#include "base/buf.h"
#include "engine/engine.h"
#include "proto/decode.h"

/* Made in all layers in one go, which takes about a millisecond; then others have their turn. */
#define TERN_DECODE_TURN_BYTES (512 * 1024)

struct tern_call;

struct tern_decoding_state {
    const struct tern_decoding *policy; /* what holds for this call; NULL: off */
    struct tern_decoder *decoder;       /* of this response; NULL: it is delivered as it comes */
    bool is_held;                       /* there is more to deliver: in waiting, or in the decoder */
    uint64_t delivered_bytes;
    struct tern_buf waiting; /* came, and is not decoded yet; held in the client's ledger */
    struct tern_task task;
};

/* Once in a call's life. */
void tern_call_decoding_init(struct tern_call *call);

/* A response begins that is the user's. Errors: as tern_decoder_new. */
TERN_MUST_USE enum tern_error tern_call_decoding_begin(struct tern_call *call, const struct tern_head *head,
                                                       struct tern_fault *why);

/* Bytes of its body have come. They are credited to the transport as they are decoded. */
void tern_call_decoding_take(struct tern_call *call, const void *data, size_t len);

/* The user has resumed the call, or has given credit. */
void tern_call_decoding_wake(struct tern_call *call);

/* Frees all. */
void tern_call_decoding_end(struct tern_call *call);

#endif
