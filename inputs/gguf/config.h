// A GGUF file's keys as the config.json that transformers would have for the network.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "inputs/gguf/model.h"
#include "octile/graph.h"
#include "octile/status.h"

namespace octile {

struct GgufConfig {
    nlohmann::json document;
    std::string architecture;  // general.architecture
    // What of the file says each of the document's keys.
    std::map<std::string, std::string, std::less<>> sources;
    // Keys of the architecture that nobody knows: what they change is not in the document.
    std::vector<std::string> unknown_keys;
    // How tokens become an embedding; nothing where the network yields logits, or no key says it.
    std::optional<Pooling> pooling;
    std::vector<std::string> notes;
};

// `ignored` are keys that are as if they were not there. kUnsupported for an architecture that is not known,
// kParseError for a value that is none; messages begin with the key.
Result<GgufConfig> gguf_config(const GgufModel& model, const std::set<std::string, std::less<>>& ignored);

// A message about the document, "hidden_size: expected ...", with the key of the file that says it in place of the
// document's own.
std::string in_words_of_file(const GgufConfig& config, const std::string& message);

}  // namespace octile
