#include "policy/retry.h"

#include "base/date.h"
#include "base/num.h"
#include "base/str.h"

/* delay-seconds is 1*DIGIT: more than fits is still very long. */
static bool parse_seconds(struct tern_str value, uint64_t *out)
{
    if (tern_u64_parse(value, UINT64_MAX, out))
        return true;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return false;
    *out = UINT64_MAX;
    return value.len > 0;
}

bool tern_retry_after_parse(struct tern_str value, int64_t wall_s, uint64_t *out_ns)
{
    uint64_t seconds;
    int64_t date_s;

    value = tern_str_trim(value);
    if (parse_seconds(value, &seconds)) {
        if (!tern_u64_mul(seconds, TERN_S, out_ns))
            *out_ns = TERN_OFF;
        return true;
    }
    if (!tern_date_parse(value, wall_s, &date_s))
        return false;
    if (date_s <= wall_s)
        *out_ns = 0;
    else if (!tern_u64_mul((uint64_t)date_s - (uint64_t)wall_s, TERN_S, out_ns))
        *out_ns = TERN_OFF;
    return true;
}

const uint16_t tern_retry_statuses[4] = {429, 502, 503, 504};

bool tern_retry_is_for(const struct tern_retries *config, uint16_t status)
{
    const uint16_t *statuses = config != NULL ? config->statuses : tern_retry_statuses;
    size_t count = config != NULL ? config->status_count : sizeof(tern_retry_statuses) / sizeof(tern_retry_statuses[0]);

    for (size_t i = 0; i < count; i++)
        if (statuses[i] == status)
            return true;
    return false;
}

static bool calls_for_retry(const struct tern_retry_question *q)
{
    const struct tern_retries *config = q->config;
    enum tern_error_class class_ = tern_error_class(q->error);

    if (q->status != 0)
        return tern_retry_is_for(q->config, q->status);
    if (config->error_count != 0) {
        for (size_t i = 0; i < config->error_count; i++)
            if (config->errors[i] == q->error)
                return true;
        return false;
    }
    if (class_ == TERN_CLASS_TIMEOUT)
        return q->error != TERN_EDEADLINE;
    return class_ == TERN_CLASS_CONNECT || class_ == TERN_CLASS_PEER || q->error == TERN_EDNS_FAILED;
}

/* Promise 4. An answer says nothing of what was done before it. */
static bool is_safe(const struct tern_retry_question *q)
{
    if (q->config->unsafe_too || q->is_idempotent)
        return true;
    return q->status == 0 && (q->replay == TERN_REPLAY_UNSENT || q->replay == TERN_REPLAY_REFUSED);
}

bool tern_retry_has_budget(const struct tern_retries *config, uint32_t live, uint32_t retrying)
{
    uint32_t percent = config != NULL ? config->budget_percent : TERN_RETRY_BUDGET_PERCENT;
    uint32_t least = config != NULL ? config->budget_min : TERN_RETRY_BUDGET_MIN;
    uint64_t share = (uint64_t)live * percent / 100;

    return retrying < (share > least ? share : least);
}

/* "Full jitter" (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015). */
static uint64_t backoff(const struct tern_retry_question *q, struct tern_rand *rand)
{
    uint64_t most = q->config->backoff_ns;

    for (uint32_t i = 1; i < q->attempt && most < q->config->backoff_max_ns; i++)
        most = tern_u64_add_sat(most, most);
    if (most > q->config->backoff_max_ns)
        most = q->config->backoff_max_ns;
    if (q->config->no_jitter)
        return most;
    return most == 0 ? 0 : tern_rand_below(rand, most);
}

void tern_retry_decide(const struct tern_retry_question *q, struct tern_rand *rand, struct tern_retry_answer *out)
{
    uint64_t asked_ns = 0;

    *out = (struct tern_retry_answer){0};
    if (!calls_for_retry(q))
        return;
    if (q->attempt >= q->config->attempts_max)
        out->reason = "the attempts are used up";
    else if (!is_safe(q))
        out->reason = "it may have been processed";
    else if (!q->has_body_again)
        out->reason = "the body cannot be sent again";
    else if (!tern_retry_has_budget(q->config, q->live, q->retrying))
        out->reason = "the retry budget is used up";
    else if (q->retry_after.ptr != NULL && tern_retry_after_parse(q->retry_after, q->wall_s, &asked_ns) &&
             asked_ns > q->config->retry_after_max_ns)
        out->reason = "Retry-After is too far away";
    if (out->reason != NULL)
        return;
    out->delay_ns = backoff(q, rand);
    if (asked_ns > out->delay_ns)
        out->delay_ns = asked_ns;
    if (tern_u64_add_sat(q->now_ns, out->delay_ns) >= q->deadline_ns)
        out->reason = "the deadline leaves no time";
    else if (tern_u64_add_sat(q->now_ns, out->delay_ns) - q->start_ns > q->config->time_max_ns)
        out->reason = "the time for retries is over";
    else
        out->again = true;
}
