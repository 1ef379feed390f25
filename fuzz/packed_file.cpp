#include <cstdint>
#include <cstring>
#include <string>

#include "fuzz/memory_file.h"
#include "fuzz/run_model.h"
#include "packed/checksum.h"
#include "packed/packed_format.h"

namespace octile::fuzz {
namespace {

// Where the header's fields are (docs/packed_file.md).
constexpr std::size_t kDirectoryOffset = 24, kDirectoryBytes = 32, kDirectoryChecksum = 40, kHeaderChecksum = 56;

std::uint64_t at(const std::string& file, std::size_t offset) {
    std::uint64_t value;
    std::memcpy(&value, file.data() + offset, sizeof(value));
    return value;
}

void put(std::string& file, std::size_t offset, std::uint64_t value) {
    std::memcpy(file.data() + offset, &value, sizeof(value));
}

}  // namespace

// A whole file, its header's and its directory's checksums made right, so that what is behind them is reached.
void read_packed_file(std::string_view input) {
    std::string file(input);
    if (file.size() >= kPackedHeaderBytes) {
        const std::uint64_t offset = at(file, kDirectoryOffset), bytes = at(file, kDirectoryBytes);
        if (offset <= file.size() && bytes <= file.size() - offset)
            put(file, kDirectoryChecksum, xxh3(std::as_bytes(std::span(file).subspan(offset, bytes))));
        put(file, kHeaderChecksum, xxh3(std::as_bytes(std::span(file).first(kHeaderChecksum))));
    }
    run_packed(memory_file(file));
}

}  // namespace octile::fuzz
