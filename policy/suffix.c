#include "policy/suffix.h"

#ifdef TERN_WITH_PSL
#include <libpsl.h>
#endif

#include "base/str.h"

/* NULL: none, since the name is a public suffix. */
static const char *registrable(const char *name)
{
#ifdef TERN_WITH_PSL
    const psl_ctx_t *list = psl_builtin();

    if (list != NULL)
        return psl_registrable_domain(list, name);
#endif
    return name;
}

bool tern_suffix_is_public(const struct tern_host *host)
{
    return host->kind == TERN_HOST_NAME && registrable(host->text) == NULL;
}

struct tern_str tern_suffix_site(const struct tern_host *host)
{
    const char *site = host->kind == TERN_HOST_NAME ? registrable(host->text) : NULL;

    return site != NULL ? tern_str(site) : tern_host_text(host);
}

bool tern_suffix_same_site(const struct tern_url *a, const struct tern_url *b)
{
    return tern_str_eq(a->scheme, b->scheme) && tern_str_eq(tern_suffix_site(&a->host), tern_suffix_site(&b->host));
}
