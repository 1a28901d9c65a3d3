#include "pool/bdp.h"

#include "base/assert.h"
#include "base/num.h"

void tern_bdp_init(struct tern_bdp *bdp, uint32_t window_bytes, uint32_t window_bytes_max)
{
    *bdp = (struct tern_bdp){.window_bytes = window_bytes, .window_bytes_max = window_bytes_max};
}

void tern_bdp_arrived(struct tern_bdp *bdp, size_t bytes)
{
    bdp->bytes = tern_u64_add_sat(bdp->bytes, bytes);
}

bool tern_bdp_is_due(const struct tern_bdp *bdp, uint64_t now_ns)
{
    return !bdp->is_sampling && bdp->window_bytes < bdp->window_bytes_max && bdp->bytes >= TERN_BDP_BULK_BYTES &&
           now_ns >= bdp->due_ns;
}

void tern_bdp_begin(struct tern_bdp *bdp, uint64_t now_ns)
{
    TERN_ASSERT(!bdp->is_sampling);
    bdp->is_sampling = true;
    bdp->begun_ns = now_ns;
    bdp->bytes = 0;
}

static uint64_t per_second(uint64_t bytes, uint64_t ns)
{
    uint64_t scaled;

    return tern_u64_mul(bytes, TERN_S, &scaled) ? scaled / ns : bytes / ns * TERN_S;
}

/* An eighth more than ever: what is less may be chance. */
static bool is_faster(const struct tern_bdp *bdp, uint64_t bytes_per_s)
{
    return bytes_per_s > tern_u64_add_sat(bdp->bytes_per_s_best, bdp->bytes_per_s_best / 8);
}

static void rest(struct tern_bdp *bdp, uint64_t now_ns, uint64_t round_trip_ns)
{
    bdp->rest_ns = bdp->rest_ns == 0 ? round_trip_ns : 2 * bdp->rest_ns;
    if (bdp->rest_ns > TERN_BDP_REST_NS_MAX)
        bdp->rest_ns = TERN_BDP_REST_NS_MAX;
    bdp->due_ns = tern_u64_add_sat(now_ns, bdp->rest_ns);
}

/* Four times as wide, since the next sample that can tell ends two round trips from now; more where several streams
 * have shown that they need it. */
static uint32_t wider(const struct tern_bdp *bdp, uint64_t sample)
{
    uint64_t wanted = sample / 2 > bdp->window_bytes ? sample : 2 * (uint64_t)bdp->window_bytes;

    return wanted < bdp->window_bytes_max / 2 ? (uint32_t)(2 * wanted) : bdp->window_bytes_max;
}

bool tern_bdp_end(struct tern_bdp *bdp, uint64_t now_ns)
{
    uint64_t round_trip_ns = now_ns - bdp->begun_ns, sample = bdp->bytes, bytes_per_s;

    TERN_ASSERT(bdp->is_sampling);
    bdp->is_sampling = false;
    bdp->bytes = 0;
    if (round_trip_ns == 0) { /* within one turn of the loop: nothing can be told from it, and no window is too small */
        rest(bdp, now_ns, TERN_MS);
        return false;
    }
    bytes_per_s = per_second(sample, round_trip_ns);
    if (sample < bdp->window_bytes - bdp->window_bytes / 3 || !is_faster(bdp, bytes_per_s)) {
        rest(bdp, now_ns, round_trip_ns);
        return false;
    }
    bdp->bytes_per_s_best = bytes_per_s;
    bdp->rest_ns = 0;
    bdp->due_ns = tern_u64_add_sat(now_ns, round_trip_ns); /* what comes before that was sent under the old window */
    bdp->window_bytes = wider(bdp, sample);
    return true;
}
