#include "calibration/activations.h"

#include <fmt/format.h>

#include <system_error>
#include <utility>

#include "inputs/messages.h"

namespace octile {

namespace fs = std::filesystem;

Result<Activations> Activations::open(const fs::path& path) {
    Activations activations;
    std::error_code error;
    if (!fs::is_directory(path, error)) {
        Result<NpzFile> archive = NpzFile::open(path);
        if (!archive.ok()) return archive.status();
        activations.archive_ = std::move(archive).value();
        return activations;
    }
    for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
        if (entry->path().extension() == ".npy") activations.files_[entry->path().stem().native()] = entry->path();
    }
    if (error) return Status(StatusCode::kIoError, fmt::format("{}: {}", display(path), error.message()));
    if (activations.files_.empty()) {
        return parse_error(display(path) + ": expected a folder of .npy files named like layers, found none");
    }
    return activations;
}

std::vector<std::string> Activations::names() const {
    if (archive_) return archive_->names();
    std::vector<std::string> names;
    for (const auto& [name, path] : files_)
        names.push_back(name);
    return names;
}

bool Activations::has(std::string_view layer) const {
    return archive_ ? archive_->has(layer) : files_.find(layer) != files_.end();
}

Result<std::optional<ArrayRows>> Activations::find(const std::string& layer, std::int64_t k,
                                                   std::int64_t max_rows) const {
    if (!has(layer)) return std::optional<ArrayRows>();
    Result<ArrayRows> rows = [&]() -> Result<ArrayRows> {
        if (archive_) return archive_->read(layer, max_rows, k);
        const fs::path& path = files_.find(layer)->second;
        const Result<MappedFile> file = MappedFile::open(path);
        if (!file.ok()) return file.status();
        return parse_npy(file.value().bytes(), display(path), max_rows);
    }();
    if (!rows.ok()) return rows.status();
    if (rows->columns != k) {  // of a file, which holds as many as it says
        return parse_error(fmt::format("calibration data of {}: shape: expected rows of {} features, found {}",
                                       internal::quote(layer), k, rows->columns));
    }
    return std::optional<ArrayRows>(std::move(rows).value());
}

}  // namespace octile
