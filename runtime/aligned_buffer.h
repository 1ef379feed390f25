// Owned memory, aligned for every vector unit and to cache lines.
#pragma once

#include <cstddef>
#include <cstdint>
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
        if (rounded + kAlignment < bytes) return false;
        // Not aligned_alloc: glibc before 2.38 does not give a freed block to the next aligned request of its size, so
        // that a program that packs layer after layer would grow by each.
        auto* memory = static_cast<std::byte*>(std::malloc(rounded + kAlignment));
        if (!memory) return false;
        memory_.reset(memory);
        bytes_ = rounded;
        return true;
    }

    std::byte* data() { return aligned(); }
    const std::byte* data() const { return aligned(); }
    std::size_t bytes() const { return bytes_; }

  private:
    // Null stays null.
    std::byte* aligned() const {
        const auto address = reinterpret_cast<std::uintptr_t>(memory_.get());
        return reinterpret_cast<std::byte*>((address + kAlignment - 1) / kAlignment * kAlignment);
    }

    struct Free {
        void operator()(std::byte* memory) const { std::free(memory); }
    };
    std::unique_ptr<std::byte, Free> memory_;
    std::size_t bytes_ = 0;
};

}  // namespace octile
