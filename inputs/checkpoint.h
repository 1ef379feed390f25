// A network's weights: one safetensors file, or several that an index names, or a GGUF file with its parts.
//
//   model.safetensors.index.json   {"metadata": {...}, "weight_map": {"tensor": "model-00001-of-00002.safetensors",
//   ...}}
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "inputs/format.h"
#include "inputs/gguf/model.h"
#include "inputs/quantization_config.h"
#include "inputs/safetensors.h"
#include "octile/status.h"

namespace octile {

// Tensors, and pointers to them, live as long as this object or the one it was moved into.
class Checkpoint {
  public:
    // `format` is kSafetensors, kSafetensorsIndex or kGguf. Shards are looked for beside their index and nowhere else.
    // config.json beside safetensors is read for what it says of quantization; a GGUF file says all by itself.
    //
    // kIoError for a file that cannot be read, kParseError naming file and field: an index that is not one, a shard
    // without a tensor that the index promises, and all that SafetensorsFile::open() and GgufModel::open() say.
    //
    // Weights of sentence-transformers' modules behind the network are part of it: 2_Dense/model.safetensors has
    // "2_Dense.linear.weight".
    //
    // Names that programs put in front of all of a network's (`module.` of DistributedDataParallel, `base_model.model.`
    // of PEFT) or into them (`_orig_mod.` of torch.compile, `.base_layer` of PEFT) are followed: tensors are called as
    // they were before.
    static Result<Checkpoint> open(const std::filesystem::path& path, InputFormat format);

    explicit Checkpoint(SafetensorsFile file);
    explicit Checkpoint(GgufModel model);

    // Shard by shard, each in the order of its data; of several shards only what the index names.
    const std::vector<const TensorInfo*>& tensors() const { return tensors_; }
    // Null when there is none of that name.
    const TensorInfo* find(std::string_view name) const;
    const std::filesystem::path& path() const { return path_; }
    const QuantizationConfig& quantization() const { return quantization_; }
    // Null for safetensors.
    const GgufModel* gguf() const { return gguf_.get(); }
    // What there is to say of the file as a whole, a line each.
    const std::vector<std::string>& notes() const { return notes_; }

  private:
    Checkpoint() = default;
    static Result<Checkpoint> open_index(const std::filesystem::path& path);
    void add(const TensorInfo& tensor);
    void follow_prefixes();
    void note_adapter();
    Status read_quantization();
    Status add_modules();
    bool has_quantized_weights() const;

    std::filesystem::path path_;
    std::vector<SafetensorsFile> shards_;
    std::unique_ptr<const GgufModel> gguf_;
    std::vector<const TensorInfo*> tensors_;
    std::unordered_map<std::string_view, const TensorInfo*> index_;
    QuantizationConfig quantization_;
    std::vector<std::string> notes_;
};

}  // namespace octile
