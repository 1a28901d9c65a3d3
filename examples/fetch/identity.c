/* fetch/identity.c - the options about who asks, as tern's. */
#include "request.h"

#include <string.h>
#include <unistd.h>

/* Of "name:password". Without a colon in it the password is asked for. */
static bool set_user(struct setup *setup, const struct options *o, struct failure *failure)
{
    const char *colon = strchr(o->user, ':');
    struct tern_str user = tern_str(o->user);
    struct text password = {0};
    if (colon != NULL) {
        user.len = (size_t)(colon - o->user);
        text_adds(&password, colon + 1);
    } else {
        const char *typed = getpass("password: ");
        if (typed == NULL)
            return fail(failure, CODE_USAGE, "option -u: no password in it, and no terminal to ask for one");
        text_adds(&password, typed);
    }
    strings_add(&setup->texts, password.ptr);
    setup->auth.user = user;
    setup->auth.password = (struct tern_str){password.ptr, password.len};
    return true;
}

bool identity_init(struct setup *setup, const struct options *o, struct failure *failure)
{
    struct tern_auth *auth = &setup->auth;
    if (o->anyauth)
        auth->schemes = TERN_AUTH_BASIC | TERN_AUTH_DIGEST;
    else if (o->digest)
        auth->schemes = TERN_AUTH_DIGEST | (o->basic ? TERN_AUTH_BASIC : 0);
    else
        auth->schemes = TERN_AUTH_BASIC;
    auth->plaintext = true; /* as in curl */
    if (o->user != NULL && !set_user(setup, o, failure))
        return false;
    auth->netrc = tern_str(o->netrc_text != NULL ? o->netrc_text : ""); /* what is in URLs needs the schemes too */
    if (o->user != NULL || o->netrc_text != NULL || auth->schemes != TERN_AUTH_BASIC)
        setup->policy.auth = auth;
    return true;
}
