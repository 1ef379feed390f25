#include "families/keys.h"

#include <algorithm>

namespace octile {
namespace {

// Every configuration may have these, and they change nothing of what a network computes from its tokens:
// transformers/configuration_utils.py, PretrainedConfig of 4.57 and PreTrainedConfig of 5.24, the parameters of
// generation that 4.x kept beside them, and what trainers and hubs leave in the file.
const Words kIndifferent = {
    // identity and bookkeeping
    "model_type", "architectures", "transformers_version", "_name_or_path", "name_or_path", "_commit_hash", "dtype",
    "torch_dtype", "use_bfloat16", "torchscript", "tf_legacy_loss", "_attn_implementation", "attn_implementation",
    "_attn_implementation_autoset", "_experts_implementation", "experts_implementation", "finetuning_task",
    "task_specific_params", "problem_type", "tokenizer_class", "unsloth_fixed", "unsloth_version", "base_model",
    "transformers.js_config", "language", "adapters", "model_max_length", "id2label", "label2id", "num_labels",
    "return_dict", "use_return_dict", "output_hidden_states", "output_attentions", "output_past", "use_cache",
    "gradient_checkpointing", "chunk_size_feed_forward", "cross_attention_hidden_size", "quantization_config",
    "compression_config", "sparsity_config", "sentence_transformers", "sbert_ce_default_activation_function", "license",
    // training
    "initializer_range", "initializer_factor", "init_std", "initializer_cutoff_factor", "attention_dropout",
    "activation_dropout", "hidden_dropout", "hidden_dropout_prob", "attention_probs_dropout_prob", "dropout",
    "embd_pdrop", "attn_pdrop", "resid_pdrop", "classifier_dropout", "classifier_dropout_prob", "embedding_dropout",
    "drop_path_rate", "layerdrop", "encoder_layerdrop", "decoder_layerdrop", "dropout_rate", "mlp_dropout",
    // tokens and generation
    "bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "cls_token_id", "mask_token_id", "unk_token_id",
    "decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id", "suppress_tokens", "begin_suppress_tokens",
    "prefix", "max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups",
    "diversity_penalty", "temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty",
    "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences", "output_scores",
    "return_dict_in_generate", "remove_invalid_values", "exponential_decay_length_penalty", "forced_decoder_ids",
    "is_encoder_decoder", "tie_encoder_decoder",
    // of LLaMA's kind: read by the families whose blocks they change, and written by trainers into others'
    "attention_bias", "mlp_bias"};

// Every family reads these, or refuses what it cannot do.
const Words kHonoured = {"tie_word_embeddings", "is_decoder", "add_cross_attention", "pruned_heads"};

bool is_in(const Words& words, std::string_view key) {
    return std::find(words.begin(), words.end(), key) != words.end();
}

}  // namespace

std::vector<std::string> unknown_keys(const Family& family, const nlohmann::json& config) {
    std::vector<std::string> unknown;
    for (const auto& [key, value] : config.items()) {
        if (value.is_null()) continue;
        const bool known = is_in(kIndifferent, key) || is_in(kHonoured, key) || is_in(family.honoured, key) ||
                           is_in(family.indifferent, key);
        if (!known) unknown.push_back(key);
    }
    return unknown;
}

}  // namespace octile
