// Reader of safetensors files: https://github.com/huggingface/safetensors#format
//
//   u64 little-endian length of the header | header, JSON: name -> {dtype, shape, data_offsets} | data
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"
#include "inputs/tensor_info.h"
#include "octile/status.h"

namespace octile {

// An opened file. Everything that tensors() says has been checked: known dtypes, sizes that match shapes, data that
// covers the file from the header to its end with neither overlap nor hole. Weights are paged in when they are touched,
// not when the file is opened.
//
// Tensors, and pointers to them, live as long as this object or the one it was moved into. Shortening the file while it
// is open is not handled (see MappedFile).
class SafetensorsFile {
  public:
    // kIoError when the file cannot be mapped; kParseError, naming the file and the tensor, when it is not what the
    // format says.
    static Result<SafetensorsFile> open(const std::filesystem::path& path);

    // In the order of their data.
    const std::vector<TensorInfo>& tensors() const { return tensors_; }
    // Null when there is none of that name.
    const TensorInfo* find(std::string_view name) const;
    // Calls every tensor by the name that `name_of` has for it. Precondition: they differ from each other.
    void rename(const std::function<std::string(const std::string&)>& name_of);
    // The file's own free-form strings, e.g. format -> pt.
    const std::map<std::string, std::string>& metadata() const { return metadata_; }
    const std::filesystem::path& path() const { return path_; }

  private:
    SafetensorsFile(std::filesystem::path path, MappedFile file) : path_(std::move(path)), file_(std::move(file)) {}

    void make_index();

    std::filesystem::path path_;
    MappedFile file_;
    std::vector<TensorInfo> tensors_;
    // Keys are the names in tensors_, which stay put when it is moved.
    std::unordered_map<std::string_view, std::size_t> index_;
    std::map<std::string, std::string> metadata_;
};

}  // namespace octile
