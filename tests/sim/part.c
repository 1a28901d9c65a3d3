/* Bodies that break off, and servers that are asked for the rest of them (RFC 9110 13.1.5, 14).
 *
 * A body of this kind is named by its seed: that says whose it is, how long, and what its validator is like. So a
 * server knows from If-Range alone which body the client has begun. */
#include <stdio.h>

#include "base/date.h"
#include "base/str.h"
#include "tests/sim/policy.h"
#include "tests/sim/user.h"

enum kind {
    STRONG_TAG,
    STRONG_DATE = 8,
    /* Nobody may ask for a part of these. */
    WEAK_TAG = 11,
    WEAK_DATE,
    NO_VALIDATOR,
    NO_RANGES, /* says the server, with a strong tag */
    NO_LENGTH, /* with a strong tag, too */
    KINDS
};

#define CALL_SHIFT 22 /* seeds are seconds as well: of the years up to 2004 */

static uint64_t new_seed(const struct sim_call *call)
{
    return (uint64_t)call->number << CALL_SHIFT | sim_below(1u << (CALL_SHIFT - 4)) << 4 | sim_below(KINDS);
}

static enum kind kind_of(uint64_t seed)
{
    enum kind kind = (enum kind)(seed & 15);

    return kind < STRONG_DATE ? STRONG_TAG : kind < WEAK_TAG ? STRONG_DATE : kind;
}

static uint64_t len_of(uint64_t seed)
{
    struct tern_rand rand;

    tern_rand_seed(&rand, seed);
    return tern_rand_below(&rand, 4) == 0 ? sim_between(&rand, 1, 100) : sim_between(&rand, 1, 60000);
}

static void put_validator(struct sim_answer *answer, uint64_t seed)
{
    enum kind kind = kind_of(seed);
    char text[TERN_DATE_SIZE];

    if (kind == STRONG_DATE || kind == WEAK_DATE) {
        sim_answer_field(answer, "last-modified", "%s", tern_date_format(text, (int64_t)seed));
        sim_answer_field(answer, "date", "%s", tern_date_format(text, (int64_t)seed + (kind == STRONG_DATE ? 60 : 59)));
    } else if (kind != NO_VALIDATOR) {
        sim_answer_field(answer, "etag", "%s\"v%llu\"", kind == WEAK_TAG ? "W/" : "", (unsigned long long)seed);
    }
}

static void put_whole(struct sim_answer *answer, uint64_t seed)
{
    answer->status = 200;
    answer->body_seed = seed;
    answer->body_len = len_of(seed);
    answer->framing = kind_of(seed) == NO_LENGTH ? SIM_CHUNKED : SIM_LENGTH;
    put_validator(answer, seed);
    if (kind_of(seed) == NO_RANGES)
        sim_answer_field(answer, "accept-ranges", "none");
}

static void put_part(struct sim_answer *answer, uint64_t seed, uint64_t first, uint64_t last, uint64_t total)
{
    answer->status = 206;
    answer->framing = sim_chance(700) ? SIM_LENGTH : SIM_CHUNKED;
    answer->body_seed = seed;
    answer->body_from = first;
    answer->body_len = last + 1 - first;
    put_validator(answer, seed);
    sim_answer_field(answer, "content-range", "bytes %llu-%llu/%llu", (unsigned long long)first,
                     (unsigned long long)last, (unsigned long long)total);
}

/* What is not the rest of that body. */
static void put_other(struct sim_request *request, uint64_t seed, uint64_t at)
{
    struct sim_answer *answer = &request->answer;
    uint64_t len = len_of(seed), other = new_seed(request->call);

    switch (sim_below(10)) {
    case 0:
        put_part(answer, seed, at > 0 ? at - 1 : 0, len - 1, at > 0 ? len : len + 1);
        break;
    case 1:
        put_part(answer, seed, at, len, len);
        break;
    case 2:
        put_part(answer, seed, at, len - 1, len + 1);
        break;
    case 3:
        put_part(answer, other, at, len - 1, len); /* of another body, and says so */
        break;
    case 4:
        put_whole(answer, seed);
        break;
    case 5:
        put_whole(answer, other);
        break;
    case 6:
        answer->status = 416;
        sim_answer_field(answer, "content-range", "bytes */%llu", (unsigned long long)len);
        break;
    case 7: /* which part it is stands in the body */
        answer->status = 206;
        put_validator(answer, seed);
        sim_answer_field(answer, "content-type", "multipart/byteranges; boundary=x");
        break;
    default: /* another length than it says */
        put_part(answer, seed, at, len - 1, len);
        answer->framing = SIM_CHUNKED;
        answer->body_len = sim_below(2 * answer->body_len + 1);
        break;
    }
}

/* When one of its attempts began: requests that were given up may arrive later than others. */
static bool had(const struct sim_call *call, uint64_t bytes)
{
    const struct sim_policed *policed = &call->policed;

    for (uint32_t i = 0; i < policed->asked && i < SIM_ATTEMPTS_KEPT; i++)
        if (policed->had[i] == bytes)
            return true;
    return false;
}

/* Whoever asks for a part has been given what is before it, and may. */
static uint64_t check_range(const struct sim_request *request, uint64_t *at)
{
    struct sim_call *call = request->call;
    const struct sim_link *link = &call->policed.links[request->link];
    const struct tern_retries *retries = sim_policy_retries(call, link->origin);
    unsigned long long from = 0, tag = 0;
    uint64_t seed;
    int64_t date_s = 0;
    int end = 0;

    SIM_CHECK(sscanf(request->range, "bytes=%llu-%n", &from, &end) == 1 && request->range[end] == '\0',
              "call %u asks for range \"%s\"", call->number, request->range);
    end = 0;
    if (sscanf(request->if_range, "\"v%llu\"%n", &tag, &end) != 1 || request->if_range[end] != '\0')
        SIM_CHECK(tern_date_parse(tern_str(request->if_range), 0, &date_s), "call %u asks for a range if \"%s\"",
                  call->number, request->if_range);
    *at = from;
    seed = end != 0 ? tag : (uint64_t)date_s;
    SIM_CHECK(retries != NULL && retries->resume && strcmp(request->method, "GET") == 0 && !call->credits,
              "call %u asks for a range, which it may not", call->number);
    SIM_CHECK(seed >> CALL_SHIFT == call->number && (kind_of(seed) == STRONG_DATE) == (end == 0) &&
                  kind_of(seed) <= STRONG_DATE,
              "call %u asks for a range of \"%s\"", call->number, request->if_range);
    SIM_CHECK(*at <= len_of(seed), "call %u asks from byte %llu on, of %llu", call->number, from,
              (unsigned long long)len_of(seed));
    SIM_CHECK(call->is_collected || (call->heads == 1 && call->answer_seed == seed && had(call, *at)),
              "call %u asks from byte %llu on of body %llu, and has %llu of body %llu", call->number, from,
              (unsigned long long)seed, (unsigned long long)call->received, (unsigned long long)call->answer_seed);
    return seed;
}

bool sim_part_plan(struct sim_request *request)
{
    struct sim_answer *answer = &request->answer;
    uint64_t seed, at;

    if (request->range[0] == '\0') {
        SIM_CHECK(request->if_range[0] == '\0', "call %u says If-Range, and no Range", request->call->number);
        if (strcmp(request->method, "GET") != 0 || !sim_chance(sim_users.is_broken ? 800 : 200))
            return false;
        put_whole(answer, new_seed(request->call));
    } else {
        seed = check_range(request, &at);
        sim_note("call %u asks for the rest from byte %llu on", request->call->number, (unsigned long long)at);
        if (at == len_of(seed) || sim_fault(SIM_FAULT_OTHER_RANGE) || sim_fault(SIM_FAULT_OTHER_RANGE))
            put_other(request, seed, at);
        else
            put_part(answer, seed, at, len_of(seed) - 1, len_of(seed));
    }
    answer->wire_len = answer->body_len;
    if (sim_fault(SIM_FAULT_BREAK) || (sim_users.is_broken && sim_fault(SIM_FAULT_BREAK)))
        answer->cut_at = sim_below(answer->wire_len + 1);
    return true;
}
