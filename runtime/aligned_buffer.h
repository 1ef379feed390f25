// Owned memory, aligned for every vector unit and to cache lines.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

namespace octile {

class AlignedBuffer {
  public:
    static constexpr std::size_t kAlignment = 64;

    AlignedBuffer() = default;

    // False, and unchanged, if there is not that much memory. Contents are not kept.
    [[nodiscard]] bool reserve(std::size_t bytes) {
        if (bytes <= bytes_) return true;
        const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
        if (rounded < bytes) return false;
        auto* memory = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded));
        if (!memory) return false;
        memory_.reset(memory);
        bytes_ = rounded;
        return true;
    }

    std::byte* data() { return memory_.get(); }
    const std::byte* data() const { return memory_.get(); }
    std::size_t bytes() const { return bytes_; }

  private:
    struct Free {
        void operator()(std::byte* memory) const { std::free(memory); }
    };
    std::unique_ptr<std::byte, Free> memory_;
    std::size_t bytes_ = 0;
};

}  // namespace octile
