/* engine/io_virtual.h - the OS seam for tests of what embeds tern: its time is virtual, and it makes no sockets.
 *
 * Over the real one: waking, the pollable descriptor, foreign descriptors and forks are real. The clock stands still
 * until it is set; but a wait that finds nothing moves it to its deadline, and is over. Random bytes are the same in
 * each. */
#ifndef TERN_ENGINE_IO_VIRTUAL_H
#define TERN_ENGINE_IO_VIRTUAL_H

#include "engine/io.h"

/* On success *out is owned by the caller. why may be NULL. Errors: as tern_io_epoll_new. */
TERN_MUST_USE enum tern_error tern_io_virtual_new(struct tern_io **out, struct tern_fault *why);

bool tern_io_is_virtual(const struct tern_io *io);

/* Of a virtual one. now_ns is not before its present time. */
void tern_io_virtual_set_now(struct tern_io *io, uint64_t now_ns);

#endif
