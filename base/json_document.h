// JSON files: read with a bound on their depth, and walked with errors that name the place.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "octile/status.h"

namespace octile {

// An error at a place in the document, as "pointer: expected ..., found ...". Thrown by whoever walks it, caught by
// read_json(): a walk is deep, its error path is one.
struct WrongValue {
    std::string pointer;
    std::string text;
};

[[noreturn]] void fail_at(std::string pointer, std::string text);

// A value in an error message: "an object", "3", "\"text\"".
std::string found(const nlohmann::json& value);

const std::string& string_at(const nlohmann::json& value, const std::string& pointer);

// Parses `text` and hands the document to `walk`, which may throw WrongValue. kParseError with "file:line:column: " for
// what is not JSON or deeper than a layer list, plan or configuration ever is, with "file: pointer: " for a WrongValue;
// kOutOfMemory.
Status read_json(std::string_view text, const std::string& file,
                 const std::function<void(const nlohmann::json&)>& walk);

}  // namespace octile
