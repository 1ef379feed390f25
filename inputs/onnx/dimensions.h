// The extents that a graph's inputs leave open, and what they are taken for.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "inputs/onnx/graph.h"
#include "octile/status.h"

namespace octile {

// An open extent is what `dims` says of its name; else, where it is the first of an input with several or called batch,
// 1; else, of an input of at most three dimensions, `tokens`; else unknown. An extent without a name is called x[1], x
// being the input.
class Dimensions {
  public:
    // `constants`: names of inputs that the file gives values to. kInvalidArgument for a name that no extent has, and
    // for tokens that are needed and not there; kParseError for an extent beyond kMaxExtent. Messages begin with
    // `file`.
    static Result<Dimensions> bind(const onnx::GraphProto& graph, const std::string& file,
                                   const std::unordered_set<std::string_view>& constants,
                                   std::optional<std::int64_t> tokens, const std::map<std::string, std::int64_t>& dims);

    // Empty for what is no tensor, has no shape, or one of too many dimensions.
    std::optional<Extents> extents_of(const onnx::TypeProto& type) const;
    // The same of an input of the graph, whose open extents may be called by its own name.
    std::optional<Extents> input_extents(const onnx::ValueInfoProto& input) const;

    bool uses_tokens() const { return !tokens_.empty(); }
    // Names of extents that are taken for 1, and for the number of tokens, without anybody having said so.
    const std::vector<std::string>& batches() const { return batches_; }
    const std::vector<std::string>& tokens() const { return tokens_; }

  private:
    std::int64_t extent_of(const onnx::TensorShapeProto::Dimension& dim, const std::string& name) const;
    // A name, or a sum of names and numbers as exporters write it: "past_sequence_length + 1".
    std::optional<std::int64_t> value_of(std::string_view expression) const;

    std::map<std::string, std::int64_t, std::less<>> known_;
    std::vector<std::string> batches_, tokens_;
};

}  // namespace octile
