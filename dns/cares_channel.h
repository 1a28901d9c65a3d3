/* dns/cares_channel.h - one c-ares channel: its sockets and its clock on the reactor. Used by dns/cares.c alone. */
#ifndef TERN_DNS_CARES_CHANNEL_H
#define TERN_DNS_CARES_CHANNEL_H

#include <ares.h>

#include "engine/engine.h"

/* Made on a worker, used on the engine's thread from then on. */
struct tern_cares_channel {
    ares_channel handle;
    struct tern_engine *engine;
    struct tern_list node; /* the owner's */
    struct tern_list sockets;
    struct tern_timer timer;
    uint32_t queries; /* the owner's count of those that c-ares has not answered */
};

/* Reads the system's files and may block. servers ("IP:PORT,...") may be NULL: those of resolv_conf_path. NULL: c-ares
 * cannot be set up, for want of memory or otherwise. */
struct tern_cares_channel *tern_cares_channel_new(const char *resolv_conf_path, const char *servers,
                                                  uint64_t timeout_ns, uint32_t tries);

/* Before any other use, on the engine's thread. */
void tern_cares_channel_attach(struct tern_cares_channel *channel, struct tern_engine *engine);

/* Queries still open end with ARES_EDESTRUCTION from inside. Not from inside c-ares. */
void tern_cares_channel_free(struct tern_cares_channel *channel);

/* After every call into c-ares: sets the timer to what c-ares waits for next. */
void tern_cares_channel_rearm(struct tern_cares_channel *channel);

#endif
