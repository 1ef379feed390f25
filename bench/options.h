// The command line that both benchmark programs share.
#pragma once

#include <vector>

#include "bench/shapes.h"
#include "octile/status.h"

namespace octile::bench {

struct Options {
    std::vector<Shape> shapes{kShapes.begin(), kShapes.end()};
    int threads = 1;
};

// Takes --shape=MxKxN (repeated: several; all epilogues) and --threads=N out of the arguments and leaves the others.
Result<Options> take_options(std::vector<char*>& arguments);

// The value of an argument "--name=value", or null if it is another one.
const char* option_value(const char* argument, const char* name);
// A positive number of at most `limit`.
Result<int> parse_count(const char* name, const char* text, int limit);

}  // namespace octile::bench
