// What the system says of this process.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace octile::test {

// Threads, the calling one included.
inline int live_threads() {
    const std::filesystem::directory_iterator tasks("/proc/self/task"), end;
    return static_cast<int>(std::distance(tasks, end));
}

inline bool is_mapped(const std::string& file) {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);)
        if (line.ends_with(file)) return true;
    return false;
}

}  // namespace octile::test
