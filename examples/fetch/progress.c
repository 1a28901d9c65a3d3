#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define QUIET_NS (1 * TERN_S) /* what is done sooner needs no line */
#define BETWEEN_NS (200 * TERN_MS)

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * TERN_S + (uint64_t)now.tv_nsec;
}

void progress_start(struct progress *p, bool on, size_t total)
{
    *p = (struct progress){.on = on && isatty(STDERR_FILENO) != 0, .total = total, .started_ns = now_ns()};
}

static void put_size(double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    for (; bytes >= 1024 && unit < 4; unit++)
        bytes /= 1024;
    fprintf(stderr, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

static void draw(struct progress *p, uint64_t now)
{
    double elapsed_s = (double)(now - p->started_ns) / 1e9;
    double bytes = (double)p->bytes;
    fputs("\r\033[K", stderr);
    if (p->total > 1)
        fprintf(stderr, "%zu of %zu  ", p->done, p->total);
    else if (p->expected != 0)
        fprintf(stderr, "%3.0f%%  ", 100 * bytes / (double)p->expected);
    put_size(bytes);
    if (p->total == 1 && p->expected != 0) {
        fputs(" of ", stderr);
        put_size((double)p->expected);
    }
    fputs("  ", stderr);
    put_size(bytes / elapsed_s);
    fputs("/s", stderr);
    if (p->total == 1 && p->expected > p->bytes && p->bytes != 0) {
        double left_s = elapsed_s * ((double)p->expected - bytes) / bytes;
        if (left_s < 360000)
            fprintf(stderr, "  %u:%02u left", (unsigned)left_s / 60, (unsigned)left_s % 60);
    }
    fflush(stderr);
    p->drawn = true;
    p->drawn_ns = now;
}

void progress_add(struct progress *p, uint64_t bytes)
{
    p->bytes += bytes;
    if (!p->on)
        return;
    uint64_t now = now_ns();
    if (now - p->started_ns >= QUIET_NS && now - p->drawn_ns >= BETWEEN_NS)
        draw(p, now);
}

void progress_clear(struct progress *p)
{
    if (!p->drawn)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    p->drawn = false;
}
