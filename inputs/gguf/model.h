// A network in a GGUF file, or in the parts that llama.cpp's gguf-split makes of one.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "inputs/gguf/architecture.h"
#include "inputs/gguf/header.h"
#include "inputs/tensor_info.h"
#include "octile/status.h"

namespace octile {

class GgufModel {
  public:
    // `path` is the file, or any part, net-00001-of-00003.gguf: the others lie beside it.
    //
    // kIoError for a file that cannot be read, kParseError naming file and key or tensor for one that is not what it
    // should be, and for an adapter.
    static Result<GgufModel> open(const std::filesystem::path& path);

    const std::filesystem::path& path() const { return path_; }
    // Of the first part, which has all keys.
    const GgufHeader& header() const { return parts_.front().header; }
    std::size_t parts() const { return parts_.size(); }
    // "llama"; empty: no key says it.
    const std::string& architecture_name() const { return architecture_name_; }
    // Null for one that is not known: tensors keep the names of the file.
    const GgufArchitecture* architecture() const { return architecture_; }

    // Part by part, each in the order of its data. Where the architecture is known, by transformers' names and as
    // transformers has them: pairs of rows and what was added to norms are undone where values are read.
    const std::vector<TensorInfo>& tensors() const { return tensors_; }
    // What the file calls each, in the same order.
    const std::vector<std::string>& file_names() const { return file_names_; }
    // By that name; null: there is none.
    const TensorInfo* find_in_file(std::string_view name) const;

  private:
    struct Part {
        MappedFile file;
        GgufHeader header;
    };

    GgufModel() = default;
    static Result<Part> open_part(const std::filesystem::path& path);
    Status open_parts();
    Status read_tensors();
    void restore(TensorInfo& tensor, std::string_view file_name) const;

    std::filesystem::path path_;
    std::vector<Part> parts_;
    std::string architecture_name_;
    const GgufArchitecture* architecture_ = nullptr;
    std::vector<TensorInfo> tensors_;
    std::vector<std::string> file_names_;
};

}  // namespace octile
