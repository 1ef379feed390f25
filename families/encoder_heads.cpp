#include "families/encoder_heads.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "base/printable.h"

namespace octile {

EncoderHead encoder_head(NetworkBuilder& builder) {
    static constexpr std::array<std::pair<std::string_view, EncoderHead>, 9> kHeads = {
        {{"ForMaskedLM", EncoderHead::kMaskedLanguage},
         {"LMHeadModel", EncoderHead::kMaskedLanguage},
         {"ForCausalLM", EncoderHead::kMaskedLanguage},
         {"ForPreTraining", EncoderHead::kPretraining},
         {"ForNextSentencePrediction", EncoderHead::kNextSentence},
         {"ForTokenClassification", EncoderHead::kTokens},
         {"ForQuestionAnswering", EncoderHead::kQuestionAnswering},
         {"ForSequenceClassification", EncoderHead::kSequence},
         {"ForMultipleChoice", EncoderHead::kMultipleChoice}}};
    if (builder.options.sentence_embedding) return EncoderHead::kNone;
    for (const auto& [name, head] : kHeads)
        if (builder.config.architecture_has(name)) return head;
    const std::string architecture = builder.config.architecture();
    if (!architecture.empty() && !architecture.ends_with("Model"))
        builder.refuse(fmt::format("architectures: expected a network that Octile knows, found {}",
                                   internal::quote(architecture)));
    return EncoderHead::kNone;
}

void add_embedding(NetworkBuilder& builder, const std::string& x) {
    const NetworkOptions& options = builder.options;
    // One network, one name: of nodes that no tensor belongs to.
    std::string y = builder.pool(options.normalize ? "pooled" : "embedding", x, options.pooling);
    if (!options.pooling_is_said) builder.assume(fmt::format("{} pooling", name_of(options.pooling)));
    if (options.normalize) y = builder.normalize("embedding", y);
    if (options.normalize && !options.pooling_is_said) builder.assume("normalization");
    builder.output(y);
}

}  // namespace octile
