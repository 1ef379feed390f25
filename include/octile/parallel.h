// Threads of the kernels. By default they run on a pool of their own; a program that has a pool hands it in.
#pragma once

namespace octile {

// Number of threads a call may use, the calling one included. 0: as many as the machine has cores, the default. For the
// whole process.
void set_threads(int count);
int threads();

// A pool of the caller's: runs task(task_context, i) for every i in [0, count), on any threads and in any order, and
// returns when all have returned: 0, or the first non-zero result. Kernels never call it from within a task.
using ParallelFor = int (*)(void* context, int count, int (*task)(void* task_context, int index), void* task_context);

// Null goes back to the pool of our own. For the whole process; not while a kernel runs.
void set_parallel_for(ParallelFor parallel_for, void* context);

}  // namespace octile
