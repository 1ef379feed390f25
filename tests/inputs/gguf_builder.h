// GGUF files made by hand: well-formed ones, and any others by changing the bytes that stand behind what was added.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace octile::test {

class GgufBuilder {
  public:
    explicit GgufBuilder(std::uint32_t version = 3) : version_(version) {}

    // Kinds in the numbers of the format.
    enum Kind : std::uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };

    GgufBuilder& key(const std::string& name, std::uint32_t kind, const std::string& value) {
        keys_ += text(name) + number(kind) + value;
        key_count_++;
        return *this;
    }
    GgufBuilder& word(const std::string& name, const std::string& value) { return key(name, kString, text(value)); }
    GgufBuilder& u32(const std::string& name, std::uint32_t value) { return key(name, kU32, number(value)); }
    GgufBuilder& u16(const std::string& name, std::uint16_t value) { return key(name, kU16, number(value)); }
    GgufBuilder& f32(const std::string& name, float value) { return key(name, kF32, number(value)); }
    GgufBuilder& flag(const std::string& name, bool value) { return key(name, kBool, std::string(1, value ? 1 : 0)); }
    GgufBuilder& flags(const std::string& name, const std::vector<bool>& values) {
        std::string array = number(std::uint32_t{kBool}) + number(std::uint64_t{values.size()});
        for (const bool value : values)
            array += static_cast<char>(value);
        return key(name, kArray, array);
    }
    GgufBuilder& u32s(const std::string& name, const std::vector<std::uint32_t>& values) {
        std::string array = number(std::uint32_t{kU32}) + number(std::uint64_t{values.size()});
        for (const std::uint32_t value : values)
            array += number(value);
        return key(name, kArray, array);
    }
    GgufBuilder& words(const std::string& name, const std::vector<std::string>& values) {
        std::string array = number(std::uint32_t{kString}) + number(std::uint64_t{values.size()});
        for (const std::string& value : values)
            array += text(value);
        return key(name, kArray, array);
    }

    // `shape` as in safetensors; the file has it the other way. `offset` < 0: behind the tensor before.
    GgufBuilder& tensor(const std::string& name, const std::vector<std::uint64_t>& shape, std::uint32_t type,
                        const std::string& data, std::int64_t offset = -1) {
        tensors_ += text(name) + number(static_cast<std::uint32_t>(shape.size()));
        for (std::size_t i = shape.size(); i-- > 0;)
            tensors_ += number(shape[i]);
        data_.resize((data_.size() + alignment_ - 1) / alignment_ * alignment_, '\0');
        tensors_ +=
            number(type) + number(offset < 0 ? std::uint64_t{data_.size()} : static_cast<std::uint64_t>(offset));
        data_ += data;
        tensor_count_++;
        return *this;
    }
    GgufBuilder& floats(const std::string& name, const std::vector<std::uint64_t>& shape,
                        const std::vector<float>& values) {
        return tensor(name, shape, 0,
                      std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
    }
    // 0.01, 0.02, ... from `first` on.
    GgufBuilder& floats(const std::string& name, const std::vector<std::uint64_t>& shape, float first = 0) {
        std::uint64_t count = 1;
        for (const std::uint64_t extent : shape)
            count *= extent;
        std::vector<float> values;
        for (std::uint64_t i = 0; i < count; i++)
            values.push_back(first + 0.01f * static_cast<float>(i % 97));
        return floats(name, shape, values);
    }
    // Blocks of some type, all bytes alike.
    GgufBuilder& blocks(const std::string& name, const std::vector<std::uint64_t>& shape, std::uint32_t type,
                        std::uint64_t block_values, std::uint64_t block_bytes) {
        std::uint64_t count = 1;
        for (const std::uint64_t extent : shape)
            count *= extent;
        return tensor(name, shape, type, std::string(count / block_values * block_bytes, '\x21'));
    }

    GgufBuilder& align(std::uint32_t alignment) {
        alignment_ = alignment;
        return u32("general.alignment", alignment);
    }
    // In place of the numbers that were added.
    GgufBuilder& claim(std::uint64_t tensors, std::uint64_t keys) {
        claimed_ = true;
        claimed_tensors_ = tensors;
        claimed_keys_ = keys;
        return *this;
    }

    std::string bytes() const {
        std::string bytes = "GGUF" + number(version_) + number(claimed_ ? claimed_tensors_ : tensor_count_) +
                            number(claimed_ ? claimed_keys_ : key_count_) + keys_ + tensors_;
        bytes.resize((bytes.size() + alignment_ - 1) / alignment_ * alignment_, '\0');
        return bytes + data_;
    }

    template <typename Number>
    static std::string number(Number value) {
        std::string bytes(sizeof(value), '\0');
        std::memcpy(bytes.data(), &value, sizeof(value));
        return bytes;
    }
    static std::string text(std::string_view value) { return number(std::uint64_t{value.size()}) + std::string(value); }

  private:
    std::uint32_t version_;
    std::size_t alignment_ = 32;
    std::string keys_, tensors_, data_;
    std::uint64_t key_count_ = 0, tensor_count_ = 0, claimed_tensors_ = 0, claimed_keys_ = 0;
    bool claimed_ = false;
};

// Sizes of the network below, whose heads are 16 wide.
struct GgufSizes {
    std::uint64_t hidden = 32, ffn = 24, heads = 2, key_heads = 1, vocabulary = 8, blocks = 2;
};

// Keys and tensors of a decoder of LLaMA's names, all f32.
inline GgufBuilder gguf_decoder(const std::string& architecture, const GgufSizes& s = {}, bool head = true) {
    GgufBuilder builder;
    const auto key = [&](const char* name, std::uint64_t value) {
        builder.u32(architecture + "." + name, static_cast<std::uint32_t>(value));
    };
    builder.word("general.architecture", architecture);
    key("context_length", 128);
    key("embedding_length", s.hidden);
    key("block_count", s.blocks);
    key("feed_forward_length", s.ffn);
    key("attention.head_count", s.heads);
    key("attention.head_count_kv", s.key_heads);
    builder.f32(architecture + ".attention.layer_norm_rms_epsilon", 1e-5f);
    builder.words("tokenizer.ggml.tokens", {"a", "b", "c"});
    const std::uint64_t keys = s.hidden / s.heads * s.key_heads;
    builder.floats("token_embd.weight", {s.vocabulary, s.hidden});
    builder.floats("output_norm.weight", {s.hidden}, 1);
    if (head) builder.floats("output.weight", {s.vocabulary, s.hidden}, -0.3f);
    for (std::uint64_t block = 0; block < s.blocks; block++) {
        const std::string at = "blk." + std::to_string(block) + ".";
        builder.floats(at + "attn_norm.weight", {s.hidden}, 1);
        builder.floats(at + "attn_q.weight", {s.hidden, s.hidden}, -0.5f);
        builder.floats(at + "attn_k.weight", {keys, s.hidden}, -0.4f);
        builder.floats(at + "attn_v.weight", {keys, s.hidden}, -0.3f);
        builder.floats(at + "attn_output.weight", {s.hidden, s.hidden}, -0.2f);
        builder.floats(at + "ffn_norm.weight", {s.hidden}, 1);
        builder.floats(at + "ffn_gate.weight", {s.ffn, s.hidden}, -0.1f);
        builder.floats(at + "ffn_up.weight", {s.ffn, s.hidden}, -0.6f);
        builder.floats(at + "ffn_down.weight", {s.hidden, s.ffn}, -0.7f);
    }
    return builder;
}

// A decoder of one block and 32 features whose matrices are in blocks, Q4_0's and Q8_0's, with the table as its head.
inline GgufBuilder gguf_decoder_in_blocks() {
    GgufBuilder builder;
    builder.word("general.architecture", "qwen2")
        .u32("qwen2.embedding_length", 32)
        .u32("qwen2.block_count", 1)
        .u32("qwen2.feed_forward_length", 32)
        .u32("qwen2.attention.head_count", 2)
        .f32("qwen2.attention.layer_norm_rms_epsilon", 1e-6f)
        .blocks("token_embd.weight", {16, 32}, 8, 32, 34)
        .floats("output_norm.weight", {32}, 1)
        .floats("blk.0.attn_norm.weight", {32}, 1)
        .floats("blk.0.ffn_norm.weight", {32}, 1);
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"})
        builder.blocks(std::string("blk.0.") + name + ".weight", {32, 32}, 2, 32, 18);
    return builder;
}

}  // namespace octile::test
