#include "families/encoder_heads.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>
#include <vector>

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
    const std::string y = builder.tanh("classification_head.tanh", dense);
    builder.output(builder.linear("classification_head.out_proj", y, {.features = builder.config.labels()}));
}

namespace {

std::string add_pooling(NetworkBuilder& builder, const SentenceModule& module, const std::string& name,
                        const std::string& x) {
    if (module.poolings.size() == 1) return builder.pool(name, x, module.poolings.front());
    std::vector<std::string> parts;
    for (const Pooling pooling : module.poolings)
        parts.push_back(builder.pool(fmt::format("{}.{}.{}", module.name, parts.size(), name_of(pooling)), x, pooling));
    return builder.concat(name, parts);
}

// The last of the nodes is "embedding", whatever it is: one network, one name.
std::string add_modules(NetworkBuilder& builder, std::string x) {
    const std::vector<SentenceModule>& modules = builder.options.modules;
    for (std::size_t i = 0; i < modules.size(); i++) {
        const SentenceModule& module = modules[i];
        const bool last = i + 1 == modules.size();
        const auto named = [&](const char* part) { return last ? std::string("embedding") : module.name + part; };
        switch (module.kind) {
            case SentenceModule::Kind::kPooling:
                x = add_pooling(builder, module, named(".pooled"), x);
                break;
            case SentenceModule::Kind::kNormalize:
                x = builder.normalize(named(".normalized"), x);
                break;
            case SentenceModule::Kind::kDense: {
                const std::string y =
                    builder.linear(module.name + ".linear", x, {.features = module.features, .bias = module.bias});
                x = builder.activation(named(".activation"), y, module.activation);
                if (last && x == y) x = builder.same("embedding", y);
                break;
            }
        }
    }
    return x;
}

}  // namespace

void add_embedding(NetworkBuilder& builder, const std::string& x) {
    const NetworkOptions& options = builder.options;
    if (!options.modules.empty()) return builder.output(add_modules(builder, x));
    // One network, one name: of nodes that no tensor belongs to.
    std::string y = builder.pool(options.normalize ? "pooled" : "embedding", x, options.pooling);
    if (!options.pooling_is_said) builder.assume(fmt::format("{} pooling", name_of(options.pooling)));
    if (options.normalize) y = builder.normalize("embedding", y);
    if (options.normalize && (!options.pooling_is_said || options.normalization_is_assumed))
        builder.assume("normalization");
    builder.output(y);
}

}  // namespace octile
