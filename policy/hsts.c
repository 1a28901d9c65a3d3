#include "policy/hsts.h"

#include "base/date.h"
#include "base/fields.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"

struct entry {
    struct tern_hash_node hash;
    struct tern_list node;
    int64_t expires_s; /* INT64_MAX: never */
    bool below;        /* hosts below it too */
    size_t len;
    char name[];
};

void tern_hsts_init(struct tern_hsts *hsts, struct tern_hash_seed seed)
{
    *hsts = (struct tern_hsts){.seed = seed};
    tern_hash_init(&hsts->table);
    tern_list_init(&hsts->order);
}

static void forget(struct tern_hsts *hsts, struct entry *entry)
{
    tern_hash_remove(&hsts->table, &entry->hash);
    tern_list_remove(&entry->node);
    hsts->count--;
    tern_mem_free(entry);
}

static struct entry *of_node(const struct tern_list *node)
{
    return TERN_CONTAINER_OF(node, struct entry, node);
}

void tern_hsts_deinit(struct tern_hsts *hsts)
{
    while (!tern_list_is_empty(&hsts->order))
        forget(hsts, of_node(hsts->order.next));
    tern_hash_deinit(&hsts->table);
}

static struct entry *find(const struct tern_hsts *hsts, struct tern_str name)
{
    struct tern_hash_node *node = tern_hash_first(&hsts->table, tern_hash_bytes(hsts->seed, name.ptr, name.len));

    for (; node != NULL; node = tern_hash_next(node)) {
        struct entry *entry = TERN_CONTAINER_OF(node, struct entry, hash);

        if (tern_str_eq(tern_str_n(entry->name, entry->len), name))
            return entry;
    }
    return NULL;
}

static enum tern_error keep(struct tern_hsts *hsts, struct tern_str name, bool below, int64_t expires_s)
{
    struct entry *entry = find(hsts, name);

    if (entry == NULL) {
        entry = tern_mem_calloc(1, sizeof(*entry) + name.len);
        if (entry == NULL)
            return TERN_ENOMEM;
        if (hsts->count == TERN_HSTS_HOSTS_MAX)
            forget(hsts, of_node(hsts->order.prev));
        memcpy(entry->name, name.ptr, name.len);
        entry->len = name.len;
        tern_list_init(&entry->node);
        tern_hash_insert(&hsts->table, &entry->hash, tern_hash_bytes(hsts->seed, name.ptr, name.len));
        hsts->count++;
    }
    entry->below = below;
    entry->expires_s = expires_s;
    tern_list_remove(&entry->node);
    tern_list_push_front(&hsts->order, &entry->node);
    return TERN_OK;
}

/* ---- what hosts say ---- */

struct policy {
    bool has_age, below;
    uint64_t age_s;
};

static struct tern_str unquote(struct tern_str s)
{
    if (s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"')
        return tern_str_n(s.ptr + 1, s.len - 2);
    return s;
}

/* One directive (6.1): unknown ones are ignored, a second one of its kind spoils it all. */
static bool take_directive(struct policy *policy, struct tern_str text)
{
    size_t equals = tern_str_find(text, '=');
    bool has_value = equals < text.len;
    struct tern_str name = tern_str_trim(tern_str_n(text.ptr, equals));

    if (tern_str_ieq(name, TERN_STR("max-age"))) {
        if (policy->has_age || !has_value)
            return false;
        policy->has_age = true;
        return tern_u64_parse(unquote(tern_str_trim(tern_str_from(text, equals + 1))), UINT64_MAX, &policy->age_s);
    }
    if (tern_str_ieq(name, TERN_STR("includeSubDomains"))) {
        if (policy->below || has_value)
            return false;
        policy->below = true;
    }
    return true;
}

static bool parse(struct tern_str value, struct policy *out)
{
    *out = (struct policy){0};
    for (size_t at = 0, end; at < value.len; at = end + 1) {
        struct tern_str directive;

        end = at + tern_str_find(tern_str_from(value, at), ';');
        directive = tern_str_trim(tern_str_n(value.ptr + at, end - at));
        if (directive.len > 0 && !take_directive(out, directive))
            return false;
    }
    return out->has_age;
}

enum tern_error tern_hsts_heard(struct tern_hsts *hsts, const struct tern_host *host, struct tern_str value,
                                int64_t wall_s)
{
    struct policy policy;
    struct entry *known;

    if (host->kind != TERN_HOST_NAME || !parse(value, &policy))
        return TERN_OK;
    if (policy.age_s > 0)
        return keep(hsts, tern_host_text(host), policy.below,
                    policy.age_s > (uint64_t)(INT64_MAX - wall_s) ? INT64_MAX : wall_s + (int64_t)policy.age_s);
    known = find(hsts, tern_host_text(host));
    if (known != NULL) /* 6.1.1: forget it */
        forget(hsts, known);
    return TERN_OK;
}

bool tern_hsts_knows(const struct tern_hsts *hsts, const struct tern_host *host, int64_t wall_s)
{
    struct tern_str name = tern_host_text(host);

    if (hsts->count == 0 || host->kind != TERN_HOST_NAME)
        return false;
    for (bool is_itself = true;; is_itself = false) {
        const struct entry *entry = find(hsts, name);
        size_t dot = tern_str_find(name, '.');

        if (entry != NULL && entry->expires_s > wall_s && (is_itself || entry->below))
            return true;
        if (dot == name.len)
            return false;
        name = tern_str_from(name, dot + 1);
    }
}

enum tern_error tern_hsts_upgrade(const struct tern_hsts *hsts, struct tern_url *url, int64_t wall_s, bool *upgraded)
{
    struct tern_buf text;
    enum tern_error error;

    *upgraded = false;
    if (!tern_str_eq(url->scheme, TERN_STR("http")) || !tern_hsts_knows(hsts, &url->host, wall_s))
        return TERN_OK;
    /* Port 80 is not in the canonical text, so that it becomes 443; any other stays (8.3). */
    tern_buf_init(&text, TERN_URL_MAX + 1);
    if ((error = tern_buf_append_str(&text, TERN_STR("https"))) == TERN_OK &&
        (error = tern_buf_append(&text, url->text.ptr + 4, url->text.len - 4)) == TERN_OK)
        error = tern_url_parse(url, tern_buf_view(&text), NULL);
    tern_buf_wipe(&text); /* it may have a password */
    *upgraded = error == TERN_OK;
    return error == TERN_EURL ? TERN_ELIMIT : error;
}

/* ---- as text ---- */

/* "20261121 10:00:00" */
static bool parse_time(struct tern_str text, int64_t *out_s)
{
    struct tern_civil civil;
    uint64_t date, clock[3];

    if (tern_str_eq(text, TERN_STR("unlimited"))) {
        *out_s = INT64_MAX;
        return true;
    }
    if (text.len != 17 || text.ptr[8] != ' ' || text.ptr[11] != ':' || text.ptr[14] != ':' ||
        !tern_u64_parse(tern_str_n(text.ptr, 8), UINT64_MAX, &date))
        return false;
    for (size_t i = 0; i < 3; i++)
        if (!tern_u64_parse(tern_str_n(text.ptr + 9 + 3 * i, 2), 99, &clock[i]))
            return false;
    civil = (struct tern_civil){.year = (int64_t)(date / 10000),
                                .month = (int)(date / 100 % 100),
                                .day = (int)(date % 100),
                                .hour = (int)clock[0],
                                .minute = (int)clock[1],
                                .second = (int)clock[2]};
    return tern_civil_seconds(&civil, out_s);
}

static enum tern_error append_time(struct tern_buf *out, int64_t seconds)
{
    struct tern_civil c;

    if (seconds == INT64_MAX)
        return tern_buf_append_str(out, TERN_STR("unlimited"));
    c = tern_civil_of(seconds);
    return tern_buf_printf(out, "%04u%02d%02d %02d:%02d:%02d", (unsigned)c.year, c.month, c.day, c.hour, c.minute,
                           c.second);
}

/* False: the line, which is not empty, cannot be read. */
static bool load_line(struct tern_hsts *hsts, struct tern_str line, int64_t wall_s, enum tern_error *error)
{
    bool below = line.ptr[0] == '.';
    size_t blank = tern_str_find(line, ' ');
    struct tern_host host;
    int64_t expires_s;

    if (blank == line.len)
        return false;
    *error = tern_host_parse(&host, tern_str_n(line.ptr + below, blank - below), NULL);
    if (*error == TERN_ENOMEM)
        return true;
    if (*error != TERN_OK || host.kind != TERN_HOST_NAME ||
        !parse_time(unquote(tern_str_trim(tern_str_from(line, blank))), &expires_s)) {
        *error = TERN_OK;
        return false;
    }
    if (expires_s > wall_s)
        *error = keep(hsts, tern_host_text(&host), below, expires_s);
    return true;
}

enum tern_error tern_hsts_load(struct tern_hsts *hsts, struct tern_str text, int64_t wall_s, size_t *skipped)
{
    *skipped = 0;
    for (size_t at = 0, end; at < text.len; at = end + 1) {
        enum tern_error error = TERN_OK;
        struct tern_str line;
        bool has_cr;

        end = at + tern_str_find(tern_str_from(text, at), '\n');
        has_cr = end > at && text.ptr[end - 1] == '\r';
        line = tern_str_trim(tern_str_n(text.ptr + at, end - at - has_cr));
        if (line.len > 0 && line.ptr[0] != '#' && !load_line(hsts, line, wall_s, &error))
            (*skipped)++;
        if (error != TERN_OK)
            return error;
    }
    return TERN_OK;
}

enum tern_error tern_hsts_save(const struct tern_hsts *hsts, struct tern_buf *out, int64_t wall_s)
{
    TERN_LIST_FOREACH(node, &hsts->order) {
        const struct entry *entry = of_node(node);
        enum tern_error error;

        if (entry->expires_s <= wall_s)
            continue;
        if ((error = tern_buf_printf(out, "%s%.*s \"", entry->below ? "." : "", (int)entry->len, entry->name)) !=
                TERN_OK ||
            (error = append_time(out, entry->expires_s)) != TERN_OK ||
            (error = tern_buf_append_str(out, TERN_STR("\"\n"))) != TERN_OK)
            return error;
    }
    return TERN_OK;
}
