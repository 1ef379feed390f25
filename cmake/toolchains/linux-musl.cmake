# Static programs on musl (Alpine), x86-64 or 64-bit Arm, with zig's clang and libc: -DOCTILE_MUSL_ARCHITECTURE=x86_64|aarch64, zig in PATH or
# named by -DOCTILE_ZIG. Tests of aarch64 run under qemu-user if it is installed.
set(OCTILE_MUSL_ARCHITECTURE x86_64 CACHE STRING "x86_64 or aarch64")
find_program(OCTILE_ZIG zig REQUIRED)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES OCTILE_MUSL_ARCHITECTURE OCTILE_ZIG)
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${OCTILE_MUSL_ARCHITECTURE})
set(target -target ${OCTILE_MUSL_ARCHITECTURE}-linux-musl)
set(CMAKE_C_COMPILER ${OCTILE_ZIG} cc ${target})
set(CMAKE_CXX_COMPILER ${OCTILE_ZIG} c++ ${target})
set(CMAKE_ASM_COMPILER ${OCTILE_ZIG} cc ${target})
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
