// Calibration data: what the linears of a network were seen to read.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calibration/array_file.h"
#include "octile/status.h"

namespace octile {

// Rows of each layer's input, [..., K], named like the layer.
class Activations {
  public:
    // No data.
    Activations() = default;

    // A folder of <layer>.npy, or an .npz with an array for each layer. kIoError, kParseError.
    static Result<Activations> open(const std::filesystem::path& path);

    // Every layer that there is an array for.
    std::vector<std::string> names() const;
    bool has(std::string_view layer) const;
    // At most `max_rows` of its rows, spread evenly. Empty where there is no array; kParseError for one whose rows do
    // not have k features.
    Result<std::optional<ArrayRows>> find(const std::string& layer, std::int64_t k, std::int64_t max_rows) const;

  private:
    std::optional<NpzFile> archive_;
    std::map<std::string, std::filesystem::path, std::less<>> files_;
};

}  // namespace octile
