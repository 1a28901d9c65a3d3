/* fetch - URLs from the command line, over tern's public API alone.
 *
 *     options.c, config.c, data.c   what is asked for
 *     setup.c, request.c            the same, as tern takes it
 *     transfer.c                    the run: calls and their callbacks; read this one first
 *     sink.c, writeout.c            where answers go, and what -w says about them
 *     progress.c, waterfall.c       pictures */
#include "help.h"
#include "transfer.h"

#include <signal.h>
#include <stdio.h>

static int run(struct options *o, int argc, char **argv, int *signal)
{
    struct failure failure = {0};
    if (!options_parse(o, argc, argv, &failure)) {
        fprintf(stderr, "fetch: %s\nfetch: 'fetch --help' lists the options\n", failure.text);
        return failure.code;
    }
    if (o->help) {
        help_print();
        return CODE_OK;
    }
    if (o->version) {
        version_print();
        return CODE_OK;
    }
    return transfers_run(o, signal);
}

int main(int argc, char **argv)
{
    struct options options = {0};
    int caught = 0;
    int code = run(&options, argc, argv, &caught);
    options_free(&options);
    /* Whoever started fetch sees that a signal ended it: its handler has done its work and is gone. */
    if (caught != 0)
        raise(caught);
    return code;
}
