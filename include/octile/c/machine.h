// Part of octile/octile.h: the CPU's levels, and threads.
#pragma once

#include "octile/c/types.h"

#ifdef __cplusplus
extern "C" {
#endif

// The instruction-set levels that kernels are built for, each architecture's from the lowest up.
typedef int32_t octile_isa;
enum {
    OCTILE_ISA_AVX2 = 0,
    OCTILE_ISA_AVXVNNI = 1,
    OCTILE_ISA_AVX512VNNI = 2,
    OCTILE_ISA_NEON = 3,
    OCTILE_ISA_FP16 = 4,
    OCTILE_ISA_DOTPROD = 5,
    OCTILE_ISA_I8MM = 6,
    OCTILE_ISA_SVE256 = 7
};

// Levels, 1u << level each. Where a function takes one, 0 stands for what octile_usable_isas() says, and a level that
// the CPU lacks is OCTILE_UNSUPPORTED.
typedef uint32_t octile_isa_set;

OCTILE_C_API const char* octile_isa_name(octile_isa isa);

// Levels whose every instruction this CPU executes and the operating system lets it execute.
OCTILE_C_API octile_isa_set octile_supported_isas(void);

// The same, limited to the level that the environment variable OCTILE_ISA names, if it is set: read on every call, and
// an error if it names none that there is.
OCTILE_C_API octile_status octile_usable_isas(octile_isa_set* isas, octile_error* error);

// `isas` without the levels above `level`, "neon" for one.
OCTILE_C_API octile_status octile_limit_isas(octile_isa_set isas, const char* level, octile_isa_set* limited,
                                             octile_error* error);

// Threads that a call may use, its own among them, for the whole process; more than 1024 are that many. 0 or less: the
// default again, which is OCTILE_NUM_THREADS, or what affinity and cgroup quota allow (docs/embedding.md).
OCTILE_C_API void octile_set_threads(int32_t count);
OCTILE_C_API int32_t octile_threads(void);

// Where that number comes from.
typedef int32_t octile_thread_source;
enum {
    OCTILE_THREADS_FROM_PROGRAM = 0,  // octile_set_threads()
    OCTILE_THREADS_FROM_ENVIRONMENT = 1,
    OCTILE_THREADS_FROM_AFFINITY = 2,
    OCTILE_THREADS_FROM_QUOTA = 3
};
OCTILE_C_API const char* octile_thread_source_name(octile_thread_source source);

// Both; either may be NULL. OCTILE_INVALID_ARGUMENT: OCTILE_NUM_THREADS counts and is no number from 1 to 1024; nothing
// can be packed then.
OCTILE_C_API octile_status octile_thread_limit(int32_t* count, octile_thread_source* source, octile_error* error);

// A pool of the program's: runs task(task_context, i) for every i from 0 to count - 1, on any threads and in any order,
// and returns when all have returned: 0, or the first result that is not. Kernels never call it from within a task.
typedef int (*octile_parallel_for)(void* context, int count, int (*task)(void* task_context, int index),
                                   void* task_context);

// NULL goes back to the library's own pool. For the whole process; not while a kernel runs.
OCTILE_C_API void octile_set_parallel_for(octile_parallel_for parallel_for, void* context);

#ifdef __cplusplus
}
#endif
