// Safetensors files made by hand: well-formed ones from a list of tensors, and any others from a header and data as
// they are.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace octile::test {

inline std::string safetensors_bytes(std::string_view header, std::string_view data, std::int64_t header_length = -1) {
    const auto length =
        static_cast<std::uint64_t>(header_length < 0 ? static_cast<std::int64_t>(header.size()) : header_length);
    std::string bytes(sizeof(length), '\0');
    std::memcpy(bytes.data(), &length, sizeof(length));
    bytes += header;
    bytes += data;
    return bytes;
}

struct TestTensor {
    std::string name;
    std::vector<std::int64_t> shape;
    std::string dtype = "F32";
};

inline std::string safetensors_bytes(const std::vector<TestTensor>& tensors) {
    std::string header = R"({"__metadata__":{"format":"pt"})";
    std::size_t end = 0;
    for (const TestTensor& tensor : tensors) {
        const bool four = tensor.dtype == "F32" || tensor.dtype == "I32";
        std::size_t bytes = tensor.dtype == "I64" ? 8 : four ? 4 : tensor.dtype == "I8" ? 1 : 2;
        std::string shape;
        for (const std::int64_t extent : tensor.shape) {
            bytes *= static_cast<std::size_t>(extent);
            if (!shape.empty()) shape += ',';
            shape += std::to_string(extent);
        }
        header += ",\"" + tensor.name + R"(":{"dtype":")" + tensor.dtype + R"(","shape":[)" + shape +
                  R"(],"data_offsets":[)" + std::to_string(end) + "," + std::to_string(end + bytes) + "]}";
        end += bytes;
    }
    header += "}";
    return safetensors_bytes(header, std::string(end, '\1'));
}

}  // namespace octile::test
