# The libraries that tern stands on.
#   TERN_SYSTEM_LIBRARIES    targets of the system's packages
#   TERN_PRIVATE_LIBRARIES   targets of the static ones from tools/libs.sh, which end up inside tern
#   TERN_PRIVATE_ARCHIVES    their files
#   TERN_PC_REQUIRES         pkg-config names of the first
#   TERN_BUNDLED             names and versions of the second

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

set(TERN_PC_REQUIRES "libcares >= 1.18" "libidn2 >= 2.3" "libnghttp2 >= 1.52")
set(TERN_BUNDLED "")
set(TERN_PRIVATE_LIBRARIES "")
set(TERN_PRIVATE_ARCHIVES "")

if(TERN_ZLIB)
    list(APPEND TERN_PC_REQUIRES zlib)
endif()
if(TERN_BROTLI)
    list(APPEND TERN_PC_REQUIRES "libbrotlidec >= 1.0")
endif()
if(TERN_ZSTD)
    list(APPEND TERN_PC_REQUIRES "libzstd >= 1.4")
endif()
if(TERN_PSL)
    list(APPEND TERN_PC_REQUIRES "libpsl >= 0.21")
endif()
if(TERN_SYSTEM_MBEDTLS)
    list(APPEND TERN_PC_REQUIRES "mbedtls >= 3.6.6" mbedx509 mbedcrypto)
endif()
if(TERN_SYSTEM_LLHTTP)
    list(APPEND TERN_PC_REQUIRES "libllhttp >= 9.2")
endif()
pkg_check_modules(TERN_SYSTEM REQUIRED IMPORTED_TARGET ${TERN_PC_REQUIRES})
set(TERN_SYSTEM_LIBRARIES PkgConfig::TERN_SYSTEM Threads::Threads)

if(NOT (TERN_SYSTEM_MBEDTLS AND TERN_SYSTEM_LLHTTP))
    set(libs_variant "")
    if(NOT TERN_ACCELERATORS)
        set(libs_variant portable)
    endif()
    execute_process(COMMAND ${PROJECT_SOURCE_DIR}/tools/libs.sh path ${libs_variant}
        OUTPUT_VARIABLE libs_path OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    set(TERN_LIBS_PREFIX "" CACHE PATH "Prefix with mbedTLS and llhttp; empty: the one that tools/libs.sh builds")
    if(TERN_LIBS_PREFIX)
        set(libs_path ${TERN_LIBS_PREFIX})
    endif()
    file(GLOB libs_recipe CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/libs.sh ${PROJECT_SOURCE_DIR}/tools/mbedtls/*)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${libs_recipe})
    if(NOT EXISTS ${libs_path}/versions)
        message(FATAL_ERROR "mbedTLS 3.6 and llhttp are not in ${libs_path}. Build them with './run deps' (or, for "
            "TERN_ACCELERATORS off, 'tools/libs.sh build portable'), or use the system's: "
            "-DTERN_SYSTEM_MBEDTLS=ON (3.6.6 or later), -DTERN_SYSTEM_LLHTTP=ON (9.2 or later).")
    endif()
    file(STRINGS ${libs_path}/versions libs_versions)
    separate_arguments(libs_versions)
endif()

# Each with the ones it needs after it, the order in which a linker wants them.
function(tern_private_library name)
    add_library(${name} STATIC IMPORTED)
    set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${libs_path}/lib/lib${name}.a)
    target_include_directories(${name} SYSTEM INTERFACE ${libs_path}/include)
    list(APPEND TERN_PRIVATE_LIBRARIES ${name})
    list(APPEND TERN_PRIVATE_ARCHIVES ${libs_path}/lib/lib${name}.a)
    set(TERN_PRIVATE_LIBRARIES ${TERN_PRIVATE_LIBRARIES} PARENT_SCOPE)
    set(TERN_PRIVATE_ARCHIVES ${TERN_PRIVATE_ARCHIVES} PARENT_SCOPE)
endfunction()

if(NOT TERN_SYSTEM_MBEDTLS)
    tern_private_library(mbedtls)
    tern_private_library(mbedx509)
    tern_private_library(mbedcrypto)
    set(mbedtls_version ${libs_versions})
    list(FILTER mbedtls_version INCLUDE REGEX ^mbedtls-)
    list(APPEND TERN_BUNDLED ${mbedtls_version})
endif()
if(NOT TERN_SYSTEM_LLHTTP)
    tern_private_library(llhttp)
    set(llhttp_version ${libs_versions})
    list(FILTER llhttp_version INCLUDE REGEX ^llhttp-)
    list(APPEND TERN_BUNDLED ${llhttp_version})
endif()
list(JOIN TERN_BUNDLED " " TERN_BUNDLED)
