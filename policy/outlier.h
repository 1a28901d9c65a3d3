/* policy/outlier.h - which of an origin's addresses are set aside since they keep failing, while the others do well.
 * Pure: the time comes in. After Envoy's outlier detection ("consecutive 5xx": so many in a row, a base time that grows
 * with each ejection, and a share of the hosts that stays whatever happens); here the time doubles, and half of them
 * stay. */
#ifndef TERN_POLICY_OUTLIER_H
#define TERN_POLICY_OUTLIER_H

#include "tern/call.h"
#include "tern/policy.h"

#define TERN_OUTLIER_NS (30 * TERN_S)

/* Each doubles the time: 4 min with the default, where Envoy's ends at 5 min. */
#define TERN_OUTLIER_DOUBLINGS_MAX 3

/* Addresses of an origin that are remembered, of those that have failed at all. Of those not set aside the one that was
 * heard of longest ago is forgotten first. */
#define TERN_OUTLIERS_MAX 16

struct tern_outlier {
    uint32_t in_a_row;
    uint32_t times;    /* it was set aside, less what was forgiven */
    uint64_t until_ns; /* set aside before then */
    uint64_t calm_ns;  /* since when nothing was forgiven nor set aside */
    uint64_t noted_ns;
    char address[TERN_ADDRESS_TEXT_MAX];
};

/* All zero: no address has failed. */
struct tern_outliers {
    struct tern_outlier *list; /* owned */
    size_t count;
};

struct tern_outlier_note {
    const char *address; /* as in tern_result.remote; shorter than TERN_ADDRESS_TEXT_MAX */
    size_t choices;      /* how many addresses the origin has to choose from */
    uint64_t now_ns;
    bool is_failure;
};

enum tern_outlier_verdict {
    TERN_OUTLIER_NONE,
    TERN_OUTLIER_SET_ASIDE,
    TERN_OUTLIER_STILL /* it has failed again meanwhile: what goes to it yet should not */
};

/* An attempt at the address has ended well or badly. Unless NONE *until_ns says how long it is set aside. Without
 * memory a failure is forgotten. config has its defaults filled in. */
enum tern_outlier_verdict tern_outliers_note(const struct tern_breaker *config, struct tern_outliers *outliers,
                                             const struct tern_outlier_note *note, uint64_t *until_ns);

void tern_outliers_deinit(struct tern_outliers *outliers);

#endif
