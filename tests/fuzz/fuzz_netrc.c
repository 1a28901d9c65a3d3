/* netrc files: read or refused with a line; what was read is written and read the same again; nothing in it breaks out
 * of a field. */
#include "base/fields.h"
#include "policy/netrc.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX (1024 * 1024)

static void append(struct tern_buf *out, struct tern_str text)
{
    FUZZ_CHECK(tern_buf_append_str(out, text) == TERN_OK);
}

static void append_word(struct tern_buf *out, const char *keyword, struct tern_str word)
{
    append(out, tern_str(keyword));
    append(out, TERN_STR(" \""));
    for (size_t i = 0; i < word.len; i++) {
        FUZZ_CHECK((unsigned char)word.ptr[i] >= 0x20 && word.ptr[i] != 0x7f);
        append(out, word.ptr[i] == '"' || word.ptr[i] == '\\' ? TERN_STR("\\") : TERN_STR(""));
        append(out, tern_str_n(word.ptr + i, 1));
    }
    append(out, TERN_STR("\"\n"));
}

static void print(struct tern_buf *out, const struct tern_netrc *netrc)
{
    for (const struct tern_netrc_entry *entry = netrc->entries; entry != NULL; entry = entry->next) {
        if (entry->is_default)
            append(out, TERN_STR("default\n"));
        else
            append_word(out, "machine", tern_host_text(&entry->host));
        FUZZ_CHECK((entry->user.ptr == NULL) == (entry->password.ptr == NULL));
        if (entry->user.ptr != NULL) {
            append_word(out, "login", entry->user);
            append_word(out, "password", entry->password);
        }
        FUZZ_CHECK(tern_str_find(entry->user, ':') == entry->user.len);
        FUZZ_CHECK(!entry->is_default || entry->next == NULL);
        if (!entry->is_default) {
            const struct tern_netrc_entry *found = tern_netrc_find(netrc, &entry->host);

            FUZZ_CHECK(found == NULL || tern_host_eq(&found->host, &entry->host));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tern_str text = {(const char *)data, size};
    struct tern_keep keep = {NULL};
    struct tern_netrc netrc, again;
    struct tern_fault fault = {.error = TERN_OK};
    struct tern_buf once, twice;

    if (tern_netrc_parse(&netrc, text, &keep, &fault) != TERN_OK) {
        FUZZ_CHECK(fault.error == TERN_ECONFIG && strncmp(fault.text, "netrc, line ", 12) == 0);
        tern_keep_deinit(&keep);
        return 0;
    }
    tern_buf_init(&once, TEXT_MAX);
    tern_buf_init(&twice, TEXT_MAX);
    print(&once, &netrc);
    FUZZ_CHECK(tern_netrc_parse(&again, tern_buf_view(&once), &keep, &fault) == TERN_OK);
    print(&twice, &again);
    fuzz_same(tern_buf_view(&once), tern_buf_view(&twice));
    tern_buf_deinit(&once);
    tern_buf_deinit(&twice);
    tern_keep_deinit(&keep);
    return 0;
}
