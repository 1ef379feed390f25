// Short ways to write the layer lists of the planner's tests.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "octile/layer.h"
#include "octile/planner.h"

namespace octile::test {

inline Layer linear(std::string name, std::int64_t m, std::int64_t k, std::int64_t n,
                    std::vector<std::string> inputs = {}) {
    Layer layer;
    layer.name = std::move(name);
    layer.m = m;
    layer.k = k;
    layer.n = n;
    layer.inputs = std::move(inputs);
    return layer;
}

inline Layer activation(std::string name, std::int64_t m, std::int64_t n, Activation function,
                        std::vector<std::string> inputs = {}) {
    Layer layer = linear(std::move(name), m, n, n, std::move(inputs));
    layer.op = Op::kActivation;
    layer.activation = function;
    return layer;
}

inline Layer layer_norm(std::string name, std::int64_t m, std::int64_t n, std::vector<std::string> inputs = {}) {
    Layer layer = linear(std::move(name), m, n, n, std::move(inputs));
    layer.op = Op::kLayerNorm;
    return layer;
}

// A valid list of up to 12 layers: chains, branches, repeated names, all operators, awkward names.
inline Model random_model(std::mt19937& random) {
    const auto below = [&](std::uint32_t limit) { return static_cast<std::uint32_t>(random() % limit); };
    Model model;
    if (below(4) != 0) model.name = "modèle \"x\"";
    const std::size_t size = 1 + below(12);
    for (std::size_t row = 0; row < size; ++row) {
        Layer layer;
        layer.name = "l";
        layer.name += std::to_string(row);
        if (below(5) == 0) layer.name += ",\\→";
        if (row > 0 && below(10) == 0) layer.name = model.layers[below(static_cast<std::uint32_t>(row))].name;
        layer.op = static_cast<Op>(below(3));
        layer.m = 1 + below(3);
        layer.k = 1 + below(below(2) == 0 ? 4 : 200000);
        layer.n = layer.op == Op::kLinear ? 1 + below(4000) : layer.k;
        if (row > 0 && layer.op != Op::kLinear && below(4) != 0) {
            layer.m = model.layers[row - 1].m;
            layer.k = layer.n = model.layers[row - 1].n;
        }
        layer.count = below(3) == 0 ? 1 + below(48) : 1;
        layer.bias = below(2) == 0;
        if (layer.op == Op::kActivation) layer.activation = static_cast<Activation>(1 + below(3));
        if (layer.op == Op::kLinear && below(3) == 0) layer.activation = static_cast<Activation>(below(4));
        model.layers.push_back(layer);
    }
    for (std::size_t row = 1; row < size; ++row) {
        for (std::uint32_t edges = below(3) == 0 ? 1 + below(2) : 0; edges > 0; --edges) {
            const std::string& name = model.layers[below(static_cast<std::uint32_t>(row))].name;
            std::size_t times = 0;
            for (const Layer& layer : model.layers)
                times += layer.name == name;
            if (times == 1) model.layers[row].inputs.push_back(name);
        }
    }
    return model;
}

inline PlanOptions random_options(std::mt19937& random) {
    PlanOptions options;
    options.min_ratio = static_cast<double>(random() % 4096) / 7;
    if (random() % 2 == 0) options.forces.push_back({"l[0-3]", Precision::kInt8});
    if (random() % 2 == 0) options.forces.push_back({"l[35]", Precision::kFp16});
    if (random() % 3 == 0) options.skip = "[67]";
    return options;
}

}  // namespace octile::test
