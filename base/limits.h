// What readers of bytes that are not ours accept at most: every bound, here and nowhere else. A bound is far above what
// any real file needs and low enough that memory and time stay a small multiple of the input's size; whatever is beyond
// it is an error that names the bound.
#pragma once

#include <cstddef>
#include <cstdint>

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

// A layer list, a configuration, an index: 10,000 layers are about 1 MB. Also of everything that a benchdnn file
// includes, together.
inline constexpr std::size_t kTextBytes = std::size_t{16} << 20;
// A verbose log, which is read line by line: an hour of a network has a few hundred MB.
inline constexpr std::size_t kLogBytes = std::size_t{1} << 30;
// Names of layers and tensors. They end up in tables and are searched with patterns.
inline constexpr std::size_t kNameBytes = 1024;
// Files that a benchdnn file includes, one inside the other, and all together: oneDNN's own lists have some ten.
inline constexpr std::size_t kBatchDepth = 16, kBatchFiles = 1000;
// Problems of a benchdnn file: the same file may be included again and again.
inline constexpr std::size_t kBatchProblems = 1'000'000;
// The header of a safetensors file: the limit of the reference implementation.
inline constexpr std::uint64_t kSafetensorsHeaderBytes = 100'000'000;
// Keys of a GGUF file's metadata, of which real ones have some fifty, and arrays inside each other there. Dimensions of
// a tensor are ggml's. Its data begins at multiples of 32 bytes, or of what the file says, up to so many.
inline constexpr std::size_t kGgufKeys = 65536, kGgufArrayDepth = 4, kGgufRank = 4;
inline constexpr std::uint64_t kGgufAlignment = std::uint64_t{1} << 20;
// Files that one network is split into: 70 of the largest known ones.
inline constexpr std::uint64_t kGgufParts = 10000;
// Factors of rotary frequencies, half the width of a head.
inline constexpr std::int64_t kRopeFactors = 65536;
// Memory for a byte of the lists of keys and tensors: an entry of 25 bytes becomes a name, a shape and places in
// indices.
inline constexpr std::size_t kGgufMemoryPerByte = 64;
// Dimensions of a tensor, of safetensors, of .npy, of ONNX and of the packed file.
inline constexpr std::size_t kRank = 32;
// Nodes of the network that a configuration or names of tensors describe: the largest known ones, of 61 blocks with 384
// experts each, have 120,000. Numbers in a few bytes of config.json would ask for any number of them.
inline constexpr std::size_t kNetworkNodes = 1u << 18;
// Memory for a node of it and what is made of it: the graph, layers and a plan.
inline constexpr std::size_t kNetworkMemoryPerNode = 4096;

// Of an ONNX file. Protobuf's own nesting: a graph inside a node of a graph takes three levels of it.
inline constexpr int kOnnxMessageDepth = 100;
// Calls of functions and bodies of If, Loop and Scan inside each other.
inline constexpr std::size_t kOnnxDepth = 24;
// Nodes that calls of functions write out, beside those of the graph itself: so many, and one for so many of the file's
// bytes.
inline constexpr std::size_t kOnnxCalledNodes = 20000, kOnnxBytesPerCalledNode = 8;
// Beyond these, a value is unknown, which is no error: dimensions (kRank); elements of a value that is computed, not
// only its shape; elements that all values together may have, so many and one for each of the file's bytes.
inline constexpr std::size_t kOnnxElements = 1024, kOnnxAllElements = 1u << 20;

// A pattern for names of layers (base/pattern.h). Its time is its states times the name's bytes; [0-9]{1,3} is three
// states, a real pattern some 30. Groups are read by recursion.
inline constexpr std::size_t kPatternBytes = 1000, kPatternStates = 4096, kPatternDepth = 32;
// Memory for a state of it, at most: the state itself in an array that has grown, and the class of bytes that it may
// have.
inline constexpr std::size_t kPatternMemoryPerState = 96;
// States of all expressions of an ignore list together: every name of a checkpoint is searched with all of them.
inline constexpr std::size_t kIgnoreListStates = 16384;

// The text at the beginning of a .npy array; NumPy reads 10,000 bytes of it.
inline constexpr std::size_t kNpyHeaderBytes = 65536;
// Elements of an array: any product of extents that fits stays below 2^63.
inline constexpr std::uint64_t kArrayElements = std::uint64_t{1} << 40;
// Deflate makes nothing smaller than this share: a member of an archive that says otherwise lies about its size.
inline constexpr std::uint64_t kDeflateExpansion = 1040;

// Bytes of an error line. A path has up to 4096, and at most a few names of up to kNameBytes stand in one line.
inline constexpr std::size_t kMessageBytes = 8192;

}  // namespace octile::limits
