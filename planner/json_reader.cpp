#include "planner/json_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/printable.h"

namespace octile::internal {

using nlohmann::json;

namespace {

constexpr std::string_view kPrintable = "UTF-8 without control characters";

}  // namespace

ObjectReader::ObjectReader(const json& object, std::string path, Status& status, std::string_view what)
    : object_(object), path_(std::move(path)), status_(status), what_(what) {
    if (!object.is_object()) fail("", "an object", found(object));
}

std::string ObjectReader::string(const char* key) {
    std::string value = text(key);
    if (!is_printable(value)) fail(key, kPrintable, quote(value));
    return value;
}

std::string ObjectReader::text(const char* key) {
    const json* value = member(key);
    if (value == nullptr) return {};
    if (value->is_string()) return value->get<std::string>();
    fail(key, "a string", found(*value));
    return {};
}

std::string ObjectReader::line(const char* key, std::size_t most) {
    std::string value = string(key);
    if (value.size() > most) fail(key, fmt::format("at most {} bytes", most), fmt::format("{}", value.size()));
    return value;
}

std::optional<std::string> ObjectReader::string_or_null(const char* key) {
    const json* value = peek(key);
    if (value != nullptr && value->is_null()) {
        member(key);
        return std::nullopt;
    }
    return string(key);
}

bool ObjectReader::boolean(const char* key) {
    const json* value = member(key);
    if (value == nullptr) return false;
    if (value->is_boolean()) return value->get<bool>();
    fail(key, "true or false", found(*value));
    return false;
}

std::int64_t ObjectReader::integer(const char* key, std::int64_t least, std::int64_t most) {
    const json* value = member(key);
    if (value == nullptr) return least;
    const bool fits = value->is_number_integer() &&
                      !(value->is_number_unsigned() && value->get<std::uint64_t>() > std::uint64_t(INT64_MAX));
    if (fits && value->get<std::int64_t>() >= least && value->get<std::int64_t>() <= most) {
        return value->get<std::int64_t>();
    }
    fail(key, fmt::format("an integer from {} to {}", least, most), found(*value));
    return least;
}

std::optional<double> ObjectReader::number_or_null(const char* key) {
    const json* value = member(key);
    if (value == nullptr || value->is_null()) return std::nullopt;
    if (value->is_number()) return value->get<double>();
    fail(key, "a number or null", found(*value));
    return std::nullopt;
}

double ObjectReader::number(const char* key, double least, bool inclusive, double most) {
    const json* value = member(key);
    if (value == nullptr) return least;
    if (value->is_number()) {
        const double number = value->get<double>();
        const bool enough = std::isfinite(number) && (inclusive ? number >= least : number > least);
        if (enough && number <= most) return number;
        if (enough) {
            fail(key, fmt::format("a number of at most {}", most), found(*value));
            return least;
        }
    }
    fail(key, fmt::format("a number {} {}", inclusive ? ">=" : ">", least), found(*value));
    return least;
}

std::vector<std::string> ObjectReader::strings(const char* key) {
    const json* value = member(key);
    if (value == nullptr) return {};
    const bool fits = value->is_array() && std::all_of(value->begin(), value->end(),
                                                       [](const json& element) { return element.is_string(); });
    if (fits) {
        auto read = value->get<std::vector<std::string>>();
        for (std::size_t i = 0; i < read.size(); ++i) {
            if (!is_printable(read[i])) fail(fmt::format("{}[{}]", key, i), kPrintable, quote(read[i]));
        }
        return read;
    }
    fail(key, "an array of strings", value->is_array() ? "other elements" : found(*value));
    return {};
}

const json* ObjectReader::member(const char* key) {
    if (!status_.ok()) return nullptr;
    const auto position = object_.find(key);
    if (position == object_.end()) {
        status_ = {StatusCode::kParseError, fmt::format("{}: missing", path_to(key))};
        return nullptr;
    }
    read_.insert(&*position);
    return &*position;
}

void ObjectReader::finish() {
    if (!status_.ok() || read_.size() == object_.size()) return;
    for (auto field = object_.begin(); field != object_.end(); ++field) {
        if (!read_.contains(&*field)) {
            status_ = {StatusCode::kParseError, fmt::format("{}: unknown field {}", place(), quote(field.key()))};
            return;
        }
    }
}

void ObjectReader::fail(const std::string& key, std::string_view expected, std::string_view actual) {
    if (!status_.ok()) return;
    status_ = {
        StatusCode::kParseError,
        fmt::format("{}: expected {}, found {}", key.empty() ? std::string(place()) : path_to(key), expected, actual)};
}

const json* ObjectReader::peek(const char* key) const {
    if (!status_.ok()) return nullptr;
    const auto position = object_.find(key);
    return position == object_.end() ? nullptr : &*position;
}

}  // namespace octile::internal
