# octile_warnings: what our own targets compile with, linked PRIVATE so that no consumer inherits it.
add_library(octile_warnings INTERFACE)
target_compile_options(octile_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -ffp-contract=off)
# Messages of failed checks name files from the root of the tree; no path of the build machine enters the archive.
target_compile_options(octile_warnings INTERFACE -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)
# Unique symbols would keep a shared object that Octile is linked into from ever being unloaded.
target_compile_options(octile_warnings INTERFACE $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
# GCC 12 takes the inlined insides of std::string's operator+ for an overlapping copy (its bug 105651).
target_compile_options(octile_warnings INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
# In code that sanitizers have instrumented, GCC's analysis of values finds what is not there.
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=")
    target_compile_options(octile_warnings INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized;-Wno-stringop-overflow>)
endif()
if(OCTILE_WERROR)
    target_compile_options(octile_warnings INTERFACE -Werror)
endif()
