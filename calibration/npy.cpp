#include <fmt/format.h>
#include <fp16.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "base/printable.h"
#include "calibration/array_file.h"

namespace octile {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::uint64_t kMaxElements = std::uint64_t{1} << 40;

struct Header {
    std::string type;
    bool fortran = false;
    std::vector<std::uint64_t> shape;
};

std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\n");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

// The text behind "'key':" in the header, a Python dictionary of three known keys; empty when there is none.
std::string_view value_of(std::string_view dictionary, std::string_view key) {
    for (const char quote : {'\'', '"'}) {
        const std::size_t at = dictionary.find(fmt::format("{0}{1}{0}", quote, key));
        if (at == std::string_view::npos) continue;
        std::string_view rest = trim(dictionary.substr(at + key.size() + 2));
        if (!rest.starts_with(':')) return {};
        return trim(rest.substr(1));
    }
    return {};
}

std::optional<std::vector<std::uint64_t>> parse_shape(std::string_view text) {
    const std::size_t end = text.find(')');
    if (!text.starts_with('(') || end == std::string_view::npos) return std::nullopt;
    std::vector<std::uint64_t> shape;
    std::uint64_t elements = 1;
    for (std::string_view rest = trim(text.substr(1, end - 1)); !rest.empty();) {
        std::uint64_t extent = 0;
        const auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), extent);
        if (error != std::errc() || extent > kMaxElements) return std::nullopt;
        elements *= std::max<std::uint64_t>(extent, 1);
        if (elements > kMaxElements || shape.size() > 32) return std::nullopt;
        shape.push_back(extent);
        rest = trim(rest.substr(static_cast<std::size_t>(stop - rest.data())));
        if (rest.empty()) break;
        if (!rest.starts_with(',')) return std::nullopt;
        rest = trim(rest.substr(1));
    }
    return shape;
}

// The header, and the bytes behind it.
Result<Header> parse_header(std::span<const std::byte>& bytes, const std::string& name) {
    const auto fail = [&](std::string_view text) {
        return Status(StatusCode::kParseError, fmt::format("{}: {}", name, text));
    };
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (!text.starts_with(kMagic) || bytes.size() < 10) return fail("expected a .npy array, found something else");
    const int version = static_cast<unsigned char>(text[6]);
    if (version < 1 || version > 3) return fail(fmt::format("version: expected 1 to 3, found {}", version));
    const std::size_t start = version == 1 ? 10 : 12;
    if (bytes.size() < start) return fail("expected a header, found the end of the file");
    std::uint32_t length = 0;
    for (std::size_t i = start; i-- > 8;)
        length = length << 8 | static_cast<unsigned char>(text[i]);
    if (length > bytes.size() - start) {
        return fail(fmt::format("header: expected at most {} bytes, found {}; is the file cut short?",
                                bytes.size() - start, length));
    }
    const std::string_view dictionary = text.substr(start, length);
    Header header;
    const std::string_view type = value_of(dictionary, "descr"), order = value_of(dictionary, "fortran_order"),
                           shape = value_of(dictionary, "shape");
    const std::size_t end = type.empty() ? 0 : type.find(type.front(), 1);
    if (type.empty() || (type.front() != '\'' && type.front() != '"') || end == std::string_view::npos) {
        return fail("descr: expected '<f4', '<f2' or '<f8', found none");
    }
    header.type = type.substr(1, end - 1);
    if (!order.starts_with("True") && !order.starts_with("False")) {
        return fail("fortran_order: expected True or False, found neither");
    }
    header.fortran = order.starts_with("True");
    std::optional<std::vector<std::uint64_t>> extents = parse_shape(shape);
    if (!extents) {
        return fail(fmt::format("shape: expected a tuple of integers, found {}", internal::quote(shape.substr(0, 40))));
    }
    header.shape = std::move(*extents);
    bytes = bytes.subspan(start + length);
    return header;
}

float element_at(const std::byte* data, std::string_view type) {
    if (type == "<f8") {
        double value;
        std::memcpy(&value, data, sizeof(value));
        return static_cast<float>(value);
    }
    if (type == "<f4") {
        float value;
        std::memcpy(&value, data, sizeof(value));
        return value;
    }
    std::uint16_t bits;
    std::memcpy(&bits, data, sizeof(bits));
    return fp16_ieee_to_fp32_value(bits);
}

}  // namespace

Result<ArrayRows> parse_npy(std::span<const std::byte> bytes, const std::string& name, std::int64_t max_rows) {
    Result<Header> parsed = parse_header(bytes, name);
    if (!parsed.ok()) return parsed.status();
    const Header& header = parsed.value();
    const std::size_t size = header.type == "<f4" ? 4 : header.type == "<f2" ? 2 : header.type == "<f8" ? 8 : 0;
    const auto fail = [&](StatusCode code, std::string_view text) {
        return Status(code, fmt::format("{}: {}", name, text));
    };
    if (size == 0) {
        return fail(StatusCode::kParseError,
                    fmt::format("descr: expected '<f4', '<f2' or '<f8', found {}", internal::quote(header.type)));
    }
    if (header.shape.empty() || header.shape.back() == 0) {
        return fail(StatusCode::kParseError, "shape: expected rows of features, found none");
    }
    std::uint64_t elements = 1;
    for (const std::uint64_t extent : header.shape)
        elements *= extent;
    if (bytes.size() != elements * size) {
        return fail(StatusCode::kParseError,
                    fmt::format("expected {} bytes for its shape, found {}", elements * size, bytes.size()));
    }
    const std::uint64_t columns = header.shape.back(), all_rows = elements / columns;
    if (all_rows == 0) return fail(StatusCode::kParseError, "shape: expected at least one row, found none");
    // In Fortran order the first axis is contiguous: with the rows' axes in their own order, what is row r of C order
    // is not row r here, but it is a row all the same, once each.
    const std::uint64_t row_stride = header.fortran ? 1 : columns, column_stride = header.fortran ? all_rows : 1;
    const auto rows = static_cast<std::uint64_t>(std::min<std::int64_t>(max_rows, static_cast<std::int64_t>(all_rows)));
    ArrayRows result{
        .rows = static_cast<std::int64_t>(rows), .columns = static_cast<std::int64_t>(columns), .values = {}};
    result.values.reserve(rows * columns);
    for (std::uint64_t i = 0; i < rows; ++i) {
        const std::uint64_t row = rows == 1 ? 0 : i * (all_rows - 1) / (rows - 1);
        for (std::uint64_t column = 0; column < columns; ++column) {
            const float value =
                element_at(bytes.data() + (row * row_stride + column * column_stride) * size, header.type);
            if (!std::isfinite(value)) {
                return fail(StatusCode::kNonFinite,
                            fmt::format("row {}: expected numbers, found NaN or infinity", row));
            }
            result.values.push_back(value);
        }
    }
    return result;
}

}  // namespace octile
