#include "base/input_files.h"

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace octile {
namespace {

std::atomic<bool> kept = false;

using Identity = std::pair<::dev_t, ::ino_t>;

struct InputFiles {
    std::mutex mutex;
    std::map<Identity, std::filesystem::path> names;
    std::set<Identity> own;
    const std::filesystem::path* last = nullptr;
};

InputFiles& input_files() {
    static InputFiles files;
    return files;
}

void add(const struct stat& file, const std::filesystem::path& path) {
    if (!S_ISREG(file.st_mode)) return;
    InputFiles& files = input_files();
    const std::lock_guard lock(files.mutex);
    const Identity identity = {file.st_dev, file.st_ino};
    if (!files.own.contains(identity)) files.last = &files.names.try_emplace(identity, path).first->second;
}

}  // namespace

void keep_inputs() {
    kept = true;
}

void add_input(int descriptor, const std::filesystem::path& path) {
    struct stat file = {};
    if (kept && ::fstat(descriptor, &file) == 0) add(file, path);
}

void add_input(const std::filesystem::path& path) {
    struct stat file = {};
    if (kept && ::stat(path.c_str(), &file) == 0) add(file, path);
}

void add_own_file(int descriptor) {
    struct stat file = {};
    if (!kept || ::fstat(descriptor, &file) != 0) return;
    InputFiles& files = input_files();
    const std::lock_guard lock(files.mutex);
    files.own.insert({file.st_dev, file.st_ino});
}

const std::filesystem::path* last_input() {
    InputFiles& files = input_files();
    const std::lock_guard lock(files.mutex);
    return files.last;
}

std::optional<std::filesystem::path> find_input(const struct stat& file) {
    if (!kept) return std::nullopt;
    InputFiles& files = input_files();
    const std::lock_guard lock(files.mutex);
    const auto found = files.names.find({file.st_dev, file.st_ino});
    return found == files.names.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace octile
