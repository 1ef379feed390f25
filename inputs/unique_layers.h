// A list of layers from a source whose names need not be unique.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "octile/layer.h"

namespace octile {

class UniqueLayers {
  public:
    // What a layer means that is there already, the same in everything but count.
    enum class Recurrence {
        kSameLayer,   // nothing
        kRunsAgain,   // its count adds up, to kMaxExtent at most
        kOtherLayer,  // another layer
    };

    // Another layer of a name that is taken gets "#2", "#3" ... behind it. Returns the name in the list.
    std::string add(Layer layer, Recurrence recurrence);

    Model& model() { return model_; }
    Model take() { return std::move(model_); }

  private:
    Model model_;
    std::unordered_map<std::string, std::vector<std::size_t>> rows_;  // by the name that the source gave
    std::unordered_map<std::string, std::size_t> names_;              // in use; the next number to try
};

}  // namespace octile
