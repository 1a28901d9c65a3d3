# The libraries that tern stands on.
#   TERN_SYSTEM_LIBRARIES    targets of the system's packages
#   TERN_PRIVATE_LIBRARIES   targets of the static ones from tools/libs.sh, which end up inside tern
#   TERN_PRIVATE_ARCHIVES    their files
#   TERN_PC_REQUIRES         pkg-config names of the first
#   TERN_BUNDLED             names and versions of the second

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

set(TERN_PC_REQUIRES "libcares >= 1.18" "libidn2 >= 2.3")
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
if(TERN_SYSTEM_NGHTTP2)
    list(APPEND TERN_PC_REQUIRES "libnghttp2 >= 1.52")
endif()
pkg_check_modules(TERN_SYSTEM REQUIRED IMPORTED_TARGET ${TERN_PC_REQUIRES})
set(TERN_SYSTEM_LIBRARIES PkgConfig::TERN_SYSTEM Threads::Threads)

if(NOT (TERN_SYSTEM_MBEDTLS AND TERN_SYSTEM_LLHTTP AND TERN_SYSTEM_NGHTTP2))
    set(libs_variant "")
    if(NOT TERN_ACCELERATORS)
        set(libs_variant portable)
    endif()
    execute_process(COMMAND ${PROJECT_SOURCE_DIR}/tools/libs.sh path ${libs_variant}
        OUTPUT_VARIABLE libs_path OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    set(TERN_LIBS_PREFIX "" CACHE PATH
        "Prefix with mbedTLS, llhttp and nghttp2; empty: the one that tools/libs.sh builds")
    if(TERN_LIBS_PREFIX)
        set(libs_path ${TERN_LIBS_PREFIX})
    endif()
    file(GLOB libs_recipe CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/libs.sh ${PROJECT_SOURCE_DIR}/tools/mbedtls/*)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${libs_recipe})
    if(NOT EXISTS ${libs_path}/versions)
        message(FATAL_ERROR "mbedTLS 3.6, llhttp and nghttp2 are not in ${libs_path}. Build them with './run deps' "
            "(or, for TERN_ACCELERATORS off, 'tools/libs.sh build portable'), or use the system's: "
            "-DTERN_SYSTEM_MBEDTLS=ON (3.6.6 or later), -DTERN_SYSTEM_LLHTTP=ON (9.2 or later), "
            "-DTERN_SYSTEM_NGHTTP2=ON (1.52 or later).")
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

# What a bundled library is called in the file versions.
function(tern_bundled name)
    list(FILTER libs_versions INCLUDE REGEX ^${name}-)
    list(APPEND TERN_BUNDLED ${libs_versions})
    set(TERN_BUNDLED ${TERN_BUNDLED} PARENT_SCOPE)
endfunction()

if(NOT TERN_SYSTEM_MBEDTLS)
    tern_private_library(mbedtls)
    tern_private_library(mbedx509)
    tern_private_library(mbedcrypto)
    tern_bundled(mbedtls)
endif()
if(NOT TERN_SYSTEM_LLHTTP)
    tern_private_library(llhttp)
    tern_bundled(llhttp)
endif()
if(NOT TERN_SYSTEM_NGHTTP2)
    tern_private_library(nghttp2)
    target_compile_definitions(nghttp2 INTERFACE NGHTTP2_STATICLIB)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND NOT TERN_LTO) # its machine code, not what gcc would make of it once more
        target_link_options(nghttp2 INTERFACE -fno-lto)
    endif()
    tern_bundled(nghttp2)
endif()
list(JOIN TERN_BUNDLED " " TERN_BUNDLED)
