# Every test is found by its place and name:
#   tests/unit/FOLDER/test_X.c   cmocka, one program each; registered as unit.FOLDER.X
#   tests/scenario/test_X.c      the same; scenario.X
#   tests/e2e/test_X.py          python3 unittest against real servers; e2e.X
#   tests/e2e/X.c                what those drive, over the public API alone: tern-X
#   tests/install/test_X.sh      what is built, as others see it; install.X
#   tests/sim/test_X.sh          the simulator; sim.X
#   tests/scenario/test_X.c      once more, with things failing (tests/support/torture.h); torture.sample
#   tests/fuzz/corpus/X          inputs that fuzzing found, played once (cmake/fuzz.cmake); fuzz.X
#   examples/X_test.c            how users test their own code: cmocka, over the public API alone; example.X
# tests/support/*.c is linked into all C tests (cmake/support.cmake).
#
# A program that cannot run here exits with 77 and shows as skipped. Where TERN_NO_SKIP is set (in CI), it exits with 1,
# and ./run looks through the log for single cases that cmocka or unittest skipped.

find_package(Python3 REQUIRED COMPONENTS Interpreter)

# What compiles tools/mbedtls in takes the flags that tools/libs.sh compiles it with.
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    set_source_files_properties(tests/unit/tls/test_gcm.c PROPERTIES COMPILE_OPTIONS "-maes;-mpclmul;-msse4.1")
endif()
# The program is no library: its tests take its parts.
file(GLOB fetch_parts CONFIGURE_DEPENDS examples/fetch/*.c)
list(FILTER fetch_parts EXCLUDE REGEX "/main\\.c$")
file(GLOB c_tests CONFIGURE_DEPENDS tests/unit/*/test_*.c tests/scenario/test_*.c)
foreach(source IN LISTS c_tests)
    cmake_path(RELATIVE_PATH source BASE_DIRECTORY ${PROJECT_SOURCE_DIR}/tests OUTPUT_VARIABLE name)
    string(REGEX REPLACE "/test_(.*)\\.c$" "/\\1" name ${name})
    string(REPLACE "/" "." name ${name})
    add_executable(test.${name} ${source})
    set_target_properties(test.${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY tests)
    target_link_libraries(test.${name} PRIVATE tern_test)
    if(name MATCHES "^unit\\.fetch\\.")
        target_sources(test.${name} PRIVATE ${fetch_parts})
    endif()
    add_test(NAME ${name} COMMAND test.${name})
    # Tests run in virtual time: one that takes a minute hangs.
    set_tests_properties(${name} PROPERTIES TIMEOUT 180 SKIP_RETURN_CODE 77)
endforeach()

file(GLOB example_tests CONFIGURE_DEPENDS examples/*_test.c)
foreach(source IN LISTS example_tests)
    cmake_path(GET source STEM name)
    string(REGEX REPLACE "_test$" "" test ${name})
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE tern tern_flags PkgConfig::CMOCKA)
    add_test(NAME example.${test} COMMAND ${name})
    set_tests_properties(example.${test} PROPERTIES TIMEOUT 180)
endforeach()

# The simulator (docs/SIMULATION.md): some seeds that are the commit's own, and one twice.
file(GLOB sim_sources CONFIGURE_DEPENDS tests/sim/*.c)
add_executable(tern-sim ${sim_sources})
target_link_libraries(tern-sim PRIVATE tern_internal)
foreach(name seeds digest)
    add_test(NAME sim.${name} COMMAND ${PROJECT_SOURCE_DIR}/tests/sim/test_${name}.sh $<TARGET_FILE:tern-sim>)
    set_tests_properties(sim.${name} PROPERTIES TIMEOUT 300)
endforeach()

# A sample of ./run torture that moves with the commit.
add_test(NAME torture.sample COMMAND ${PROJECT_SOURCE_DIR}/tools/torture.sh ${PROJECT_BINARY_DIR}/tests commit)
set_tests_properties(torture.sample PROPERTIES TIMEOUT 300)

# The same support for python: programs by environment, one at a time since some of them measure or fill the machine.
set(e2e_environment TERN_BUILD_DIR=${PROJECT_BINARY_DIR})
if(TARGET fetch)
    list(APPEND e2e_environment TERN_FETCH=$<TARGET_FILE:fetch>)
endif()
if(TARGET tern-origin)
    list(APPEND e2e_environment TERN_ORIGIN=$<TARGET_FILE:tern-origin> TERN_LOAD=$<TARGET_FILE:tern-load>
        TERN_PROBE=$<TARGET_FILE:tern-probe>)
endif()
file(GLOB e2e_programs CONFIGURE_DEPENDS tests/e2e/*.c)
foreach(source IN LISTS e2e_programs)
    cmake_path(GET source STEM name)
    add_executable(tern-${name} ${source})
    target_link_libraries(tern-${name} PRIVATE tern tern_flags)
    string(TOUPPER ${name} variable)
    list(APPEND e2e_environment TERN_${variable}=$<TARGET_FILE:tern-${name}>)
endforeach()
file(GLOB e2e_tests CONFIGURE_DEPENDS tests/e2e/test_*.py)
foreach(source IN LISTS e2e_tests)
    cmake_path(GET source STEM name)
    string(REGEX REPLACE "^test_" "e2e." name ${name})
    add_test(NAME ${name} COMMAND Python3::Interpreter -B ${source})
    set_tests_properties(${name} PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77 RESOURCE_LOCK e2e
        ENVIRONMENT "${e2e_environment}")
endforeach()

add_test(NAME install.symbols COMMAND ${PROJECT_SOURCE_DIR}/tests/install/test_symbols.sh ${PROJECT_BINARY_DIR})
add_test(NAME install.install COMMAND ${PROJECT_SOURCE_DIR}/tests/install/test_install.sh ${PROJECT_BINARY_DIR}
    ${CMAKE_C_COMPILER} "${CMAKE_C_FLAGS}")
set_tests_properties(install.symbols install.install PROPERTIES TIMEOUT 120)
