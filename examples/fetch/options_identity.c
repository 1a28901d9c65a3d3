/* fetch/options_identity.c - who asks. */
#include "option.h"

#include <stdlib.h>
#include <unistd.h>

static const struct option rows[] = {
    {0, "anyauth", SWITCH, AT(anyauth), 0, NULL},     {0, "basic", SWITCH, AT(basic), 0, NULL},
    {0, "digest", SWITCH, AT(digest), 0, NULL},       {'n', "netrc", SWITCH, AT(netrc), 0, NULL},
    {0, "netrc-file", TEXT, AT(netrc_file), 0, NULL}, {0, "netrc-optional", SWITCH, AT(netrc_optional), 0, NULL},
    {0, "oauth2-bearer", TEXT, AT(bearer), 0, NULL},  {'u', "user", TEXT, AT(user), 0, NULL},
};

/* As in curl there need be no ~/.netrc; a file that is named there must. */
static bool read_netrc(struct options *o, struct failure *failure)
{
    const char *path = o->netrc_file;
    struct text home = {0};
    if (path == NULL) {
        const char *folder = getenv("HOME");
        text_addf(&home, "%s/.netrc", folder != NULL ? folder : "");
        path = home.ptr;
    }
    if (o->netrc_file == NULL && access(path, F_OK) != 0)
        o->netrc_text = "";
    else
        o->netrc_text = options_file(o, path, o->netrc_file != NULL ? "--netrc-file" : "-n", failure);
    text_free(&home);
    return o->netrc_text != NULL;
}

static bool check(struct options *o, struct failure *failure)
{
    if (o->user != NULL && o->bearer != NULL)
        return fail(failure, CODE_USAGE, "-u and --oauth2-bearer both want the Authorization field: give one of them");
    return (!o->netrc && !o->netrc_optional && o->netrc_file == NULL) || read_netrc(o, failure);
}

const struct option_group options_identity = OPTION_GROUP(rows, check);
