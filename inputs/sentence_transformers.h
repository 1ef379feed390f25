// What sentence-transformers' modules.json says of the network beside it: how its rows become an embedding.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "families/sentence_modules.h"
#include "octile/status.h"

namespace octile {

// Where modules.json in `folder` says that the network is: in that folder as a rule, and below it ("0_Transformer") in
// what early versions wrote.
std::filesystem::path network_folder(const std::filesystem::path& folder);

// Of the modules.json in `folder`, the network's, or in the one around it whose network this is, what stands behind the
// network: Pooling, and behind it Dense and Normalize in any order and number. Nothing where there is no modules.json,
// or none of these in it, as beside a cross-encoder. kParseError, naming file and field, for modules that no graph can
// say, in an order that is none, or whose folder is not there.
Result<std::vector<SentenceModule>> read_sentence_modules(const std::filesystem::path& folder);

// Files of weights that those modules have: each with what the names of its tensors are to begin with, "2_Dense.".
// Nothing where read_sentence_modules() has an error to tell.
struct ModuleWeights {
    std::filesystem::path file;
    std::string prefix;
};
std::vector<ModuleWeights> weights_of_modules(const std::filesystem::path& folder);

}  // namespace octile
