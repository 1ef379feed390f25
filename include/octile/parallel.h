// Threads of the kernels. By default they run on a pool of their own; a program that has a pool hands it in.
//
// The pool is a good guest (docs/embedding.md): its workers block every signal, sleep when there is nothing to do, end
// when there has been nothing for a second, and are gone when the library is unloaded or the process ends. A child made
// by fork() has a pool of its own.
#pragma once

#include <string_view>

#include "octile/export.h"
#include "octile/status.h"

namespace OCTILE_API octile {

// Most threads of a call, or that a plan is made for.
inline constexpr int kMaxThreads = 1024;

// Number of threads a call may use, the calling one included; more than kMaxThreads are that many. 0, or less: the
// default again, looked at anew the next time that it is needed. For the whole process.
//
// The default is what the environment variable OCTILE_NUM_THREADS says, a number from 1 to kMaxThreads, and without it
// as many processors as may be used: those of the asking thread's affinity mask, or, if it is less, the CPU quota of
// the process's cgroups (v1 and v2), rounded up. It is looked at once, by whoever needs it first.
void set_threads(int count);
int threads();

enum class ThreadSource {
    kProgram,      // set_threads()
    kEnvironment,  // OCTILE_NUM_THREADS
    kAffinity,     // processors that the thread may run on (sched_getaffinity)
    kQuota,        // CPU time that a cgroup gives (cpu.max, cpu.cfs_quota_us)
};
// "set_threads" "OCTILE_NUM_THREADS" "CPU affinity" "cgroup CPU quota"
std::string_view name_of(ThreadSource source);

struct ThreadLimit {
    int count = 1;
    ThreadSource source = ThreadSource::kAffinity;
};

// threads(), and where the number comes from. kInvalidArgument: the environment variable counts, and is no number from
// 1 to kMaxThreads. Then threads() is 1, and nothing can be packed: the same error says why.
Result<ThreadLimit> thread_limit();

// A pool of the caller's: runs task(task_context, i) for every i in [0, count), on any threads and in any order, and
// returns when all have returned: 0, or the first non-zero result. Kernels never call it from within a task.
using ParallelFor = int (*)(void* context, int count, int (*task)(void* task_context, int index), void* task_context);

// Null goes back to the pool of our own. For the whole process; not while a kernel runs.
void set_parallel_for(ParallelFor parallel_for, void* context);

}  // namespace octile
