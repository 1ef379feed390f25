// What a network computes with: its linears, packed, and its other tensors, each under the name that the network's
// graph calls it by. Where they come from (packed in memory, mapped from a file) is not the reader's concern.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "octile/export.h"
#include "octile/linear.h"

namespace OCTILE_API octile {

class Parameters {
  public:
    // A second entry of one name aborts: whoever reads a file checks names first.
    void add_linear(std::string name, Linear linear);
    // `tensor` is read for as long as this object lives; `owner` keeps its memory alive (null: the caller does).
    void add_tensor(std::string name, const MatrixView& tensor, std::shared_ptr<const void> owner = {});

    // Null where there is none of that name. Pointers are valid as long as this object or the one it was moved into.
    const Linear* linear(std::string_view name) const;
    const MatrixView* tensor(std::string_view name) const;

    const std::map<std::string, Linear, std::less<>>& linears() const { return linears_; }

  private:
    struct Tensor {
        MatrixView view;
        std::shared_ptr<const void> owner;
    };
    std::map<std::string, Linear, std::less<>> linears_;
    std::map<std::string, Tensor, std::less<>> tensors_;
};

}  // namespace octile
