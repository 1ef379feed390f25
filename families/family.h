// A family of networks: configurations of some model types, and checkpoints of some names, that one function builds
// graphs of. Each file of this room describes one or several of these; registry.cpp lists them.
// docs/adding_a_family.md shows how.
#pragma once

#include <string_view>
#include <vector>

#include "families/network_builder.h"

namespace octile {

using Words = std::vector<std::string_view>;

// How the checkpoint of a model type is told by its names alone. '*' in a name stands for a number; whatever precedes a
// name is the backbone's prefix. Of several that fit, the one with the most names counts.
struct Signature {
    std::string_view model_type;
    Words has;           // endings of tensor names, all of which are there; the first one tells the prefix
    Words has_not = {};  // and of such as are not
};

struct Family {
    Words model_types;
    std::vector<Signature> signatures;
    // What precedes the backbone's names in a checkpoint; the first one where only a configuration is known.
    Words prefixes;
    // Keys of config.json that the graph depends on, beside those of every family (keys.cpp).
    Words honoured;
    // Keys that change nothing at inference, likewise.
    Words indifferent;
    void (*build)(NetworkBuilder& builder);
    // Endings of the names of linears that lie [K, N] in the checkpoint.
    Words transposed = {};
    // The key below which a model of several parts has this one's configuration; null: at the top.
    const char* part = nullptr;
};

Words operator+(Words left, const Words& right);

using Families = std::vector<Family>;

// One function for each file.
const Families& albert_families();
const Families& bart_families();
const Families& beit_families();
const Families& bert_families();
const Families& clip_families();
const Families& decoder_families();
const Families& dinov2_families();
const Families& gpt_families();
const Families& llama_families();
const Families& modernbert_families();
const Families& nomic_families();
const Families& swin_families();
const Families& t5_families();
const Families& text_encoder_families();
const Families& timm_families();
const Families& vit_families();
const Families& wav2vec2_families();
const Families& whisper_families();

// All there are, and that of one model type; null: there is none.
const std::vector<const Family*>& all_families();
const Family* family_of(std::string_view model_type);

}  // namespace octile
