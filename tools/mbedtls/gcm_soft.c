/* tools/mbedtls/gcm_soft.c - compiles mbedTLS's gcm.c a second time, whole and under other names. */
#define mbedtls_gcm_context tern_gcm_soft
#define mbedtls_gcm_init tern_gcm_soft_init
#define mbedtls_gcm_free tern_gcm_soft_free
#define mbedtls_gcm_setkey tern_gcm_soft_setkey
#define mbedtls_gcm_crypt_and_tag tern_gcm_soft_crypt_and_tag
#define mbedtls_gcm_auth_decrypt tern_gcm_soft_auth_decrypt
#define mbedtls_gcm_starts tern_gcm_soft_starts
#define mbedtls_gcm_update_ad tern_gcm_soft_update_ad
#define mbedtls_gcm_update tern_gcm_soft_update
#define mbedtls_gcm_finish tern_gcm_soft_finish

#include <mbedtls/build_info.h>
#undef MBEDTLS_GCM_ALT
#undef MBEDTLS_SELF_TEST

#include "gcm.c"
#include "gcm_soft.h"

struct tern_gcm_soft *tern_gcm_soft_new(void)
{
    struct tern_gcm_soft *soft = mbedtls_calloc(1, sizeof(*soft));

    if (soft != NULL)
        tern_gcm_soft_init(soft);
    return soft;
}

void tern_gcm_soft_destroy(struct tern_gcm_soft *soft)
{
    tern_gcm_soft_free(soft);
    mbedtls_free(soft);
}
