// Who reads whom: which layers each value of a graph comes from.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "inputs/onnx/graph.h"
#include "octile/types.h"

namespace octile {

// What a linear reads.
struct Input {
    enum class Kind {
        kLayers,   // the output of a layer, or what several layers' outputs are together
        kNetwork,  // no layer is before it
        kOther,    // something that is made of layers' outputs and is none
    };
    Kind kind = Kind::kOther;
    std::vector<std::size_t> layers = {};
    int root = -1;            // the value, before it was laid out anew
    bool shared = false;      // another linear reads the same value
    std::string_view name{};  // of the value
};

// Layers are numbered as they are listed. Nodes are handed in in order, each once: as a layer's, or to pass_on().
class Sources {
  public:
    explicit Sources(const OnnxGraph& graph);

    // Says that a linear reads a value; of all linears, before the first question.
    void add_reader(int value) { ++readers_[root_of(value)]; }
    void set_layer(int value, std::size_t layer);
    // The value is made from a layer's output, or on the way to it.
    void set_derived(int value, std::size_t layer);
    // A node that is no layer: its outputs come from what its inputs come from. Of an addition it is the later
    // operand's: the other is a residual.
    void pass_on(const OnnxNode& node);

    // At most kMostLayers, the last ones; in order.
    std::vector<std::size_t> layers_of(int value) const;

    // `activation_of` is a layer's. A linear that reads what several layers make together names them only where nobody
    // takes another such value for the same, or a sum for a product: the first to name a set of layers has it.
    Input input_of(int value, const std::function<Activation(std::size_t)>& activation_of);

  private:
    int root_of(int value) const { return roots_[static_cast<std::size_t>(value)]; }
    bool is_product_of(int root, const std::vector<std::size_t>& layers) const;

    const OnnxGraph& graph_;
    std::vector<int> roots_;                                     // of a value: itself, or what it lays out anew
    std::unordered_map<int, std::size_t> layers_;                // of a root that is a layer's output
    std::unordered_map<int, std::vector<std::size_t>> sources_;  // of a root
    std::unordered_map<int, std::size_t> readers_;               // linears that read a root
    std::map<std::vector<std::size_t>, int> named_;              // the root that a set of layers stands for
};

}  // namespace octile
