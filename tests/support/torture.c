#include "tests/support/torture.h"

#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rand.h"
#include "tests/support/faultmem.h"
#include "tests/support/scenario.h"
#include "tests/support/simio.h"

#define HANG_S 30         /* real time that one run may take */
#define FINDINGS_MAX 5    /* of one test and mode; then it is given up */
#define SAMPLE_TESTS 8    /* a sample has one in so many tests */
#define SAMPLE_FAILURES 3 /* and so many failures of each mode */
#define SAMPLE_NS (100 * TERN_MS)

#define SPREAD_OPERATIONS_MAX 20000 /* of one mode of a test, where the failures are bounded by their number */

/* The children of a coverage build write down what they reached before they go. */
#ifdef TERN_COVERAGE
#include <gcov.h>
#define leave(status) (__gcov_dump(), _exit(status))
#else
#define leave(status) _exit(status)
#endif

/* Room between cmocka's frames and the test's, see play_test. */
#define STACK_GAP (64 * 1024)

static const struct mode {
    const char *name;
    enum torture_seam seam;
    bool for_ever;
} modes[] = {
    {"memory-once", TORTURE_MEMORY, false}, {"memory-from", TORTURE_MEMORY, true},
    {"system-once", TORTURE_SYSTEM, false}, {"system-from", TORTURE_SYSTEM, true},
    {"files-once", TORTURE_FILES, false},   {"files-from", TORTURE_FILES, true},
};

#define MODES (sizeof(modes) / sizeof(modes[0]))

/* What a test's process tells its parent, in memory that both see. */
struct progress {
    uint64_t n;     /* the failure of the run under way; 0: none */
    uint64_t total; /* failures that this mode has, as far as is known */
    uint64_t runs;  /* that did meet their failure */
    uint32_t found;
    uint32_t unchecked; /* left in the middle of a callback: whether memory came back is not known */
    uint64_t plain_ns;  /* what the test takes as it is */
    char text[512];     /* of what was found */
};

static struct {
    bool is_on;
    atomic_int holds; /* things fail while this is 0 */
    bool has_begun, keeps_memory, passed;
    enum torture_seam seam;
    atomic_uint_fast64_t count;
    uint64_t first, last;
    atomic_bool has_failed;
    struct progress *progress;
    const struct CMUnitTest *test;
} now;

/* ---- what the stand-ins and worlds ask ---- */

bool torture_fails(enum torture_seam seam)
{
    uint64_t n;

    if (!now.is_on || !now.has_begun || atomic_load(&now.holds) != 0 || seam != now.seam)
        return false;
    n = atomic_fetch_add(&now.count, 1) + 1;
    if (n < now.first || n > now.last)
        return false;
    atomic_store(&now.has_failed, true);
    return true;
}

void torture_hold(void)
{
    atomic_fetch_add(&now.holds, 1);
}

void torture_release(void)
{
    atomic_fetch_sub(&now.holds, 1);
}

void torture_begin(void)
{
    now.has_begun = true;
}

bool torture_has_failed(void)
{
    return now.is_on && atomic_load(&now.has_failed);
}

void torture_fixture_keeps_memory(void)
{
    now.keeps_memory = true;
}

bool torture_looks_for_leaks(void)
{
    return now.passed || !now.keeps_memory;
}

void torture_found(const char *format, ...)
{
    char text[sizeof(now.progress->text)];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (now.is_on) {
        now.progress->found++;
        memcpy(now.progress->text, text, sizeof(text));
    }
    fail_msg("%s", text);
}

/* ---- one run of one test ---- */

/* A test that fails is left by longjmp. Its frames are over, but what the engine was given of them (hooks, bodies) is
 * still asked while everything ends. So they are kept as they were: the gap takes what cmocka writes meanwhile, and
 * the_end runs below them. */
static void play_test(void **state)
{
    volatile char *gap = alloca(STACK_GAP);

    gap[0] = 0;
    now.test->test_func(state);
    now.passed = true;
    gap[1] = 0;
}

static int the_end(void **state)
{
    volatile char *gap = alloca(16 * STACK_GAP);
    int rc = 0;

    gap[0] = 0;
    now.last = 0;
    now.has_begun = false;
    faultmem_never_fail();
    if (!simio_shut_down_all()) {
        now.progress->unchecked++;
        leave(0); /* inside of a callback: there is no way back to the loop */
    }
    scenario_all_ended();
    simio_free_all();
    if (now.test->teardown_func != NULL)
        rc = now.test->teardown_func(state);
    gap[1] = 0;
    return rc;
}

/* The group's fixtures of the test program. */
static CMFixtureFunction group_setup, group_teardown;

int __real__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown);
int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown);

/* n 0: as it is. True if the failure was met. */
static bool run_once(const struct mode *mode, uint64_t n)
{
    const struct CMUnitTest one = {now.test->name, play_test, now.test->setup_func, the_end, now.test->initial_state};
    uint64_t live = faultmem_live();

    now.progress->n = n;
    now.seam = mode->seam;
    now.first = n != 0 ? n : UINT64_MAX;
    now.last = n == 0 ? 0 : mode->for_ever ? UINT64_MAX : n;
    now.has_begun = now.keeps_memory = now.passed = false;
    atomic_store(&now.holds, 0);
    atomic_store(&now.count, 0);
    atomic_store(&now.has_failed, false);
    alarm(HANG_S);
    (void)__real__cmocka_run_group_tests("torture", &one, 1, group_setup, group_teardown);
    alarm(0);
    if (n != 0 && faultmem_live() != live && torture_looks_for_leaks()) {
        now.progress->found++;
        snprintf(now.progress->text, sizeof(now.progress->text), "%lld blocks of memory do not come back",
                 (long long)(faultmem_live() - live));
    }
    return atomic_load(&now.has_failed);
}

/* ---- all runs of one test, in a process of their own ---- */

static uint64_t real_ns(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * TERN_S + (uint64_t)at.tv_nsec;
}

/* How the failures are spread: from n on, in steps. */
struct spread {
    uint64_t step, until_ns;
    uint32_t most;
};

static void run_from(const struct mode *mode, uint64_t n, const struct spread *spread)
{
    struct progress *progress = now.progress;

    for (uint32_t runs = 0; runs < spread->most && run_once(mode, n); runs++) {
        progress->runs++;
        if (progress->found != 0)
            leave(1);
        if (real_ns() >= spread->until_ns)
            break;
        n += spread->step;
    }
    progress->n = 0;
}

/* Output goes where it can be looked at if something is found. */
static void silence(int output)
{
    if (output >= 0) {
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
    }
}

static void report(const char *program, const struct mode *mode, int status, int output)
{
    const struct progress *progress = now.progress;
    char text[4096];
    ssize_t n = pread(output, text, sizeof(text) - 1, 0);

    printf("FOUND %s: ", now.test->name);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        printf("hangs\n");
    else if (progress->found != 0)
        printf("%s\n", progress->text);
    else
        printf("the process ended with status 0x%x\n%.*s\n", (unsigned)status, n > 0 ? (int)n : 0, text);
    printf("      repeat: TERN_TORTURE=all TERN_TORTURE_ONLY='%s:%s:%llu' %s\n", now.test->name, mode->name,
           (unsigned long long)progress->n, program);
}

/* The failures that the test has in this mode, by a run as it is. */
static void count_failures(const struct mode *mode)
{
    uint64_t started_ns = real_ns();

    (void)run_once(mode, 0); /* what the process makes once is made */
    now.progress->plain_ns = real_ns() - started_ns;
    now.progress->total = atomic_load(&now.count);
}

struct plan {
    const char *program, *only_test, *only_mode;
    uint64_t only_n, seconds, failures;
    bool is_sample;
    struct tern_rand rand;
    uint64_t runs, total, found, unchecked, tests;
};

/* A sample is for quick tests; with a bound on failures it is operations that count, the same on every machine. */
static bool is_too_slow(const struct plan *plan)
{
    return (plan->is_sample && now.progress->plain_ns > SAMPLE_NS) ||
           (plan->failures != 0 && now.progress->total > SPREAD_OPERATIONS_MAX);
}

/* In a child: the count, then the failures from n on. */
static int in_child(const struct mode *mode, uint64_t n, bool is_random, struct plan *plan, int output)
{
    struct spread spread = {.step = 1, .until_ns = TERN_OFF, .most = UINT32_MAX};
    int status = 0;
    pid_t pid;

    fflush(stdout);
    (void)!ftruncate(output, 0);
    pid = fork();
    if (pid == 0) {
        struct progress *progress = now.progress;

        silence(plan->only_n != 0 ? -1 : output);
        count_failures(mode);
        if (is_too_slow(plan))
            leave(0);
        if (plan->only_n != 0) {
            spread.most = 1;
        } else if (plan->is_sample) {
            spread.most = SAMPLE_FAILURES;
            spread.step = 1 + progress->total / SAMPLE_FAILURES;
        } else if (plan->seconds != 0) {
            spread.until_ns = real_ns() + plan->seconds * TERN_S;
            spread.step = 1 + progress->total * progress->plain_ns / (plan->seconds * TERN_S);
        } else if (plan->failures != 0) {
            spread.step = 1 + progress->total / plan->failures;
        }
        if (is_random)
            n = 1 + tern_rand_below(&plan->rand, spread.step);
        run_from(mode, n, &spread);
        leave(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return status;
}

static void torture_mode(const struct mode *mode, struct plan *plan, int output)
{
    uint64_t n = plan->only_n != 0 ? plan->only_n : 1;
    bool is_random = plan->only_n == 0 && (plan->is_sample || plan->seconds != 0);
    struct progress *progress = now.progress;
    uint32_t findings = 0;

    *progress = (struct progress){0};
    for (;;) {
        uint32_t unchecked = progress->unchecked;
        int status = in_child(mode, n, is_random, plan, output);

        if (status != 0) {
            plan->found++;
            report(plan->program, mode, status, output);
            if (++findings == FINDINGS_MAX)
                break;
        } else if (progress->unchecked == unchecked) {
            break; /* came to its end */
        } else {
            progress->runs++;
        }
        if (plan->only_n != 0 || plan->is_sample)
            break;
        n = progress->n + 1;
        is_random = false;
        progress->found = 0;
    }
    plan->runs += progress->runs;
    plan->total += progress->total;
    plan->unchecked += progress->unchecked;
}

static bool is_wanted(const char *only, const char *name)
{
    return only == NULL || strcmp(only, name) == 0;
}

/* TEST:MODE:N */
static void read_only(struct plan *plan)
{
    const char *only = getenv("TERN_TORTURE_ONLY");
    char *text = only != NULL ? strdup(only) : NULL, *mode, *n;

    if (text == NULL)
        return;
    mode = strchr(text, ':');
    n = mode != NULL ? strchr(mode + 1, ':') : NULL;
    if (n == NULL) {
        fprintf(stderr, "TERN_TORTURE_ONLY=%s: not TEST:MODE:N\n", only);
        exit(2);
    }
    *mode++ = *n++ = '\0';
    plan->only_test = text;
    plan->only_mode = mode;
    plan->only_n = strtoull(n, NULL, 10);
}

static int torture(const struct CMUnitTest *tests, size_t count, const char *wanted)
{
    const char *seconds = getenv("TERN_TORTURE_SECONDS"), *failures = getenv("TERN_TORTURE_FAILURES");
    struct plan plan = {.program = program_invocation_name,
                        .is_sample = strcmp(wanted, "all") != 0,
                        .seconds = seconds != NULL ? strtoull(seconds, NULL, 10) : 0,
                        .failures = failures != NULL ? strtoull(failures, NULL, 10) : 0};
    const struct tern_hash_seed place = {1,
                                         tern_hash_bytes((struct tern_hash_seed){1, 2}, program_invocation_short_name,
                                                         strlen(program_invocation_short_name))};
    char path[] = "/tmp/tern-torture.XXXXXX";
    int output = mkostemp(path, O_APPEND | O_CLOEXEC);

    if (output < 0)
        return 1;
    unlink(path);
    /* Each program draws by itself: else a seed that passes over the first tests does so everywhere. */
    tern_rand_seed(&plan.rand, tern_hash_bytes(place, wanted, strlen(wanted)));
    read_only(&plan);
    faultmem_install();
    now.is_on = true;
    now.progress = mmap(NULL, sizeof(*now.progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (now.progress == MAP_FAILED)
        return 1;
    for (size_t i = 0; i < count; i++) {
        bool is_drawn = !plan.is_sample || tern_rand_below(&plan.rand, SAMPLE_TESTS) == 0;

        if (!is_drawn || !is_wanted(plan.only_test, tests[i].name))
            continue;
        now.test = &tests[i];
        plan.tests++;
        for (size_t m = 0; m < MODES && (m == 0 || !is_too_slow(&plan)); m++)
            if (is_wanted(plan.only_mode, modes[m].name))
                torture_mode(&modes[m], &plan, output);
    }
    close(output);
    printf("%s: %llu of %zu tests, %llu of %llu failures injected, %llu ended inside of a callback; %llu findings\n",
           program_invocation_short_name, (unsigned long long)plan.tests, count, (unsigned long long)plan.runs,
           (unsigned long long)plan.total, (unsigned long long)plan.unchecked, (unsigned long long)plan.found);
    return plan.found != 0;
}

int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown)
{
    const char *wanted = getenv("TERN_TORTURE");

    if (wanted == NULL)
        return __real__cmocka_run_group_tests(name, tests, count, setup, teardown);
    group_setup = setup;
    group_teardown = teardown;
    return torture(tests, count, wanted);
}
