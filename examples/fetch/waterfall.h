/* fetch/waterfall.h - where the time went, as a picture in the terminal (--waterfall).
 *
 * One URL shows a row for each phase, several URLs a row each on one time line. */
#ifndef FETCH_WATERFALL_H
#define FETCH_WATERFALL_H

#include <tern/tern.h>

struct waterfall_row {
    char *label;     /* owned */
    uint16_t status; /* 0: no answer */
    struct tern_times times;
};

/* All zero is empty. */
struct waterfall {
    struct waterfall_row *rows;
    size_t count;
};

void waterfall_add(struct waterfall *w, const char *url, const struct tern_result *result);
/* Draws it on the standard error, in colour where that is a terminal and NO_COLOR is not set. */
void waterfall_print(const struct waterfall *w);
void waterfall_free(struct waterfall *w);

#endif
