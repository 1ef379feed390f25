// The architectures of GGUF files whose networks are known: what transformers calls them and their tensors, and what
// llama.cpp's converter changes in those.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace octile {

// What precedes ".weight" and ".bias".
struct GgufName {
    std::string_view gguf, transformers;
};

struct GgufArchitecture {
    std::string_view name;        // general.architecture
    std::string_view model_type;  // of transformers' config.json
    std::string_view network;     // of its "architectures": with its head, and as an embedding
    std::string_view bare;
    std::span<const GgufName> names;
    std::string_view block;  // in front of a block's number, where the file has "blk."
    std::span<const GgufName> block_names;
    bool paired_rows = false;     // rows of q and k lie in pairs (TensorInfo::paired_rows)
    bool norms_plus_one = false;  // norms are stored with 1 added (TensorInfo::shift)
    bool decoder = true;
    bool rotary = true;
    int windows = 0;  // every so many-th block sees everything, the others a window; 0: no key says it
};

// Null for one that is not known.
const GgufArchitecture* gguf_architecture(std::string_view name);

// All that are, for messages.
std::string gguf_architectures_text();

// What transformers calls a tensor; empty: it has no name there.
std::optional<std::string> transformers_name(const GgufArchitecture& architecture, std::string_view tensor);

}  // namespace octile
