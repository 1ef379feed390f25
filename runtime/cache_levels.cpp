#include "runtime/cache_levels.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

namespace octile {
namespace {

std::string first_line(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

int number_in(std::string_view text) {
    int value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

}  // namespace

int count_cpus(std::string_view list) {
    int count = 0;
    while (!list.empty()) {
        const std::string_view range = list.substr(0, list.find(','));
        list.remove_prefix(std::min(list.size(), range.size() + 1));
        const std::size_t dash = range.find('-');
        if (range.empty()) continue;
        const int first = number_in(range);
        const int last = dash == std::string_view::npos ? first : number_in(range.substr(dash + 1));
        count += std::max(1, last - first + 1);
    }
    return std::max(1, count);
}

std::vector<CacheLevel> read_caches(const std::filesystem::path& folder) {
    std::map<int, CacheLevel> levels;
    for (int index = 0;; ++index) {
        const std::filesystem::path cache = folder / ("index" + std::to_string(index));
        const std::string size = first_line(cache / "size");  // "48K"
        if (size.empty()) break;
        if (first_line(cache / "type") == "Instruction") continue;
        const double unit = size.back() == 'M' ? 1024 : 1;
        levels[number_in(first_line(cache / "level"))] = {
            .kib = number_in(size) * unit,
            .shared_by = count_cpus(first_line(cache / "shared_cpu_list")),
            .bytes_per_cycle = 0};
    }
    std::vector<CacheLevel> caches;
    for (const auto& [level, cache] : levels) {
        if (cache.kib > (caches.empty() ? 0 : caches.back().kib) && caches.size() < kMaxCacheLevels)
            caches.push_back(cache);
    }
    return caches;
}

}  // namespace octile
