// The packed file as data: docs/packed_file.md draws it.
//
//   header, 64 bytes | sections, each aligned to 64 bytes | directory, JSON
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octile/linear.h"
#include "octile/plan.h"
#include "octile/status.h"
#include "runtime/weight_layout.h"

namespace octile {

// A file says the lowest version that has all of it: kGraphVersion where its graph is of a later version than the first
// (octile/graph.h), kInt4Version where a linear is INT4, else the first.
inline constexpr std::uint32_t kFirstVersion = 1, kInt4Version = 2, kGraphVersion = 3, kNewestVersion = kGraphVersion;
inline constexpr std::size_t kPackedHeaderBytes = 64;
inline constexpr std::size_t kSectionAlignment = 64;

// Whether a file that begins like this means to be a packed file.
bool is_packed_magic(std::span<const std::byte> start);

struct PackedHeader {
    std::uint32_t version = kFirstVersion;
    std::uint64_t file_bytes = 0;
    std::uint64_t directory_offset = 0, directory_bytes = 0, directory_checksum = 0;
};

std::array<std::byte, kPackedHeaderBytes> encode(const PackedHeader& header);
// Checked against the size of the file: what it says of the directory lies within. Messages do not name the file.
Result<PackedHeader> decode_header(std::span<const std::byte> file);

// Bytes of the file, from `offset` on.
struct Section {
    std::uint64_t offset = 0, bytes = 0, checksum = 0;

    bool operator==(const Section&) const = default;
};

struct PanelSection {
    WeightLayout layout;
    std::int64_t padded_n = 0;  // output channels of one matrix
    Section section;
    std::optional<Section> steps = {};  // of INT4: s4 and c8

    // Its own, and that of the steps.
    std::uint64_t bytes() const { return section.bytes + (steps ? steps->bytes : 0); }
};

// A linear. What belongs to output channels is [matrices, channels].
struct LinearEntry {
    std::string name;
    Precision precision = Precision::kInt8;
    Activation activation = Activation::kNone;
    InputScaling input_scaling = InputScaling::kDynamic;
    float input_scale = 0;
    std::int64_t k = 0, n = 0;
    bool gated = false;                               // two matrices, gate and up
    std::int64_t channels = 0;                        // n with the padding of the widest of its panels
    std::vector<PanelSection> panels;                 // of different layouts, the same weights
    std::optional<Section> column_scale, column_sum;  // of INT8 and INT4
    Section bias;
    std::optional<Section> input_multiplier;

    int matrices() const { return gated ? 2 : 1; }
    std::int64_t padded_k() const;
    // Of all matrices, in this layout.
    std::uint64_t panel_bytes(const PanelSection& of) const;
    std::uint64_t step_bytes(const PanelSection& of) const;  // 0 but for INT4
};

// Any other tensor, in the type that it came in.
struct TensorEntry {
    std::string name;
    std::string dtype;  // as safetensors spells it
    std::vector<std::int64_t> shape;
    Section section;
};

struct PackedDirectory {
    std::string producer;
    std::uint64_t source_bytes = 0;  // of the tensors that it was made of
    Plan plan;
    std::string graph;  // JSON text; empty: none
    std::vector<LinearEntry> linears;
    std::vector<TensorEntry> tensors;
};

std::uint32_t version_of(const PackedDirectory& directory);

std::string to_json(const PackedDirectory& directory);

// Strict, and checked against the file's size: every section lies between header and directory, is aligned and as long
// as shapes say; names occur once; extents are those that a Linear may have. kParseError naming the field.
Result<PackedDirectory> directory_from_json(std::string_view text, const PackedHeader& header);

// Bytes of an element of a safetensors type; nothing for one that has no whole number of them, or for no type.
std::optional<std::uint64_t> element_bytes_of(std::string_view dtype);

}  // namespace octile
