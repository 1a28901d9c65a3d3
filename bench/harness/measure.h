/* What a run is measured with: the clock, what the process has used, and the one line that tells it. The peers of
 * bench/peers use it too, so that all are measured alike. */
#ifndef BENCH_HARNESS_MEASURE_H
#define BENCH_HARNESS_MEASURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "hist.h"

/* Monotonic, in ns. */
uint64_t bench_now(void);

/* The whole process, all of its threads, since its start or (bench_usage_since) since an earlier look. */
struct bench_usage {
    uint64_t wall_ns;
    uint64_t user_ns;
    uint64_t sys_ns;
    uint64_t faults_minor;
    uint64_t faults_major;
    uint64_t switches_voluntary;
    uint64_t switches_forced;
};

struct bench_usage bench_usage_now(void);
struct bench_usage bench_usage_since(const struct bench_usage *start);

/* Resident memory now, and at its peak, in KiB; 0 where the system does not say. */
uint64_t bench_rss_kb(void);
uint64_t bench_rss_peak_kb(void);

struct bench_report {
    const char *name;
    uint64_t requests; /* that ended, in whatever way */
    uint64_t errors;   /* of those: failed, or with a status of 400 or more */
    uint64_t bytes;    /* of bodies received */
    uint64_t connections_opened;
    struct bench_usage usage;
    const struct bench_hist *latency; /* of those that succeeded */
};

/* The fields that every report has, as the inside of a JSON object: no braces, no newline. */
void bench_report_fields(FILE *out, const struct bench_report *report);

/* A whole line of JSON of just these. */
void bench_report_print(FILE *out, const struct bench_report *report);

/* CPU time of the process for each request, in µs. */
double bench_report_cpu_us(const struct bench_report *report);

/* text as a JSON string, quotes included. */
void bench_json_string(FILE *out, const char *text);

#endif
