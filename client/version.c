#include <ares.h>
#include <idn2.h>
#include <llhttp.h>
#include <mbedtls/version.h>
#include <nghttp2/nghttp2ver.h>

#include "tern/types.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

const char *tern_version(void)
{
    return TERN_VERSION;
}

const char *tern_version_details(void)
{
    return "mbedTLS/" MBEDTLS_VERSION_STRING " llhttp/" TEXT(LLHTTP_VERSION_MAJOR) "." TEXT(
        LLHTTP_VERSION_MINOR) "." TEXT(LLHTTP_VERSION_PATCH) " nghttp2/" NGHTTP2_VERSION " c-ares/" ARES_VERSION_STR
                                                             " libidn2/" IDN2_VERSION;
}
