/* Clients: configurations, changed and closed under way. */
#include <stdio.h>

#include "tests/sim/seams.h"
#include "tests/sim/server.h"
#include "tests/sim/user.h"

static uint32_t higher(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void set_limits(struct sim_client *client, struct tern_limits *limits)
{
    limits->connections_max = 1 + (uint32_t)sim_below(8);
    limits->connections_per_host_max = 1 + (uint32_t)sim_below(limits->connections_max);
    limits->idle_max = sim_chance(200) ? 1 : 1 + (uint32_t)sim_below(8);
    limits->waiters_max = sim_chance(300) ? 1 + (uint32_t)sim_below(4) : 1000;
    limits->idle_ns = sim_chance(300) ? 1 + sim_some_time(100 * TERN_MS) : 30 * TERN_S;
    limits->connection_age_ns = sim_chance(100) ? 1 + sim_some_time(TERN_S) : 0;
    limits->connection_uses_max = sim_chance(200) ? 1 + sim_below(5) : 0;
    limits->body_window_bytes = sim_chance(500) ? 1 + (uint32_t)sim_below(20000) : 0;
    limits->h2_quiet_ns = sim_chance(300) ? 1 + sim_some_time(500 * TERN_MS) : 0;
    limits->h2_ack_ns = sim_chance(300) ? 1 + sim_some_time(500 * TERN_MS) : 0;
    limits->connections_per_address_max = sim_chance(200) ? 1 + (uint32_t)sim_below(3) : 0;
    limits->warm_per_host = sim_chance(150) ? 1 : 0;
    limits->warm_ns = 1 + sim_some_time(2 * TERN_S);
    limits->body_window_bytes_max = limits->body_window_bytes != 0 && sim_chance(400) ? 100000 : 0;
    limits->connection_memory_bytes_max = sim_chance(200) ? 128 * 1024 + sim_below(100000) : 0;
    limits->memory_bytes_max = sim_chance(200) ? 512 * 1024 : 0;
    limits->head_bytes_max = sim_chance(100) ? 4096 : 0;
    client->connections_max = higher(client->connections_max, limits->connections_max);
    client->per_host_max = higher(client->per_host_max, limits->connections_per_host_max);
    client->idle_max = higher(client->idle_max, limits->idle_max);
    client->waiters_max = higher(client->waiters_max, limits->waiters_max);
    client->window_max =
        higher(client->window_max, limits->body_window_bytes != 0 ? limits->body_window_bytes : TERN_BODY_WINDOW_BYTES);
    if (limits->idle_ns > client->idle_ns_max)
        client->idle_ns_max = limits->idle_ns;
}

static void set_shape(struct tern_client_config *config, enum sim_shape shape)
{
    static const char *const addresses[] = {"10.0.0.1"};
    static const struct tern_resolve_override override = {"*", 80, addresses, 1};
    static const struct tern_connect_to rules[] = {{"o0.sim", 80, "o2.sim", 0}, {"o1.sim", 0, "o3.sim", 443}};

    switch (shape) {
    case SIM_SHAPE_PLAIN:
    case SIM_SHAPE_COUNT:
        break;
    case SIM_SHAPE_V4:
        config->ip_family = TERN_IP_V4;
        break;
    case SIM_SHAPE_V6:
        config->ip_family = TERN_IP_V6;
        break;
    case SIM_SHAPE_BOUND:
        config->interface = SIM_BOUND_ADDRESS;
        break;
    case SIM_SHAPE_CONNECT_TO:
        config->connect_to = rules;
        config->connect_to_count = 2;
        break;
    case SIM_SHAPE_UNIX:
        config->unix_socket = SIM_UNIX_PATH;
        break;
    case SIM_SHAPE_OVERRIDE:
        config->dns.overrides = &override;
        config->dns.override_count = 1;
        break;
    case SIM_SHAPE_INSECURE:
        config->tls.insecure = true;
        break;
    case SIM_SHAPE_TLS12:
        config->tls.version_max = TERN_TLS_1_2;
        break;
    }
}

/* A configuration of this shape; text is where the field that names it stands. */
static struct tern_client_config config_of(struct sim_client *client, unsigned shape, struct tern_field *field,
                                           char text[32])
{
    struct tern_client_config config = {.name = "sim",
                                        .http_mode = (enum tern_http_mode)(TERN_HTTP_MODE_1_1 + shape % SIM_MODES)};

    snprintf(text, 32, "%u %u", client->number, shape);
    *field = (struct tern_field){TERN_STR("X-Shape"), tern_str(text), 0};
    config.fields = field;
    config.field_count = 1;
    config.timeouts = client->timeouts;
    config.dns.hosts_path = SIM_HOSTS_PATH;
    config.dns.cache_max = sim_chance(300) ? 1 : 0;
    config.dns.stale_ns = sim_chance(300) ? TERN_OFF : 0;
    config.dns.failed_ns = sim_chance(300) ? 1 + sim_some_time(TERN_S) : 0;
    config.dns.keep_moved = sim_chance(500);
    set_limits(client, &config.limits);
    set_shape(&config, (enum sim_shape)(shape / SIM_MODES));
    return config;
}

/* Half of all changes leave the shape as it is. Few insist on HTTP/2, which some servers do not speak. */
static unsigned next_shape(const struct sim_client *client)
{
    enum sim_shape kind = sim_chance(400) ? SIM_SHAPE_PLAIN : (enum sim_shape)sim_below(SIM_SHAPE_COUNT);
    enum tern_http_mode mode = sim_chance(200)   ? TERN_HTTP_MODE_2_ONLY
                               : sim_chance(600) ? TERN_HTTP_MODE_2
                                                 : TERN_HTTP_MODE_1_1;

    if (client->configured > 0 && sim_chance(500))
        return client->shape;
    return (unsigned)kind * SIM_MODES + (unsigned)(mode - TERN_HTTP_MODE_1_1);
}

bool sim_client_open(struct sim_client *client)
{
    static const struct tern_pool_seams seams = {.new_resolver = sim_resolver_new, .new_tls = sim_tls_new};
    struct tern_fault why = {0};
    struct tern_field field;
    char text[32];
    unsigned shape = next_shape(client);
    struct tern_client_config config = config_of(client, shape, &field, text);
    struct sim_config *planned = sim_policy_configure(client, &config);
    enum tern_error error = tern_client_new_with(client->engine->engine, &config, &seams, &client->client, &why);

    sim_policy_given(planned);
    if (error != TERN_OK) {
        SIM_CHECK(error == TERN_ENOMEM, "a client is refused: %s %s", tern_error_name(error), why.text);
        client->client = NULL;
        return false;
    }
    client->shape = shape;
    sim_policy_configured(planned);
    client->configured++;
    sim_note("client %u is open, shape %u", client->number, shape);
    return true;
}

/* A post is taken up at the beginning of the next turn; until then its call has no configuration of its own. */
static bool is_untaken(const struct sim_client *client, const struct sim_call *call)
{
    return call->client == client && call->state == SIM_CALL_LIVE && call->is_posted &&
           client->engine->engine->stats.steps <= call->posted_at;
}

void sim_client_configure(struct sim_client *client)
{
    struct tern_fault why = {0};
    struct tern_field field;
    char text[32];
    unsigned shape = next_shape(client);
    struct tern_client_config config = config_of(client, shape, &field, text);
    struct sim_config *planned = sim_policy_configure(client, &config);
    enum tern_error error = tern_client_configure(client->client, &config, &why);

    sim_policy_given(planned);
    if (error != TERN_OK) {
        SIM_CHECK(error == TERN_ENOMEM, "a configuration is refused: %s %s", tern_error_name(error), why.text);
        return;
    }
    client->shape = shape;
    sim_policy_configured(planned);
    client->configured++;
    sim_note("client %u is configured, shape %u", client->number, shape);
    for (unsigned i = 0; i < sim.call_count; i++)
        if (is_untaken(client, &sim_users.calls[i]))
            sim_call_set_shape(&sim_users.calls[i], shape);
}

void sim_client_close(struct sim_client *client, enum tern_close_mode mode)
{
    for (unsigned i = 0; i < sim.call_count; i++)
        if (is_untaken(client, &sim_users.calls[i]))
            return; /* it must stay open until the post is taken up */
    sim_note("client %u is closed, %s", client->number, mode == TERN_CLOSE_DROP ? "drop" : "drain");
    tern_client_close(client->client, mode);
    client->client = NULL;
    client->config = NULL;
}
