// Stands in for the ONNX reader in builds without it.
#include "inputs/messages.h"
#include "inputs/onnx_model.h"

namespace octile {

Result<Model> read_onnx_model(const std::filesystem::path& path, std::optional<std::int64_t>) {
    return Status(StatusCode::kUnsupported,
                  display(path) + ": this build reads no ONNX: it was made without libonnx and protobuf");
}

}  // namespace octile
