// What sentence-transformers puts behind a bare network, module by module.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "octile/graph.h"

namespace octile {

// What stands behind a linear, and whether somebody said so.
struct ActivationFact {
    std::optional<Activation> known;  // kNone: there is none; empty: one that Octile has no name for
    std::string word;                 // as transformers calls it
    bool assumed = false;
};

struct SentenceModule {
    enum class Kind { kPooling, kDense, kNormalize };
    Kind kind = Kind::kPooling;
    std::string name = {};               // of its folder, "2_Dense", and what its nodes' names begin with
    std::vector<Pooling> poolings = {};  // kPooling; of several, the rows side by side
    // kDense: a linear of the tensors "<name>.linear.weight" and, with a bias, "<name>.linear.bias".
    std::int64_t features = 0;
    bool bias = true;
    ActivationFact activation = {};

    bool is_linear() const { return kind == Kind::kDense; }
};

}  // namespace octile
