// Seeds that take code to make.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace octile::fuzz {

// Writes inputs as <folder>/<target>/<name>.
class SeedFolder {
  public:
    explicit SeedFolder(std::filesystem::path path) : path_(std::move(path)) {}

    void add(std::string_view target, std::string_view name, std::string_view bytes) const;

  private:
    std::filesystem::path path_;
};

void add_gguf_seeds(const SeedFolder& folder);
void add_onnx_seeds(const SeedFolder& folder);
void add_packed_seeds(const SeedFolder& folder);
void add_tuning_seeds(const SeedFolder& folder);

}  // namespace octile::fuzz
