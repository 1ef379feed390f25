// What readers of bytes that are not ours accept at most: every bound, here and nowhere else. A bound is far above what
// any real file needs and low enough that memory and time stay a small multiple of the input's size; whatever is beyond
// it is an error that names the bound.
#pragma once

#include <cstddef>

namespace octile::limits {

// Levels of nesting of any JSON text. A layer list is 4 deep, a plan 6, a model's configuration rarely 8; nlohmann's
// values are copied, printed and destroyed by recursion.
inline constexpr std::size_t kJsonDepth = 16;

// Memory that a parsed JSON text takes for a byte of it, at most: an empty object, 3 bytes with its comma, is a value
// in an array that has grown to twice its size and a tree. Not enforced but tested: it follows from nlohmann's types.
inline constexpr std::size_t kJsonMemoryPerByte = 40;

// A name that becomes that of a file (base/file_name.h).
inline constexpr std::size_t kFileNameBytes = 100;

// A tuning database, and a bundle's results.jsonl: of each, some 10^5 jobs. Records take less than 8 times their text.
inline constexpr std::size_t kTuningBytes = std::size_t{1} << 30;
// A record's line; a job of the most rounds takes half.
inline constexpr std::size_t kTuningLineBytes = std::size_t{4} << 20;
inline constexpr int kTuningRounds = 100'000;
// What a record or an answer says of itself in words: label, core, session, versions; and why there are no samples.
inline constexpr std::size_t kTuningWordBytes = 256, kTuningReasonBytes = 10'000;

// Files of a source tree whose owners are looked at before `octile tune` builds in it; with .venv it has some 10^4.
inline constexpr std::size_t kSourceTreeFiles = 1'000'000;

}  // namespace octile::limits
