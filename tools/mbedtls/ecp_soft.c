/* tools/mbedtls/ecp_soft.c - mbedTLS's ecp.c, whole, but for the names that ecp_alt.c takes. */
#define mbedtls_ecp_mul tern_ecp_soft_mul
#define mbedtls_ecp_mul_restartable tern_ecp_soft_mul_restartable
#define mbedtls_ecp_muladd tern_ecp_soft_muladd
#define mbedtls_ecp_muladd_restartable tern_ecp_soft_muladd_restartable

#include "ecp.c"
