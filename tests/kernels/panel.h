// Packed panels and vectors, laid out here from the drawings in the generators' header comments and not by the
// library's own code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "base/check.h"
#include "runtime/halide_call.h"
#include "tests/reference/half.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {

constexpr std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

// [k_block, tile, K' / k_block, R' / tile]; the floating-point families have k_block 1 and leave that dimension out.
// Elements are numbers: of an unsigned panel, those that its bytes stand for, 128 less. Starts out as bytes 0x7f.
class Panel {
  public:
    Panel(Element element, std::int64_t tile, std::int64_t k_block, std::int64_t rows, std::int64_t k)
        : element_(element),
          tile_(tile),
          k_block_(k_block),
          rows_(round_up(rows, tile)),
          k_(round_up(k, kReductionPadding)),
          memory_(static_cast<std::size_t>(rows_ * k_ * size_of(element))) {
        std::memset(memory_.data(), 0x7f, memory_.bytes());
    }

    std::int64_t rows() const { return rows_; }  // with padding
    std::int64_t k() const { return k_; }        // with padding

    HalideBuffer buffer() {
        if (element_ == Element::kF16 || element_ == Element::kF32) {
            return {memory_.data(), halide_type_of(element_), {tile_, k_, rows_ / tile_}};
        }
        return {memory_.data(), halide_type_of(element_), {k_block_, tile_, k_ / k_block_, rows_ / tile_}};
    }

    float at(std::int64_t row, std::int64_t k) const {
        const std::byte* from = memory_.data() + index(row, k) * static_cast<std::size_t>(size_of(element_));
        switch (element_) {
            case Element::kS8:
                return static_cast<float>(read<std::int8_t>(from));
            case Element::kU8:
                return static_cast<float>(read<std::uint8_t>(from) - 128);
            case Element::kS16:
                return static_cast<float>(read<std::int16_t>(from));
            case Element::kF16:
                return reference::half_to_float(read<std::uint16_t>(from));
            case Element::kF32:
                break;
        }
        return read<float>(from);
    }

    void set(std::int64_t row, std::int64_t k, float value) {
        std::byte* to = memory_.data() + index(row, k) * static_cast<std::size_t>(size_of(element_));
        switch (element_) {
            case Element::kS8:
                return write(to, static_cast<std::int8_t>(value));
            case Element::kU8:
                return write(to, static_cast<std::uint8_t>(static_cast<int>(value) + 128));
            case Element::kS16:
                return write(to, static_cast<std::int16_t>(value));
            case Element::kF16:
                return write(to, reference::float_to_half(value));
            case Element::kF32:
                return write(to, value);
        }
    }

    // Row-major [rows, k]; zero beyond k, and whatever there was beyond the rows.
    void fill(std::int64_t rows, std::int64_t k, std::span<const float> values) {
        for (std::int64_t row = 0; row < rows; row++) {
            for (std::int64_t at = 0; at < k_; at++)
                set(row, at, at < k ? values[static_cast<std::size_t>(row * k + at)] : 0);
        }
    }

  private:
    template <typename T>
    static T read(const std::byte* from) {
        T value;
        std::memcpy(&value, from, sizeof value);
        return value;
    }
    template <typename T>
    static void write(std::byte* to, T value) {
        std::memcpy(to, &value, sizeof value);
    }

    std::size_t index(std::int64_t row, std::int64_t k) const {
        const std::int64_t block = (row / tile_ * (k_ / k_block_) + k / k_block_) * tile_ + row % tile_;
        return static_cast<std::size_t>(block * k_block_ + k % k_block_);
    }

    Element element_;
    std::int64_t tile_, k_block_, rows_, k_;
    GuardedMemory memory_;
};

// A vector of f32 or int32 that faults behind its end.
template <typename T>
class GuardedVector {
  public:
    GuardedVector(std::int64_t size, T value) : size_(size), memory_(static_cast<std::size_t>(size) * sizeof(T)) {
        for (std::int64_t i = 0; i < size; i++)
            set(i, value);
    }

    T at(std::int64_t i) const {
        T value;
        std::memcpy(&value, memory_.data() + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
        return value;
    }
    void set(std::int64_t i, T value) {
        std::memcpy(memory_.data() + static_cast<std::size_t>(i) * sizeof(T), &value, sizeof(T));
    }

    HalideBuffer buffer() { return {memory_.data(), kType, {size_}}; }
    // The same memory as [size / tile, tile].
    HalideBuffer buffer(std::int64_t tile) { return {memory_.data(), kType, {tile, size_ / tile}}; }

  private:
    static constexpr halide_type_t kType{std::is_floating_point_v<T> ? halide_type_float : halide_type_int,
                                         8 * sizeof(T)};

    std::int64_t size_;
    GuardedMemory memory_;
};

// An x or y of a kernel.
template <typename View>
HalideBuffer matrix_buffer(const View& view) {
    return {view.data, halide_type_of(view.type),
            std::initializer_list<HalideBuffer::Dimension>{{view.columns, 1}, {view.rows, view.row_stride}}};
}

}  // namespace octile::test
