# The library with its headers, a CMake package and a pkg-config file.

include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tern)

# Relative to where the file lies, so that an installed tree can be moved.
cmake_path(SET pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${pc_prefix} OUTPUT_VARIABLE pc_prefix)
list(JOIN TERN_PC_REQUIRES ", " TERN_PC_REQUIRES_TEXT)
list(TRANSFORM TERN_PC_REQUIRES REPLACE "(.+)" "\"\\1\"" OUTPUT_VARIABLE TERN_PC_REQUIRES_QUOTED)
list(JOIN TERN_PC_REQUIRES_QUOTED " " TERN_PC_REQUIRES_QUOTED)
configure_file(cmake/tern.pc.in tern.pc @ONLY)
configure_file(cmake/tern-config.cmake.in tern-config.cmake @ONLY)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/tern-config-version.cmake COMPATIBILITY SameMinorVersion)

install(TARGETS tern EXPORT tern-targets)
install(FILES ${TERN_STATIC_ARCHIVE} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/tern DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT tern-targets NAMESPACE tern:: DESTINATION ${package_dir})
install(FILES ${PROJECT_BINARY_DIR}/tern-config.cmake ${PROJECT_BINARY_DIR}/tern-config-version.cmake
    DESTINATION ${package_dir})
install(FILES ${PROJECT_BINARY_DIR}/tern.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
