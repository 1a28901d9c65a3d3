# tern_test: what C tests and fuzz targets link: the library's inside, cmocka, tests/support.

pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

file(GLOB support_sources CONFIGURE_DEPENDS tests/support/*.c)
add_library(tern_test INTERFACE)
target_link_libraries(tern_test INTERFACE tern_internal PkgConfig::CMOCKA)
if(support_sources)
    add_library(tern_test_support STATIC ${support_sources})
    target_link_libraries(tern_test_support PUBLIC tern_internal PkgConfig::CMOCKA)
    target_compile_definitions(tern_test_support PRIVATE ${library_definitions})
    if(TERN_BROTLI)
        pkg_check_modules(BROTLIENC REQUIRED IMPORTED_TARGET libbrotlienc)
        target_link_libraries(tern_test_support PUBLIC PkgConfig::BROTLIENC)
    endif()
    target_link_libraries(tern_test INTERFACE tern_test_support)
    # tests/support/torture.c runs the tests instead of cmocka where it is asked to.
    target_link_options(tern_test_support INTERFACE LINKER:--wrap=_cmocka_run_group_tests)
endif()

if(TARGET tern_measure)
    target_link_libraries(tern_test INTERFACE tern_measure)
endif()
