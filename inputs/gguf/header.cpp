#include "inputs/gguf/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <new>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/json_document.h"
#include "base/limits.h"
#include "inputs/layer_lists/layer_rules.h"
#include "inputs/messages.h"

namespace octile {
namespace {

using internal::quote;

static_assert(std::endian::native == std::endian::little, "values are used in place, and the format is little-endian");

constexpr std::string_view kMagic = "GGUF";
constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr std::uint32_t kOldest = 2, kNewest = 3;
constexpr std::uint64_t kUsualAlignment = 32;

struct KindFacts {
    std::string_view name;
    std::uint64_t bytes;  // 0: it says itself how many
};
constexpr std::array<KindFacts, 13> kKinds = {{{"u8", 1},
                                               {"i8", 1},
                                               {"u16", 2},
                                               {"i16", 2},
                                               {"u32", 4},
                                               {"i32", 4},
                                               {"f32", 4},
                                               {"bool", 1},
                                               {"string", 0},
                                               {"array", 0},
                                               {"u64", 8},
                                               {"i64", 8},
                                               {"f64", 8}}};

std::uint64_t bytes_of(GgufKind kind) {
    return kKinds[static_cast<std::size_t>(kind)].bytes;
}

class HeaderReader {
  public:
    explicit HeaderReader(std::span<const std::byte> file) : file_(file) {}

    // Throws WrongValue.
    GgufHeader read() {
        if (!is_gguf_magic(file_)) {
            fail_at("magic",
                    "expected GGUF, found " + quote(text_of(file_.first(std::min(kMagic.size(), file_.size())))));
        }
        at_ = kMagic.size();
        place_ = "version";
        read_version();
        place_ = "number of tensors";
        const auto tensors = number<std::uint64_t>();
        place_ = "number of keys";
        const auto keys = number<std::uint64_t>();
        if (keys > limits::kGgufKeys) fail(fmt::format("expected at most {}, found {}", limits::kGgufKeys, keys));
        for (std::uint64_t i = 0; i < keys; i++)
            read_key(i);
        read_alignment();
        for (std::uint64_t i = 0; i < tensors; i++)
            read_tensor(i);
        place_data();
        return std::move(header_);
    }

  private:
    // Where a tensor's data begins, behind the header.
    struct Place {
        std::uint64_t offset = 0, bytes = 0;
    };

    [[noreturn]] void fail(const std::string& text) const { fail_at(place_, text); }

    static std::string_view text_of(std::span<const std::byte> bytes) {
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }

    std::span<const std::byte> take(std::uint64_t bytes) {
        if (bytes > file_.size() - at_) {
            fail(fmt::format("expected {} bytes, found the end of the file after {}; is the file cut short?", bytes,
                             file_.size() - at_));
        }
        const std::span<const std::byte> taken = file_.subspan(at_, bytes);
        at_ += bytes;
        return taken;
    }

    template <typename Number>
    Number number() {
        Number value;
        std::memcpy(&value, take(sizeof(value)).data(), sizeof(value));
        return value;
    }

    std::string_view text(std::uint64_t most) {
        const auto length = number<std::uint64_t>();
        if (length > most) fail(fmt::format("expected a name of at most {} bytes, found {}", most, length));
        return text_of(take(length));
    }

    void read_version() {
        header_.version = number<std::uint32_t>();
        if (header_.version >= kOldest && header_.version <= kNewest) return;
        const std::uint32_t swapped = __builtin_bswap32(header_.version);
        if (swapped >= 1 && swapped <= kNewest)
            fail("expected a little-endian file, found a big-endian one: convert the checkpoint again");
        fail(fmt::format("expected {} or {}, found {}{}", kOldest, kNewest, header_.version,
                         header_.version == 1 ? ", of before October 2023: convert the checkpoint again" : ""));
    }

    GgufKind read_kind() {
        const auto kind = number<std::uint32_t>();
        if (kind >= kKinds.size())
            fail(fmt::format("expected a kind of value from 0 to {}, found {}", kKinds.size() - 1, kind));
        return static_cast<GgufKind>(kind);
    }

    void read_key(std::uint64_t index) {
        place_ = fmt::format("key {}", index);
        const std::string_view name = text(limits::kNameBytes);
        if (std::string problem = check_name(name); !problem.empty()) fail(problem);
        place_ = internal::printable(name);
        if (!names_.insert(name).second) fail("expected every key once, found it again");
        const GgufKind kind = read_kind();
        header_.keys.push_back({std::string(name), kind == GgufKind::kArray ? read_array(1) : read_value(kind)});
    }

    GgufValue read_value(GgufKind kind) {
        GgufValue value{.kind = kind};
        value.bytes = take(kind == GgufKind::kString ? number<std::uint64_t>() : bytes_of(kind));
        if (kind == GgufKind::kBool && std::to_integer<int>(value.bytes[0]) > 1)
            fail(fmt::format("expected 0 or 1, found {}", std::to_integer<int>(value.bytes[0])));
        return value;
    }

    GgufValue read_array(std::size_t depth) {
        if (depth > limits::kGgufArrayDepth)
            fail(fmt::format("expected at most {} arrays inside each other, found more", limits::kGgufArrayDepth));
        GgufValue value{.kind = read_kind(), .is_array = true};
        value.count = number<std::uint64_t>();
        const std::size_t begin = at_;
        if (const std::uint64_t each = bytes_of(value.kind); each > 0) {
            std::uint64_t bytes = 0;
            if (__builtin_mul_overflow(each, value.count, &bytes)) bytes = UINT64_MAX;
            take(bytes);
        } else {
            // Each takes bytes of the file, or ends it.
            for (std::uint64_t i = 0; i < value.count; i++) {
                if (value.kind == GgufKind::kArray)
                    read_array(depth + 1);
                else
                    take(number<std::uint64_t>());
            }
        }
        value.bytes = file_.subspan(begin, at_ - begin);
        return value;
    }

    void read_alignment() {
        header_.alignment = kUsualAlignment;
        const GgufValue* const value = header_.find(kAlignmentKey);
        if (!value) return;
        place_ = kAlignmentKey;
        if (value->is_array || value->kind != GgufKind::kU32) fail("expected a u32, found another kind");
        std::uint32_t alignment = 0;
        std::memcpy(&alignment, value->bytes.data(), sizeof(alignment));
        if (!std::has_single_bit(alignment) || alignment > limits::kGgufAlignment)
            fail(fmt::format("expected a power of two up to {}, found {}", limits::kGgufAlignment, alignment));
        header_.alignment = alignment;
    }

    void read_tensor(std::uint64_t index) {
        if (index == 0) names_.clear();
        place_ = fmt::format("tensor {}", index);
        const std::string_view name = text(limits::kNameBytes);
        if (std::string problem = check_name(name); !problem.empty()) fail(problem);
        place_ = fmt::format("tensor {}", quote(name));
        if (!names_.insert(name).second) fail("expected every name once, found it again");
        const auto rank = number<std::uint32_t>();
        if (rank > limits::kGgufRank)
            fail(fmt::format("expected at most {} dimensions, found {}", limits::kGgufRank, rank));
        GgufTensor tensor{.name = std::string(name)};
        for (std::uint32_t i = 0; i < rank; i++) {
            const auto extent = number<std::uint64_t>();
            if (extent > INT64_MAX) fail(fmt::format("expected extents below 2^63, found {}", extent));
            tensor.shape.push_back(static_cast<std::int64_t>(extent));
        }
        const auto type = number<std::uint32_t>();
        tensor.type = gguf_type(type);
        if (!tensor.type) {
            fail(fmt::format(
                "type: expected one of ggml's, 0 to {}, found {}{}", newest_gguf_type(), type,
                is_removed_gguf_type(type) ? ", which it has given up: quantize the checkpoint again" : ""));
        }
        Place place{.offset = number<std::uint64_t>()};
        if (place.offset % header_.alignment != 0)
            fail(fmt::format("offset: expected a multiple of {}, found {}", header_.alignment, place.offset));
        // A block is of one row.
        const std::int64_t row = tensor.shape.empty() ? 1 : tensor.shape.front();
        if (row % tensor.type->block_values != 0) {
            fail(fmt::format("expected rows of a multiple of {} values for {}, found {}", tensor.type->block_values,
                             tensor.type->name, row));
        }
        std::int64_t bytes = row / tensor.type->block_values;
        bool fits = !__builtin_mul_overflow(bytes, tensor.type->block_bytes, &bytes);
        for (std::size_t i = 1; i < tensor.shape.size(); i++)
            fits = fits && !__builtin_mul_overflow(bytes, tensor.shape[i], &bytes);
        // In whichever order somebody multiplies them, also where one is 0.
        std::int64_t elements = 1;
        for (const std::int64_t extent : tensor.shape)
            fits = fits && !__builtin_mul_overflow(elements, std::max<std::int64_t>(extent, 1), &elements);
        if (!fits) fail("expected a size that fits 63 bits, found one that does not");
        std::reverse(tensor.shape.begin(), tensor.shape.end());
        place.bytes = static_cast<std::uint64_t>(bytes);
        header_.tensors.push_back(std::move(tensor));
        places_.push_back(place);
    }

    void place_data() {
        const std::uint64_t padded = (at_ + header_.alignment - 1) / header_.alignment * header_.alignment;
        const std::span<const std::byte> data = file_.subspan(std::min<std::uint64_t>(padded, file_.size()));
        for (std::size_t i = 0; i < places_.size(); i++) {
            GgufTensor& tensor = header_.tensors[i];
            const auto& [offset, bytes] = places_[i];
            if (offset > data.size() || bytes > data.size() - offset) {
                place_ = fmt::format("tensor {}", quote(tensor.name));
                fail(fmt::format(
                    "expected {} bytes from byte {} of the data on, found {} bytes of data; is the file cut short?",
                    bytes, offset, data.size()));
            }
            tensor.data = data.subspan(offset, bytes);
        }
        std::sort(header_.tensors.begin(), header_.tensors.end(), [](const GgufTensor& a, const GgufTensor& b) {
            if (a.data.data() != b.data.data()) return a.data.data() < b.data.data();
            if (a.data.size() != b.data.size()) return a.data.size() < b.data.size();
            return a.name < b.name;
        });
        for (std::size_t i = 1; i < header_.tensors.size(); i++) {
            const GgufTensor &before = header_.tensors[i - 1], &tensor = header_.tensors[i];
            if (before.data.data() + before.data.size() <= tensor.data.data()) continue;
            place_ = fmt::format("tensor {}", quote(tensor.name));
            fail(fmt::format("expected data of its own, found some of tensor {}", quote(before.name)));
        }
    }

    std::span<const std::byte> file_;
    std::size_t at_ = 0;
    std::string place_;  // for messages
    GgufHeader header_;
    std::unordered_set<std::string_view> names_;  // in the file
    std::vector<Place> places_;                   // of header_.tensors
};

}  // namespace

std::string_view name_of(GgufKind kind) {
    return kKinds[static_cast<std::size_t>(kind)].name;
}

const GgufValue* GgufHeader::find(std::string_view key) const {
    const auto found =
        std::find_if(keys.begin(), keys.end(), [&](const GgufKey& candidate) { return candidate.name == key; });
    return found == keys.end() ? nullptr : &found->value;
}

bool is_gguf_magic(std::span<const std::byte> start) {
    return start.size() >= kMagic.size() && std::memcmp(start.data(), kMagic.data(), kMagic.size()) == 0;
}

Result<GgufHeader> parse_gguf_header(std::span<const std::byte> file, const std::string& name) try {
    return HeaderReader(file).read();
} catch (const WrongValue& wrong) {
    return parse_error(fmt::format("{}: {}: {}", name, wrong.pointer, wrong.text));
} catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, name + ": not enough memory for its list of tensors");
}

}  // namespace octile
