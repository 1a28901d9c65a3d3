# libtern.a is one relocatable object: tern with the private libraries inside. Linked first, every symbol that is not
# public is then made local, so that nothing in it can collide with the host program's own copies of these.

set(TERN_STATIC_ARCHIVE ${PROJECT_BINARY_DIR}/${CMAKE_STATIC_LIBRARY_PREFIX}tern${CMAKE_STATIC_LIBRARY_SUFFIX})
set(merge_flags -r -nostdlib)
if(CMAKE_INTERPROCEDURAL_OPTIMIZATION)
    # Machine code comes out, so that whoever links it needs neither LTO nor this compiler.
    list(APPEND merge_flags -flto=auto -flinker-output=nolto-rel -O2)
elseif(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    list(APPEND merge_flags -fno-lto)
endif()
separate_arguments(c_flags NATIVE_COMMAND "${CMAKE_C_FLAGS}")
# Instrumented code (asan, coverage) names its runtime when the program is linked, not here.
list(FILTER c_flags EXCLUDE REGEX "^(-fsanitize|--coverage)")

add_custom_command(OUTPUT ${TERN_STATIC_ARCHIVE}
    COMMAND ${CMAKE_C_COMPILER} ${c_flags} ${merge_flags} -o libtern.o $<TARGET_OBJECTS:tern_objects>
        ${TERN_PRIVATE_ARCHIVES}
    # Intermediate code that a private library has beside its machine code would be all that a linker with LTO sees.
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden --remove-section=.gnu.lto_* libtern.o
    COMMAND ${CMAKE_COMMAND} -E rm -f ${TERN_STATIC_ARCHIVE}
    COMMAND ${CMAKE_AR} rcs ${TERN_STATIC_ARCHIVE} libtern.o
    DEPENDS tern_objects $<TARGET_OBJECTS:tern_objects> ${TERN_PRIVATE_ARCHIVES}
    COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(tern_static ALL DEPENDS ${TERN_STATIC_ARCHIVE})
