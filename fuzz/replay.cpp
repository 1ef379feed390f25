// usage: octile_fuzz_replay FOLDER [TARGET]...
//
// Runs targets, all of this build unless named, on every file of FOLDER/<target>. Any compiler will do; a sanitizer
// sees more. Exits with 1 for a target without inputs; what is wrong with an input aborts, and its name has been
// printed.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include "fuzz/target.h"

namespace fs = std::filesystem;
using octile::fuzz::Target;

namespace {

bool replay(const fs::path& folder, const Target& target) {
    std::vector<fs::path> files;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder / target.name, error))
        files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) {
        std::printf("%s\n", file.c_str());
        std::fflush(stdout);
        std::ifstream stream(file, std::ios::binary);
        const std::string input{std::istreambuf_iterator<char>(stream), {}};
        target.run(input);
    }
    std::printf("%.*s: %zu inputs\n", static_cast<int>(target.name.size()), target.name.data(), files.size());
    return !files.empty();
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) {
        std::fprintf(stderr, "usage: octile_fuzz_replay FOLDER [TARGET]...\n");
        return 2;
    }
    std::vector<Target> chosen;
    for (int i = 2; i < count; ++i) {
        const Target* const target = octile::fuzz::find_target(arguments[i]);
        if (target == nullptr) {
            std::fprintf(stderr, "octile_fuzz_replay: no target \"%s\"\n", arguments[i]);
            return 2;
        }
        chosen.push_back(*target);
    }
    if (chosen.empty()) chosen.assign(octile::fuzz::targets().begin(), octile::fuzz::targets().end());
    bool all = true;
    for (const Target& target : chosen)
        all = replay(arguments[1], target) && all;
    return all ? 0 : 1;
}
