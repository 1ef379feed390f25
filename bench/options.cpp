#include "bench/options.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <string_view>

namespace octile::bench {
namespace {

// Leaves `text` behind the number.
bool take_extent(std::string_view& text, std::int64_t& extent) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), extent);
    if (error != std::errc() || extent < 1 || extent > 1 << 20) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
}

bool take_separator(std::string_view& text) {
    if (text.empty() || text[0] != 'x') return false;
    text.remove_prefix(1);
    return true;
}

Result<Shape> parse_shape(std::string_view text) {
    Shape shape{.name = "", .epilogues = true};
    std::string_view rest = text;
    if (take_extent(rest, shape.m) && take_separator(rest) && take_extent(rest, shape.k) && take_separator(rest) &&
        take_extent(rest, shape.n) && rest.empty()) {
        return shape;
    }
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("--shape={}: expected MxKxN, each from 1 to {}", text, 1 << 20));
}

}  // namespace

const char* option_value(const char* argument, const char* name) {
    const std::size_t length = std::strlen(name);
    return std::strncmp(argument, name, length) == 0 && argument[length] == '=' ? argument + length + 1 : nullptr;
}

Result<int> parse_count(const char* name, const char* text, int limit) {
    std::string_view rest = text;
    std::int64_t count = 0;
    if (take_extent(rest, count) && rest.empty() && count <= limit) return static_cast<int>(count);
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("{}={}: expected a number from 1 to {}", name, text, limit));
}

Result<Options> take_options(std::vector<char*>& arguments) {
    Options options;
    std::vector<Shape> shapes;
    std::vector<char*> others;
    for (char* argument : arguments) {
        if (const char* shape = option_value(argument, "--shape")) {
            Result<Shape> parsed = parse_shape(shape);
            if (!parsed.ok()) return parsed.status();
            shapes.push_back(parsed.value());
        } else if (const char* threads = option_value(argument, "--threads")) {
            const Result<int> count = parse_count("--threads", threads, 1024);
            if (!count.ok()) return count.status();
            options.threads = count.value();
        } else {
            others.push_back(argument);
        }
    }
    if (!shapes.empty()) options.shapes = shapes;
    arguments = others;
    return options;
}

}  // namespace octile::bench
