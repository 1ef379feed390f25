// Files that people hand in and that are something else: told by their first bytes, and in words what to do with them.
#pragma once

#include <filesystem>
#include <string>

namespace octile {

// "a GGML file, which old versions of llama.cpp read; ..."; empty for anything that is none of these: a git-lfs
// pointer, a page of a web server, archives and pickles of PyTorch, TorchScript, GGML, ONNX Runtime's .ort, TFLite,
// HDF5, NumPy's arrays, OpenVINO, tar and compressed files. Reads regular files only.
std::string foreign_file(const std::filesystem::path& path);

// What a folder without a checkpoint that is read holds instead, as "; pytorch_model.bin is there: a ..."; empty:
// nothing that tells.
std::string foreign_folder(const std::filesystem::path& folder);

}  // namespace octile
