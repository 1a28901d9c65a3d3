/* tools/mbedtls/ecp_soft.h - mbedTLS's own multiplication. They are what mbedtls/ecp.h says of their namesakes. */
#ifndef TERN_ECP_SOFT_H
#define TERN_ECP_SOFT_H

#include <mbedtls/ecp.h>

int tern_ecp_soft_mul_restartable(mbedtls_ecp_group *group, mbedtls_ecp_point *result, const mbedtls_mpi *factor,
                                  const mbedtls_ecp_point *point, int (*rng)(void *, unsigned char *, size_t),
                                  void *rng_context, mbedtls_ecp_restart_ctx *restart);
int tern_ecp_soft_muladd_restartable(mbedtls_ecp_group *group, mbedtls_ecp_point *result, const mbedtls_mpi *m,
                                     const mbedtls_ecp_point *p, const mbedtls_mpi *n, const mbedtls_ecp_point *q,
                                     mbedtls_ecp_restart_ctx *restart);

#endif
