// `octile inspect` of a GGUF file.
#pragma once

#include <filesystem>

namespace octile::cli {

// Prints its keys and tensors, as a table or JSON. An exit code.
int inspect_gguf(const std::filesystem::path& file, bool json);

}  // namespace octile::cli
