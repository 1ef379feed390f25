#include "base/json.h"

#include <algorithm>

#include "base/printable.h"

namespace octile::internal {

using nlohmann::json;

namespace {

// nlohmann's message without its own error number, on one line.
std::string syntax_message(std::string_view what) {
    if (const std::size_t end = what.find("] "); end != std::string_view::npos) what.remove_prefix(end + 2);
    constexpr std::size_t kLongest = 200;
    if (what.size() <= kLongest && is_printable(what)) return std::string(what);
    // It quotes the token it stumbled over, which may be long and anything.
    return std::string(what.substr(0, what.find(';')).substr(0, kLongest));
}

}  // namespace

Result<json> parse_json(std::string_view text) {
    try {
        return json::parse(text);
    } catch (const json::exception& error) {
        return Status(StatusCode::kParseError, syntax_message(error.what()));
    }
}

std::string found(const json& value) {
    if (value.is_string()) return quote(value.get_ref<const std::string&>());
    if (value.is_object()) return "an object";
    if (value.is_array()) return "an array";
    return value.dump();
}

std::string json_string(std::string_view text) {
    const auto plain = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
    if (std::all_of(text.begin(), text.end(), plain))
        return '"' + std::string(text) + '"';  // nearly always, and 10 times faster
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_strings(const std::vector<std::string>& values) {
    std::string text = "[";
    for (const std::string& value : values)
        text += (text.size() > 1 ? ", " : "") + json_string(value);
    return text + "]";
}

}  // namespace octile::internal
