// config.json of Hugging Face transformers as a graph that a session runs: encoders that yield an embedding or what
// their head yields, decoders that yield logits. families/ says which networks there are, and which of them run.
//
// - An encoder's inputs are "token_ids" and, where it has types, "token_types" (optional); without a head its output is
//   "embedding", [sequences, hidden].
// - A decoder's input is "token_ids", its output "lm_head": the logits of each sequence's last token.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>

#include "families/tensor_list.h"
#include "octile/graph.h"
#include "octile/status.h"

namespace octile {

struct GraphOptions {
    Pooling pooling = Pooling::kMean;  // of an encoder
    bool normalize = true;             // of an encoder
    bool all_logits = false;           // of a decoder: those of every token, [tokens, vocabulary]
    // Of the checkpoint: its names may begin with the family's ("bert."), and a decoder without lm_head.weight shares
    // its table of tokens. Null: names are those of the bare encoder, and tie_word_embeddings decides.
    const TensorList* tensors = nullptr;
    std::set<std::string, std::less<>> ignore_keys = {};
};

// `text` is the whole file; `path` names it in messages, and the network. kParseError with "path: field: expected ...,
// found ...", for what no session runs too (other positions than a table's, windows of unknown layers, other scalings
// than llama3's).
Result<Graph> graph_of_config(std::string_view text, const std::filesystem::path& path, const GraphOptions& options);

// graph_of_config() of a file, with the pooling and normalization that sentence-transformers' files beside it ask for
// (sentence_transformers.h); without them, those of `options`.
Result<Graph> read_graph(const std::filesystem::path& config, const GraphOptions& options);

}  // namespace octile
