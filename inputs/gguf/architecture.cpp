// Names of files: gguf/constants.py and tensor_mapping.py of the gguf package, 0.19. Names of checkpoints: transformers
// 5.24, and nomic-ai's own for nomic_bert.
#include "inputs/gguf/architecture.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

namespace octile {
namespace {

constexpr std::string_view kBlock = "blk.";

constexpr GgufName kDecoder[] = {
    {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}};
constexpr GgufName kLlamaBlock[] = {{"attn_norm", "input_layernorm"},    {"attn_q", "self_attn.q_proj"},
                                    {"attn_k", "self_attn.k_proj"},      {"attn_v", "self_attn.v_proj"},
                                    {"attn_q_norm", "self_attn.q_norm"}, {"attn_k_norm", "self_attn.k_norm"},
                                    {"attn_output", "self_attn.o_proj"}, {"ffn_norm", "post_attention_layernorm"},
                                    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
                                    {"ffn_down", "mlp.down_proj"}};
// Norms around both parts.
constexpr GgufName kGemma2Block[] = {{"attn_norm", "input_layernorm"},
                                     {"attn_q", "self_attn.q_proj"},
                                     {"attn_k", "self_attn.k_proj"},
                                     {"attn_v", "self_attn.v_proj"},
                                     {"attn_q_norm", "self_attn.q_norm"},
                                     {"attn_k_norm", "self_attn.k_norm"},
                                     {"attn_output", "self_attn.o_proj"},
                                     {"post_attention_norm", "post_attention_layernorm"},
                                     {"ffn_norm", "pre_feedforward_layernorm"},
                                     {"ffn_gate", "mlp.gate_proj"},
                                     {"ffn_up", "mlp.up_proj"},
                                     {"ffn_down", "mlp.down_proj"},
                                     {"post_ffw_norm", "post_feedforward_layernorm"}};
constexpr GgufName kPhi3Block[] = {{"attn_norm", "input_layernorm"},    {"attn_qkv", "self_attn.qkv_proj"},
                                   {"attn_output", "self_attn.o_proj"}, {"ffn_norm", "post_attention_layernorm"},
                                   {"ffn_up", "mlp.gate_up_proj"},      {"ffn_down", "mlp.down_proj"}};
constexpr GgufName kBert[] = {{"token_embd", "embeddings.word_embeddings"},
                              {"token_types", "embeddings.token_type_embeddings"},
                              {"position_embd", "embeddings.position_embeddings"},
                              {"token_embd_norm", "embeddings.LayerNorm"}};
constexpr GgufName kBertBlock[] = {{"attn_q", "attention.self.query"},
                                   {"attn_k", "attention.self.key"},
                                   {"attn_v", "attention.self.value"},
                                   {"attn_output", "attention.output.dense"},
                                   {"attn_output_norm", "attention.output.LayerNorm"},
                                   {"ffn_up", "intermediate.dense"},
                                   {"ffn_down", "output.dense"},
                                   {"layer_output_norm", "output.LayerNorm"}};
constexpr GgufName kNomic[] = {{"token_embd", "embeddings.word_embeddings"},
                               {"token_types", "embeddings.token_type_embeddings"},
                               {"token_embd_norm", "emb_ln"}};
constexpr GgufName kNomicBlock[] = {
    {"attn_qkv", "attn.Wqkv"}, {"attn_output", "attn.out_proj"}, {"attn_output_norm", "norm1"}, {"ffn_up", "mlp.fc11"},
    {"ffn_gate", "mlp.fc12"},  {"ffn_down", "mlp.fc2"},          {"layer_output_norm", "norm2"}};

constexpr GgufArchitecture kArchitectures[] = {
    {.name = "llama",
     .model_type = "llama",
     .network = "LlamaForCausalLM",
     .bare = "LlamaModel",
     .names = kDecoder,
     .block = "model.layers.",
     .block_names = kLlamaBlock,
     .paired_rows = true},
    {.name = "qwen2",
     .model_type = "qwen2",
     .network = "Qwen2ForCausalLM",
     .bare = "Qwen2Model",
     .names = kDecoder,
     .block = "model.layers.",
     .block_names = kLlamaBlock},
    {.name = "qwen3",
     .model_type = "qwen3",
     .network = "Qwen3ForCausalLM",
     .bare = "Qwen3Model",
     .names = kDecoder,
     .block = "model.layers.",
     .block_names = kLlamaBlock},
    {.name = "gemma",
     .model_type = "gemma",
     .network = "GemmaForCausalLM",
     .bare = "GemmaModel",
     .names = kDecoder,
     .block = "model.layers.",
     .block_names = kLlamaBlock,
     .norms_plus_one = true},
    {.name = "gemma2",
     .model_type = "gemma2",
     .network = "Gemma2ForCausalLM",
     .bare = "Gemma2Model",
     .names = kDecoder,
     .block = "model.layers.",
     .block_names = kGemma2Block,
     .norms_plus_one = true,
     .windows = 2},
    {.name = "gemma3",
     .model_type = "gemma3_text",
     .network = "Gemma3ForCausalLM",
     .bare = "Gemma3TextModel",
     .names = kDecoder,
     .block = "model.layers.",
     .block_names = kGemma2Block,
     .norms_plus_one = true,
     .windows = 6},
    {.name = "phi3",
     .model_type = "phi3",
     .network = "Phi3ForCausalLM",
     .bare = "Phi3Model",
     .names = kDecoder,
     .block = "model.layers.",
     .block_names = kPhi3Block},
    {.name = "bert",
     .model_type = "bert",
     .network = "BertModel",
     .bare = "BertModel",
     .names = kBert,
     .block = "encoder.layer.",
     .block_names = kBertBlock,
     .decoder = false,
     .rotary = false},
    {.name = "nomic-bert",
     .model_type = "nomic_bert",
     .network = "NomicBertModel",
     .bare = "NomicBertModel",
     .names = kNomic,
     .block = "encoder.layers.",
     .block_names = kNomicBlock,
     .decoder = false},
};

std::string_view name_in(std::span<const GgufName> names, std::string_view name) {
    const auto found =
        std::find_if(names.begin(), names.end(), [&](const GgufName& known) { return known.gguf == name; });
    return found == names.end() ? std::string_view() : found->transformers;
}

}  // namespace

const GgufArchitecture* gguf_architecture(std::string_view name) {
    const auto* const found =
        std::find_if(std::begin(kArchitectures), std::end(kArchitectures),
                     [&](const GgufArchitecture& architecture) { return architecture.name == name; });
    return found == std::end(kArchitectures) ? nullptr : found;
}

std::string gguf_architectures_text() {
    std::vector<std::string_view> names;
    for (const GgufArchitecture& architecture : kArchitectures)
        names.push_back(architecture.name);
    return fmt::format("{}", fmt::join(names, ", "));
}

std::optional<std::string> transformers_name(const GgufArchitecture& architecture, std::string_view tensor) {
    const std::size_t dot = tensor.rfind('.');
    if (dot == std::string_view::npos) return std::nullopt;
    const std::string_view ending = tensor.substr(dot);
    if (ending != ".weight" && ending != ".bias") return std::nullopt;
    const std::string_view module = tensor.substr(0, dot);
    if (!module.starts_with(kBlock)) {
        const std::string_view name = name_in(architecture.names, module);
        return name.empty() ? std::nullopt : std::optional(fmt::format("{}{}", name, ending));
    }
    const std::string_view rest = module.substr(kBlock.size());
    const std::size_t end = rest.find('.');
    const std::string_view number = rest.substr(0, end);
    const bool is_number = !number.empty() && number.find_first_not_of("0123456789") == std::string_view::npos;
    if (end == std::string_view::npos || !is_number) return std::nullopt;
    const std::string_view name = name_in(architecture.block_names, rest.substr(end + 1));
    if (name.empty()) return std::nullopt;
    return fmt::format("{}{}.{}{}", architecture.block, number, name, ending);
}

}  // namespace octile
