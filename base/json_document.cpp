#include "base/json_document.h"

#include <fmt/format.h>

#include <new>
#include <optional>
#include <utility>

#include "base/json.h"
#include "base/json_builder.h"
#include "base/printable.h"

namespace octile {

using nlohmann::json;

namespace {

Status parse_error(std::string message) {
    return {StatusCode::kParseError, std::move(message)};
}

}  // namespace

void fail_at(std::string pointer, std::string text) {
    throw WrongValue{std::move(pointer), std::move(text)};
}

std::string found(const json& value) {
    return internal::found(value);
}

const std::string& string_at(const json& value, const std::string& pointer) {
    if (!value.is_string()) fail_at(pointer, fmt::format("expected a string, found {}", found(value)));
    return value.get_ref<const std::string&>();
}

Status read_json(std::string_view text, const std::string& file, const std::function<void(const json&)>& walk) try {
    json document;
    const internal::TakenApart apart(document);
    if (const std::optional<internal::JsonError> error = internal::parse_json(text, document)) {
        const std::string place = error->line == 0 ? file : fmt::format("{}:{}:{}", file, error->line, error->column);
        const std::string_view expected = error->too_deep ? "" : "expected JSON, found ";
        return parse_error(fmt::format("{}: {}{}", place, expected, error->reason));
    }
    walk(document);
    return {};
} catch (const WrongValue& wrong) {
    return parse_error(file + ": " + wrong.pointer + ": " + wrong.text);
} catch (const std::bad_alloc&) {
    return {StatusCode::kOutOfMemory, file + ": not enough memory to read it"};
}

}  // namespace octile
