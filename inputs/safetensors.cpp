#include "inputs/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

#include "base/limits.h"
#include "inputs/foreign_files.h"
#include "inputs/gguf/header.h"
#include "inputs/messages.h"
#include "inputs/safetensors_header.h"

namespace octile {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are used in place, and the format is little-endian");

constexpr std::size_t kPrefixBytes = 8;

struct ElementType {
    std::string_view name;
    std::uint64_t bits;
    std::optional<DataType> type = std::nullopt;
};

constexpr ElementType kElementTypes[] = {
    {"F32", 32, DataType::kF32},
    {"F16", 16, DataType::kF16},
    {"BF16", 16, DataType::kBF16},
    {"I8", 8, DataType::kI8},
    {"F64", 64},
    {"I64", 64},
    {"I32", 32},
    {"I16", 16},
    {"U64", 64},
    {"U32", 32},
    {"U16", 16},
    {"U8", 8},
    {"BOOL", 8},
    {"C64", 64},
    {"F8_E4M3", 8},
    {"F8_E5M2", 8},
    {"F8_E8M0", 8},
    {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8},
    {"F6_E2M3", 6},
    {"F6_E3M2", 6},
    {"F4", 4},
};

const ElementType* find_element_type(std::string_view name) {
    const auto* const found = std::find_if(std::begin(kElementTypes), std::end(kElementTypes),
                                           [&](const ElementType& type) { return type.name == name; });
    return found == std::end(kElementTypes) ? nullptr : found;
}

std::string range_text(std::uint64_t begin, std::uint64_t end) {
    std::string text = "[";
    text += std::to_string(begin);
    text += ", ";
    text += std::to_string(end);
    text += ')';
    return text;
}

// Bytes that a tensor of this shape takes; empty when that is no whole number of bytes or more than 2^63.
std::optional<std::uint64_t> bytes_of(const std::vector<std::uint64_t>& shape, std::uint64_t bits) {
    std::uint64_t total = bits;
    for (const std::uint64_t extent : shape) {
        if (extent > INT64_MAX || __builtin_mul_overflow(total, extent, &total)) return std::nullopt;
    }
    if (total % 8 != 0) return std::nullopt;
    return total / 8;
}

// One tensor against the format and the size of the data; what overlaps or is missing between tensors is check_cover's.
Result<TensorInfo> check_tensor(HeaderTensor&& tensor, std::span<const std::byte> data, const std::string& file) {
    const auto fail = [&](const std::string& text) {
        return parse_error(file + ": tensor " + internal::quote(tensor.name) + ": " + text);
    };
    const ElementType* const type = find_element_type(tensor.dtype);
    if (type == nullptr)
        return fail("dtype: expected a safetensors type such as F32, F16 or BF16, found " +
                    internal::quote(tensor.dtype));

    TensorInfo info = {.name = {}, .dtype = type->name, .type = type->type, .shape = {}, .data = {}};
    const std::optional<std::uint64_t> bytes = bytes_of(tensor.shape, type->bits);
    if (!bytes) return fail("shape: expected a size in whole bytes that fits 64 bits, found one that does not");
    info.shape.assign(tensor.shape.begin(), tensor.shape.end());

    const auto [begin, end] = tensor.offsets;
    if (begin > end) return fail("data_offsets: expected begin <= end, found " + range_text(begin, end));
    if (end > data.size()) {
        return fail("data_offsets: expected an end within the " + std::to_string(data.size()) +
                    " bytes of data, found " + range_text(begin, end) + "; is the file cut short?");
    }
    if (end - begin != *bytes) {
        return fail("data_offsets: expected " + std::to_string(*bytes) + " bytes for " + tensor.dtype + " " +
                    shape_text(info) + ", found " + std::to_string(end - begin));
    }
    info.data = data.subspan(begin, end - begin);
    info.name = std::move(tensor.name);
    return info;
}

// The data must be covered from end to end: a hole can hide bytes, an overlap can alias two weights. `tensors` is in
// the order of data.
Status check_cover(const std::vector<TensorInfo>& tensors, std::span<const std::byte> data, const std::string& file) {
    std::uint64_t cursor = 0;
    const TensorInfo* previous = nullptr;
    for (const TensorInfo& tensor : tensors) {
        const auto begin = static_cast<std::uint64_t>(tensor.data.data() - data.data());
        const std::uint64_t end = begin + tensor.data.size();
        const std::string here = file + ": tensor " + internal::quote(tensor.name) + ": ";
        if (begin < cursor) {
            return parse_error(here + "expected data from byte " + std::to_string(cursor) + " on, found " +
                               range_text(begin, end) + ", which overlaps tensor " + internal::quote(previous->name));
        }
        if (begin > cursor) {
            return parse_error(here + "expected data from byte " + std::to_string(cursor) + " on, found a hole " +
                               range_text(cursor, begin) + " before it");
        }
        cursor = end;
        previous = &tensor;
    }
    if (cursor != data.size()) {
        return parse_error(file + ": expected " + std::to_string(cursor) + " bytes of data, found " +
                           std::to_string(data.size()) + ": " + range_text(cursor, data.size()) +
                           " belongs to no tensor");
    }
    return {};
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path) try {
    Result<MappedFile> mapped = MappedFile::open(path);
    if (!mapped.ok()) return mapped.status();
    SafetensorsFile file(path, std::move(mapped).value());
    const std::string name = display(path);
    const std::span<const std::byte> bytes = file.file_.bytes();

    if (bytes.size() < kPrefixBytes) {
        return parse_error(name + ": expected a safetensors file, which has at least 8 bytes, found " +
                           std::to_string(bytes.size()));
    }
    std::uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, bytes.data(), kPrefixBytes);
    const std::uint64_t rest = bytes.size() - kPrefixBytes;
    if (header_bytes > std::min(limits::kSafetensorsHeaderBytes, rest)) {
        if (const std::string what = foreign_file(path); !what.empty()) return parse_error(name + ": found " + what);
        if (is_gguf_magic(bytes)) return parse_error(name + ": expected safetensors, found GGUF (--from gguf)");
        return parse_error(name + ": header length: expected at most " +
                           std::to_string(std::min(limits::kSafetensorsHeaderBytes, rest)) + " bytes in a file of " +
                           std::to_string(bytes.size()) + ", found " + std::to_string(header_bytes));
    }
    const std::string_view text(reinterpret_cast<const char*>(bytes.data() + kPrefixBytes), header_bytes);
    if (!text.starts_with('{'))
        return parse_error(name + ": header: expected it to begin with '{', found " +
                           internal::quote(text.substr(0, 1)));
    Result<SafetensorsHeader> header = parse_safetensors_header(text, name);
    if (!header.ok()) return header.status();

    const std::span<const std::byte> data = bytes.subspan(kPrefixBytes + header_bytes);
    file.tensors_.reserve(header->tensors.size());
    for (HeaderTensor& tensor : header->tensors) {
        Result<TensorInfo> info = check_tensor(std::move(tensor), data, name);
        if (!info.ok()) return info.status();
        file.tensors_.push_back(std::move(info).value());
    }
    std::sort(file.tensors_.begin(), file.tensors_.end(), [](const TensorInfo& a, const TensorInfo& b) {
        if (a.data.data() != b.data.data()) return a.data.data() < b.data.data();
        if (a.data.size() != b.data.size()) return a.data.size() < b.data.size();
        return a.name < b.name;  // empty tensors at one place: any order, but always the same
    });
    if (const Status status = check_cover(file.tensors_, data, name); !status.ok()) return status;

    file.make_index();
    file.metadata_ = std::move(header->metadata);
    return file;
} catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, display(path) + ": not enough memory for its list of tensors");
}

void SafetensorsFile::make_index() {
    index_.clear();
    for (std::size_t i = 0; i < tensors_.size(); ++i)
        index_.emplace(tensors_[i].name, i);
}

void SafetensorsFile::rename(const std::function<std::string(const std::string&)>& name_of) {
    for (TensorInfo& tensor : tensors_)
        tensor.name = name_of(tensor.name);
    make_index();
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace octile
