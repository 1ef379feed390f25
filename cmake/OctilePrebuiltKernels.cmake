# Kernels of a source with kernels: kernels/<architecture>/*.s and the tables that go with them, which `make dist` (scripts/dist) has made of the
# schedules. Sets OCTILE_KERNEL_OBJECTS, as generators/ does. Included from the top, where a language may be enabled.
foreach(option OCTILE_CORES OCTILE_ISA_LEVELS OCTILE_CANDIDATES)
    if(${option})
        message(FATAL_ERROR "${option}: prebuilt kernels are of every level and of all schedules; others take -DOCTILE_KERNELS=generate, and Halide")
    endif()
endforeach()

set(folder ${OCTILE_PREBUILT_DIR}/${OCTILE_ARCHITECTURE})
foreach(table include/kernels.inc include/schedules.inc include/level_layouts.inc tiles/level_tiles.inc)
    configure_file(${folder}/${table} ${OCTILE_KERNEL_DIR}/${table} COPYONLY)
endforeach()

# A line is a file and, where the assembler has to be told of its instructions, the option that does.
file(STRINGS ${folder}/kernels.txt lines)
set(kernels)
foreach(line IN LISTS lines)
    string(REPLACE " " ";" line "${line}")
    list(POP_FRONT line kernel)
    if(OCTILE_ZIG)  # which calls architectures otherwise
        list(TRANSFORM line REPLACE "^-march=armv8[^+]*" "-mcpu=generic")
        list(TRANSFORM line REPLACE "\\+fp16" "+fullfp16")
    endif()
    list(APPEND kernels ${folder}/${kernel})
    set_source_files_properties(${folder}/${kernel} PROPERTIES COMPILE_OPTIONS "${line}")
endforeach()
enable_language(ASM)
add_library(octile_kernels OBJECT ${kernels})
set(OCTILE_KERNEL_OBJECTS $<TARGET_OBJECTS:octile_kernels>)
