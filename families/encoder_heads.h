// Heads of encoders of text, by "architectures".
#pragma once

#include <cstdint>
#include <string>

#include "families/network_builder.h"

namespace octile {

enum class EncoderHead {
    kNone,  // the bare network, or one that modules.json makes an embedding of
    kMaskedLanguage,
    kPretraining,
    kNextSentence,
    kTokens,
    kQuestionAnswering,
    kSequence,
    kMultipleChoice,
};

// Refuses an architecture that is none of these; the network is the bare one then.
EncoderHead encoder_head(NetworkBuilder& builder);

// The classifier of networks whose decoder reads the text once more, as the network's output: of the row at its end.
void add_classification_head(NetworkBuilder& builder, const std::string& x, std::int64_t hidden);

// The sentence embedding that sentence-transformers makes of a bare encoder, as the network's output.
void add_embedding(NetworkBuilder& builder, const std::string& x);

}  // namespace octile
