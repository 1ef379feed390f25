#include "families/tensor_list.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace octile {
namespace {

constexpr std::array<std::string_view, 3> kWrappers = {"_orig_mod.", "module.", "base_model.model."};
constexpr std::int64_t kMostBlocks = 100000;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Where `name` begins to be as `pattern` says, read from behind; nothing: it is not. From a component's beginning only.
std::optional<std::size_t> match_end(std::string_view name, std::string_view pattern) {
    std::size_t at = name.size();
    for (std::size_t p = pattern.size(); p-- > 0;) {
        if (pattern[p] != '*') {
            if (at == 0 || name[at - 1] != pattern[p]) return std::nullopt;
            --at;
            continue;
        }
        const std::size_t end = at;
        while (at > 0 && is_digit(name[at - 1]))
            --at;
        if (at == end) return std::nullopt;
    }
    if (at > 0 && name[at - 1] != '.') return std::nullopt;
    return at;
}

}  // namespace

const TensorList::Shape* TensorList::find(std::string_view name) const {
    const auto found = shapes_.find(name);
    return found == shapes_.end() ? nullptr : &found->second;
}

std::string TensorList::wrapper() const {
    if (shapes_.empty()) return {};
    // Names are in order: what the first and the last begin with, all do.
    const std::string_view first = shapes_.begin()->first, last = shapes_.rbegin()->first;
    std::size_t length = 0;
    for (bool longer = true; longer;) {
        longer = false;
        for (const std::string_view wrapper : kWrappers) {
            if (!first.substr(length).starts_with(wrapper) || !last.substr(length).starts_with(wrapper)) continue;
            if (first.substr(0, length) != last.substr(0, length)) continue;
            length += wrapper.size();
            longer = true;
        }
    }
    return std::string(first.substr(0, length));
}

TensorList TensorList::without(std::string_view beginning) const {
    TensorList list;
    for (const auto& [name, shape] : shapes_)
        list.add(name.substr(beginning.size()), shape);
    return list;
}

std::set<std::string, std::less<>> TensorList::beginnings_of(std::string_view pattern) const {
    std::set<std::string, std::less<>> beginnings;
    for (const auto& [name, shape] : shapes_) {
        if (const std::optional<std::size_t> end = match_end(name, pattern)) beginnings.insert(name.substr(0, *end));
    }
    return beginnings;
}

std::int64_t TensorList::count_behind(std::string_view beginning) const {
    std::int64_t count = 0;
    for (auto at = shapes_.lower_bound(beginning); at != shapes_.end() && at->first.starts_with(beginning); ++at) {
        const std::string_view rest = std::string_view(at->first).substr(beginning.size());
        std::int64_t number = 0;
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
        if (error == std::errc() && number >= 0 && number < kMostBlocks && end != rest.data() + rest.size() &&
            *end == '.')
            count = std::max(count, number + 1);
    }
    return count;
}

}  // namespace octile
