// The tensors of one module: those whose names begin as its weights' do.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "inputs/checkpoint.h"
#include "inputs/tensor_info.h"
#include "octile/status.h"

namespace octile {

class ModuleTensors {
  public:
    ModuleTensors(const Checkpoint& file, std::string name) : file_(file), name_(std::move(name)) {}

    const std::string& name() const { return name_; }
    const QuantizationConfig& quantization() const { return file_.quantization(); }

    // "X" + ending; null: there is none.
    const TensorInfo* operator[](std::string_view ending) const { return file_.find(name_ + std::string(ending)); }

    // kParseError that names file and tensor.
    Status fail(const TensorInfo& tensor, const std::string& text) const;
    // The same where `tensor` has not this shape; `weights` is what it has to go with.
    Status expect_shape(const TensorInfo& tensor, const std::vector<std::int64_t>& shape,
                        const TensorInfo& weights) const;
    // The same where it is none of these types, separated by ", ".
    Status expect_dtype(const TensorInfo& tensor, std::string_view dtypes) const;

  private:
    const Checkpoint& file_;
    std::string name_;
};

}  // namespace octile
