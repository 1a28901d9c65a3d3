#include "base/host.h"

#include <arpa/inet.h>
#include <idn2.h>

#include "base/fault.h"
#include "base/num.h"
#include "base/str.h"

static enum tern_error refuse(struct tern_fault *fault, struct tern_str in, const char *rule)
{
    char shown[TERN_ESCAPE_MAX];

    return tern_fault_set(fault, TERN_EURL, "host \"%s\": %s", tern_escape(shown, sizeof(shown), in), rule);
}

/* ---- addresses as text ---- */

size_t tern_ipv4_print(char *out, const uint8_t address[4])
{
    size_t len = 0;

    for (int i = 0; i < 4; i++) {
        if (i != 0)
            out[len++] = '.';
        len += tern_u32_print(out + len, address[i]);
    }
    return len;
}

static size_t print_group(char *out, unsigned group)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = 0;

    for (int shift = 12; shift >= 0; shift -= 4)
        if (len != 0 || shift == 0 || group >> shift != 0)
            out[len++] = digits[group >> shift & 15];
    return len;
}

/* RFC 5952 section 4: no leading zeros, lower case, the longest run of two or more zero groups (the first of equals)
 * as "::". Section 5: IPv4-mapped addresses in dotted form. */
size_t tern_ipv6_print(char *out, const uint8_t address[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    unsigned groups[8];
    int best = -1, best_len = 1;
    size_t len = 0;

    if (memcmp(address, mapped, sizeof(mapped)) == 0) {
        memcpy(out, "::ffff:", 7);
        return 7 + tern_ipv4_print(out + 7, address + 12);
    }
    for (int i = 0, run = 0; i < 8; i++) {
        groups[i] = (unsigned)address[2 * i] << 8 | address[2 * i + 1];
        run = groups[i] == 0 ? run + 1 : 0;
        if (run > best_len) {
            best_len = run;
            best = i + 1 - run;
        }
    }
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            out[len++] = ':';
            out[len++] = ':';
            i += best_len - 1;
        } else {
            if (i != 0 && out[len - 1] != ':')
                out[len++] = ':';
            len += print_group(out + len, groups[i]);
        }
    }
    return len;
}

/* ---- IPv6 ---- */

static bool is_zone(struct tern_str zone)
{
    for (size_t i = 0; i < zone.len; i++) {
        char c = zone.ptr[i];

        if (!tern_ascii_is_alpha(c) && !tern_ascii_is_digit(c) && c != '-' && c != '.' && c != '_' && c != '~')
            return false;
    }
    return zone.len != 0 && zone.len <= TERN_HOST_ZONE_MAX;
}

static enum tern_error parse_ipv6(struct tern_host *out, struct tern_str in, struct tern_fault *fault)
{
    struct tern_host host = {.kind = TERN_HOST_IPV6};
    struct tern_str bare = in, zone;
    char text[INET6_ADDRSTRLEN];
    size_t len, percent;

    if (in.ptr[0] == '[') {
        if (in.ptr[in.len - 1] != ']')
            return refuse(fault, in, "the bracket is not closed");
        bare = tern_str_n(in.ptr + 1, in.len - 2);
    }
    percent = tern_str_find(bare, '%');
    if (percent >= sizeof(text) || memchr(bare.ptr, 0, percent) != NULL)
        return refuse(fault, in, "is not an IPv6 address");
    memcpy(text, bare.ptr, percent);
    text[percent] = '\0';
    if (inet_pton(AF_INET6, text, host.address) != 1)
        return refuse(fault, in, "is not an IPv6 address");
    len = tern_ipv6_print(host.text, host.address);
    if (percent < bare.len) {
        zone = tern_str_from(bare, percent + 1);
        if (!is_zone(zone))
            return refuse(fault, in, "the zone must be 1 to 31 letters, digits, '-', '.', '_' or '~'");
        host.text[len++] = '%';
        host.zone_at = (uint16_t)len;
        memcpy(host.text + len, zone.ptr, zone.len);
        len += zone.len;
    }
    host.len = (uint16_t)len;
    *out = host;
    return TERN_OK;
}

/* ---- names and IPv4 ---- */

/* Does the last label make this a number, as for whoever still reads 0x7f.1 as an address? Then it is no name. */
static bool ends_in_number(struct tern_str name)
{
    struct tern_str label = name;
    bool digits = true, hex;

    for (size_t dot; (dot = tern_str_find(label, '.')) < label.len;)
        label = tern_str_from(label, dot + 1);
    hex = label.len >= 2 && label.ptr[0] == '0' && label.ptr[1] == 'x';
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];

        digits = digits && tern_ascii_is_digit(c);
        hex = hex && (i < 2 || tern_ascii_is_digit(c) || (c >= 'a' && c <= 'f'));
    }
    return digits || hex;
}

static const char *check_labels(struct tern_str name)
{
    size_t label = 0;

    for (size_t i = 0; i <= name.len; i++) {
        if (i < name.len && name.ptr[i] != '.') {
            label++;
            continue;
        }
        if (label == 0)
            return "has an empty label";
        if (label > TERN_HOST_LABEL_MAX)
            return "has a label of more than 63 bytes";
        label = 0;
    }
    return NULL;
}

/* ascii is lower case and of allowed bytes alone. in is what it was made of, for the fault. */
static enum tern_error finish_name(struct tern_host *out, struct tern_str ascii, struct tern_str in,
                                   struct tern_fault *fault)
{
    struct tern_host host = {.kind = TERN_HOST_NAME};
    const char *rule;

    if (ascii.len != 0 && ascii.ptr[ascii.len - 1] == '.')
        ascii.len--;
    if (ascii.len == 0)
        return refuse(fault, in, "is empty");
    if (ascii.len > TERN_HOST_TEXT_MAX)
        return refuse(fault, in, "is longer than 253 bytes");
    rule = check_labels(ascii);
    if (rule != NULL)
        return refuse(fault, in, rule);
    memcpy(host.text, ascii.ptr, ascii.len);
    host.len = (uint16_t)ascii.len;
    if (ends_in_number(ascii)) {
        if (inet_pton(AF_INET, host.text, host.address) != 1)
            return refuse(fault, in, "ends in a number, but is not an IPv4 address of four decimal numbers");
        host.kind = TERN_HOST_IPV4;
    }
    *out = host;
    return TERN_OK;
}

static bool is_name_byte(char c)
{
    return tern_ascii_is_alpha(c) || tern_ascii_is_digit(c) || c == '-' || c == '.' || c == '_';
}

/* Copies in, lower-cased where it is ASCII, and says whether libidn2 has to see it: it has other bytes, or a label that
 * claims to be an A-label already. False where a byte may not stand in a host. */
static bool lower(char *out, struct tern_str in, bool *needs_idn)
{
    *needs_idn = false;
    for (size_t i = 0; i < in.len; i++) {
        if ((unsigned char)in.ptr[i] >= 0x80)
            *needs_idn = true;
        else if (!is_name_byte(in.ptr[i]))
            return false;
        out[i] = tern_ascii_lower(in.ptr[i]);
        if (i >= 3 && memcmp(out + i - 3, "xn--", 4) == 0 && (i == 3 || out[i - 4] == '.'))
            *needs_idn = true;
    }
    return true;
}

/* utf8 ends in NUL. */
static enum tern_error parse_idn(struct tern_host *out, const char *utf8, struct tern_str in, struct tern_fault *fault)
{
    uint8_t *ascii = NULL;
    char mapped[TERN_HOST_INPUT_MAX];
    struct tern_str result;
    bool again;
    int code =
        idn2_lookup_u8((const uint8_t *)utf8, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL | IDN2_NO_ALABEL_ROUNDTRIP);

    if (code == IDN2_MALLOC)
        return tern_fault_plain(fault, TERN_ENOMEM);
    if (code != IDN2_OK)
        return refuse(fault, in, idn2_strerror(code));
    result = tern_str((const char *)ascii);
    /* Mapping may bring forth what may not stand in a host, as U+2100 gives "a/c": look again. */
    if (result.len > sizeof(mapped) || !lower(mapped, result, &again)) {
        idn2_free(ascii);
        return refuse(fault, in, "maps to bytes that may not stand in a host");
    }
    idn2_free(ascii);
    return finish_name(out, tern_str_n(mapped, result.len), in, fault);
}

enum tern_error tern_host_parse(struct tern_host *out, struct tern_str in, struct tern_fault *fault)
{
    char text[TERN_HOST_INPUT_MAX + 1];
    bool needs_idn;

    if (in.len == 0)
        return refuse(fault, in, "is empty");
    if (in.len > TERN_HOST_INPUT_MAX)
        return refuse(fault, in, "is longer than 1024 bytes");
    if (in.ptr[0] == '[' || tern_str_find(in, ':') < in.len)
        return parse_ipv6(out, in, fault);
    if (!lower(text, in, &needs_idn))
        return refuse(fault, in, "may hold letters, digits, '-', '_' and '.' only");
    if (!needs_idn)
        return finish_name(out, tern_str_n(text, in.len), in, fault);
    text[in.len] = '\0';
    return parse_idn(out, text, in, fault);
}

bool tern_host_is_below(const struct tern_host *host, struct tern_str domain)
{
    size_t tail = domain.len;

    return host->kind == TERN_HOST_NAME && host->len > tail + 1 && host->text[host->len - tail - 1] == '.' &&
           memcmp(host->text + host->len - tail, domain.ptr, tail) == 0;
}

bool tern_host_eq(const struct tern_host *a, const struct tern_host *b)
{
    return a->kind == b->kind && tern_str_eq(tern_host_text(a), tern_host_text(b));
}
