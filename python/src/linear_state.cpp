#include "python/src/linear_state.h"

#include <nanobind/ndarray.h>

#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "python/src/arrays.h"
#include "python/src/errors.h"
#include "runtime/linear_parts.h"

namespace nb = nanobind;

namespace octile::python {
namespace {

// A new array of numpy's, filled in from `data`.
template <typename T>
nb::object array_of(std::span<const T> data, std::initializer_list<std::int64_t> shape, const char* dtype) {
    nb::list extents;
    for (const std::int64_t extent : shape)
        extents.append(extent);
    const nb::object array = nb::module_::import_("numpy").attr("empty")(nb::tuple(extents), dtype);
    const auto memory = nb::cast<nb::ndarray<>>(array);
    if (!data.empty()) std::memcpy(memory.data(), data.data(), data.size_bytes());
    return array;
}

std::span<const float> first(std::span<const float> values, std::int64_t n) {
    return values.first(static_cast<std::size_t>(n));
}

void add_weights(const LinearParts& parts, nb::dict& state) {
    const std::int64_t groups = (parts.k + 31) / 32;
    if (parts.options.precision == Precision::kInt4) {
        const Int4Weights weights = parts.int4_rows(0, 0, parts.n);
        state["q4"] = array_of(std::span<const std::uint8_t>(weights.q4), {parts.n, parts.k}, "uint8");
        state["s4"] = array_of(std::span<const std::uint8_t>(weights.s4), {parts.n, groups}, "uint8");
        state["c8"] = array_of(std::span<const std::int8_t>(weights.c8), {parts.n, groups}, "int8");
    } else {
        const bool int8 = parts.options.precision == Precision::kInt8;
        std::vector<std::byte> rows(static_cast<std::size_t>(parts.n * parts.k) * (int8 ? 1 : 2));
        parts.unpack(0, rows.data());
        state[int8 ? "levels" : "weight"] =
            array_of(std::span<const std::byte>(rows), {parts.n, parts.k}, int8 ? "int8" : "float16");
    }
    if (parts.options.precision != Precision::kFp16)
        state["scale"] = array_of(first(parts.column_scale, parts.n), {parts.n}, "float32");
}

}  // namespace

nb::dict state_of(const Linear& linear) {
    const LinearParts parts = LinearParts::of(linear);
    if (parts.matrices != 1)
        refuse_type("octile.Linear: a gated one cannot be pickled: keep the weights it was made of");
    const LinearOptions& options = parts.options;
    nb::dict state;
    add_weights(parts, state);
    state["bias"] = array_of(first(parts.bias, parts.n), {parts.n}, "float32");
    state["precision"] = std::string(name_of(options.precision));
    if (options.activation != Activation::kNone) state["activation"] = std::string(name_of(options.activation));
    if (options.range) state["range"] = nb::make_tuple(options.range->low, options.range->high);
    if (options.input_scaling == InputScaling::kAsymmetric) state["input_scaling"] = "asymmetric";
    if (options.input_scaling == InputScaling::kStatic) {
        state["input_scaling"] = "static";
        state["input_scale"] = options.input_scale;
    }
    if (!options.input_multiplier.empty())
        state["input_multiplier"] = array_of(options.input_multiplier, {parts.k}, "float32");
    return state;
}

}  // namespace octile::python
