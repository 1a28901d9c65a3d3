/* fetch - URLs from the command line, over tern's public API alone.
 *
 *     options*.c, config.c, data.c      what is asked for: a file of options for each theme
 *     setup.c, request.c                the same, as tern takes it
 *     transfer.c, answer.c, report.c    the run: calls, their callbacks, their ends; read transfer.c first
 *     sink.c, writeout.c                where answers go, and what -w says about them
 *     keep.c                            what one run learns for the next: cookies, HSTS
 *     progress.c, waterfall.c           pictures */
#include "help.h"
#include "transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Where a standard stream is closed, the next socket would get its number, and what is meant for the one would go to
 * the other. What stands there instead can be used the wrong way round only: the stream still fails. */
static void fill_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            exit(CODE_USAGE);
    }
}

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
    fill_standard_streams();
    struct options options = {0};
    int caught = 0;
    int code = run(&options, argc, argv, &caught);
    options_free(&options);
    /* Whoever started fetch sees that a signal ended it: its handler has done its work and is gone. */
    if (caught != 0)
        raise(caught);
    return code;
}
