# What systems ask of every object that they load, for our own C++; generators/finish_ir.py does the same for kernels. Consumers' flags stay theirs.

# As folders and options spell it.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set(OCTILE_ARCHITECTURE x86_64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    set(OCTILE_ARCHITECTURE aarch64)
else()
    message(FATAL_ERROR "Octile has kernels for x86-64 and aarch64; CMAKE_SYSTEM_PROCESSOR is \"${CMAKE_SYSTEM_PROCESSOR}\"")
endif()

# Unwind tables, so that profilers and crash reports see through the library.
set(options -fasynchronous-unwind-tables)
if(OCTILE_ARCHITECTURE STREQUAL "aarch64")
    # x18 belongs to the platform on Android, macOS, iOS and Windows. BTI and PAC: a program keeps its protection only if all objects have it.
    list(APPEND options -ffixed-x18 -mbranch-protection=standard)
else()
    list(APPEND options -fcf-protection)
endif()
add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:${options}>")
