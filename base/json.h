// Reading and printing JSON, here and nowhere else in the library: nlohmann's parser and printer are the larger part of
// a file that uses them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "octile/status.h"

namespace octile::internal {

// A JSON document, or kParseError with the parser's reason on one line.
Result<nlohmann::json> parse_json(std::string_view text);

// What stands where something else was expected. Containers are not printed: they may be large, or nested beyond what a
// recursive printer survives.
std::string found(const nlohmann::json& value);

// `text` as a JSON string, quotes included. Bytes that are not valid UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

// As an array of strings, on one line.
std::string json_strings(const std::vector<std::string>& values);

}  // namespace octile::internal
