/* tools/mbedtls/gcm_soft.h - mbedTLS's own GCM beside ours. Each function does what its namesake does. */
#ifndef TERN_GCM_SOFT_H
#define TERN_GCM_SOFT_H

#include <mbedtls/cipher.h>

/* NULL: out of memory. */
struct tern_gcm_soft *tern_gcm_soft_new(void);
/* NULL is allowed. */
void tern_gcm_soft_destroy(struct tern_gcm_soft *soft);

int tern_gcm_soft_setkey(struct tern_gcm_soft *soft, mbedtls_cipher_id_t cipher, const unsigned char *key,
                         unsigned key_bits);
int tern_gcm_soft_crypt_and_tag(struct tern_gcm_soft *soft, int mode, size_t len, const unsigned char *iv,
                                size_t iv_len, const unsigned char *add, size_t add_len, const unsigned char *input,
                                unsigned char *output, size_t tag_len, unsigned char *tag);
int tern_gcm_soft_auth_decrypt(struct tern_gcm_soft *soft, size_t len, const unsigned char *iv, size_t iv_len,
                               const unsigned char *add, size_t add_len, const unsigned char *tag, size_t tag_len,
                               const unsigned char *input, unsigned char *output);
int tern_gcm_soft_starts(struct tern_gcm_soft *soft, int mode, const unsigned char *iv, size_t iv_len);
int tern_gcm_soft_update_ad(struct tern_gcm_soft *soft, const unsigned char *add, size_t add_len);
int tern_gcm_soft_update(struct tern_gcm_soft *soft, const unsigned char *input, size_t len, unsigned char *output,
                         size_t output_size, size_t *output_len);
int tern_gcm_soft_finish(struct tern_gcm_soft *soft, unsigned char *output, size_t output_size, size_t *output_len,
                         unsigned char *tag, size_t tag_len);

#endif
