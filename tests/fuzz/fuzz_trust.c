/* Trusted certificates in memory, PEM or DER: they are trusted or refused with a reason, each time alike. The input:
 * what ca_pem points at. */
#include "engine/files.h"
#include "tests/fuzz/fuzz.h"
#include "tls/mbedtls_material.h"

struct reading {
    enum tern_error error;
    uint8_t digest[TERN_TLS_SHA256_BYTES];
};

static void check_fault(enum tern_error error, const struct tern_fault *fault)
{
    FUZZ_CHECK(fault->error == error && fault->text[0] != '\0');
    for (const char *at = fault->text; *at != '\0'; at++)
        FUZZ_CHECK(*at >= 0x20 && *at < 0x7f);
}

static struct reading read_trust(const void *pem, size_t len)
{
    const struct tern_tls_config config = {.ca_pem = pem, .ca_pem_len = len};
    struct tern_tls_profile *profile = NULL;
    struct tern_tls_material *material = NULL;
    struct tern_fault fault = {0};
    struct reading reading = {0};

    reading.error = tern_tls_profile_new(&config, &profile, &fault);
    if (reading.error == TERN_OK)
        reading.error = tern_tls_material_new(tern_files_posix(), profile, &material, &fault);
    if (reading.error == TERN_OK) {
        FUZZ_CHECK(material->trust != NULL && material->trust->chain.raw.len > 0);
        memcpy(reading.digest, material->digest, sizeof(reading.digest));
    } else {
        FUZZ_CHECK(reading.error == TERN_ECONFIG || reading.error == TERN_ETLS_TRUST);
        check_fault(reading.error, &fault);
    }
    tern_tls_material_free(material);
    tern_tls_profile_release(profile);
    return reading;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reading first, again;

    FUZZ_CHECK(tern_tls_mbedtls_ready(NULL) == TERN_OK);
    if (size == 0) /* none is named: the system's */
        return 0;
    first = read_trust(data, size);
    again = read_trust(data, size);
    FUZZ_CHECK(first.error == again.error && memcmp(first.digest, again.digest, sizeof(first.digest)) == 0);
    return 0;
}
