#include "policy/outlier.h"

#include <string.h>

#include "base/mem.h"
#include "base/num.h"

static struct tern_outlier *find(const struct tern_outliers *outliers, const char *address)
{
    for (size_t i = 0; i < outliers->count; i++)
        if (strcmp(outliers->list[i].address, address) == 0)
            return &outliers->list[i];
    return NULL;
}

static void forget(struct tern_outliers *outliers, struct tern_outlier *outlier)
{
    *outlier = outliers->list[--outliers->count];
}

/* False: all are set aside. */
static bool make_room(struct tern_outliers *outliers, uint64_t now_ns)
{
    struct tern_outlier *oldest = NULL;

    for (size_t i = 0; i < outliers->count; i++) {
        struct tern_outlier *outlier = &outliers->list[i];

        if (outlier->until_ns <= now_ns && (oldest == NULL || outlier->noted_ns < oldest->noted_ns))
            oldest = outlier;
    }
    if (oldest != NULL)
        forget(outliers, oldest);
    return oldest != NULL;
}

static struct tern_outlier *add(struct tern_outliers *outliers, const char *address, uint64_t now_ns)
{
    struct tern_outlier *list;

    if (strlen(address) >= sizeof(list->address) ||
        (outliers->count == TERN_OUTLIERS_MAX && !make_room(outliers, now_ns)))
        return NULL;
    list = tern_mem_realloc(outliers->list, outliers->count + 1, sizeof(*list));
    if (list == NULL)
        return NULL;
    outliers->list = list;
    list += outliers->count++;
    *list = (struct tern_outlier){0};
    memcpy(list->address, address, strlen(address));
    return list;
}

static size_t count_aside(const struct tern_outliers *outliers, uint64_t now_ns)
{
    size_t count = 0;

    for (size_t i = 0; i < outliers->count; i++)
        count += outliers->list[i].until_ns > now_ns;
    return count;
}

static void forgive(const struct tern_breaker *config, struct tern_outliers *outliers, struct tern_outlier *outlier,
                    uint64_t now_ns)
{
    outlier->in_a_row = 0;
    if (outlier->times > 0 && now_ns >= tern_u64_add_sat(outlier->calm_ns, config->address_ns)) {
        outlier->times--;
        outlier->calm_ns = now_ns;
    }
    if (outlier->times == 0 && outlier->until_ns <= now_ns)
        forget(outliers, outlier);
}

static void set_aside(const struct tern_breaker *config, struct tern_outlier *outlier, uint64_t now_ns)
{
    uint32_t doublings = outlier->times < TERN_OUTLIER_DOUBLINGS_MAX ? outlier->times : TERN_OUTLIER_DOUBLINGS_MAX;
    uint64_t span_ns = config->address_ns <= UINT64_MAX >> doublings ? config->address_ns << doublings : UINT64_MAX;

    outlier->times = doublings + 1;
    outlier->in_a_row = 0;
    outlier->until_ns = outlier->calm_ns = tern_u64_add_sat(now_ns, span_ns);
}

enum tern_outlier_verdict tern_outliers_note(const struct tern_breaker *config, struct tern_outliers *outliers,
                                             const struct tern_outlier_note *note, uint64_t *until_ns)
{
    struct tern_outlier *outlier;

    if (config->address_failures == 0 || config->address_ns == TERN_OFF || note->choices < 2)
        return TERN_OUTLIER_NONE;
    outlier = find(outliers, note->address);
    if (outlier == NULL && (!note->is_failure || (outlier = add(outliers, note->address, note->now_ns)) == NULL))
        return TERN_OUTLIER_NONE;
    outlier->noted_ns = note->now_ns;
    if (!note->is_failure) {
        forgive(config, outliers, outlier, note->now_ns);
        return TERN_OUTLIER_NONE;
    }
    *until_ns = outlier->until_ns;
    if (outlier->until_ns > note->now_ns)
        return TERN_OUTLIER_STILL;
    outlier->in_a_row += outlier->in_a_row < UINT32_MAX;
    if (outlier->in_a_row < config->address_failures || count_aside(outliers, note->now_ns) + 1 > note->choices / 2)
        return TERN_OUTLIER_NONE;
    set_aside(config, outlier, note->now_ns);
    *until_ns = outlier->until_ns;
    return TERN_OUTLIER_SET_ASIDE;
}

void tern_outliers_deinit(struct tern_outliers *outliers)
{
    tern_mem_free(outliers->list);
    *outliers = (struct tern_outliers){0};
}
