#include "fuzz/seeds.h"
#include "tests/inputs/gguf_builder.h"

namespace octile::fuzz {

void add_gguf_seeds(const SeedFolder& folder) {
    using test::GgufBuilder;
    constexpr test::GgufSizes kSmall{.hidden = 16, .ffn = 4, .heads = 1, .key_heads = 1, .vocabulary = 2, .blocks = 1};
    GgufBuilder llama = test::gguf_decoder("llama", kSmall);
    llama.f32("llama.rope.freq_base", 500000)
        .u32("llama.rope.dimension_count", 16)
        .word("llama.rope.scaling.type", "linear")
        .f32("llama.rope.scaling.factor", 2)
        .floats("rope_freqs.weight", {8}, {1, 1, 1, 1, 1, 8, 8, 8});
    GgufBuilder gemma = test::gguf_decoder("gemma3", kSmall, false);
    gemma.u32("gemma3.attention.key_length", 16)
        .u32("gemma3.attention.sliding_window", 16)
        .flags("gemma3.attention.sliding_window_pattern", {true})
        .blocks("extra.weight", {2, 256}, 12, 256, 144);
    GgufBuilder phi = test::gguf_decoder("phi3", kSmall);
    phi.floats("rope_factors_long.weight", {8}).floats("rope_factors_short.weight", {8}).u32("phi3.odd", 1);
    GgufBuilder other(2);
    other.align(64)
        .word("general.architecture", "other")
        .u16("split.count", 1)
        .blocks("a.weight", {2, 32}, 2, 32, 18)
        .blocks("b.weight", {2, 256}, 16, 256, 66);
    GgufBuilder bert;
    bert.word("general.architecture", "bert")
        .u32s("bert.attention.head_count", {1, 1})
        .u32("bert.embedding_length", 16)
        .u32("bert.block_count", 1)
        .u32("bert.pooling_type", 1)
        .floats("token_embd.weight", {4, 16})
        .blocks("blk.0.attn_q.weight", {16, 32}, 8, 32, 34)
        .floats("blk.0.attn_q.bias", {16});
    folder.add("gguf", "llama", llama.bytes());
    folder.add("gguf", "gemma3", gemma.bytes());
    folder.add("gguf", "phi3", phi.bytes());
    folder.add("gguf", "other", other.bytes());
    folder.add("gguf", "bert", bert.bytes());
    folder.add("gguf", "qwen2", test::gguf_decoder_in_blocks().bytes());
    folder.add("network", "gguf", other.bytes());
}

}  // namespace octile::fuzz
