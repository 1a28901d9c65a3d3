/* client/body.h - the body of a request from memory, a callback or a descriptor, as a source for codecs. */
#ifndef TERN_CLIENT_BODY_H
#define TERN_CLIENT_BODY_H

#include "engine/engine.h"
#include "proto/body_source.h"

/* What a callback or a descriptor is read into: a few socket writes' worth, and all that one call's upload holds in
 * memory. */
#define TERN_BODY_BUFFER_BYTES (64 * 1024)

struct tern_body_reader {
    struct tern_body_source source; /* first */
    struct tern_engine *engine;
    struct tern_body body;
    void (*on_ready)(struct tern_body_reader *reader); /* after TERN_READ_WAIT: peek again */
    size_t at;                                         /* MEMORY: how much is consumed */
    uint8_t *buffer; /* CALLBACK, FD: what was read and not consumed stands from head to tail */
    size_t head, tail;
    bool is_used; /* something was read: from the start again only after a rewind */
    bool is_ended;
    struct tern_body_pump *pump; /* FD: reads off the loop */
};

/* body is copied; what it points at is borrowed until deinit. */
void tern_body_reader_init(struct tern_body_reader *reader, struct tern_engine *engine, const struct tern_body *body,
                           void (*on_ready)(struct tern_body_reader *reader));

/* Whether its source can be rewound, as far as is known without trying: has it a way to, or is nothing of it used
 * yet. */
bool tern_body_reader_can_rewind(const struct tern_body_reader *reader);
bool tern_body_reader_has_way_back(const struct tern_body_reader *reader);

/* May be called with a read under way: it is detached. */
void tern_body_reader_deinit(struct tern_body_reader *reader);

#endif
