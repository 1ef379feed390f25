// Makes Halide's parallel loops follow octile/parallel.h. Called before the first kernel runs.
#pragma once

namespace octile {

void install_parallel_for();

}  // namespace octile
