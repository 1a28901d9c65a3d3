/* load - puts a load on a URL through tern and tells what it cost. bench/README.md has its options and its fields. */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "measure.h"
#include "memory.h"
#include "options.h"
#include "worker.h"

struct load {
    struct bench_options options;
    struct bench_worker *workers; /* options.threads of them */
    void *upload;
    uint64_t made_ns; /* before the first engine was */
    _Atomic bool over;
};

/* The sum over all workers. */
struct sums {
    struct bench_report report;
    uint64_t cancelled;
    uint64_t allocations_late;
    uint64_t ended_late;
    uint64_t handshakes;
    uint64_t resumed;
    double idle_kb;
    struct bench_hist latency;
};

static void *work(void *user)
{
    bench_worker_run(user);
    return NULL;
}

static uint64_t ended_so_far(struct load *load)
{
    uint64_t ended = 0;

    for (uint32_t i = 0; i < load->options.threads; i++)
        ended += atomic_load_explicit(&load->workers[i].ended, memory_order_relaxed);
    return ended;
}

/* A line that is written over, on a terminal alone. Its thread sleeps but twice a second, so that it costs nothing that
 * would show in the figures. */
static void *show_progress(void *user)
{
    static const struct timespec pause = {0, 500000000};
    struct load *load = user;
    uint64_t before = 0;

    while (nanosleep(&pause, NULL) == 0 && !atomic_load(&load->over)) {
        uint64_t ended = ended_so_far(load);

        fprintf(stderr, "\r%3.0f %%  %" PRIu64 " requests, %" PRIu64 "/s   ",
                100.0 * (double)ended / (double)load->options.requests, ended, 2 * (ended - before));
        before = ended;
    }
    fputs("\r\033[K", stderr);
    return NULL;
}

static bool run_workers(struct load *load)
{
    pthread_t threads[BENCH_THREADS_MAX];
    uint32_t started = 1; /* the first worker has this thread */

    while (started < load->options.threads &&
           pthread_create(&threads[started], NULL, work, &load->workers[started]) == 0)
        started++;
    work(&load->workers[0]);
    for (uint32_t i = 1; i < started; i++)
        pthread_join(threads[i], NULL);
    return started == load->options.threads;
}

static bool run(struct load *load, struct bench_usage *usage)
{
    pthread_t progress;
    bool shown = isatty(STDERR_FILENO) && pthread_create(&progress, NULL, show_progress, load) == 0;
    struct bench_usage start = bench_usage_now();
    bool ran = run_workers(load);

    *usage = bench_usage_since(&start);
    if (shown) {
        atomic_store(&load->over, true);
        pthread_join(progress, NULL);
    }
    return ran;
}

static bool init(struct load *load)
{
    const struct bench_options *options = &load->options;
    uint64_t left = options->requests;

    load->workers = calloc(options->threads, sizeof(load->workers[0]));
    load->upload = calloc(1, options->upload_bytes + 1);
    if (load->workers == NULL || load->upload == NULL) {
        fputs("load: out of memory\n", stderr);
        return false;
    }
    load->made_ns = bench_now();
    for (uint32_t i = 0; i < options->threads; i++) {
        uint64_t share = left / (options->threads - i);

        if (!bench_worker_init(&load->workers[i], options, share, load->upload))
            return false;
        left -= share;
    }
    return true;
}

static void sum_up(const struct load *load, struct sums *sums)
{
    for (uint32_t i = 0; i < load->options.threads; i++) {
        const struct bench_worker *worker = &load->workers[i];
        struct tern_client_stats stats;

        tern_client_stats(worker->client, &stats);
        sums->report.requests += worker->ended;
        sums->report.errors += worker->errors;
        sums->report.bytes += worker->bytes;
        sums->report.connections_opened += stats.connections_opened;
        sums->cancelled += worker->cancelled;
        sums->allocations_late += worker->allocations_late;
        sums->ended_late += worker->ended_late;
        sums->handshakes += stats.tls_handshakes;
        sums->resumed += stats.tls_resumed;
        sums->idle_kb += worker->idle_kb / load->options.threads;
        bench_hist_merge(&sums->latency, &worker->latency);
    }
    sums->report.name = load->options.name;
    sums->report.latency = &sums->latency;
}

static double per(double sum, uint64_t count)
{
    return count != 0 ? sum / (double)count : 0;
}

static double first_us(const struct load *load)
{
    return load->workers[0].first_ns != 0 ? (double)(load->workers[0].first_ns - load->made_ns) / 1e3 : 0;
}

/* The curve in steps that become finer towards the end, as far as the count of values tells anything. */
static void print_percentiles(const struct bench_hist *hist)
{
    const char *between = "";

    fputs(", \"percentiles_us\": [", stdout);
    for (double rest = 1; rest * (double)hist->count >= 1; rest /= 1.2589254117941673) { /* ten steps a decade */
        printf("%s[%.6g, %.1f]", between, 100 * (1 - rest), (double)bench_hist_at(hist, 1 - rest) / 1e3);
        between = ", ";
    }
    putchar(']');
}

static void print_json(const struct load *load, const struct sums *sums)
{
    const struct bench_usage *usage = &sums->report.usage;

    putchar('{');
    bench_report_fields(stdout, &sums->report);
    printf(", \"cancelled\": %" PRIu64 ", \"requests_per_s\": %.1f, \"max_us\": %.1f, \"first_us\": %.1f",
           sums->cancelled, per((double)sums->report.requests * 1e9, usage->wall_ns), (double)sums->latency.max / 1e3,
           first_us(load));
    printf(", \"tls_handshakes\": %" PRIu64 ", \"tls_resumed\": %" PRIu64, sums->handshakes, sums->resumed);
    printf(", \"faults_minor\": %" PRIu64 ", \"faults_major\": %" PRIu64 ", \"switches_voluntary\": %" PRIu64
           ", \"switches_forced\": %" PRIu64,
           usage->faults_minor, usage->faults_major, usage->switches_voluntary, usage->switches_forced);
    printf(", \"allocs_per_req\": %.4f, \"idle_kb\": %.3f", per((double)sums->allocations_late, sums->ended_late),
           sums->idle_kb);
    print_percentiles(&sums->latency);
    fputs("}\n", stdout);
}

static void print_table(const struct load *load, const struct sums *sums)
{
    const struct bench_report *report = &sums->report;
    const struct bench_usage *usage = &report->usage;
    double us[] = {0.5, 0.9, 0.99, 0.999};

    for (size_t i = 0; i < sizeof(us) / sizeof(us[0]); i++)
        us[i] = (double)bench_hist_at(&sums->latency, us[i]) / 1e3;
    printf("%s\n", report->name);
    printf("  requests     %" PRIu64 ", errors %" PRIu64 ", cancelled %" PRIu64 ", connections %" PRIu64 "\n",
           report->requests, report->errors, sums->cancelled, report->connections_opened);
    printf("  rate         %.0f requests/s, %.1f MB/s in %.3f s\n", per((double)report->requests * 1e9, usage->wall_ns),
           per((double)report->bytes * 1e3, usage->wall_ns), (double)usage->wall_ns / 1e9);
    printf("  cpu          %.2f us a request, user %.2f, system %.2f\n", bench_report_cpu_us(report),
           per((double)usage->user_ns / 1e3, report->requests), per((double)usage->sys_ns / 1e3, report->requests));
    printf("  latency us   p50 %.1f, p90 %.1f, p99 %.1f, p99.9 %.1f, max %.1f\n", us[0], us[1], us[2], us[3],
           (double)sums->latency.max / 1e3);
    printf("  first answer %.0f us after the engine was begun\n", first_us(load));
    printf("  memory       peak %" PRIu64 " KB, %.4f allocations a request, faults %" PRIu64 " minor, %" PRIu64
           " major\n",
           bench_rss_peak_kb(), per((double)sums->allocations_late, sums->ended_late), usage->faults_minor,
           usage->faults_major);
    printf("  switches     %" PRIu64 " voluntary, %" PRIu64 " forced\n", usage->switches_voluntary,
           usage->switches_forced);
    if (sums->handshakes != 0)
        printf("  tls          %" PRIu64 " handshakes, %" PRIu64 " resumed\n", sums->handshakes, sums->resumed);
    if (load->options.idle != 0)
        printf("  idle         %u beside, %.2f KB each\n", load->options.idle, sums->idle_kb);
}

static void tell_failures(const struct load *load)
{
    for (uint32_t i = 0; i < load->options.threads; i++)
        if (load->workers[i].errors != 0)
            fprintf(stderr, "load: %" PRIu64 " errors, the first: %s\n", load->workers[i].errors,
                    load->workers[i].failure);
}

/* Each connection is a descriptor. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool measure(struct load *load)
{
    static struct sums sums;

    if (!init(load) || !run(load, &sums.report.usage))
        return false;
    sum_up(load, &sums);
    if (load->options.json)
        print_json(load, &sums);
    else
        print_table(load, &sums);
    tell_failures(load);
    return sums.report.requests == load->options.requests;
}

int main(int argc, char **argv)
{
    static struct load load;
    enum bench_options_end parsed = bench_options_parse(argc, argv, &load.options);
    bool measured;

    if (parsed != BENCH_OPTIONS_RUN)
        return parsed == BENCH_OPTIONS_HELP ? 0 : 2;
    raise_descriptor_limit();
    if (!bench_memory_count()) {
        fputs("load: the allocator was refused\n", stderr);
        return 1;
    }
    measured = measure(&load);
    for (uint32_t i = 0; load.workers != NULL && i < load.options.threads; i++)
        bench_worker_deinit(&load.workers[i]);
    free(load.workers);
    free(load.upload);
    return measured ? 0 : 1;
}
