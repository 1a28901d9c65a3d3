/* tls/profile.c - see tls/provider.h and tls/profile.h. */
#include "tls/profile.h"

#include <mbedtls/sha256.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "tls/mbedtls_material.h"

/* Whoever adds a field to the configuration adds it to shape_write and to copy_strings too; then mends this number. */
_Static_assert(sizeof(struct tern_tls_config) == 12 * sizeof(void *),
               "a field of tern_tls_config has no declared shape");

static const char pin_prefix[] = "sha256//";

/* ---- checking ---- */

static enum tern_error check_versions(const struct tern_tls_config *config, struct tern_fault *fault)
{
    enum tern_tls_version min = config->version_min != TERN_TLS_DEFAULT ? config->version_min : TERN_TLS_1_2;
    enum tern_tls_version max = config->version_max != TERN_TLS_DEFAULT ? config->version_max : TERN_TLS_1_3;

    if (min != TERN_TLS_1_2 && min != TERN_TLS_1_3)
        return tern_fault_set(fault, TERN_ECONFIG, "tls.version_min %d: must be TERN_TLS_1_2 or TERN_TLS_1_3", min);
    if (max != TERN_TLS_1_2 && max != TERN_TLS_1_3)
        return tern_fault_set(fault, TERN_ECONFIG, "tls.version_max %d: must be TERN_TLS_1_2 or TERN_TLS_1_3", max);
    if (min > max)
        return tern_fault_set(fault, TERN_ECONFIG, "tls.version_min is above tls.version_max: no version is left");
    return TERN_OK;
}

static enum tern_error check_files(const struct tern_tls_config *config, struct tern_fault *fault)
{
    if (config->key_file != NULL && config->cert_file == NULL)
        return tern_fault_set(fault, TERN_ECONFIG, "tls.key_file without tls.cert_file: a key needs its certificate");
    if ((config->ca_pem == NULL) != (config->ca_pem_len == 0))
        return tern_fault_set(fault, TERN_ECONFIG, "tls.ca_pem and tls.ca_pem_len: both or none must be set");
    if (config->ca_pem_len > TERN_TLS_CA_PEM_BYTES_MAX)
        return tern_fault_set(fault, TERN_ECONFIG, "tls.ca_pem_len %zu: must be at most %u", config->ca_pem_len,
                              TERN_TLS_CA_PEM_BYTES_MAX);
    return TERN_OK;
}

static bool parse_pin(struct tern_str text, uint8_t out[TERN_TLS_SHA256_BYTES])
{
    const size_t prefix_len = sizeof(pin_prefix) - 1;
    size_t len = 0;

    return text.len > prefix_len && memcmp(text.ptr, pin_prefix, prefix_len) == 0 &&
           tern_base64_decode(tern_str_from(text, prefix_len), out, TERN_TLS_SHA256_BYTES, &len) &&
           len == TERN_TLS_SHA256_BYTES;
}

static enum tern_error parse_pins(struct tern_tls_profile *profile, const char *pins, struct tern_fault *fault)
{
    struct tern_str rest = tern_str(pins);
    size_t count = 1;

    if (pins == NULL)
        return TERN_OK;
    for (size_t i = 0; i < rest.len; i++)
        count += rest.ptr[i] == ';';
    if (count > TERN_TLS_PINS_MAX)
        return tern_fault_set(fault, TERN_ECONFIG, "tls.pins has %zu pins: at most %d", count, TERN_TLS_PINS_MAX);
    profile->pins = tern_mem_calloc(count, sizeof(*profile->pins));
    if (profile->pins == NULL)
        return tern_fault_plain(fault, TERN_ENOMEM);
    while (profile->pin_count < count) {
        size_t end = tern_str_find(rest, ';');
        struct tern_str pin = {rest.ptr, end};
        char escaped[TERN_ESCAPE_MAX];

        if (!parse_pin(pin, profile->pins[profile->pin_count]))
            return tern_fault_set(
                fault, TERN_ECONFIG,
                "tls.pins \"%s\": each pin must be sha256// and the base64 of 32 bytes, with ; between",
                tern_escape(escaped, sizeof(escaped), pin));
        profile->pin_count++;
        if (profile->pin_count < count)
            rest = tern_str_from(rest, end + 1);
    }
    return TERN_OK;
}

/* ---- copying ---- */

/* Every pointer of the configuration that the profile owns. */
static size_t own_strings(struct tern_tls_profile *profile, const char **out[8])
{
    struct tern_tls_config *config = &profile->config;
    const char **all[] = {&config->ca_file,      &config->ca_dir, &config->cert_file,  &config->key_file,
                          &config->key_password, &config->pins,   &config->keylog_path};

    memcpy(out, all, sizeof(all));
    return sizeof(all) / sizeof(all[0]);
}

static bool copy_string(const char **text)
{
    if (*text == NULL)
        return true;
    *text = tern_mem_dup(tern_str(*text));
    return *text != NULL;
}

/* On failure what is not a copy is NULL. */
static bool copy_strings(struct tern_tls_profile *profile)
{
    const char **strings[8];
    size_t count = own_strings(profile, strings);
    bool ok = true;

    for (size_t i = 0; i < count; i++)
        ok &= copy_string(strings[i]);
    if (profile->config.ca_pem != NULL) {
        profile->config.ca_pem = tern_mem_dup(tern_str_n(profile->config.ca_pem, profile->config.ca_pem_len));
        ok &= profile->config.ca_pem != NULL;
    }
    return ok;
}

static bool names_trust(const struct tern_tls_config *config)
{
    return config->ca_file != NULL || config->ca_dir != NULL || config->ca_pem != NULL;
}

static bool copy_environment(struct tern_tls_profile *profile)
{
    const char *file = secure_getenv("SSL_CERT_FILE");
    const char *dir = secure_getenv("SSL_CERT_DIR");

    if (names_trust(&profile->config))
        return true;
    if (file != NULL && *file != '\0')
        profile->env_ca_file = tern_mem_dup(tern_str(file));
    if (dir != NULL && *dir != '\0')
        profile->env_ca_dir = tern_mem_dup(tern_str(dir));
    return (file == NULL || *file == '\0' || profile->env_ca_file != NULL) &&
           (dir == NULL || *dir == '\0' || profile->env_ca_dir != NULL);
}

/* ---- the shape ---- */

static bool shape_bytes(struct tern_buf *shape, const void *bytes, size_t len)
{
    uint64_t prefix = len;

    return tern_buf_append(shape, &prefix, sizeof(prefix)) == TERN_OK && tern_buf_append(shape, bytes, len) == TERN_OK;
}

/* NULL and "" are different settings: the presence is a byte of its own. */
static bool shape_text(struct tern_buf *shape, const char *text)
{
    return tern_buf_append_byte(shape, text != NULL) == TERN_OK &&
           shape_bytes(shape, text, text != NULL ? strlen(text) : 0);
}

static bool shape_hash(struct tern_buf *shape, const void *bytes, size_t len)
{
    unsigned char digest[TERN_TLS_SHA256_BYTES];

    if (tern_buf_append_byte(shape, bytes != NULL) != TERN_OK)
        return false;
    if (bytes == NULL)
        return true;
    return mbedtls_sha256(bytes, len, digest, 0) == 0 && shape_bytes(shape, digest, sizeof(digest));
}

static bool shape_number(struct tern_buf *shape, uint64_t number)
{
    return shape_bytes(shape, &number, sizeof(number));
}

static bool shape_write(struct tern_tls_profile *profile)
{
    const struct tern_tls_config *config = &profile->config;
    const char *password = config->key_password;
    struct tern_buf *shape = &profile->shape;

    return shape_text(shape, config->ca_file) && shape_text(shape, config->ca_dir) &&
           shape_hash(shape, config->ca_pem, config->ca_pem_len) && shape_text(shape, profile->env_ca_file) &&
           shape_text(shape, profile->env_ca_dir) && shape_number(shape, config->insecure) &&
           shape_text(shape, config->cert_file) && shape_text(shape, config->key_file) &&
           shape_hash(shape, password, password != NULL ? strlen(password) : 0) &&
           shape_number(shape, config->version_min) && shape_number(shape, config->version_max) &&
           shape_text(shape, config->pins) && shape_text(shape, config->keylog_path) &&
           shape_number(shape, config->no_resumption);
}

/* ---- the profile ---- */

static void destroy(struct tern_tls_profile *profile)
{
    const char **strings[8];
    size_t count = own_strings(profile, strings);

    TERN_ASSERT(tern_list_is_empty(&profile->waiters) && !profile->is_loading);
    tern_task_cancel(&profile->tell);
    tern_tls_material_free(profile->material);
    if (profile->config.key_password != NULL)
        tern_mem_wipe((char *)profile->config.key_password, strlen(profile->config.key_password));
    for (size_t i = 0; i < count; i++)
        tern_mem_free((char *)*strings[i]);
    tern_mem_free((void *)profile->config.ca_pem);
    tern_mem_free(profile->env_ca_file);
    tern_mem_free(profile->env_ca_dir);
    tern_mem_free(profile->pins);
    tern_buf_deinit(&profile->shape);
    tern_mem_free(profile);
}

enum tern_error tern_tls_profile_new(const struct tern_tls_config *config, struct tern_tls_profile **out,
                                     struct tern_fault *fault)
{
    struct tern_tls_profile *profile;
    enum tern_error error;

    error = check_versions(config, fault);
    if (error == TERN_OK)
        error = check_files(config, fault);
    if (error != TERN_OK)
        return error;

    profile = tern_mem_calloc(1, sizeof(*profile));
    if (profile == NULL)
        return tern_fault_plain(fault, TERN_ENOMEM);
    atomic_init(&profile->count, 1);
    tern_list_init(&profile->waiters);
    tern_task_init(&profile->tell, tern_tls_profile_tell);
    tern_buf_init(&profile->shape, SIZE_MAX);
    profile->config = *config;
    /* One spelling of the defaults: they have the same shape as the values they stand for. */
    if (config->version_min == TERN_TLS_DEFAULT)
        profile->config.version_min = TERN_TLS_1_2;
    if (config->version_max == TERN_TLS_DEFAULT)
        profile->config.version_max = TERN_TLS_1_3;

    if (!copy_strings(profile) || !copy_environment(profile) || !shape_write(profile))
        error = tern_fault_plain(fault, TERN_ENOMEM);
    else
        error = parse_pins(profile, profile->config.pins, fault);
    if (error != TERN_OK) {
        destroy(profile);
        return error;
    }
    *out = profile;
    return TERN_OK;
}

struct tern_tls_profile *tern_tls_profile_acquire(struct tern_tls_profile *profile)
{
    atomic_fetch_add_explicit(&profile->count, 1, memory_order_relaxed);
    return profile;
}

void tern_tls_profile_release(struct tern_tls_profile *profile)
{
    if (profile != NULL && atomic_fetch_sub_explicit(&profile->count, 1, memory_order_acq_rel) == 1)
        destroy(profile);
}

struct tern_str tern_tls_profile_shape(const struct tern_tls_profile *profile)
{
    return tern_buf_view(&profile->shape);
}
