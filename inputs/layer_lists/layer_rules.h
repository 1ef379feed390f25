// What makes a layer list right, whichever format it came in. Readers put the place (line or JSON pointer) in front.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/limits.h"
#include "octile/layer.h"

namespace octile {

// Longest name of a layer or tensor.
inline constexpr std::size_t kMaxNameBytes = limits::kNameBytes;

// One field that is wrong, as "expected ..., found ...".
struct FieldError {
    std::string field;
    std::string text;
};

// Upper limit of the field called "m", "k", "n" or "count"; the lower limit is 1.
std::int64_t max_of(std::string_view field);
// "expected an integer from 1 to 131072, found <found>"
std::string wrong_extent(std::string_view field, std::string_view found);
// "expected linear, layernorm, activation, add or other, found <found>"
std::string wrong_op(std::string_view found);
std::string wrong_activation(std::string_view found);

// "expected a number > 0, found <found>", of eps and output_scale.
std::string wrong_number(std::string_view found);
// Finite and above 0.
bool is_positive(double value);

// What is wrong with a name; empty when it is fine.
std::string check_name(std::string_view name);

// Names, ranges, and what depends on op: k == n unless linear, an activation layer names its function and has no bias,
// a layernorm has no activation, an add has two inputs, only a layernorm has an epsilon and only the others a scale of
// their output.
std::optional<FieldError> check_layer(const Layer& layer);

// Names are used once, and inputs name layers that came earlier: a list is in execution order.
class LayerNames {
  public:
    std::optional<FieldError> add(const Layer& layer);

  private:
    std::unordered_set<std::string> seen_;
};

}  // namespace octile
