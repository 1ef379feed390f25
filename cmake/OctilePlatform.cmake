# What systems ask of every object that they load, for our own C++; generators/finish_ir.py does the same for kernels. Consumers' flags stay theirs.

# Unwind tables, so that profilers and crash reports see through the library.
add_compile_options(-fasynchronous-unwind-tables)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    # x18 belongs to the platform on Android, macOS, iOS and Windows. BTI and PAC: a program keeps its protection only if all objects have it.
    add_compile_options(-ffixed-x18 -mbranch-protection=standard)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    add_compile_options(-fcf-protection)
endif()
