/* tern-sim: plays histories. See tests/sim/README.md.
 *
 *     tern-sim SEED [--without FAULT,... | --only FAULT,...] [--calls N,N-M,...] [--trace]  one history, its digest
 *     tern-sim --for SECONDS | --count N [--from SEED]                      many, each seed the one before plus one
 *
 * Many are played in child processes, so that whatever ends one names its seed; then less and less of that history is
 * played, as long as it still fails, and the command is printed that repeats what is left. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/explore.h"

static int usage(void)
{
    fputs("tern-sim SEED [--without FAULT,... | --only FAULT,...] [--calls N,N-M,...] [--trace]\n"
          "tern-sim --for SECONDS | --count N [--from SEED]\n"
          "faults:",
          stderr);
    for (int i = 0; i < SIM_FAULT_COUNT; i++)
        fprintf(stderr, " %s", sim_fault_name((enum sim_fault)i));
    fputc('\n', stderr);
    return 2;
}

static bool read_number(const char *text, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == '\0';
}

static bool read_faults(char *text, uint64_t *out)
{
    for (char *name = strtok(text, ","); name != NULL && strcmp(text, "none") != 0; name = strtok(NULL, ",")) {
        int i = 0;

        while (i < SIM_FAULT_COUNT && strcmp(name, sim_fault_name((enum sim_fault)i)) != 0)
            i++;
        if (i == SIM_FAULT_COUNT)
            return false;
        *out |= UINT64_C(1) << i;
    }
    return true;
}

/* The calls that are made: "3,7-9". */
static bool read_calls(char *text, struct sim_options *options)
{
    memset(options->is_left_out, true, sizeof(options->is_left_out));
    for (char *part = strtok(text, ","); part != NULL && strcmp(text, "none") != 0; part = strtok(NULL, ",")) {
        unsigned first, last;
        int n = sscanf(part, "%u-%u", &first, &last);

        if (n == 1)
            last = first;
        if (n < 1 || first > last || last >= SIM_CALLS_MAX)
            return false;
        for (unsigned i = first; i <= last; i++)
            options->is_left_out[i] = false;
    }
    return true;
}

static int play_one(const struct sim_options *options)
{
    struct sim_report report;

    sim_play(options, &report);
    printf("seed %llu: %u calls started, %u refused, %u ended, %u well, %u attempts, %.1f s, %llu events, digest "
           "%016llx\n",
           (unsigned long long)options->seed, report.started, report.refused, report.ended, report.succeeded,
           report.attempts, (double)report.virtual_ns / (double)TERN_S, (unsigned long long)report.notes,
           (unsigned long long)report.digest);
    return 0;
}

int main(int argc, char **argv)
{
    struct sim_options options = {0};
    struct sim_exploration plan = {.first = (uint64_t)time(NULL) * 1000};
    uint64_t only = 0;
    bool explores = false, has_seed = false, has_only = false;

    sim_memory_install();
    for (int i = 1; i < argc; i++) {
        char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool is_good = false;

        if (strcmp(argv[i], "--trace") == 0) {
            options.is_verbose = true;
            continue;
        }
        if (argv[i][0] != '-') {
            if (!(has_seed = read_number(argv[i], &options.seed)))
                return usage();
            continue;
        }
        if (value == NULL)
            return usage();
        if (strcmp(argv[i], "--without") == 0)
            is_good = read_faults(value, &options.without);
        else if (strcmp(argv[i], "--only") == 0)
            is_good = has_only = read_faults(value, &only);
        else if (strcmp(argv[i], "--calls") == 0)
            is_good = read_calls(value, &options);
        else if (strcmp(argv[i], "--for") == 0)
            is_good = explores = read_number(value, &plan.seconds);
        else if (strcmp(argv[i], "--count") == 0)
            is_good = explores = read_number(value, &plan.count);
        else if (strcmp(argv[i], "--from") == 0)
            is_good = read_number(value, &plan.first);
        if (!is_good)
            return usage();
        i++;
    }
    if (explores == has_seed)
        return usage();
    if (has_only)
        options.without = ~only;
    return explores ? sim_explore(&plan) : play_one(&options);
}
