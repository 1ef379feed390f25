#include "base/json.h"

#include <algorithm>
#include <new>
#include <utility>

#include "base/json_builder.h"
#include "base/limits.h"
#include "base/printable.h"

namespace octile::internal {

using nlohmann::json;

namespace {

// nlohmann's message from "syntax error" on, or without its own error number, on one line.
std::string reason_of(const json::exception& error) {
    std::string_view what = error.what();
    if (const std::size_t syntax = what.find("syntax error"); syntax != std::string_view::npos) {
        what.remove_prefix(syntax);
    } else if (const std::size_t end = what.find("] "); end != std::string_view::npos) {
        what.remove_prefix(end + 2);
    }
    constexpr std::size_t kLongest = 200;
    if (what.size() <= kLongest && is_printable(what)) return std::string(what);
    // It quotes the token it stumbled over, which may be long and anything.
    what = what.substr(0, what.find(';')).substr(0, kLongest);
    return is_printable(what) ? std::string(what) : quote(what);
}

// Where the first bracket beyond limits::kJsonDepth levels is, found before memory is spent on what is inside.
std::optional<std::size_t> find_too_deep(std::string_view text) {
    std::size_t depth = 0;
    bool in_string = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (in_string) {
            if (c == '\\') ++at;
            if (c == '"') in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > limits::kJsonDepth) return at;
        } else if ((c == ']' || c == '}') && depth > 0) {
            --depth;
        }
    }
    return std::nullopt;
}

JsonError error_at(std::string_view text, std::size_t at, std::string reason, bool too_deep = false) {
    const std::string_view before = text.substr(0, at);
    const auto line = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
    return {line, at - (before.rfind('\n') + 1) + 1, std::move(reason), too_deep};  // npos + 1 == 0
}

}  // namespace

std::optional<JsonError> parse_json(std::string_view text, json& document) {
    if (const auto at = find_too_deep(text)) {
        return error_at(text, *at,
                        "expected at most " + std::to_string(limits::kJsonDepth) + " levels of nesting, found more",
                        true);
    }
    try {
        JsonBuilder builder(document);
        json::sax_parse(text, &builder);
        return std::nullopt;
    } catch (const json::parse_error& error) {
        take_apart(document);
        return error_at(text, std::min(error.byte == 0 ? 0 : error.byte - 1, text.size()), reason_of(error));
    } catch (const json::exception& error) {  // a number beyond double's range
        take_apart(document);
        return JsonError{0, 0, reason_of(error), false};
    } catch (const std::bad_alloc&) {
        take_apart(document);
        throw;
    }
}

Result<json> parse_json(std::string_view text) try {
    json document;
    if (const std::optional<JsonError> error = parse_json(text, document)) {
        std::string message = "parse error";
        if (error->line != 0)
            message += " at line " + std::to_string(error->line) + ", column " + std::to_string(error->column);
        return Status(StatusCode::kParseError, message + ": " + error->reason);
    }
    return document;
} catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "not enough memory to read it");
}

std::string found(const json& value) {
    if (value.is_string()) return quote(value.get_ref<const std::string&>());
    if (value.is_object()) return "an object";
    if (value.is_array()) return "an array";
    return value.dump();
}

std::string json_text(const nlohmann::ordered_json& document) {
    return document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
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
