/* fetch/run.h - a run and its transfers: what transfer.c starts and ends, answer.c takes in and report.c tells. */
#ifndef FETCH_RUN_H
#define FETCH_RUN_H

#include "keep.h"
#include "progress.h"
#include "request.h"
#include "sink.h"
#include "waterfall.h"

/* A whole run. Everything happens on one thread, in the callbacks of one engine. */
struct run {
    const struct options *o;
    struct setup setup;
    struct request request;
    struct tern_hooks hooks;
    struct tern_engine *engine;
    struct tern_client *client;
    struct keep keep;
    size_t next;           /* index of the next URL to start */
    size_t active;         /* started and not ended */
    struct transfer *live; /* those */
    enum code code;
    struct progress progress;
    struct waterfall waterfall;
};

/* One URL, from its start to its on_done. Allocated then and freed there, so that a list of URLs costs little more than
 * its text. */
struct transfer {
    struct run *run;
    struct transfer *next, *previous; /* in run->live */
    size_t index;
    const char *method; /* of the first request */
    char *url;
    char *remote_name; /* of -O */
    const char *path;  /* of the output; NULL: standard output */
    int upload_fd;     /* -1: none */
    tern_call_id call;
    struct sink sink;
    uint64_t delivered_bytes; /* to the sink */
    uint64_t retries;
    bool is_refused;        /* -L, and a redirect was not followed: its body is nobody's */
    struct failure failure; /* of fetch's own: written before tern's */
    uint16_t status;
    struct tern_field *fields; /* of the final head, copied for -w; the texts stand in one block behind them */
    size_t field_count;
};

/* answer.c: sets the hooks of the client to be, and a call's callbacks but on_done, whose user is the transfer. */
void answer_watch(struct run *run);
void answer_handlers(const struct options *o, struct tern_handlers *handlers);

/* report.c */
void report_failure(struct run *run, const struct failure *failure);
void report_retry(struct transfer *t, const struct tern_retry *retry);
/* What is said about a transfer that has ended. */
void report_transfer(struct transfer *t, const struct tern_result *result);

#endif
