/* fetch/transfer.h - all transfers of one command line, a few at a time. */
#ifndef FETCH_TRANSFER_H
#define FETCH_TRANSFER_H

#include "options.h"

/* Fetches every URL of o on an engine and client of its own, parallel_max at a time, and prints what o asks for.
 * Returns the exit code: 0, or that of the transfer that failed last. *signal is the signal that ended it early, or
 * 0. */
enum code transfers_run(const struct options *o, int *signal);

#endif
