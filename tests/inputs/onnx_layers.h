// ONNX graphs read, and the layers that are expected of them.
#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "inputs/onnx_model.h"
#include "tests/inputs/onnx_builder.h"

namespace octile::test {

inline Result<Model> read_graph(const OnnxBuilder& builder, const OnnxOptions& options = {}) {
    const std::string bytes = builder.bytes();
    return read_onnx(std::as_bytes(std::span(bytes)), "net.onnx", options);
}

inline std::vector<Layer> layers_of(const OnnxBuilder& builder, std::optional<std::int64_t> tokens = std::nullopt) {
    const Result<Model> reading = read_graph(builder, {.tokens = tokens});
    INFO(reading.status().message());
    REQUIRE(reading.ok());
    return reading->layers;
}

inline Layer linear(const std::string& name, std::int64_t m, std::int64_t k, std::int64_t n, bool bias = false,
                    Activation activation = Activation::kNone, std::vector<std::string> inputs = {}) {
    return {.name = name, .m = m, .k = k, .n = n, .activation = activation, .bias = bias, .inputs = std::move(inputs)};
}

inline Layer norm(const std::string& name, std::int64_t m, std::int64_t n, bool bias,
                  std::optional<double> epsilon = 1e-5) {
    return {.name = name, .op = Op::kLayerNorm, .m = m, .k = n, .n = n, .bias = bias, .epsilon = epsilon};
}

// A value that several linears read and that is no layer's output.
inline Layer other(const std::string& name, std::int64_t m, std::int64_t n) {
    return {.name = name, .op = Op::kOther, .m = m, .k = n, .n = n};
}

inline Layer unknown_input(Layer layer) {
    layer.input_unknown = true;
    return layer;
}

inline Layer in_int8(Layer layer) {
    layer.weights = WeightForm::kInt8;
    return layer;
}

}  // namespace octile::test
