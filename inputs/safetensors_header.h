// The JSON header of a safetensors file: what it says, before anything is checked against the data behind it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "octile/status.h"

namespace octile {

struct HeaderTensor {
    std::string name;
    std::string dtype;
    std::vector<std::uint64_t> shape;
    std::array<std::uint64_t, 2> offsets = {};  // [begin, end) in the data
};

struct SafetensorsHeader {
    std::vector<HeaderTensor> tensors;  // as written
    std::map<std::string, std::string> metadata;
};

// Reads the header in one pass without building a document, so that memory stays in proportion to the tensors it names.
// Every tensor has exactly dtype, shape and data_offsets; keys and names occur once. Errors are kParseError and begin
// with `file`, then name the tensor.
Result<SafetensorsHeader> parse_safetensors_header(std::string_view text, const std::string& file);

}  // namespace octile
