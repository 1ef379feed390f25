# From a CMake line to a kernel: octile_add_kernel() builds one object and adds one row to the generated kernel table, which
# dispatch, tests and benchmarks read. How an object is made, and cached, is in generators/build_kernel.py.

find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(OCTILE_BUILD_KERNEL ${PROJECT_SOURCE_DIR}/generators/build_kernel.py)
set(OCTILE_KERNEL_DIR ${PROJECT_BINARY_DIR}/kernels)
set(OCTILE_HOST_CXX g++ CACHE STRING "C++ compiler of the build host, for the generator program (also when cross-compiling)")
file(GLOB OCTILE_GENERATOR_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/generators/*.cpp ${PROJECT_SOURCE_DIR}/generators/*.h
     ${PROJECT_SOURCE_DIR}/generators/*.py ${PROJECT_SOURCE_DIR}/generators/isa_levels.json)

# Only HalideRuntime.h is used from there, and only inside runtime/: kernels need nothing of Halide's run-time library, so that none of it is linked.
execute_process(
    COMMAND ${Python3_EXECUTABLE} -c "import importlib.util as u; print(u.find_spec('halide').submodule_search_locations[0])"
    OUTPUT_VARIABLE OCTILE_HALIDE_ROOT OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
set(OCTILE_HALIDE_INCLUDE_DIR ${OCTILE_HALIDE_ROOT}/include)

# octile_add_kernel(<name> FAMILY <generator> ISA <level> ROW <field=value>... [PARAMS <param=value>...] [FEATURES <halide feature>...]
#                   [UNROLL <n>] [MMLA] [SAME_AS <name>])
#
# ROW holds the fields of octile::KernelInfo (planner/kernel_info.h) that differ from their defaults, as C++ initialisers. MMLA says
# that the kernel's tiles must all become smmla. UNROLL is in steps of the reduction loop. SAME_AS: only a row, for the code of that kernel.
function(octile_add_kernel name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "MMLA" "FAMILY;ISA;UNROLL;SAME_AS" "ROW;PARAMS;FEATURES")
    if(NOT arg_FAMILY OR NOT arg_ISA OR NOT arg_ROW OR arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "octile_add_kernel(${name}): expected FAMILY, ISA and ROW, found \"${ARGN}\"")
    endif()
    set(symbol octile_${name})
    set(code ${symbol})
    if(arg_SAME_AS)
        set(code octile_${arg_SAME_AS})
    endif()
    list(TRANSFORM arg_ROW PREPEND ".")
    list(JOIN arg_ROW ", " fields)
    set_property(GLOBAL APPEND_STRING PROPERTY OCTILE_KERNEL_ROWS "OCTILE_KERNEL(${code}_argv, {.name = \"${name}\", ${fields}})\n")
    if(arg_SAME_AS)
        return()
    endif()

    set(object ${OCTILE_KERNEL_DIR}/${name}.o)
    set(options)
    foreach(feature IN LISTS arg_FEATURES)
        list(APPEND options --halide-feature ${feature})
    endforeach()
    if(arg_MMLA)
        list(APPEND options --mmla)
    endif()
    if(arg_UNROLL)
        list(APPEND options --unroll ${arg_UNROLL})
    endif()
    add_custom_command(
        OUTPUT ${object}
        BYPRODUCTS ${OCTILE_KERNEL_DIR}/${name}.s
        COMMAND ${Python3_EXECUTABLE} ${OCTILE_BUILD_KERNEL} kernel --generator ${OCTILE_KERNEL_DIR}/generators --family ${arg_FAMILY}
                --name ${symbol} --isa ${arg_ISA} ${options} --output ${object} ${arg_PARAMS}
        # The table calls this one, and hides it (runtime/kernel_table.cpp); Halide's others are nobody's.
        COMMAND ${CMAKE_OBJCOPY} --keep-global-symbol=${symbol}_argv ${object}
        DEPENDS ${OCTILE_KERNEL_DIR}/generators
        COMMENT "Kernel ${name}"
        VERBATIM)
    set_property(GLOBAL APPEND PROPERTY OCTILE_KERNEL_OBJECTS ${object})
endfunction()

# octile_write_kernel_table(<file> <objects variable>): one OCTILE_KERNEL(entry point, {row}) line per kernel added so far.
function(octile_write_kernel_table file objects)
    get_property(rows GLOBAL PROPERTY OCTILE_KERNEL_ROWS)
    file(CONFIGURE OUTPUT ${file} CONTENT "// Generated from the schedules by octile_add_kernel().\n${rows}" @ONLY)
    get_property(all GLOBAL PROPERTY OCTILE_KERNEL_OBJECTS)
    set(${objects} ${all} PARENT_SCOPE)
endfunction()
