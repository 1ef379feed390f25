// What every linear kernel does with an accumulator before it stores it. The arithmetic is normative:
// docs/quantization.md.
#pragma once

#include <map>
#include <string>

#include "Halide.h"

namespace octile::generators {

enum class Activation { kNone, kRelu, kGelu, kSilu };

// The spellings of GeneratorParam `activation`; the same as octile::name_of(Activation).
const std::map<std::string, Activation>& activation_names();

// act(x) in binary32, as one fixed sequence of operations that the compiler neither reorders nor contracts.
Halide::Expr activate(const Halide::Target& target, Activation activation, const Halide::Expr& x);

}  // namespace octile::generators
