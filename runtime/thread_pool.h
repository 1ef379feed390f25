// The threads that loops run on unless the program has handed in a pool of its own (octile/parallel.h).
//
// A network is some sixty short loops behind each other. Workers therefore look for the next loop for a while before
// they sleep: waking one takes longer than many a loop, and much longer on a virtual machine whose processor has gone
// idle.
#pragma once

namespace octile {

// Runs task(context, i) for every i in [0, count) on the calling thread and up to `threads` - 1 workers: 0, or a
// non-zero result of a task. Workers are started when they are first needed and live as long as the process. One loop
// at a time has the workers: of several threads that call at once, the others run theirs alone. The same within a task.
// Each thread begins with tasks of its own, neighbours and the same ones in every loop of as many, and goes on with
// what is left of the others'.
int run_on_pool(int threads, int count, int (*task)(void* context, int index), void* context);

}  // namespace octile
