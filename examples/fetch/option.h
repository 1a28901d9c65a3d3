/* fetch/option.h - the rows of the option table: for the parser, and for the files that have rows.
 *
 * A theme has a file of its own, options_THEME.c: its rows, the functions that they call, and a check of what no row
 * alone can tell. A new option is a member of struct options, a row, a line of help.c and one of docs/FETCH.md. */
#ifndef FETCH_OPTION_H
#define FETCH_OPTION_H

#include "options.h"

/* What an option does. Those from TEXT on take a value. */
enum option_kind {
    SWITCH,  /* bool at offset; --no-NAME clears it */
    CHOICE,  /* unsigned at offset becomes number */
    MARK,    /* a NULL joins the struct strings at offset */
    IGNORED, /* nothing */
    TEXT,    /* const char * at offset */
    LIST,    /* struct strings at offset */
    SECONDS, /* uint64_t nanoseconds at offset; decimals are allowed */
    NUMBER,  /* uint64_t at offset, up to number */
    SIZE,    /* uint64_t bytes at offset; k, m, g behind it multiply by powers of 1024 */
    DATA,    /* the body; number is the enum data_kind */
    CALL     /* call */
};

struct option {
    char letter; /* 0: none */
    const char *name;
    enum option_kind kind;
    size_t offset;
    uint64_t number;
    /* depth counts the config files that are being read. */
    bool (*call)(struct options *o, const char *value, unsigned depth, struct failure *failure);
};

#define AT(member) offsetof(struct options, member)

struct option_group {
    const struct option *rows;
    size_t count;
    bool (*check)(struct options *o, struct failure *failure); /* when all is read. NULL: nothing to check */
};

#define OPTION_GROUP(rows, check)                                                                                      \
    {                                                                                                                  \
        rows, sizeof(rows) / sizeof(rows)[0], check                                                                    \
    }

extern const struct option_group options_request;
extern const struct option_group options_identity;
extern const struct option_group options_connection;
extern const struct option_group options_keep;
extern const struct option_group options_policy;
extern const struct option_group options_output;

#endif
