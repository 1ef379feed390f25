// Stands in for the ONNX reader in builds without it.
#include "inputs/messages.h"
#include "inputs/onnx_model.h"

namespace octile {

Result<Model> read_onnx(const std::filesystem::path& path, const OnnxOptions&) {
    return Status(StatusCode::kUnsupported,
                  display(path) + ": this build reads no ONNX: it was made without libonnx and protobuf");
}

Result<Model> read_onnx(std::span<const std::byte>, const std::filesystem::path& path, const OnnxOptions& options) {
    return read_onnx(path, options);
}

}  // namespace octile
