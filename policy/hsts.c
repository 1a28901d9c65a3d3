#include "policy/hsts.h"

#include <stdio.h>

#include "base/date.h"
#include "base/fields.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "policy/auth.h"

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
    const char *equals = text.len > 0 ? memchr(text.ptr, '=', text.len) : NULL;
    size_t name_len = equals != NULL ? (size_t)(equals - text.ptr) : text.len;
    struct tern_str name = tern_str_trim(tern_str_n(text.ptr, name_len));

    if (tern_str_ieq(name, TERN_STR("max-age"))) {
        if (policy->has_age || equals == NULL)
            return false;
        policy->has_age = true;
        return tern_u64_parse(unquote(tern_str_trim(tern_str_n(equals + 1, text.len - name_len - 1))), UINT64_MAX,
                              &policy->age_s);
    }
    if (tern_str_ieq(name, TERN_STR("includeSubDomains"))) {
        if (policy->below || equals != NULL)
            return false;
        policy->below = true;
    }
    return true;
}

static bool parse(struct tern_str value, struct policy *out)
{
    size_t at = 0;

    *out = (struct policy){0};
    while (at <= value.len) {
        const char *end = at < value.len ? memchr(value.ptr + at, ';', value.len - at) : NULL;
        size_t stop = end != NULL ? (size_t)(end - value.ptr) : value.len;
        struct tern_str directive = tern_str_trim(tern_str_n(value.ptr + at, stop - at));

        if (directive.len > 0 && !take_directive(out, directive))
            return false;
        at = stop + 1;
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
    for (bool is_itself = true; name.len > 0; is_itself = false) {
        const struct entry *entry = find(hsts, name);
        const char *dot = memchr(name.ptr, '.', name.len);

        if (entry != NULL && entry->expires_s > wall_s && (is_itself || entry->below))
            return true;
        if (dot == NULL)
            return false;
        name = tern_str_n(dot + 1, name.len - (size_t)(dot + 1 - name.ptr));
    }
    return false;
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
    tern_auth_wipe(&text); /* it may have a password */
    *upgraded = error == TERN_OK;
    return error == TERN_EURL ? TERN_ELIMIT : error;
}

/* ---- as text ---- */

static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* "20261121 10:00:00", by way of the one parser of dates. */
static bool parse_time(struct tern_str text, int64_t wall_s, int64_t *out_s)
{
    uint64_t date;
    char http[48];

    if (tern_str_eq(text, TERN_STR("unlimited"))) {
        *out_s = INT64_MAX;
        return true;
    }
    if (text.len != 17 || !tern_u64_parse(tern_str_n(text.ptr, 8), UINT64_MAX, &date) || date / 100 % 100 < 1 ||
        date / 100 % 100 > 12)
        return false;
    snprintf(http, sizeof(http), "Sun, %02u %s %04u %.8s GMT", (unsigned)(date % 100), months[date / 100 % 100 - 1],
             (unsigned)(date / 10000), text.ptr + 9);
    return tern_date_parse(tern_str(http), wall_s, out_s);
}

static void print_time(int64_t seconds, char out[32])
{
    char http[TERN_DATE_SIZE];
    unsigned month = 0;

    if (seconds == INT64_MAX) {
        snprintf(out, 32, "unlimited");
        return;
    }
    tern_date_format(http, seconds);
    while (memcmp(months[month], http + 8, 3) != 0)
        month++;
    snprintf(out, 32, "%.4s%02u%.2s %.8s", http + 12, month + 1, http + 5, http + 17);
}

/* False: the line cannot be read. */
static bool load_line(struct tern_hsts *hsts, struct tern_str line, int64_t wall_s, enum tern_error *error)
{
    bool below = line.len > 0 && line.ptr[0] == '.';
    const char *blank = line.len > 0 ? memchr(line.ptr, ' ', line.len) : NULL;
    struct tern_host host;
    int64_t expires_s;
    size_t name_len;

    if (blank == NULL)
        return false;
    name_len = (size_t)(blank - line.ptr);
    *error = tern_host_parse(&host, tern_str_n(line.ptr + below, name_len - below), NULL);
    if (*error == TERN_ENOMEM)
        return true;
    if (*error != TERN_OK || host.kind != TERN_HOST_NAME ||
        !parse_time(unquote(tern_str_trim(tern_str_n(blank, line.len - name_len))), wall_s, &expires_s)) {
        *error = TERN_OK;
        return false;
    }
    if (expires_s > wall_s)
        *error = keep(hsts, tern_host_text(&host), below, expires_s);
    return true;
}

enum tern_error tern_hsts_load(struct tern_hsts *hsts, struct tern_str text, int64_t wall_s, size_t *skipped)
{
    size_t at = 0;

    *skipped = 0;
    while (at < text.len) {
        const char *end = memchr(text.ptr + at, '\n', text.len - at);
        size_t stop = end != NULL ? (size_t)(end - text.ptr) : text.len;
        bool has_cr = stop > at && text.ptr[stop - 1] == '\r';
        struct tern_str line = tern_str_trim(tern_str_n(text.ptr + at, stop - at - has_cr));
        enum tern_error error = TERN_OK;

        if (line.len > 0 && line.ptr[0] != '#' && !load_line(hsts, line, wall_s, &error))
            (*skipped)++;
        if (error != TERN_OK)
            return error;
        at = stop + 1;
    }
    return TERN_OK;
}

enum tern_error tern_hsts_save(const struct tern_hsts *hsts, struct tern_buf *out, int64_t wall_s)
{
    TERN_LIST_FOREACH(node, &hsts->order) {
        const struct entry *entry = of_node(node);
        char until[32];
        enum tern_error error;

        if (entry->expires_s <= wall_s)
            continue;
        print_time(entry->expires_s, until);
        error = tern_buf_printf(out, "%s%.*s \"%s\"\n", entry->below ? "." : "", (int)entry->len, entry->name, until);
        if (error != TERN_OK)
            return error;
    }
    return TERN_OK;
}
