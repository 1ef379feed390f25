// The activation that a chain of oneDNN post-ops begins with.
#pragma once

#include <string_view>

#include "octile/types.h"

namespace octile {

// "relu", "eltwise_gelu_erf:0:1+sum:0.5", "'eltwise_swish:1'" ...: the first member if it is one of relu, gelu_erf,
// gelu_tanh and swish with its default parameters, else none (a leaky relu is no relu).
Activation first_activation(std::string_view post_ops);

}  // namespace octile
