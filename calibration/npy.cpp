#include <fmt/format.h>
#include <fp16.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "base/printable.h"
#include "calibration/array_file.h"

namespace octile {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

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
        if (error != std::errc() || extent > limits::kArrayElements) return std::nullopt;
        elements *= std::max<std::uint64_t>(extent, 1);
        if (elements > limits::kArrayElements || shape.size() >= limits::kRank) return std::nullopt;
        shape.push_back(extent);
        rest = trim(rest.substr(static_cast<std::size_t>(stop - rest.data())));
        if (rest.empty()) break;
        if (!rest.starts_with(',')) return std::nullopt;
        rest = trim(rest.substr(1));
    }
    return shape;
}

// The text of the header, and the stream behind it.
Result<std::string> read_dictionary(ByteStream& stream) {
    const auto fail = [](std::string text) { return Status(StatusCode::kParseError, std::move(text)); };
    std::array<char, 12> start = {};
    std::uint64_t left = stream.size();
    if (left < 10) return fail("expected a .npy array, found something else");
    if (Status status = stream.read(std::as_writable_bytes(std::span(start).first(10))); !status.ok()) return status;
    if (!std::string_view(start.data(), start.size()).starts_with(kMagic))
        return fail("expected a .npy array, found something else");
    const int version = static_cast<unsigned char>(start[6]);
    if (version < 1 || version > 3) return fail(fmt::format("version: expected 1 to 3, found {}", version));
    const std::size_t begin = version == 1 ? 10 : 12;
    if (left < begin) return fail("expected a header, found the end of the file");
    if (Status status = stream.read(std::as_writable_bytes(std::span(start).subspan(10, begin - 10))); !status.ok())
        return status;
    std::uint32_t length = 0;
    for (std::size_t i = begin; i-- > 8;)
        length = length << 8 | static_cast<unsigned char>(start[i]);
    left -= begin;
    if (length > left)
        return fail(fmt::format("header: expected at most {} bytes, found {}; is the file cut short?", left, length));
    if (length > limits::kNpyHeaderBytes)
        return fail(fmt::format("header: expected at most {} bytes, found {}", limits::kNpyHeaderBytes, length));
    std::string dictionary(length, '\0');
    if (Status status = stream.read(std::as_writable_bytes(std::span(dictionary))); !status.ok()) return status;
    return dictionary;
}

Result<Header> parse_header(std::string_view dictionary) {
    const auto fail = [](std::string text) { return Status(StatusCode::kParseError, std::move(text)); };
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

std::size_t size_of(std::string_view type) {
    return type == "<f4" ? 4 : type == "<f2" ? 2 : type == "<f8" ? 8 : 0;
}

// The wanted rows of an array of `all_rows`, read in the order in which they lie there.
Status read_rows(ByteStream& stream, const Header& header, std::uint64_t all_rows, ArrayRows& result) {
    const auto rows = static_cast<std::uint64_t>(result.rows), columns = static_cast<std::uint64_t>(result.columns);
    const std::size_t size = size_of(header.type);
    const auto source_row = [&](std::uint64_t i) { return rows == 1 ? 0 : i * (all_rows - 1) / (rows - 1); };
    // In Fortran order the first axis is contiguous: with the rows' axes in their own order, what is row r of C order
    // is not row r here, but it is a row all the same, once each.
    const std::uint64_t parts = header.fortran ? columns : 1, run = header.fortran ? 1 : columns;
    std::vector<std::byte> bytes(run * size);
    std::uint64_t at = 0;  // in elements
    for (std::uint64_t part = 0; part < parts; ++part) {
        for (std::uint64_t i = 0; i < rows; ++i) {
            const std::uint64_t from = part * all_rows + source_row(i) * run;
            if (Status status = stream.skip((from - at) * size); !status.ok()) return status;
            if (Status status = stream.read(bytes); !status.ok()) return status;
            at = from + run;
            for (std::uint64_t column = 0; column < run; ++column)
                result.values[i * columns + part + column] = element_at(bytes.data() + column * size, header.type);
        }
    }
    const auto wrong =
        std::find_if_not(result.values.begin(), result.values.end(), [](float value) { return std::isfinite(value); });
    if (wrong == result.values.end()) return {};
    const auto row = source_row(static_cast<std::uint64_t>(wrong - result.values.begin()) / columns);
    return {StatusCode::kNonFinite, fmt::format("row {}: expected numbers, found NaN or infinity", row)};
}

Result<ArrayRows> read_array(ByteStream& stream, std::int64_t max_rows, std::optional<std::int64_t> wanted_columns) {
    const auto fail = [](std::string text) { return Status(StatusCode::kParseError, std::move(text)); };
    const Result<std::string> dictionary = read_dictionary(stream);
    if (!dictionary.ok()) return dictionary.status();
    const Result<Header> parsed = parse_header(dictionary.value());
    if (!parsed.ok()) return parsed.status();
    const Header& header = parsed.value();
    const std::size_t size = size_of(header.type);
    if (size == 0)
        return fail(fmt::format("descr: expected '<f4', '<f2' or '<f8', found {}", internal::quote(header.type)));
    if (header.shape.empty() || header.shape.back() == 0) return fail("shape: expected rows of features, found none");
    std::uint64_t elements = 1;
    for (const std::uint64_t extent : header.shape)
        elements *= extent;
    const std::uint64_t behind = stream.size() - stream.position();
    if (behind != elements * size)
        return fail(fmt::format("expected {} bytes for its shape, found {}", elements * size, behind));
    const std::uint64_t columns = header.shape.back(), all_rows = elements / columns;
    if (all_rows == 0) return fail("shape: expected at least one row, found none");
    if (wanted_columns && columns != static_cast<std::uint64_t>(*wanted_columns))
        return fail(fmt::format("shape: expected rows of {} features, found {}", *wanted_columns, columns));
    ArrayRows result{.rows = std::min<std::int64_t>(max_rows, static_cast<std::int64_t>(all_rows)),
                     .columns = static_cast<std::int64_t>(columns),
                     .values = {}};
    result.values.resize(static_cast<std::size_t>(result.rows) * columns);
    if (Status status = read_rows(stream, header, all_rows, result); !status.ok()) return status;
    return result;
}

}  // namespace

Result<ArrayRows> parse_npy(ByteStream& stream, const std::string& name, std::int64_t max_rows,
                            std::optional<std::int64_t> columns) try {
    Result<ArrayRows> rows = read_array(stream, max_rows, columns);
    if (!rows.ok()) return Status(rows.status().code(), fmt::format("{}: {}", name, rows.status().message()));
    return rows;
} catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, fmt::format("{}: not enough memory to read it", name));
}

Result<ArrayRows> parse_npy(std::span<const std::byte> bytes, const std::string& name, std::int64_t max_rows,
                            std::optional<std::int64_t> columns) {
    MemoryStream stream(bytes);
    return parse_npy(stream, name, max_rows, columns);
}

}  // namespace octile
