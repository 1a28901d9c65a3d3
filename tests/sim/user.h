/* tests/sim/user.h - the users: clients on engines, the calls that they make, and what they may see of them. */
#ifndef TERN_TESTS_SIM_USER_H
#define TERN_TESTS_SIM_USER_H

#include "client/client.h"
#include "tern/tern.h"
#include "tests/sim/net.h"
#include "tests/sim/policy.h"

/* What shapes a client's connections; with the HTTP mode it is the call's shape. */
enum sim_shape {
    SIM_SHAPE_PLAIN,
    SIM_SHAPE_V4,
    SIM_SHAPE_V6,
    SIM_SHAPE_BOUND,      /* to SIM_BOUND_ADDRESS */
    SIM_SHAPE_CONNECT_TO, /* calls to origin 0 go to origin 2, and to origin 1 to origin 3 */
    SIM_SHAPE_UNIX,
    SIM_SHAPE_OVERRIDE, /* every name is origin 0's first address, in IPv4 */
    SIM_SHAPE_INSECURE,
    SIM_SHAPE_TLS12,
    SIM_SHAPE_COUNT
};

#define SIM_BOUND_ADDRESS "192.0.2.201"
/* HTTP modes, from TERN_HTTP_MODE_1_1 on. A shape's number is enum sim_shape * SIM_MODES + the mode. */
#define SIM_MODES 3

#define SIM_ENGINES_MAX 2
#define SIM_CLIENTS_MAX 4

struct sim_engine {
    int number;
    struct tern_engine *engine;
    struct sim_io *io;
    bool is_pollable; /* stepped when its descriptor is readable, else when it has work */
    bool is_in_step;
    uint32_t calls_max;
};

struct sim_client {
    unsigned number;
    struct sim_engine *engine;
    struct tern_client *client; /* NULL: closed, or could not be made */
    unsigned shape;
    uint32_t configured; /* times */
    struct tern_timeouts timeouts;
    /* The highest that any of its configurations allowed. */
    uint32_t connections_max, per_host_max, idle_max, waiters_max, window_max;
    uint64_t idle_ns_max;
    uint32_t live; /* calls */
    struct sim_config *config;
    unsigned configurations; /* planned */
    uint32_t budget_percent, budget_min;
    uint64_t open_ns_min; /* of all its breakers */
    struct tern_rate rates[SIM_RATES];
};

enum sim_call_state { SIM_CALL_PLANNED, SIM_CALL_LIVE, SIM_CALL_ENDED, SIM_CALL_REFUSED };

struct sim_call {
    unsigned number;
    enum sim_call_state state;
    struct sim_client *client;
    tern_call_id id;
    struct tern_rand rand;
    uint64_t begins_ns;
    bool is_posted, is_collected;
    bool is_refusable;  /* when the post is taken up */
    uint64_t posted_at; /* the engine's turn */
    bool is_traced;

    /* The request. */
    unsigned origin, shape;
    const char *method;
    bool is_safe_to_repeat; /* idempotent, or says so */
    bool has_userinfo;      /* its credentials are in the URL, */
    bool has_field;         /* in a field, or else the policy's */
    bool has_key;           /* Idempotency-Key */
    bool says_close;
    char url[160], path[32], id_text[16], shape_text[32], secret[48], authorization[64], key[64];
    enum tern_body_kind body;
    uint64_t body_seed, body_len, body_at;
    bool body_lies; /* fails, or is not as long as it says */
    bool body_is_known, body_is_rewindable, body_is_pipe;
    bool body_waits; /* tern_call_body_ready is to come */
    unsigned char *memory;
    int fd;
    bool credits, is_fresh;
    uint64_t body_bytes_max;
    struct tern_timeouts timeouts;
    struct tern_priority priority;
    bool has_priority;
    enum tern_expect expect;
    bool has_trailers; /* in the request */

    /* What came of it. */
    bool is_paused, is_cancelled;
    uint32_t heads, informational;
    unsigned status;
    bool got_trailers;
    uint64_t received, owed;
    uint64_t answer_seed, answer_len; /* answer_len TERN_OFF: until the close */
    bool answer_is_known, answer_is_coded, answer_is_spoilt;
    struct tern_result result;

    /* The servers' ledger: how often the request may have been processed, of all hops. */
    uint32_t processed;
    struct sim_policed policed;
};

struct sim_users {
    struct sim_engine engines[SIM_ENGINES_MAX];
    unsigned engine_count;
    struct sim_client clients[SIM_CLIENTS_MAX];
    unsigned client_count, origin_count, token_count;
    bool is_gated;       /* every client's gate forbids some addresses */
    bool is_guarded;     /* all ask who is there, */
    bool is_broken;      /* or most bodies could be gone on with, */
    unsigned ailing;     /* or so many addresses of each origin, and family, are worse than the others */
    uint64_t horizon_ns; /* calls begin until then */
    struct sim_call calls[SIM_CALLS_MAX];
    uint32_t live, started, ended, refused;
    uint32_t attempts; /* of those that ended */
    uint32_t errors[TERN_ERROR_COUNT];
};

extern struct sim_users sim_users;

/* Engines, clients and plans of calls; the first of them are due. */
void sim_users_begin(void);
/* What was paused, withheld or awaited goes on; no call is begun any more. */
void sim_users_calm(void);
/* Closes what is left, in one of several ways, and frees everything. */
enum sim_ending;
void sim_users_end(enum sim_ending ending);

/* Clients (client.c). */
bool sim_client_open(struct sim_client *client);
void sim_client_configure(struct sim_client *client);
void sim_client_close(struct sim_client *client, enum tern_close_mode mode);

/* Calls (call.c). */
void sim_call_plan(struct sim_call *call, unsigned number);
void sim_call_start(struct sim_call *call);
void sim_call_set_shape(struct sim_call *call, unsigned shape);
void sim_call_calm(struct sim_call *call);
void sim_call_free(struct sim_call *call);
/* What a user may do from inside a callback. */
void sim_call_act(struct sim_call *call);
/* What must be true of a call that has ended, once it is known what the servers did. */
void sim_call_check(const struct sim_call *call);

/* No secret may be in what is shown to anyone. */
void sim_check_output(const char *what, const char *text, size_t len);

#endif
