// Checkpoints with values in them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/matrices.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {

inline constexpr std::string_view kDtypeNames[] = {"F32", "F16", "BF16", "I8"};  // in the order of DataType

// A safetensors file of tensors with values.
class CheckpointBuilder {
  public:
    void add(const std::string& name, DataType type, std::vector<std::int64_t> shape, std::span<const float> values) {
        std::string bytes;
        for (const float value : values) {
            const std::uint32_t bits = encode(type, value);
            bytes.append(reinterpret_cast<const char*>(&bits), size_of(type));
        }
        add_bytes(name, kDtypeNames[static_cast<std::size_t>(type)], std::move(shape), bytes);
    }
    void add_bytes(const std::string& name, std::string_view dtype, std::vector<std::int64_t> shape,
                   std::string_view bytes) {
        std::string text;
        for (const std::int64_t extent : shape)
            text += (text.empty() ? "" : ",") + std::to_string(extent);
        header_ += (header_.empty() ? "{\"" : ",\"") + name + "\":{\"dtype\":\"" + std::string(dtype) +
                   "\",\"shape\":[" + text + "],\"data_offsets\":[" + std::to_string(data_.size()) + ",";
        data_ += bytes;
        header_ += std::to_string(data_.size()) + "]}";
    }
    void linear(const std::string& name, DataType type, std::int64_t n, std::int64_t k, bool bias = false) {
        Random random(name);
        add(name + ".weight", type, {n, k}, make_values(random, n, k, Fill::kNormal));
        if (bias) add(name + ".bias", DataType::kF32, {n}, make_values(random, 1, n, Fill::kNormal));
    }

    std::string bytes() const {
        const std::string header = header_ + "}";
        const std::uint64_t length = header.size();
        std::string bytes(reinterpret_cast<const char*>(&length), sizeof(length));
        return bytes + header + data_;
    }

  private:
    std::string header_, data_;
};

}  // namespace octile::test
