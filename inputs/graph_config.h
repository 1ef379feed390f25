// config.json of Hugging Face transformers as a graph: encoders that yield an embedding, decoders that yield logits.
//
// Families, by model_type: bert, roberta, xlm-roberta, camembert; llama, mistral, qwen2, qwen3. Nodes and tensors are
// named as in the checkpoint (model_config.h names the same linears, with '*' for the number of a block).
//
// - An encoder's inputs are "token_ids" and, where it has types, "token_types" (optional); its output is "embedding",
//   [sequences, hidden].
// - A decoder's input is "token_ids", its output "lm_head": the logits of each sequence's last token.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

#include "octile/graph.h"
#include "octile/status.h"

namespace octile {

struct GraphOptions {
    Pooling pooling = Pooling::kMean;  // of an encoder
    bool normalize = true;             // of an encoder
    bool all_logits = false;           // of a decoder: those of every token, [tokens, vocabulary]
    // Whether the checkpoint has a tensor: an encoder's names may begin with its family's ("bert."), and a decoder
    // without lm_head.weight shares its table of tokens. Without it, names are those of the bare encoder, and
    // tie_word_embeddings decides.
    std::function<bool(std::string_view tensor)> has_tensor = {};
};

// `text` is the whole file; `path` names it in messages, and the network. kParseError with "path: field: expected ...,
// found ...", for what no graph can say too (other positions than a table's, sliding windows, other scalings than
// llama3's).
Result<Graph> graph_of_config(std::string_view text, const std::filesystem::path& path, const GraphOptions& options);

// graph_of_config() of a file, with the pooling and normalization that sentence-transformers' modules.json and
// 1_Pooling/config.json beside it ask for; without them, those of `options`.
Result<Graph> read_graph(const std::filesystem::path& config, GraphOptions options);

}  // namespace octile
