/* fetch/policy.c - the options about redirects, retries and rates, as tern's policies. */
#include "request.h"

/* What curl takes for passing. */
static const uint16_t passing[] = {408, 429, 500, 502, 503, 504, 522, 524};

static const char *refuse_protocol(void *user, const struct tern_gate_question *question)
{
    const struct options *o = user;
    unsigned proto = str_same(question->scheme, TERN_STR("https")) ? PROTO_HTTPS : PROTO_HTTP;
    if ((o->proto_denied & proto) != 0)
        return "--proto does not allow its protocol";
    if (question->hop > 1 && (o->proto_redir_denied & proto) != 0)
        return "--proto-redir does not allow its protocol";
    return NULL;
}

static void set_gate(struct setup *setup, const struct options *o)
{
    setup->gate.public_only = o->gate_public;
    if ((o->proto_denied | o->proto_redir_denied) != 0) {
        setup->gate.check = refuse_protocol;
        setup->gate.user = (void *)o;
    }
    if (setup->gate.public_only || setup->gate.check != NULL)
        setup->policy.gate = &setup->gate;
}

static void set_redirects(struct setup *setup, const struct options *o)
{
    setup->redirects = (struct tern_redirects){
        .hops_max = o->max_redirs,
        .allow_downgrade = o->has_proto_redir, /* and where that leaves http out the gate says so */
        .keep_secrets = o->location_trusted,
        .keep_post_301 = o->post301,
        .keep_post_302 = o->post302,
        .keep_post_303 = o->post303,
        .audit_only = !o->location || o->max_redirs == 0,
    };
    setup->policy.redirects = &setup->redirects;
}

static bool is_retried(const struct options *o, enum tern_error error)
{
    switch (tern_error_class(error)) {
    case TERN_CLASS_DNS:
        return true;
    case TERN_CLASS_TIMEOUT:
        return error != TERN_EDEADLINE;
    case TERN_CLASS_CONNECT:
        return o->retry_all_errors || (o->retry_connrefused && error == TERN_ECONNECT_REFUSED);
    case TERN_CLASS_TLS:
    case TERN_CLASS_PEER:
    case TERN_CLASS_PROTOCOL:
        return o->retry_all_errors;
    default:
        return false;
    }
}

/* With -f a status is an error too, and --retry-all-errors then means every one that is registered or known. */
static void add_statuses(struct setup *setup, const struct options *o)
{
    static const uint16_t ranges[][2] = {{400, 431}, {451, 451}, {500, 511}, {520, 530}};
    struct tern_retries *retries = &setup->retries;
    retries->statuses = passing;
    retries->status_count = sizeof passing / sizeof passing[0];
    if (!o->retry_all_errors || !(o->fail || o->fail_with_body))
        return;
    retries->statuses = setup->statuses;
    retries->status_count = 0;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        for (uint16_t status = ranges[i][0]; status <= ranges[i][1]; status++)
            setup->statuses[retries->status_count++] = status;
    }
}

static void set_retries(struct setup *setup, const struct options *o)
{
    struct tern_retries *retries = &setup->retries;
    if (o->retry == 0)
        return;
    *retries = (struct tern_retries){
        .attempts_max = (uint32_t)o->retry + 1,
        .errors = setup->errors,
        .backoff_ns = o->retry_delay_ns != 0 ? o->retry_delay_ns : TERN_S,
        .backoff_max_ns = o->retry_delay_ns != 0 ? o->retry_delay_ns : 600 * TERN_S,
        .no_jitter = true,
        .time_max_ns = o->retry_max_time_ns,
        .unsafe_too = o->retry_all_errors,
        .budget_percent = o->budget_percent != 0 ? o->budget_percent : 100,
        .budget_min = o->budget_min,
    };
    for (enum tern_error error = TERN_OK; error < TERN_ERROR_COUNT; error++) {
        if (is_retried(o, error))
            setup->errors[retries->error_count++] = error;
    }
    add_statuses(setup, o);
    setup->policy.retries = retries;
}

void policy_init(struct setup *setup, const struct options *o)
{
    struct tern_timeouts *timeouts = &setup->config.timeouts;
    /* As in curl, -m bounds each attempt, and neither the pauses between them nor the wait for its turn. */
    if (o->retry != 0 || o->rate_calls != 0) {
        timeouts->attempt_ns = o->total_ns;
        timeouts->total_ns = 0;
    }
    if (o->compressed)
        setup->policy.decoding = &setup->decoding;
    if (o->rate_calls != 0) {
        setup->rate = (struct tern_rate){
            .calls = (uint32_t)o->rate_calls,
            .period_ns = o->rate_period_ns,
            .burst = 1,
            .group = "fetch", /* one rate for all hosts */
            .queue_max = UINT32_MAX,
            .wait_max_ns = TERN_OFF,
        };
        setup->policy.rate = &setup->rate;
    }
    if (o->hedge_ns != 0) {
        setup->hedging = (struct tern_hedging){.delay_ns = o->hedge_ns};
        setup->policy.hedging = &setup->hedging;
    }
    set_gate(setup, o);
    set_redirects(setup, o);
    set_retries(setup, o);
    setup->config.policy = &setup->policy;
}
