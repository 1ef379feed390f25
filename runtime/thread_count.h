// How many threads a call may use: what threads() of octile/parallel.h answers, and why.
#pragma once

#include <string>

#include "octile/parallel.h"

namespace octile {

// What a program uses that has not called set_threads(): looks at the environment and the system. `variable`: the value
// of OCTILE_NUM_THREADS, or null.
Result<ThreadLimit> default_threads(const char* variable);

}  // namespace octile
