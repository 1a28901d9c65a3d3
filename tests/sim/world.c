#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What happens each time would stop everything. */
#define RATE_MAX 800

struct sim_world sim;

struct sim_event {
    uint64_t at_ns;
    uint64_t order; /* of those that are due together the first made goes first */
    void (*run)(void *context, uint64_t number);
    void *context;
    uint64_t number;
};

static const struct {
    const char *name;
    uint32_t per_mille;
} faults[] = {
#define SIM_X(name, text, per_mille) {text, per_mille},
    SIM_FAULT_TABLE(SIM_X)
#undef SIM_X
};

_Static_assert(SIM_FAULT_COUNT <= 64, "sim_options.without is a set of bits");

const char *sim_fault_name(enum sim_fault fault)
{
    return faults[fault].name;
}

/* ---- chance ---- */

void sim_stream(struct tern_rand *out, uint64_t purpose, uint64_t number)
{
    tern_rand_seed(out, sim.options.seed ^ (purpose << 56 | number << 32));
    tern_rand_seed(out, tern_rand_next(out));
}

uint64_t sim_below(uint64_t below)
{
    return tern_rand_below(&sim.rand, below);
}

bool sim_chance(uint32_t per_mille)
{
    return sim_below(1000) < per_mille;
}

uint64_t sim_between(struct tern_rand *rand, uint64_t least, uint64_t most)
{
    return least + tern_rand_below(rand, most - least + 1);
}

uint64_t sim_some_time(uint64_t typical_ns)
{
    static const uint32_t tenths[] = {0, 1, 5, 10, 10, 10, 10, 15, 20, 100};

    return typical_ns / 10 * tenths[sim_below(10)] + sim_below(typical_ns / 8 + 1);
}

bool sim_fault(enum sim_fault fault)
{
    bool happens = sim_chance(sim.rate[fault]); /* asked in any case: a fault less must not change the others' chance */

    if (!happens || sim.is_calm)
        return false;
    sim.faults[fault]++;
    return true;
}

/* Not every seed has every fault: some only show where others do not hide them. */
static void choose_rates(void)
{
    static const uint32_t tenths[] = {0, 0, 0, 0, 2, 5, 10, 10, 20, 50};
    struct tern_rand rand;

    for (size_t i = 0; i < SIM_FAULT_COUNT; i++) {
        sim_stream(&rand, 'f', i);
        sim.rate[i] = (faults[i].per_mille * tenths[tern_rand_below(&rand, 10)] + 9) / 10;
        if (sim.rate[i] > RATE_MAX)
            sim.rate[i] = RATE_MAX;
        if ((sim.options.without >> i & 1) != 0)
            sim.rate[i] = 0;
    }
}

/* ---- time ---- */

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

void sim_after(uint64_t after_ns, void (*run)(void *context, uint64_t number), void *context, uint64_t number)
{
    size_t at = sim.event_count++;

    if (sim.event_count > sim.event_cap) {
        sim.event_cap = sim.event_cap * 2 + 64;
        sim.events = realloc(sim.events, sim.event_cap * sizeof(*sim.events));
        if (sim.events == NULL)
            abort();
    }
    struct sim_event event = {sim.now_ns + after_ns, sim.event_order++, run, context, number};
    for (; at > 0 && is_before(&event, &sim.events[(at - 1) / 2]); at = (at - 1) / 2)
        sim.events[at] = sim.events[(at - 1) / 2];
    sim.events[at] = event;
}

uint64_t sim_wall_s(void)
{
    return (sim.now_ns + sim.wall_offset_ns) / TERN_S;
}

uint64_t sim_next_event(void)
{
    return sim.event_count > 0 ? sim.events[0].at_ns : TERN_OFF;
}

bool sim_run_event(void)
{
    struct sim_event first, last;
    size_t at = 0, child;

    if (sim_next_event() > sim.now_ns)
        return false;
    first = sim.events[0];
    last = sim.events[--sim.event_count];
    while ((child = 2 * at + 1) < sim.event_count) {
        if (child + 1 < sim.event_count && is_before(&sim.events[child + 1], &sim.events[child]))
            child++;
        if (!is_before(&sim.events[child], &last))
            break;
        sim.events[at] = sim.events[child];
        at = child;
    }
    sim.events[at] = last;
    first.run(first.context, first.number);
    return true;
}

void sim_world_begin(const struct sim_options *options)
{
    sim = (struct sim_world){.options = *options, .now_ns = SIM_START_NS, .digest = UINT64_C(0xcbf29ce484222325)};
    sim.wall_offset_ns = SIM_WALL_START_S * TERN_S - SIM_START_NS;
    sim_stream(&sim.rand, 'w', 0);
    choose_rates();
}

void sim_world_end(void)
{
    free(sim.events);
    sim.events = NULL;
    sim.event_count = sim.event_cap = 0;
}

/* ---- the trace ---- */

void sim_note(const char *format, ...)
{
    char line[512];
    va_list args;
    int len;

    len = snprintf(line, sizeof(line), "%llu.%06llu ", (unsigned long long)((sim.now_ns - SIM_START_NS) / TERN_S),
                   (unsigned long long)(sim.now_ns % TERN_S / 1000));
    va_start(args, format);
    vsnprintf(line + len, sizeof(line) - (size_t)len, format, args);
    va_end(args);
    for (const char *c = line; *c != '\0'; c++) /* FNV-1a */
        sim.digest = (sim.digest ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    sim.notes++;
    if (sim.options.is_verbose)
        puts(line);
}

noreturn void sim_fail(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fprintf(stderr, "sim: seed %llu at %llu.%06llu s: ", (unsigned long long)sim.options.seed,
            (unsigned long long)((sim.now_ns - SIM_START_NS) / TERN_S),
            (unsigned long long)(sim.now_ns % TERN_S / 1000));
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    fflush(stderr);
    _exit(1); /* what is still allocated is no leak to report on top */
}

/* ---- memory of the simulator's own ---- */

void *sim_alloc(size_t size)
{
    void *block = calloc(1, size);

    if (block == NULL)
        abort();
    return block;
}

void sim_free(void *block)
{
    free(block);
}

void sim_bytes_add(struct sim_bytes *bytes, const void *data, size_t len)
{
    if (len == 0)
        return;
    if (bytes->len + len > bytes->cap) {
        bytes->cap = (bytes->len + len) * 2;
        bytes->data = realloc(bytes->data, bytes->cap);
        if (bytes->data == NULL)
            abort();
    }
    memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
}

void sim_bytes_print(struct sim_bytes *bytes, const char *format, ...)
{
    char text[1024];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof(text))
        abort();
    sim_bytes_add(bytes, text, (size_t)len);
}

void sim_bytes_drop(struct sim_bytes *bytes, size_t len)
{
    if (len == 0)
        return;
    bytes->len -= len;
    memmove(bytes->data, bytes->data + len, bytes->len);
}

void sim_bytes_free(struct sim_bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct sim_bytes){0};
}

void sim_pattern_fill(void *out, uint64_t seed, uint64_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((unsigned char *)out)[i] = sim_pattern(seed, at + i);
}

bool sim_pattern_is(const void *data, uint64_t seed, uint64_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((const unsigned char *)data)[i] != sim_pattern(seed, at + i))
            return false;
    return true;
}
