// Aligned memory that is owned, or borrowed from somebody who keeps it, such as a mapped file.
#pragma once

#include <memory>
#include <span>
#include <utility>

#include "runtime/aligned_buffer.h"

namespace octile {

class SharedBuffer {
  public:
    // Memory of its own; see AlignedBuffer.
    [[nodiscard]] bool reserve(std::size_t bytes) {
        borrowed_ = {};
        return owned_.reserve(bytes);
    }
    // `memory`, for as long as this buffer lives: somebody else keeps it.
    void borrow(std::span<const std::byte> memory) { borrowed_ = memory; }

    const std::byte* data() const { return borrowed_.data() ? borrowed_.data() : owned_.data(); }
    std::byte* own_data() { return owned_.data(); }
    std::size_t bytes() const { return borrowed_.data() ? borrowed_.size() : owned_.bytes(); }

  private:
    AlignedBuffer owned_;
    std::span<const std::byte> borrowed_;
};

}  // namespace octile
