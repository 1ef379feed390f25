// The tensors of a graph other than its linears': norms and tables.
#pragma once

#include <string_view>
#include <vector>

#include "octile/graph.h"

namespace octile {

struct TensorUse {
    const Node* node = nullptr;
    std::string_view tensor;
    std::int64_t rows = 0, columns = 0;  // what it has to be; a vector has one row
};

// Of all nodes but linears. Refers to the graph.
std::vector<TensorUse> tensors_of(const Graph& graph);
std::vector<TensorUse> tensors_of(const Node& node);

// kInvalidArgument, naming node and tensor, if there is none (null), or one of another shape or element type.
Status check_tensor(const TensorUse& use, const MatrixView* tensor);

// All elements as f32, exactly.
std::vector<float> floats_of(const MatrixView& tensor);

}  // namespace octile
