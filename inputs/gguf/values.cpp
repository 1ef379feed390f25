#include "inputs/gguf/values.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/json_document.h"
#include "base/printable.h"

namespace octile {
namespace {

using nlohmann::json;

template <typename Number>
Number load(std::span<const std::byte> bytes) {
    Number number;
    std::memcpy(&number, bytes.data(), sizeof(number));
    return number;
}

std::string_view text_of(const GgufValue& value) {
    return {reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size()};
}

// As a parser has it: what is not negative is unsigned.
json integer(std::int64_t value) {
    return value < 0 ? json(value) : json(static_cast<std::uint64_t>(value));
}

// Of a number or a flag.
json element(GgufKind kind, std::span<const std::byte> bytes) {
    switch (kind) {
        case GgufKind::kU8:
            return load<std::uint8_t>(bytes);
        case GgufKind::kI8:
            return integer(load<std::int8_t>(bytes));
        case GgufKind::kU16:
            return load<std::uint16_t>(bytes);
        case GgufKind::kI16:
            return integer(load<std::int16_t>(bytes));
        case GgufKind::kU32:
            return load<std::uint32_t>(bytes);
        case GgufKind::kI32:
            return integer(load<std::int32_t>(bytes));
        case GgufKind::kF32:
            return std::strtod(fmt::format("{}", load<float>(bytes)).c_str(), nullptr);
        case GgufKind::kBool:
            return load<std::uint8_t>(bytes) != 0;
        case GgufKind::kU64:
            return load<std::uint64_t>(bytes);
        case GgufKind::kI64:
            return integer(load<std::int64_t>(bytes));
        case GgufKind::kF64:
            return load<double>(bytes);
        case GgufKind::kString:
        case GgufKind::kArray:
            break;
    }
    return {};
}

// One element that all of an array are; nothing: they differ, or are no numbers.
std::optional<json> common_element(const GgufValue& value) {
    if (value.kind == GgufKind::kString || value.kind == GgufKind::kArray || value.count == 0) return std::nullopt;
    const std::size_t each = value.bytes.size() / value.count;
    for (std::size_t at = each; at < value.bytes.size(); at += each)
        if (std::memcmp(value.bytes.data(), value.bytes.data() + at, each) != 0) return std::nullopt;
    return element(value.kind, value.bytes.first(each));
}

std::string found_in(const GgufValue& value) {
    if (value.is_array) return fmt::format("an array of {} different {}s", value.count, name_of(value.kind));
    if (value.kind == GgufKind::kString) return internal::quote(text_of(value));
    return found(element(value.kind, value.bytes));
}

}  // namespace

json gguf_json(const GgufValue& value, const std::string& key) {
    if (!value.is_array && value.kind == GgufKind::kString) return gguf_word(value, key);
    const std::optional<json> number =
        value.is_array ? common_element(value) : std::optional(element(value.kind, value.bytes));
    if (!number) fail_at(key, "expected one value for all blocks, found " + found_in(value));
    if (number->is_number_float() && !std::isfinite(number->get<double>()))
        fail_at(key, "expected a finite number, found " + found_in(value));
    return *number;
}

std::uint64_t gguf_count(const GgufValue& value, const std::string& key) {
    const json number = gguf_json(value, key);
    if (!number.is_number_integer() || number < 0)
        fail_at(key, "expected an integer from 0 on, found " + found_in(value));
    return number.get<std::uint64_t>();
}

std::string gguf_word(const GgufValue& value, const std::string& key) {
    if (value.is_array || value.kind != GgufKind::kString) fail_at(key, "expected a string, found " + found_in(value));
    if (!internal::is_printable(text_of(value))) fail_at(key, "expected printable text, found " + found_in(value));
    return std::string(text_of(value));
}

std::vector<bool> gguf_flags(const GgufValue& value) {
    std::vector<bool> flags;
    if (!value.is_array || value.kind != GgufKind::kBool) return flags;
    for (const std::byte flag : value.bytes)
        flags.push_back(flag != std::byte{0});
    return flags;
}

std::string gguf_text(const GgufValue& value) {
    if (value.is_array) return fmt::format("{} x {}", value.count, name_of(value.kind));
    if (value.kind == GgufKind::kString) {
        const std::string_view text = text_of(value);
        return internal::is_printable(text) && text.size() <= 60 ? std::string(text)
                                                                 : internal::quote(text.substr(0, 60));
    }
    return element(value.kind, value.bytes).dump();
}

}  // namespace octile
