#include "inputs/json_document.h"

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

#include "inputs/messages.h"

namespace octile {
namespace {

using nlohmann::json;

// A layer list is 4 deep, a model's configuration rarely 6. Anything beyond is refused before memory is spent on it.
constexpr std::size_t kMaxDepth = 16;

// "line:column", both from 1; the column counts bytes.
std::string place_of(std::string_view text, std::size_t at) {
    const std::string_view before = text.substr(0, at);
    const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 == 0
    return std::to_string(std::count(before.begin(), before.end(), '\n') + 1) + ":" +
           std::to_string(at - line_start + 1);
}

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
            if (++depth > kMaxDepth) return at;
        } else if ((c == ']' || c == '}') && depth > 0) {
            --depth;
        }
    }
    return std::nullopt;
}

// What the parser objects to, without its own prefix "[json.exception...] parse error at line 1, column 2: ".
std::string reason_of(const json::exception& error) {
    std::string_view what = error.what();
    if (const std::size_t at = what.find("syntax error"); at != std::string_view::npos) what = what.substr(at);
    what = what.substr(0, 200);
    return internal::is_printable(what) ? std::string(what) : internal::quote(what);
}

}  // namespace

void fail_at(std::string pointer, std::string text) {
    throw WrongValue{std::move(pointer), std::move(text)};
}

std::string found(const json& value) {
    if (value.is_object()) return "an object";
    if (value.is_array()) return "an array";
    if (value.is_string()) return internal::quote(value.get_ref<const std::string&>());
    return value.dump();
}

const std::string& string_at(const json& value, const std::string& pointer) {
    if (!value.is_string()) fail_at(pointer, "expected a string, found " + found(value));
    return value.get_ref<const std::string&>();
}

Status read_json(std::string_view text, const std::string& file, const std::function<void(const json&)>& walk) {
    if (const auto at = find_too_deep(text)) {
        return parse_error(file + ":" + place_of(text, *at) + ": expected at most " + std::to_string(kMaxDepth) +
                           " levels of nesting, found more");
    }
    try {
        walk(json::parse(text));
        return {};
    } catch (const WrongValue& wrong) {
        return parse_error(file + ": " + wrong.pointer + ": " + wrong.text);
    } catch (const json::parse_error& error) {
        const std::size_t at = std::min(error.byte == 0 ? 0 : error.byte - 1, text.size());
        return parse_error(file + ":" + place_of(text, at) + ": expected JSON, found " + reason_of(error));
    } catch (const json::exception& error) {  // a number beyond double's range
        return parse_error(file + ": expected JSON, found " + reason_of(error));
    } catch (const std::bad_alloc&) {
        return {StatusCode::kOutOfMemory, file + ": not enough memory to read it"};
    }
}

}  // namespace octile
