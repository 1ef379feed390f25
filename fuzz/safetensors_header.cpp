#include "inputs/safetensors_header.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "fuzz/require.h"

namespace octile::fuzz {

void read_safetensors(std::string_view);

// A header alone, behind which data of the length that it asks for is put where that is small.
void read_safetensors_header(std::string_view input) {
    const Result<SafetensorsHeader> header = parse_safetensors_header(input, "x.safetensors");
    if (!went_well(header)) return;
    std::uint64_t bytes = 0;
    for (const HeaderTensor& tensor : header->tensors)
        bytes = std::max(bytes, tensor.offsets[1]);
    if (bytes > 65536) return;
    const std::uint64_t header_bytes = input.size();
    std::string file(sizeof(header_bytes), '\0');
    std::memcpy(file.data(), &header_bytes, sizeof(header_bytes));
    file += input;
    while (bytes-- > 0)
        file += static_cast<char>(bytes % 4 == 3 ? 0x3c : bytes * 7 % 128);
    read_safetensors(file);
}

}  // namespace octile::fuzz
