#include "pool/liveness.h"

#include "base/num.h"

uint64_t tern_liveness_next(const struct tern_liveness *life, bool may_ask)
{
    if (life->asked_ns != 0)
        return tern_u64_add_sat(life->alive_ns > life->asked_ns ? life->alive_ns : life->asked_ns, life->ack_ns);
    return may_ask ? tern_u64_add_sat(life->alive_ns, life->quiet_ns) : TERN_OFF;
}

enum tern_liveness_verdict tern_liveness_check(const struct tern_liveness *life, bool may_ask, uint64_t now_ns)
{
    if (now_ns < tern_liveness_next(life, may_ask))
        return TERN_LIVENESS_WAIT;
    return life->asked_ns != 0 ? TERN_LIVENESS_DEAD : TERN_LIVENESS_ASK;
}

void tern_liveness_asked(struct tern_liveness *life, bool is_suspect, uint64_t now_ns)
{
    if (life->asked_ns == 0)
        life->asked_ns = now_ns;
    life->is_suspect |= is_suspect;
}

void tern_liveness_answered(struct tern_liveness *life)
{
    life->asked_ns = 0;
    life->is_suspect = false;
}
