// A matrix of any element type in memory that notices every byte too many: the page behind its last element faults when
// it is read or written, and every byte around its elements holds a pattern that has to stay.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "octile/linear.h"
#include "octile/types.h"
#include "tests/reference/half.h"

namespace octile::test {

// Memory whose last byte is the last before a page that cannot be touched.
class GuardedMemory {
  public:
    explicit GuardedMemory(std::size_t bytes) : bytes_(bytes) {
        const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        mapped_ = (bytes + page - 1) / page * page + page;
        void* memory = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        OCTILE_CHECK_EQ(memory != MAP_FAILED, true);
        memory_ = static_cast<std::byte*>(memory);
        OCTILE_CHECK_EQ(::mprotect(memory_ + mapped_ - page, page, PROT_NONE), 0);
        data_ = memory_ + mapped_ - page - bytes;
    }
    GuardedMemory(GuardedMemory&& other) noexcept
        : bytes_(other.bytes_),
          mapped_(other.mapped_),
          memory_(std::exchange(other.memory_, nullptr)),
          data_(other.data_) {}
    GuardedMemory& operator=(GuardedMemory&&) = delete;
    ~GuardedMemory() {
        if (memory_) ::munmap(memory_, mapped_);
    }

    std::byte* data() { return data_; }
    const std::byte* data() const { return data_; }
    std::size_t bytes() const { return bytes_; }

  private:
    std::size_t bytes_, mapped_ = 0;
    std::byte *memory_ = nullptr, *data_ = nullptr;
};

// The bits that an element of `type` has for a value, and the value of bits. An i8 is its level.
inline std::uint32_t encode(DataType type, float value) {
    switch (type) {
        case DataType::kF16:
            return reference::float_to_half(value);
        case DataType::kBF16:
            return reference::float_to_bf16(value);
        case DataType::kI8:
            return static_cast<std::uint8_t>(static_cast<std::int8_t>(value));
        case DataType::kF32:
            break;
    }
    return std::bit_cast<std::uint32_t>(value);
}

inline float decode(DataType type, std::uint32_t bits) {
    switch (type) {
        case DataType::kF16:
            return reference::half_to_float(static_cast<std::uint16_t>(bits));
        case DataType::kBF16:
            return reference::bf16_to_float(static_cast<std::uint16_t>(bits));
        case DataType::kI8:
            return static_cast<float>(static_cast<std::int8_t>(bits));
        case DataType::kF32:
            break;
    }
    return std::bit_cast<float>(bits);
}

class TypedMatrix {
  public:
    // Contents and surroundings are a NaN of every floating type: whoever reads an element that is not there passes the
    // NaN on.
    TypedMatrix(DataType type, std::int64_t rows, std::int64_t columns, std::int64_t row_padding = 0)
        : type_(type),
          rows_(rows),
          columns_(columns),
          row_stride_(columns + row_padding),
          memory_(kMargin + static_cast<std::size_t>(rows ? (rows - 1) * row_stride_ + columns : 0) * size_of(type)) {
        std::memset(memory_.data(), kPattern, memory_.bytes());
    }

    TypedMatrix(DataType type, std::int64_t rows, std::int64_t columns, std::span<const float> values,
                std::int64_t row_padding = 0)
        : TypedMatrix(type, rows, columns, row_padding) {
        OCTILE_CHECK_EQ(static_cast<std::size_t>(rows * columns), values.size());
        for (std::int64_t i = 0; i < rows * columns; i++) {
            set(i / columns, i % columns, values[static_cast<std::size_t>(i)]);
        }
    }

    MatrixView view() const { return {memory_.data() + kMargin, type_, rows_, columns_, row_stride_}; }
    MutableMatrixView mutable_view() { return {memory_.data() + kMargin, type_, rows_, columns_, row_stride_}; }

    std::uint32_t bits(std::int64_t row, std::int64_t column) const {
        std::uint32_t bits = 0;
        std::memcpy(&bits, memory_.data() + offset(row, column), size_of(type_));
        return bits;
    }
    float at(std::int64_t row, std::int64_t column) const { return decode(type_, bits(row, column)); }
    void set(std::int64_t row, std::int64_t column, float value) {
        const std::uint32_t bits = encode(type_, value);
        std::memcpy(memory_.data() + offset(row, column), &bits, size_of(type_));
    }

    // What the matrix holds, which is what was put in only where the type has the value.
    std::vector<float> values() const {
        std::vector<float> values;
        values.reserve(static_cast<std::size_t>(rows_ * columns_));
        for (std::int64_t i = 0; i < rows_ * columns_; i++)
            values.push_back(at(i / columns_, i % columns_));
        return values;
    }

    // True if nobody wrote around the elements.
    bool surroundings_intact() const {
        std::size_t at = 0;
        for (std::int64_t row = 0; row < rows_; row++) {
            for (; at < offset(row, 0); at++) {
                if (memory_.data()[at] != std::byte{kPattern}) return false;
            }
            at = offset(row, columns_ - 1) + size_of(type_);
        }
        return true;
    }

    // True if nobody has written an element either.
    bool untouched() const {
        for (std::size_t at = 0; at < memory_.bytes(); at++) {
            if (memory_.data()[at] != std::byte{kPattern}) return false;
        }
        return true;
    }

    DataType type() const { return type_; }
    std::int64_t rows() const { return rows_; }
    std::int64_t columns() const { return columns_; }

  private:
    static constexpr std::size_t kMargin = 64;
    static constexpr int kPattern = 0xff;

    std::size_t offset(std::int64_t row, std::int64_t column) const {
        return kMargin + static_cast<std::size_t>(row * row_stride_ + column) * size_of(type_);
    }

    DataType type_;
    std::int64_t rows_, columns_, row_stride_;
    GuardedMemory memory_;
};

// Empty if `actual` holds exactly the bits of `expected` rounded to its type, else the first element that differs. One
// NaN is as good as another: CPUs differ in the sign and payload of those they make.
inline std::string first_difference(const TypedMatrix& actual, std::span<const float> expected) {
    for (std::int64_t row = 0; row < actual.rows(); row++) {
        for (std::int64_t column = 0; column < actual.columns(); column++) {
            const float wanted = expected[static_cast<std::size_t>(row * actual.columns() + column)];
            const std::uint32_t bits = actual.bits(row, column);
            if (bits == encode(actual.type(), wanted)) continue;
            const float got = actual.at(row, column);
            if (got != got && wanted != wanted) continue;
            std::ostringstream text;
            text.precision(std::numeric_limits<float>::max_digits10);
            text << '[' << row << ", " << column << "] of [" << actual.rows() << ", " << actual.columns() << "] is "
                 << got << ", expected " << decode(actual.type(), encode(actual.type(), wanted));
            return text.str();
        }
    }
    return {};
}

}  // namespace octile::test
