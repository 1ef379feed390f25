// From candidates to a program that measures them, through the build that makes the library's kernels: CMake,
// octile_add_kernel, the cache by content.
#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "octile/cpu.h"
#include "octile/status.h"

namespace octile::tuner {

struct BuildSettings {
    std::filesystem::path source;  // Octile's tree
    std::filesystem::path folder;  // of the build; made if it is not there
    Isa isa = Isa::kNeon;
    std::string kernel;              // "gemm_s8" or "gemm_f16"
    std::vector<std::int64_t> rows;  // of the layers: tiles that none of them runs are not built
    bool program = true;             // false: kernels alone, for a model
};

struct BuildCandidate {
    std::string name;
    nlohmann::json entry;
};

class Builder {
  public:
    Builder(BuildSettings settings, const std::atomic<bool>& stop) : settings_(std::move(settings)), stop_(stop) {}

    // Builds a program of these candidates, the default first, but for those that cannot be: name -> reason. An error
    // is one of the build itself. Kernels get so many seconds: what is not there by then is out.
    Result<std::map<std::string, std::string>> build(const std::vector<BuildCandidate>& candidates, double seconds);
    // What model_kernels.py says of the kernels of the last build, for a core that llvm-mca knows.
    Result<std::string> model(const std::string& core);

    std::filesystem::path program() const { return settings_.folder / "tuner/measure/octile_measure"; }
    std::filesystem::path kernels() const { return settings_.folder / "kernels"; }

  private:
    Status configure(const std::vector<BuildCandidate>& candidates);
    Status make_default();
    Status make_kernels(double seconds);
    Result<std::map<std::string, std::string>> screen();
    Status run(const std::vector<std::string>& command, double seconds = 1e9, std::string* out = nullptr);

    BuildSettings settings_;
    const std::atomic<bool>& stop_;
};

}  // namespace octile::tuner
