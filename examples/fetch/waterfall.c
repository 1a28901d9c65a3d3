#include "waterfall.h"

#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PHASE_COUNT 7
#define WIDTH_DEFAULT 120 /* columns, where the output is not a terminal */
#define WIDTH_MAX 200
#define LABEL_WIDTH 32

static const struct {
    const char *name;
    char mark;
    const char *colour; /* SGR */
} phases[PHASE_COUNT] = {
    {"pool", '.', "90"},  {"dns", 'd', "36"},  {"tcp", 'c', "32"},  {"tls", 's', "35"},
    {"write", '>', "33"}, {"wait", '-', "34"}, {"read", '#', "92"},
};

struct span {
    uint64_t start_ns;
    uint64_t length_ns;
};

/* How a time line becomes columns. */
struct scale {
    uint64_t start_ns;
    uint64_t length_ns;
    size_t columns;
    bool colour;
};

/* The URL without what stands before '@': a picture is for others to see. */
static char *label_of(const char *url)
{
    const char *scheme_end = strstr(url, "://");
    const char *authority = scheme_end != NULL ? scheme_end + 3 : url;
    const char *at = memrchr(authority, '@', strcspn(authority, "/?#"));
    struct text label = {0};
    text_add(&label, url, (size_t)(authority - url));
    text_adds(&label, at != NULL ? at + 1 : authority);
    return label.ptr;
}

void waterfall_add(struct waterfall *w, const char *url, const struct tern_result *result)
{
    /* As strings_add: a new block at each power of two. */
    if ((w->count & (w->count - 1)) == 0)
        w->rows = fetch_grow(w->rows, w->count != 0 ? w->count * 2 : 1, sizeof *w->rows);
    w->rows[w->count++] = (struct waterfall_row){label_of(url), result->status, result->times};
}

void waterfall_free(struct waterfall *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->rows[i].label);
    free(w->rows);
}

static void spans_of(const struct tern_times *t, struct span spans[PHASE_COUNT])
{
    const uint64_t lengths[PHASE_COUNT] = {t->pool_ns,  t->dns_ns,  t->tcp_ns, t->tls_ns,
                                           t->write_ns, t->wait_ns, t->read_ns};
    uint64_t sum = 0;
    for (size_t i = 0; i < PHASE_COUNT; i++)
        sum += lengths[i];
    /* The phases are those of the last attempt; what went before stays empty. */
    uint64_t at = t->start_ns + (t->total_ns > sum ? t->total_ns - sum : 0);
    for (size_t i = 0; i < PHASE_COUNT; i++) {
        spans[i] = (struct span){at, lengths[i]};
        at += lengths[i];
    }
}

static double ms(uint64_t ns)
{
    return (double)ns / 1e6;
}

static size_t terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return WIDTH_DEFAULT;
    return size.ws_col < WIDTH_MAX ? size.ws_col : WIDTH_MAX;
}

/* Marks the columns that span covers, one at least if it took any time. */
static void mark(char *cells, const struct scale *scale, const struct span *span, char with)
{
    if (span->length_ns == 0 || scale->length_ns == 0)
        return;
    double per_ns = (double)scale->columns / (double)scale->length_ns;
    size_t from = (size_t)((double)(span->start_ns - scale->start_ns) * per_ns);
    size_t to = (size_t)((double)(span->start_ns + span->length_ns - scale->start_ns) * per_ns + 0.5);
    if (from >= scale->columns)
        from = scale->columns - 1;
    if (to <= from)
        to = from + 1;
    for (size_t i = from; i < to && i < scale->columns; i++)
        cells[i] = with;
}

static void add_cells(struct text *out, const char *cells, const struct scale *scale)
{
    text_adds(out, "|");
    size_t run;
    for (size_t i = 0; i < scale->columns; i += run) {
        for (run = 1; i + run < scale->columns && cells[i + run] == cells[i]; run++)
            ;
        const char *colour = NULL;
        for (size_t k = 0; k < PHASE_COUNT && scale->colour; k++) {
            if (phases[k].mark == cells[i])
                colour = phases[k].colour;
        }
        if (colour != NULL)
            text_addf(out, "\033[%sm", colour);
        text_add(out, cells + i, run);
        if (colour != NULL)
            text_adds(out, "\033[0m");
    }
    text_adds(out, "|");
}

static void add_status(struct text *out, const struct waterfall_row *row)
{
    if (row->status != 0)
        text_addf(out, "%03u", row->status);
    else
        text_adds(out, "---");
}

static void add_phases(struct text *out, const struct waterfall_row *row, const struct scale *scale)
{
    struct span spans[PHASE_COUNT];
    spans_of(&row->times, spans);
    add_status(out, row);
    text_addf(out, "  %s\n", row->label);
    for (size_t i = 0; i < PHASE_COUNT; i++) {
        char cells[WIDTH_MAX];
        memset(cells, ' ', sizeof cells);
        mark(cells, scale, &spans[i], phases[i].mark);
        text_addf(out, "  %-5s ", phases[i].name);
        add_cells(out, cells, scale);
        text_addf(out, " %10.3f ms\n", ms(spans[i].length_ns));
    }
    text_addf(out, "  %-5s  %*s  %10.3f ms\n", "total", (int)scale->columns, "", ms(row->times.total_ns));
}

static void add_row(struct text *out, const struct waterfall_row *row, const struct scale *scale)
{
    struct span spans[PHASE_COUNT];
    spans_of(&row->times, spans);
    char cells[WIDTH_MAX];
    memset(cells, ' ', sizeof cells);
    for (size_t i = 0; i < PHASE_COUNT; i++)
        mark(cells, scale, &spans[i], phases[i].mark);
    add_status(out, row);
    /* The end of a URL tells more than its beginning. */
    size_t len = strlen(row->label);
    text_addf(out, "  %-*s ", LABEL_WIDTH, len > LABEL_WIDTH ? row->label + len - LABEL_WIDTH : row->label);
    add_cells(out, cells, scale);
    text_addf(out, " %9.3f ms", ms(row->times.total_ns));
    for (size_t i = 0; i < PHASE_COUNT; i++) {
        if (spans[i].length_ns >= TERN_MS / 100)
            text_addf(out, "  %s %.2f", phases[i].name, ms(spans[i].length_ns));
    }
    text_adds(out, "\n");
}

static void add_legend(struct text *out, const struct scale *scale)
{
    text_addf(out, "time line: %.3f ms ", ms(scale->length_ns));
    for (size_t i = 0; i < PHASE_COUNT; i++)
        text_addf(out, "  %c %s", phases[i].mark, phases[i].name);
    text_adds(out, "\n");
}

void waterfall_print(const struct waterfall *w)
{
    if (w->count == 0)
        return;
    uint64_t start = UINT64_MAX;
    uint64_t end = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct tern_times *t = &w->rows[i].times;
        start = t->start_ns < start ? t->start_ns : start;
        end = t->start_ns + t->total_ns > end ? t->start_ns + t->total_ns : end;
    }
    /* What stands beside the bar: names and figures of one row. */
    size_t beside = w->count == 1 ? 24 : LABEL_WIDTH + 22;
    size_t width = terminal_width();
    struct scale scale = {
        .start_ns = start,
        .length_ns = end - start,
        .columns = width > beside + 16 ? width - beside : 16,
        .colour = isatty(STDERR_FILENO) != 0 && getenv("NO_COLOR") == NULL,
    };
    /* Several rows have their phases behind the bar as well: half of the room for each. */
    if (w->count > 1 && scale.columns > 32)
        scale.columns /= 2;

    struct text out = {0};
    if (w->count == 1) {
        add_phases(&out, &w->rows[0], &scale);
    } else {
        add_legend(&out, &scale);
        for (size_t i = 0; i < w->count; i++)
            add_row(&out, &w->rows[i], &scale);
    }
    fputs(out.ptr, stderr);
    text_free(&out);
}
