#include "measure.h"

#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

uint64_t bench_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static uint64_t timeval_ns(struct timeval time)
{
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_usec * 1000;
}

struct bench_usage bench_usage_now(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (struct bench_usage){
        .wall_ns = bench_now(),
        .user_ns = timeval_ns(usage.ru_utime),
        .sys_ns = timeval_ns(usage.ru_stime),
        .faults_minor = (uint64_t)usage.ru_minflt,
        .faults_major = (uint64_t)usage.ru_majflt,
        .switches_voluntary = (uint64_t)usage.ru_nvcsw,
        .switches_forced = (uint64_t)usage.ru_nivcsw,
    };
}

struct bench_usage bench_usage_since(const struct bench_usage *start)
{
    struct bench_usage now = bench_usage_now();

    now.wall_ns -= start->wall_ns;
    now.user_ns -= start->user_ns;
    now.sys_ns -= start->sys_ns;
    now.faults_minor -= start->faults_minor;
    now.faults_major -= start->faults_major;
    now.switches_voluntary -= start->switches_voluntary;
    now.switches_forced -= start->switches_forced;
    return now;
}

static uint64_t status_kb(const char *name)
{
    char line[256];
    uint64_t kb = 0;
    FILE *status = fopen("/proc/self/status", "re");

    if (status == NULL)
        return 0;
    while (fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, name, strlen(name)) == 0 && sscanf(line + strlen(name), ": %" SCNu64, &kb) == 1)
            break;
    fclose(status);
    return kb;
}

uint64_t bench_rss_kb(void)
{
    return status_kb("VmRSS");
}

/* Not ru_maxrss: that one is never below what the process was before it became this program (a large parent's). */
uint64_t bench_rss_peak_kb(void)
{
    return status_kb("VmHWM");
}

double bench_report_cpu_us(const struct bench_report *report)
{
    double cpu_ns = (double)(report->usage.user_ns + report->usage.sys_ns);

    return report->requests != 0 ? cpu_ns / 1e3 / (double)report->requests : 0;
}

void bench_json_string(FILE *out, const char *text)
{
    putc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            putc('\\', out);
        if ((unsigned char)*text < 0x20)
            fprintf(out, "\\u%04x", *text);
        else
            putc(*text, out);
    }
    putc('"', out);
}

static double at_us(const struct bench_report *report, double share)
{
    return (double)bench_hist_at(report->latency, share) / 1e3;
}

void bench_report_fields(FILE *out, const struct bench_report *report)
{
    const struct bench_usage *usage = &report->usage;

    fputs("\"name\": ", out);
    bench_json_string(out, report->name);
    fprintf(out, ", \"requests\": %" PRIu64 ", \"errors\": %" PRIu64 ", \"bytes\": %" PRIu64, report->requests,
            report->errors, report->bytes);
    fprintf(out, ", \"wall_s\": %.6f, \"user_s\": %.6f, \"sys_s\": %.6f, \"cpu_us_per_req\": %.3f",
            (double)usage->wall_ns / 1e9, (double)usage->user_ns / 1e9, (double)usage->sys_ns / 1e9,
            bench_report_cpu_us(report));
    fprintf(out, ", \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f", at_us(report, 0.5), at_us(report, 0.99),
            at_us(report, 0.999));
    fprintf(out, ", \"maxrss_kb\": %" PRIu64 ", \"connections_opened\": %" PRIu64, bench_rss_peak_kb(),
            report->connections_opened);
}

void bench_report_print(FILE *out, const struct bench_report *report)
{
    putc('{', out);
    bench_report_fields(out, report);
    fputs("}\n", out);
    fflush(out);
}
