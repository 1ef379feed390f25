// Reading and printing JSON, here and nowhere else: nlohmann's parser and printer are the larger part of a file that
// uses them, and what has been parsed here is nested so little that it may be copied, printed and destroyed.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "octile/status.h"

namespace octile::internal {

// Why a text is not taken.
struct JsonError {
    std::size_t line, column;  // both from 1, the column in bytes; 0 where the parser does not say
    std::string reason;        // one printable line: what the parser says, or the bound that was passed
    bool too_deep;             // more than limits::kJsonDepth levels
};

// Parses `text` into `document`, at most limits::kJsonDepth levels deep. May throw std::bad_alloc.
std::optional<JsonError> parse_json(std::string_view text, nlohmann::json& document);

// The same as a value, or kParseError with place and reason on one line, or kOutOfMemory.
Result<nlohmann::json> parse_json(std::string_view text);

// What stands where something else was expected. Containers are not printed: they may be large.
std::string found(const nlohmann::json& value);

// A document as it is printed, indented. Bytes that are not valid UTF-8 become U+FFFD.
std::string json_text(const nlohmann::ordered_json& document);

// `text` as a JSON string, quotes included. Bytes that are not valid UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

// As an array of strings, on one line.
std::string json_strings(const std::vector<std::string>& values);

}  // namespace octile::internal
