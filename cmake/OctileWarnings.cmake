# octile_warnings: what our own targets compile with, linked PRIVATE so that no consumer inherits it.
add_library(octile_warnings INTERFACE)
target_compile_options(octile_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -ffp-contract=off)
if(OCTILE_WERROR)
    target_compile_options(octile_warnings INTERFACE -Werror)
endif()
