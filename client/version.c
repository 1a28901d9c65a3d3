#include <ares.h>
#include <idn2.h>
#include <llhttp.h>
#include <mbedtls/version.h>
#include <nghttp2/nghttp2ver.h>
#ifdef TERN_WITH_PSL
#include <libpsl.h>
#endif
#ifdef TERN_WITH_ZLIB
#include <zlib.h>
#endif
#ifdef TERN_WITH_ZSTD
#include <zstd.h>
#endif

#include "tern/types.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

const char *tern_version(void)
{
    return TERN_VERSION;
}

#define LLHTTP_VERSION TEXT(LLHTTP_VERSION_MAJOR) "." TEXT(LLHTTP_VERSION_MINOR) "." TEXT(LLHTTP_VERSION_PATCH)

const char *tern_version_details(void)
{
    return "mbedTLS/" MBEDTLS_VERSION_STRING " llhttp/" LLHTTP_VERSION " nghttp2/" NGHTTP2_VERSION
           " c-ares/" ARES_VERSION_STR " libidn2/" IDN2_VERSION
#ifdef TERN_WITH_PSL
           " libpsl/" PSL_VERSION
#endif
#ifdef TERN_WITH_ZLIB
           " zlib/" ZLIB_VERSION
#endif
#ifdef TERN_WITH_BROTLI
           " brotli" /* its headers do not say which */
#endif
#ifdef TERN_WITH_ZSTD
           " zstd/" ZSTD_VERSION_STRING
#endif
        ;
}
