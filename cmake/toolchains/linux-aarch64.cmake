# Cross build for 64-bit Arm Linux with Debian's g++-aarch64-linux-gnu; tests run under qemu-user if it is installed.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)

find_program(OCTILE_QEMU_AARCH64 NAMES qemu-aarch64 qemu-aarch64-static)
if(OCTILE_QEMU_AARCH64)
    # Return addresses are signed (OctilePlatform.cmake): by a cheap hash. Armv8.3's own cipher, emulated, takes longer than all else.
    set(CMAKE_CROSSCOMPILING_EMULATOR ${OCTILE_QEMU_AARCH64} -L /usr/aarch64-linux-gnu -cpu max,pauth-impdef=on)
endif()
