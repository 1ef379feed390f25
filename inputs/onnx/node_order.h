// In which order nodes can run.
#pragma once

#include <onnx/onnx_pb.h>

#include <optional>
#include <string_view>
#include <vector>

namespace octile {

// Names that a node reads: its inputs, and what the graphs that it holds read of what is around them.
std::vector<std::string_view> names_read(const onnx::NodeProto& node);

struct NodeOrder {
    std::vector<const onnx::NodeProto*> nodes;
    const onnx::NodeProto* in_circle = nullptr;  // a node that waits for what waits for it; null: there is none
};

// Every node behind those whose outputs it reads, otherwise in the order that the file has them.
NodeOrder order_of(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes);

}  // namespace octile
