/* proto/decode.h - content codings undone (RFC 9110 8.4): bytes of a body as they came in, the content out, a piece at
 * a time. Pure: no clock, no loop.
 *
 *     tern_decoder_new(&decoder, fields, count, &limits, &ledger, &why);    // NULL: the body stands as it comes
 *     do {
 *         tern_decoder_step(decoder, &in, max, &out, &why);                 // in moves on; out is borrowed
 *     } while (!tern_decoder_is_drained(decoder, in.len));
 *     tern_decoder_finish(decoder, &why);                                   // at the body's end
 *
 *  1. Any split of the input, and any max, gives the same output.
 *  2. A step makes at most TERN_DECODE_STEP_BYTES in each layer, and so has a bounded cost whatever its input is.
 *  3. What a decoder holds is in the ledger: one that a peer makes large (brotli: 16 MiB of window, zstd: 8 MiB by RFC
 *     9659) fails where there is no room. */
#ifndef TERN_PROTO_DECODE_H
#define TERN_PROTO_DECODE_H

#include "base/ledger.h"
#include "tern/error.h"
#include "tern/policy.h"

#define TERN_DECODE_STEP_BYTES (16 * 1024)
#define TERN_DECODE_LAYERS_CEILING 8

/* Output beyond this is held against ratio_max: smaller bodies do no harm, and one of zeros is no attack. */
#define TERN_DECODE_RATIO_FROM_BYTES (1024 * 1024)

struct tern_decoder;

/* The value of Accept-Encoding that says what this build decodes; empty: nothing. Static. */
struct tern_str tern_decode_accepts(void);

/* Makes a decoder for what Content-Encoding says. limits (every default filled in) is copied, ledger borrowed. *out is
 * owned by the caller; NULL where there is nothing to undo.
 * Errors: TERN_EDECODE (a coding that this build does not know, more than layers_max), TERN_ELIMIT, TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_decoder_new(struct tern_decoder **out, const struct tern_field *fields, size_t count,
                                               const struct tern_decoding *limits, struct tern_ledger *ledger,
                                               struct tern_fault *why);

/* NULL is ignored. */
void tern_decoder_free(struct tern_decoder *decoder);

/* Takes from in (which may be empty) what it can use and gives up to max (not 0) bytes of content, borrowed until the
 * next step. None does not mean that there are no more to come: is_drained says so.
 * Errors: TERN_EDECODE (what came is malformed, grows beyond ratio_max, or goes on behind its end), TERN_ELIMIT (no
 * room in the ledger), TERN_ENOMEM. After one the decoder is of no use. */
TERN_MUST_USE enum tern_error tern_decoder_step(struct tern_decoder *decoder, struct tern_str *in, size_t max,
                                                struct tern_str *out, struct tern_fault *why);

/* Without more input than these bytes nothing more comes out. */
bool tern_decoder_is_drained(const struct tern_decoder *decoder, size_t in_len);

/* What has been made so far in all layers, the measure of the work done. */
uint64_t tern_decoder_made_bytes(const struct tern_decoder *decoder);

/* The body has ended. An empty one is an empty content. Errors: TERN_EDECODE (cut off in the middle). */
TERN_MUST_USE enum tern_error tern_decoder_finish(const struct tern_decoder *decoder, struct tern_fault *why);

#endif
