#include "policy/rate.h"

#include "base/fields.h"
#include "base/num.h"
#include "base/str.h"
#include "policy/retry.h"

/* What one call takes. At least a nanosecond: a rate beyond that is none. */
static uint64_t interval(const struct tern_rate *config)
{
    uint64_t ns = config->period_ns / config->calls;

    return ns > 0 ? ns : 1;
}

/* How long so many calls take. */
static uint64_t length(const struct tern_rate *config, uint32_t calls)
{
    uint64_t ns;

    return tern_u64_mul(interval(config), calls, &ns) ? ns : UINT64_MAX;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t tern_rate_at(const struct tern_rate *config, const struct tern_rate_state *state, uint64_t now_ns,
                      uint32_t ahead)
{
    uint64_t burst_ns = length(config, config->burst - 1);
    uint64_t first_ns = later(now_ns, state->hold_ns);
    uint64_t full_ns = tern_u64_add_sat(later(first_ns, state->full_ns), length(config, ahead));

    return later(first_ns, full_ns > burst_ns ? full_ns - burst_ns : 0);
}

void tern_rate_start(const struct tern_rate *config, struct tern_rate_state *state, uint64_t now_ns)
{
    state->full_ns = tern_u64_add_sat(later(state->full_ns, now_ns), interval(config));
}

/* ---- what the host says ---- */

static bool parse_number(const struct tern_field *fields, size_t count, const char *name, uint64_t *out)
{
    struct tern_str value = tern_fields_get(fields, count, name);

    return value.ptr != NULL && tern_u64_parse(tern_str_trim(value), UINT64_MAX, out);
}

/* "default";r=0;t=30 of the draft's RateLimit field: remaining, and seconds until it is restored. */
static bool parse_parameter(struct tern_str item, char name, uint64_t *out)
{
    for (size_t i = 0; i + 2 < item.len; i++) {
        size_t end = i + 3;

        if (item.ptr[i] != ';' || item.ptr[i + 1] != name || item.ptr[i + 2] != '=')
            continue;
        while (end < item.len && item.ptr[end] >= '0' && item.ptr[end] <= '9')
            end++;
        return tern_u64_parse(tern_str_n(item.ptr + i + 3, end - i - 3), UINT64_MAX, out);
    }
    return false;
}

/* Seconds until more may be asked, where the fields say that nothing is left. Some servers give X-RateLimit-Reset as
 * seconds since 1970: what is beyond a year is taken for that. */
static bool is_used_up(const struct tern_field *fields, size_t count, int64_t wall_s, uint64_t *seconds)
{
    static const uint64_t year_s = 365 * 24 * 3600;
    struct tern_str rest = tern_fields_get(fields, count, "RateLimit"), item;
    uint64_t left;

    while (rest.ptr != NULL && tern_field_list_next(&rest, &item))
        if (parse_parameter(item, 'r', &left) && left == 0 && parse_parameter(item, 't', seconds))
            return true;
    if (parse_number(fields, count, "RateLimit-Remaining", &left))
        return left == 0 && parse_number(fields, count, "RateLimit-Reset", seconds);
    if (!parse_number(fields, count, "X-RateLimit-Remaining", &left) || left != 0 ||
        !parse_number(fields, count, "X-RateLimit-Reset", seconds))
        return false;
    if (*seconds > year_s)
        *seconds = *seconds > (uint64_t)wall_s ? *seconds - (uint64_t)wall_s : 0;
    return true;
}

void tern_rate_heard(const struct tern_rate *config, struct tern_rate_state *state, uint64_t now_ns, int64_t wall_s,
                     uint16_t status, const struct tern_field *fields, size_t field_count)
{
    struct tern_str retry_after = {NULL, 0};
    uint64_t hold_ns = 0, seconds;

    if (config->ignore_answers)
        return;
    if (status == 429 || status == 503)
        retry_after = tern_fields_get(fields, field_count, "Retry-After");
    if (retry_after.ptr == NULL || !tern_retry_after_parse(retry_after, wall_s, &hold_ns))
        hold_ns = 0;
    if (is_used_up(fields, field_count, wall_s, &seconds))
        hold_ns = later(hold_ns, seconds < TERN_RATE_HOLD_MAX_NS / TERN_S ? seconds * TERN_S : TERN_RATE_HOLD_MAX_NS);
    if (hold_ns > TERN_RATE_HOLD_MAX_NS)
        hold_ns = TERN_RATE_HOLD_MAX_NS;
    if (hold_ns > 0)
        state->hold_ns = later(state->hold_ns, tern_u64_add_sat(now_ns, hold_ns));
}
