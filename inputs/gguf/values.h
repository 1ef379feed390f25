// Values of a GGUF file's keys, with errors (base/json_document.h) that name the key.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "inputs/gguf/header.h"

namespace octile {

// An integer from 0 on, of any kind of integer, or an array of the same one: what a file says of each block. Throws
// WrongValue.
std::uint64_t gguf_count(const GgufValue& value, const std::string& key);

// Printable text.
std::string gguf_word(const GgufValue& value, const std::string& key);

// true or false of each element of an array of bool; empty for another kind.
std::vector<bool> gguf_flags(const GgufValue& value);

// As JSON: numbers (of an array of the same ones, one), flags and printable text. An f32 becomes the shortest decimal
// number that is it: 1e-5, as a configuration has it, and no 9.99999974737875e-06.
nlohmann::json gguf_json(const GgufValue& value, const std::string& key);

// For people: numbers, text up to a bound, kind and number of elements of an array.
std::string gguf_text(const GgufValue& value);

}  // namespace octile
