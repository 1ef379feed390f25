// What sentence-transformers' modules.json says of the network beside it: how its rows become an embedding.
#pragma once

#include <filesystem>
#include <optional>

#include "octile/graph.h"
#include "octile/status.h"

namespace octile {

struct SentenceEmbedding {
    Pooling pooling = Pooling::kMean;
    bool normalize = false;
};

// Where modules.json in `folder` says that the network is: in that folder as a rule, and below it ("0_Transformer") in
// what early versions wrote.
std::filesystem::path network_folder(const std::filesystem::path& folder);

// Of the modules.json in `folder`, the network's, or in the one around it whose network this is; nothing where there is
// none. kParseError, naming file and field, for modules that no graph can say, in an order that is none, or whose
// folder is not there.
Result<std::optional<SentenceEmbedding>> read_sentence_embedding(const std::filesystem::path& folder);

}  // namespace octile
