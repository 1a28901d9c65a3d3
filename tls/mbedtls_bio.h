/* tls/mbedtls_bio.h - what mbedTLS reads from and writes to: a lower byte stream behind buffers.
 *
 * mbedTLS fetches each record with two small reads and sends each with a write. Here one read of the lower stream
 * brings many records, and one write takes many. The buffers belong to the provider and are shared by all of its
 * streams, since one stream works at a time: an idle connection holds none. What is left at the end of an operation
 * moves to memory of the stream's own: received bytes behind a full user's buffer, and bytes to send that the lower
 * stream did not take.
 *
 * Each operation of the stream stands between tern_tls_bio_begin and tern_tls_bio_end. */
#ifndef TERN_TLS_MBEDTLS_BIO_H
#define TERN_TLS_MBEDTLS_BIO_H

#include "base/buf.h"
#include "engine/bytestream.h"

#define TERN_TLS_RECEIVE_BYTES (64 * 1024)
#define TERN_TLS_SEND_BYTES (64 * 1024)

/* Reads of the lower stream in one operation: whoever floods us with records that carry nothing may not keep the
 * loop. */
#define TERN_TLS_REFILLS_MAX 4

/* What may come in a row without a byte for the user: a handshake, or tickets. RFC 8446 5 lets a client end the
 * connection over a change_cipher_spec that is out of place; mbedTLS drops each one for as long as they come. */
#define TERN_TLS_SILENT_BYTES_MAX (512 * 1024)

/* The largest record (RFC 8446 5.2, RFC 5246 6.2.3) and its header. */
#define TERN_TLS_RECORD_BYTES_MAX (16384 + 2048 + 5)

struct tern_tls_buffers {
    unsigned char receive[TERN_TLS_RECEIVE_BYTES];
    unsigned char send[TERN_TLS_SEND_BYTES];
    unsigned char plain[16384]; /* where small pieces become one record */
};

struct tern_tls_bio {
    struct tern_bytestream *lower;
    struct tern_tls_buffers *buffers;

    unsigned char *in; /* in buffers->receive, or kept */
    size_t in_len;
    void *kept;             /* owned: what in points into between operations */
    enum tern_flow in_flow; /* what the lower stream answered last in this operation */
    size_t silent_bytes;    /* received since the last byte for the user */
    unsigned refills;
    bool is_starved;       /* there may be more to read, but this operation has had its share */
    enum tern_error error; /* why an operation failed here, and not below: TERN_ENOMEM, TERN_ELIMIT */

    size_t out_len;       /* in buffers->send */
    struct tern_buf held; /* sent before anything in buffers->send */
};

void tern_tls_bio_init(struct tern_tls_bio *bio, struct tern_bytestream *lower, struct tern_tls_buffers *buffers);
void tern_tls_bio_deinit(struct tern_tls_bio *bio);

void tern_tls_bio_begin(struct tern_tls_bio *bio);

/* Sends what can be sent and keeps the rest. ERROR: error says why, or else the lower stream's fault. WANT_WRITE:
 * something is left, and goes with tern_tls_bio_flush when the lower stream is ready. */
TERN_MUST_USE enum tern_flow tern_tls_bio_end(struct tern_tls_bio *bio);
TERN_MUST_USE enum tern_flow tern_tls_bio_flush(struct tern_tls_bio *bio);

/* In place of the end, where the operation goes on in the next turn: keeps what was received and what is to be sent,
 * which so leaves in one piece. False: error says why. */
TERN_MUST_USE bool tern_tls_bio_park(struct tern_tls_bio *bio);

/* For work that is done elsewhere, in an operation of its own. take moves what has been received to the end of out, if
 * there is nothing after one read of the lower stream; it gives how many bytes, or what recv would where there are
 * none. give takes back, and empties, what was not used. */
TERN_MUST_USE int tern_tls_bio_take(struct tern_tls_bio *bio, struct tern_buf *out);
void tern_tls_bio_give(struct tern_tls_bio *bio, struct tern_buf *in);

/* Room for one more record to be sent. */
bool tern_tls_bio_has_room(const struct tern_tls_bio *bio);

/* Nothing has been received, and the lower stream has nothing now: mbedTLS need not be asked. */
bool tern_tls_bio_is_dry(struct tern_tls_bio *bio);

/* After mbedTLS answered WANT_READ: there is more to read at once. mbedTLS says so for its own reasons too, and no
 * event comes for what has been received already. */
bool tern_tls_bio_may_go_on(const struct tern_tls_bio *bio);

/* For mbedtls_ssl_set_bio; user is the bio. send takes everything: mbedTLS, asked to write while it has output of
 * its own left over, takes the user's bytes for sent and loses them. A peer that provokes answers and does not read
 * them runs into held's ceiling. */
int tern_tls_bio_recv(void *user, unsigned char *buf, size_t len);
int tern_tls_bio_send(void *user, const unsigned char *buf, size_t len);

#endif
