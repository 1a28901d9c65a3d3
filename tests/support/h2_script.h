/* tests/support/h2_script.h - a peer of a scenario that speaks HTTP/2, frame by frame:
 *
 *     struct h2_script peer;
 *     h2_script_open(&peer, &s);                        // accepts; its SETTINGS are empty
 *     h2_script_hears(&peer, "HEADERS 1 END | :method: GET");
 *     h2_put_head(&peer.out, 1, 0, ":status: 200");     // anything of h2_wire.h
 *     h2_script_say(&peer);
 *     h2_script_close(&peer);                           // frees what is here; the connection is the scenario's */
#ifndef TERN_TESTS_SUPPORT_H2_SCRIPT_H
#define TERN_TESTS_SUPPORT_H2_SCRIPT_H

#include "tests/support/h2_wire.h"
#include "tests/support/scenario.h"

struct h2_script {
    struct scenario *scenario;
    struct simio_peer *peer;
    struct tern_buf out; /* what h2_script_say says next */
    struct h2_ear ear;
};

/* Accepts the oldest connection to SCENARIO_ADDRESS (or address); open_with also puts one setting into the SETTINGS
 * frame, unless it is 0. */
void h2_script_open(struct h2_script *script, struct scenario *s);
void h2_script_open_at(struct h2_script *script, struct scenario *s, const char *address);
void h2_script_open_with(struct h2_script *script, struct scenario *s, uint16_t setting, uint32_t value);
void h2_script_close(struct h2_script *script);

/* Says what is in out, and lets the client hear it. */
void h2_script_say(struct h2_script *script);

/* Says 200 with body, and the stream's end. */
void h2_script_answer(struct h2_script *script, int32_t id, const char *body);

/* What the client wrote since the last time, as of h2_wire.h. */
const char *h2_script_heard(struct h2_script *script);
/* Asserts that text is, or is not, in what the client wrote since the last time. */
void h2_script_hears(struct h2_script *script, const char *text);
void h2_script_hears_no(struct h2_script *script, const char *text);

/* For a client that speaks it and nothing else. */
extern const struct tern_client_config h2_only;

#endif
