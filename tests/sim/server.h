/* tests/sim/server.h - the servers: one sim_peer for each connection, TLS if the origin has it, HTTP/1.1 or HTTP/2 over
 * that, and what every request must be.
 *
 *     network --sim_peer_hear--> (TLS) --sim_peer_plain--> h1 or h2 --sim_request_*--> checks, the ledger, an answer
 *
 * A server knows each call's plan (user.h) and checks that the request that arrives is what was planned, on a
 * connection on which it may be. */
#ifndef TERN_TESTS_SIM_SERVER_H
#define TERN_TESTS_SIM_SERVER_H

#include "tests/sim/net.h"

struct sim_origin {
    const char *scheme, *host; /* host as in a URL */
    uint16_t port;
    bool is_secure;
    bool is_standard; /* the port is the scheme's */
    bool speaks_h2;   /* over TLS by ALPN; over plaintext to who knows before */
    bool speaks_h1;
};

/* The first SIM_ORIGINS have names oK.sim; of the others one is an IP literal, one is in the hosts file, one is
 * nowhere. */
#define SIM_ORIGINS 6
#define SIM_ORIGIN_LITERAL 6 /* origin 0's first address */
#define SIM_ORIGIN_HOSTS 7   /* the same */
#define SIM_ORIGIN_NONE 8
#define SIM_ORIGINS_ALL 9
#define SIM_UNIX_PATH "/sim/socket" /* a server for every origin */

extern const struct sim_origin sim_origins[SIM_ORIGINS_ALL];

struct sim_h1;
struct sim_h2;
struct sim_call;

enum sim_tls_state { SIM_TLS_NONE, SIM_TLS_HELLO, SIM_TLS_FINISHED, SIM_TLS_OPEN, SIM_TLS_OVER };

struct sim_peer {
    struct sim_peer *next; /* all of them */
    unsigned number;
    struct sim_socket *socket;
    struct tern_rand rand;
    unsigned origin; /* whose server it is; SIM_ORIGINS_ALL: everyone's */
    bool is_deaf;    /* reads nothing */
    bool is_silent;  /* says nothing any more */
    bool is_over;    /* has ended or reset the connection: what comes is not processed */
    bool has_left;   /* the client has closed it */
    bool is_tainted; /* has sent what no server may: what the client makes of it is not judged */

    enum sim_tls_state tls;
    struct sim_bytes records; /* not a whole record yet */
    uint64_t tls_shape;       /* of the client's profile */
    bool tls_chose_h2;

    struct sim_h1 *h1; /* once it is known what is spoken, one of them */
    struct sim_h2 *h2;
    struct sim_bytes first; /* until then */

    bool is_marked; /* a request has come: all others must be of the same client and shape */
    unsigned client, shape;
};

bool sim_server_is_at(const struct tern_sockaddr *address);
struct sim_peer *sim_peer_new(struct sim_socket *socket);
unsigned sim_peer_number(const struct sim_peer *peer);
void sim_peers_calm(void); /* whoever is deaf or silent goes away */
void sim_peers_end(void);

/* From the network. */
void sim_peer_hear(struct sim_peer *peer, const unsigned char *bytes, size_t len);
void sim_peer_left(struct sim_peer *peer);

/* What HTTP says and hears. */
void sim_peer_plain(struct sim_peer *peer, const unsigned char *bytes, size_t len);
void sim_peer_say(struct sim_peer *peer, const void *bytes, size_t len);
void sim_peer_end(struct sim_peer *peer); /* with close_notify where that belongs */
void sim_peer_reset(struct sim_peer *peer);
/* A fault of the connection, perhaps: true if it cannot be spoken on any more. */
bool sim_peer_strikes(struct sim_peer *peer);

/* ---- TLS (tls.c) ---- */

void sim_tls_hear(struct sim_peer *peer, const unsigned char *bytes, size_t len);
void sim_tls_say(struct sim_peer *peer, const void *bytes, size_t len);
void sim_tls_close_notify(struct sim_peer *peer);

/* ---- requests (request.c) ---- */

struct sim_field {
    const char *name; /* in lower case, as HTTP/2 has it */
    char value[256];
};

#define SIM_FIELDS_MAX 12
#define SIM_SECRETS_MAX 8

enum sim_framing { SIM_LENGTH, SIM_CHUNKED, SIM_UNTIL_CLOSE };

/* How a request is answered. */
struct sim_answer {
    unsigned status;
    enum sim_framing framing;
    uint64_t body_len, body_seed; /* of the content, */
    uint64_t body_from;           /* which begins there in that of the seed */
    uint64_t wire_len;            /* of the body, which may be the content in a coding */
    bool is_coded;
    uint32_t sum;
    unsigned informational;
    bool has_trailers, closes;
    bool is_early;     /* before the request's end */
    bool is_challenge; /* the request was not processed */
    bool is_rude, is_slow;
    uint64_t cut_at; /* TERN_OFF: not; a byte of the body behind which it breaks off */
    uint64_t delay_ns;
    struct sim_field fields[SIM_FIELDS_MAX]; /* of policy */
    size_t field_count;
};

struct sim_request {
    struct sim_request *next; /* of the peer */
    struct sim_peer *peer;
    struct sim_call *call; /* NULL: not known yet */
    unsigned link;         /* of the call's */
    int32_t stream;        /* h2 */
    char method[16], host[64], path[64], shape[32], authorization[512], key[96], cookie[96], expect[16], user_agent[32],
        accept_encoding[64], range[48], if_range[48];
    char secrets[SIM_SECRETS_MAX][64]; /* whatever is secret in any field */
    unsigned secret_count;
    bool has_id;
    unsigned id;
    uint64_t received; /* of the body */
    bool is_complete;  /* the whole request is here */
    bool is_answered;  /* an answer has begun */
    bool is_given_up;  /* the client has cut it off */
    bool is_processed;
    struct sim_answer answer;
    uint64_t sent; /* of the answer's body */
};

void sim_request_field(struct sim_request *request, const char *name, size_t name_len, const char *value,
                       size_t value_len);
/* All fields have come: checks them, enters the request in the ledger and plans an answer. */
void sim_request_head(struct sim_request *request);
void sim_request_body(struct sim_request *request, const void *bytes, size_t len);
void sim_request_end(struct sim_request *request);
/* It will not be processed, and the client is told so. */
void sim_request_refuse(struct sim_request *request);
bool sim_answer_has_body(const struct sim_request *request);
void sim_answer_field(struct sim_answer *answer, const char *name, const char *format, ...) TERN_PRINTF(3, 4);

/* ---- parts (part.c) ---- */

/* Perhaps an answer with a body that could be gone on with, or the rest of one. */
bool sim_part_plan(struct sim_request *request);

/* ---- content codings (coding.c) ---- */

uint64_t sim_coded_len(uint64_t body_len);
unsigned char sim_coded_content(uint64_t seed, uint64_t at); /* what a coded answer becomes */
void sim_answer_code(struct sim_answer *answer, bool is_spoilt);
/* So many bytes of the body as it is sent. */
void sim_answer_fill(const struct sim_answer *answer, unsigned char *out, uint64_t at, size_t len);

/* ---- HTTP ---- */

struct sim_h1 *sim_h1_new(struct sim_peer *peer);
void sim_h1_hear(struct sim_h1 *h1, const unsigned char *bytes, size_t len);
void sim_h1_free(struct sim_h1 *h1);

struct sim_h2 *sim_h2_new(struct sim_peer *peer);
void sim_h2_hear(struct sim_h2 *h2, const unsigned char *bytes, size_t len);
void sim_h2_free(struct sim_h2 *h2);

#endif
