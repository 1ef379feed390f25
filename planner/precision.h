// INT8 or FP16 for one linear, and why.
#pragma once

#include <cstdint>
#include <optional>

#include "octile/layer.h"
#include "octile/plan.h"

namespace octile {

// K*N/(K+N), for k and n in 1..kMaxExtent: multiplications per row of input, for each value that moves in or out of it.
double ratio_of(std::int64_t k, std::int64_t n);

// K*N/(K+N) >= min_ratio, decided exactly: a layer on the boundary is INT8, and no rounding ever moves one across it.
bool reaches_ratio(std::int64_t k, std::int64_t n, double min_ratio);

// What the caller's patterns say about a layer.
struct Override {
    bool skip = false;
    std::optional<Precision> force;
};

struct Choice {
    Precision precision = Precision::kFp16;
    Reason reason = Reason::kNotALinear;

    bool operator==(const Choice&) const = default;
};

// What the caller's patterns decide for a linear, whatever the policy; nothing where they say nothing.
std::optional<Choice> forced_choice(const Layer& linear, const Override& wanted);

// The same choice, or NO_KERNEL where no INT8 kernel takes the shape.
Choice within_kernels(const Layer& linear, Choice choice);

// Policy `ratio`, for a layer of any kind.
Choice choose_precision(const Layer& layer, double min_ratio, const Override& wanted);

}  // namespace octile
