/* fetch/request.h - from options to what tern takes: the client's configuration and the request.
 *
 * Both borrow from the options, and are the same for every URL but for the URL itself and an uploaded file. */
#ifndef FETCH_REQUEST_H
#define FETCH_REQUEST_H

#include "options.h"

/* All zero is empty. */
struct setup {
    struct tern_client_config config;
    struct tern_policy policy;
    struct tern_gate gate;
    struct tern_redirects redirects;
    struct tern_retries retries;
    uint16_t statuses[64]; /* of the retries */
    enum tern_error errors[TERN_ERROR_COUNT];
    struct tern_decoding decoding;
    struct tern_rate rate;
    struct tern_hedging hedging;
    struct tern_auth auth;
    struct tern_resolve_override *overrides;
    struct tern_connect_to *connect_to;
    struct strings addresses; /* of all overrides, one after the other */
    struct strings texts;     /* owned copies, cut into pieces */
};

/* Fills setup->config, which lives as long as setup and options do. */
bool setup_init(struct setup *setup, const struct options *o, struct failure *failure);
void setup_deinit(struct setup *setup);

/* policy.c: setup->policy and what is in it. The timeouts are set before. */
void policy_init(struct setup *setup, const struct options *o);

/* identity.c: policy.auth. */
bool identity_init(struct setup *setup, const struct options *o, struct failure *failure);

struct request {
    struct tern_field *fields; /* in the order in which they go out */
    size_t field_count;
    enum tern_expect expect;
    struct strings texts; /* owned values */
};

bool request_init(struct request *request, const struct options *o, struct failure *failure);
void request_deinit(struct request *request);

/* What -X says, or what the other options imply. uploads: this URL has a -T. Borrows from o. */
const char *request_method(const struct options *o, bool uploads);

/* The URL as it is asked for, owned by the caller: with "http://" where no scheme is given, with the name of the
 * uploaded file (NULL: none) where it ends in '/', and with query (empty: none) behind the query that it has. */
char *request_url(const char *url, const char *upload, struct tern_str query);

/* Takes name and password out of a URL of request_url, where -u or -n is there to say them. */
void request_url_drop_user(char *url, const struct options *o);

#endif
