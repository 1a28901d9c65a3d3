/* fetch/options_keep.c - what is known from earlier runs, and kept for later ones. */
#include "option.h"

#include <string.h>

static const struct option rows[] = {
    {'b', "cookie", LIST, AT(cookies), 0, NULL},
    {'c', "cookie-jar", TEXT, AT(cookie_jar), 0, NULL},
    {0, "hsts", TEXT, AT(hsts), 0, NULL},
    {'j', "junk-session-cookies", SWITCH, AT(junk_session_cookies), 0, NULL},
};

bool cookie_is_data(const char *value)
{
    return strchr(value, '=') != NULL;
}

const struct option_group options_keep = OPTION_GROUP(rows, NULL);
