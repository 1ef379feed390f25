#include "octile/parameters.h"

#include <utility>

#include "base/check.h"

namespace octile {

void Parameters::add_linear(std::string name, Linear linear) {
    const bool added = linears_.emplace(std::move(name), std::move(linear)).second;
    OCTILE_CHECK_EQ(added, true);
}

void Parameters::add_tensor(std::string name, const MatrixView& tensor, std::shared_ptr<const void> owner) {
    const bool added = tensors_.emplace(std::move(name), Tensor{tensor, std::move(owner)}).second;
    OCTILE_CHECK_EQ(added, true);
}

const Linear* Parameters::linear(std::string_view name) const {
    const auto found = linears_.find(name);
    return found == linears_.end() ? nullptr : &found->second;
}

const MatrixView* Parameters::tensor(std::string_view name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : &found->second.view;
}

}  // namespace octile
