/* fetch/options_output.c - what is shown, and where it goes. */
#include "option.h"

static bool call_write_out(struct options *o, const char *value, unsigned depth, struct failure *failure)
{
    (void)depth;
    o->write_out = value[0] == '@' ? options_file(o, value + 1, "-w", failure) : value;
    return o->write_out != NULL;
}

static const struct option rows[] = {
    {0, "audit", SWITCH, AT(audit), 0, NULL},         {0, "create-dirs", SWITCH, AT(create_dirs), 0, NULL},
    {'f', "fail", SWITCH, AT(fail), 0, NULL},         {0, "fail-with-body", SWITCH, AT(fail_with_body), 0, NULL},
    {'i', "include", SWITCH, AT(include), 0, NULL},   {'o', "output", LIST, AT(outputs), 0, NULL},
    {'O', "remote-name", MARK, AT(outputs), 0, NULL}, {'S', "show-error", SWITCH, AT(show_error), 0, NULL},
    {'s', "silent", SWITCH, AT(silent), 0, NULL},     {'v', "verbose", SWITCH, AT(verbose), 0, NULL},
    {0, "waterfall", SWITCH, AT(waterfall), 0, NULL}, {'w', "write-out", CALL, 0, 0, call_write_out},
};

static bool check(struct options *o, struct failure *failure)
{
    if (o->fail && o->fail_with_body)
        return fail(failure, CODE_USAGE, "-f writes no body, --fail-with-body does: give one of them");
    return true;
}

const struct option_group options_output = OPTION_GROUP(rows, check);
