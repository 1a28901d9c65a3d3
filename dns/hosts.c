#include "dns/hosts.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/host.h"
#include "base/mem.h"
#include "base/str.h"

/* One name with one address. */
struct entry {
    uint32_t name_at; /* in names, from 0; at most TERN_HOSTS_BYTES_MAX */
    uint8_t name_len;
    bool is_ipv6;
    uint32_t line; /* keeps the order of the file among equal names */
    struct tern_dns_ip ip;
};

struct tern_hosts {
    struct entry *entries; /* by name, then by line */
    size_t count, cap;
    char *names; /* the text of the file, lower case */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts the next run of non-blanks off the front of line; empty at its end. */
static struct tern_str next_word(struct tern_str *line)
{
    size_t start = 0, end;

    while (start < line->len && is_blank(line->ptr[start]))
        start++;
    for (end = start; end < line->len && !is_blank(line->ptr[end]);)
        end++;
    struct tern_str word = {line->ptr + start, end - start};
    *line = tern_str_from(*line, end);
    return word;
}

static bool parse_ip(struct tern_str word, struct entry *out)
{
    char text[INET6_ADDRSTRLEN];

    if (word.len == 0 || word.len >= sizeof(text) || memchr(word.ptr, '\0', word.len) != NULL)
        return false;
    memcpy(text, word.ptr, word.len);
    text[word.len] = '\0';
    out->ip = (struct tern_dns_ip){{0}};
    out->is_ipv6 = memchr(text, ':', word.len) != NULL;
    return inet_pton(out->is_ipv6 ? AF_INET6 : AF_INET, text, out->ip.bytes) == 1;
}

static bool add_entry(struct tern_hosts *hosts, const struct entry *entry)
{
    if (hosts->count == hosts->cap) {
        size_t cap = hosts->cap != 0 ? 2 * hosts->cap : 16;
        struct entry *entries = tern_mem_realloc(hosts->entries, cap, sizeof(*entries));

        if (entries == NULL)
            return false;
        hosts->entries = entries;
        hosts->cap = cap;
    }
    hosts->entries[hosts->count++] = *entry;
    return true;
}

static bool parse_line(struct tern_hosts *hosts, struct tern_str line, uint32_t number)
{
    struct entry entry = {.line = number};

    line.len = tern_str_find(line, '#');
    if (!parse_ip(next_word(&line), &entry))
        return true;
    for (;;) {
        struct tern_str name = next_word(&line);

        if (name.len == 0)
            return true;
        if (name.ptr[name.len - 1] == '.')
            name.len--;
        if (name.len == 0 || name.len > TERN_HOST_TEXT_MAX)
            continue;
        entry.name_at = (uint32_t)(name.ptr - hosts->names);
        entry.name_len = (uint8_t)name.len;
        if (!add_entry(hosts, &entry))
            return false;
    }
}

static int compare_names(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static int compare_entries(const void *left, const void *right, void *names)
{
    const struct entry *a = left, *b = right;
    int order = compare_names((char *)names + a->name_at, a->name_len, (char *)names + b->name_at, b->name_len);

    return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

enum tern_error tern_hosts_parse(struct tern_str text, struct tern_hosts **out)
{
    struct tern_hosts *hosts = tern_mem_calloc(1, sizeof(*hosts));
    uint32_t number = 0;

    text.len = text.len <= TERN_HOSTS_BYTES_MAX ? text.len : TERN_HOSTS_BYTES_MAX;
    if (hosts == NULL || (hosts->names = tern_mem_dup(text)) == NULL)
        goto no_memory;
    for (size_t i = 0; i < text.len; i++)
        hosts->names[i] = tern_ascii_lower(hosts->names[i]);
    text.ptr = hosts->names;
    while (text.len != 0) {
        struct tern_str line = {text.ptr, tern_str_find(text, '\n')};

        text = tern_str_from(text, line.len < text.len ? line.len + 1 : line.len);
        if (!parse_line(hosts, line, number++))
            goto no_memory;
    }
    if (hosts->count != 0)
        qsort_r(hosts->entries, hosts->count, sizeof(*hosts->entries), compare_entries, hosts->names);
    *out = hosts;
    return TERN_OK;

no_memory:
    tern_hosts_free(hosts);
    return TERN_ENOMEM;
}

void tern_hosts_free(struct tern_hosts *hosts)
{
    if (hosts == NULL)
        return;
    tern_mem_free(hosts->entries);
    tern_mem_free(hosts->names);
    tern_mem_free(hosts);
}

size_t tern_hosts_find(const struct tern_hosts *hosts, struct tern_str name, enum tern_ip_family family,
                       struct tern_dns_ip out[TERN_DNS_IPS_MAX])
{
    size_t low = 0, high = hosts != NULL ? hosts->count : 0, found = 0;

    while (low < high) { /* the first entry that is not before name */
        size_t middle = low + (high - low) / 2;
        const struct entry *entry = &hosts->entries[middle];

        if (compare_names(hosts->names + entry->name_at, entry->name_len, name.ptr, name.len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; hosts != NULL && low < hosts->count && found < TERN_DNS_IPS_MAX; low++) {
        const struct entry *entry = &hosts->entries[low];

        if (compare_names(hosts->names + entry->name_at, entry->name_len, name.ptr, name.len) != 0)
            break;
        if (entry->is_ipv6 == (family == TERN_IP_V6))
            out[found++] = entry->ip;
    }
    return found;
}
