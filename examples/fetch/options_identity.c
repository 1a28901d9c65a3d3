/* fetch/options_identity.c - who asks. */
#include "option.h"

static const struct option rows[] = {
    {0, "oauth2-bearer", TEXT, AT(bearer), 0, NULL},
    {'u', "user", TEXT, AT(user), 0, NULL},
};

static bool check(struct options *o, struct failure *failure)
{
    if (o->user != NULL && o->bearer != NULL)
        return fail(failure, CODE_USAGE, "-u and --oauth2-bearer both want the Authorization field: give one of them");
    return true;
}

const struct option_group options_identity = OPTION_GROUP(rows, check);
