#include "tests/sim/explore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Seeds in one child: the cost of a fork is spread, and what leaks between histories shows. */
#define BATCH 20
#define SHRINK_TRIES_MAX 400
#define HANG_S 60

struct total {
    uint64_t seeds, started, ended, succeeded, attempts, notes;
    uint64_t faults[SIM_FAULT_COUNT];
};

static double seconds_since(const struct timespec *start)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static void add(struct total *total, const struct sim_report *report)
{
    total->seeds++;
    total->started += report->started;
    total->ended += report->ended;
    total->succeeded += report->succeeded;
    total->attempts += report->attempts;
    total->notes += report->notes;
    for (int i = 0; i < SIM_FAULT_COUNT; i++)
        total->faults[i] += report->faults[i];
}

static bool read_whole(int fd, void *out, size_t len)
{
    size_t at = 0;

    while (at < len) {
        ssize_t n = read(fd, (char *)out + at, len - at);

        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

/* Plays count seeds in a child. Gives how many it played to their end. */
static uint64_t play_batch(uint64_t first, uint64_t count, struct total *total)
{
    struct sim_report report;
    uint64_t played = 0;
    int ends[2];
    pid_t child;

    if (pipe(ends) != 0)
        abort();
    fflush(NULL);
    child = fork();
    if (child == 0) {
        close(ends[0]);
        for (uint64_t i = 0; i < count; i++) {
            alarm(HANG_S);
            sim_play(&(struct sim_options){.seed = first + i}, &report);
            if (write(ends[1], &report, sizeof(report)) != (ssize_t)sizeof(report))
                _exit(1);
        }
        _exit(0);
    }
    close(ends[1]);
    for (; read_whole(ends[0], &report, sizeof(report)); played++)
        add(total, &report);
    close(ends[0]);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue;
    return played;
}

/* ---- less of a history that fails ---- */

static bool fails(const struct sim_options *options)
{
    struct sim_report report;
    int status = 0;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);

        dup2(null, 1);
        dup2(null, 2);
        alarm(HANG_S);
        sim_play(options, &report);
        _exit(0);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return status != 0;
}

/* Takes the lesser history if it fails too. */
static void try_less(struct sim_options *options, const struct sim_options *less, uint32_t *tries)
{
    if (*tries == 0)
        return;
    --*tries;
    if (fails(less))
        *options = *less;
}

/* Leaves out as many calls as it can, in halves, quarters and so on. */
static void shrink_calls(struct sim_options *options, uint32_t *tries)
{
    for (unsigned width = SIM_CALLS_MAX / 2; width > 0; width /= 2)
        for (unsigned at = 0; at < SIM_CALLS_MAX; at += width) {
            struct sim_options less = *options;

            memset(less.is_left_out + at, true, width);
            if (memcmp(less.is_left_out, options->is_left_out, sizeof(less.is_left_out)) != 0)
                try_less(options, &less, tries);
        }
}

static void shrink_faults(struct sim_options *options, uint32_t *tries)
{
    for (int i = 0; i < SIM_FAULT_COUNT; i++) {
        struct sim_options less = *options;

        less.without |= UINT64_C(1) << i;
        if (less.without != options->without)
            try_less(options, &less, tries);
    }
}

/* The faults that are left out, or those that are not: whichever are fewer. */
static void print_faults_of(uint64_t without)
{
    bool few = __builtin_popcountll(without) <= SIM_FAULT_COUNT / 2;
    char sign = ' ';

    if (without == 0)
        return;
    printf(few ? " --without" : " --only");
    if (few)
        without = ~without;
    for (int i = 0; i < SIM_FAULT_COUNT; i++)
        if ((without >> i & 1) == 0) {
            printf("%c%s", sign, sim_fault_name((enum sim_fault)i));
            sign = ',';
        }
    if (sign == ' ')
        printf(" none");
}

static void print_calls_of(const bool is_left_out[SIM_CALLS_MAX])
{
    char sign = ' ';

    printf(" --calls");
    for (unsigned i = 0; i < SIM_CALLS_MAX; i++) {
        unsigned last = i;

        if (is_left_out[i])
            continue;
        while (last + 1 < SIM_CALLS_MAX && !is_left_out[last + 1])
            last++;
        printf("%c%u", sign, i);
        if (last > i)
            printf("-%u", last);
        sign = ',';
        i = last;
    }
    if (sign == ' ')
        printf(" none");
}

static void print_command(const struct sim_options *options)
{
    printf("to repeat it: ./run sim %llu", (unsigned long long)options->seed);
    print_faults_of(options->without);
    print_calls_of(options->is_left_out);
    putchar('\n');
    fflush(stdout);
}

static void shrink(uint64_t seed)
{
    struct sim_options options = {.seed = seed};
    uint32_t tries = SHRINK_TRIES_MAX;

    if (!fails(&options)) {
        printf("seed %llu does not fail alone: play the %d before it with --from\n", (unsigned long long)seed, BATCH);
        return;
    }
    shrink_calls(&options, &tries);
    shrink_faults(&options, &tries);
    shrink_calls(&options, &tries);
    print_command(&options);
}

/* ---- progress ---- */

static void print_total(const struct total *total, double elapsed_s)
{
    struct rusage usage;
    double cpu_s;

    getrusage(RUSAGE_CHILDREN, &usage);
    cpu_s = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 + (double)usage.ru_stime.tv_sec +
            (double)usage.ru_stime.tv_usec / 1e6;
    printf("%llu seeds, %llu calls (%llu ended by themselves, %llu well), %llu requests; %.0f s, %.0f requests per CPU "
           "second\n",
           (unsigned long long)total->seeds, (unsigned long long)total->started, (unsigned long long)total->ended,
           (unsigned long long)total->succeeded, (unsigned long long)total->attempts, elapsed_s,
           cpu_s > 0 ? (double)total->attempts / cpu_s : 0);
}

static void print_faults(const struct total *total)
{
    for (int i = 0; i < SIM_FAULT_COUNT; i++)
        printf("%s%s %llu", i == 0 ? "faults: " : ", ", sim_fault_name((enum sim_fault)i),
               (unsigned long long)total->faults[i]);
    putchar('\n');
}

int sim_explore(const struct sim_exploration *plan)
{
    struct total total = {0};
    struct timespec start;
    double shown_s = 0;

    clock_gettime(CLOCK_MONOTONIC, &start);
    for (uint64_t at = 0; plan->count == 0 || at < plan->count;) {
        uint64_t count = plan->count == 0 || plan->count - at > BATCH ? BATCH : plan->count - at;
        uint64_t played = play_batch(plan->first + at, count, &total);
        double elapsed_s = seconds_since(&start);

        at += played;
        if (played < count) {
            printf("seed %" PRIu64 " fails\n", plan->first + at);
            print_total(&total, elapsed_s);
            shrink(plan->first + at);
            return 1;
        }
        if (elapsed_s - shown_s >= 10) {
            shown_s = elapsed_s;
            print_total(&total, elapsed_s);
        }
        if (plan->seconds != 0 && elapsed_s >= (double)plan->seconds)
            break;
    }
    print_total(&total, seconds_since(&start));
    print_faults(&total);
    return 0;
}
