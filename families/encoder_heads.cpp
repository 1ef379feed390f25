#include "families/encoder_heads.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

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
    builder.refuse_unless_bare();
    return EncoderHead::kNone;
}

void add_classification_head(NetworkBuilder& builder, const std::string& x, std::int64_t hidden) {
    const std::string row = builder.other("classification_head.row", "the row of the end of a text", {x}, 0,
                                          Rows{.unit = Rows::Unit::kSequences});
    const std::string dense = builder.linear("classification_head.dense", row, {.features = hidden});
    const std::string y = builder.other("classification_head.tanh", "the activation tanh", {dense});
    builder.output(builder.linear("classification_head.out_proj", y, {.features = builder.config.labels()}));
}

void add_embedding(NetworkBuilder& builder, const std::string& x) {
    const NetworkOptions& options = builder.options;
    // One network, one name: of nodes that no tensor belongs to.
    std::string y = builder.pool(options.normalize ? "pooled" : "embedding", x, options.pooling);
    if (!options.pooling_is_said) builder.assume(fmt::format("{} pooling", name_of(options.pooling)));
    if (options.normalize) y = builder.normalize("embedding", y);
    if (options.normalize && (!options.pooling_is_said || options.normalization_is_assumed))
        builder.assume("normalization");
    builder.output(y);
}

}  // namespace octile
