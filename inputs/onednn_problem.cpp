#include "inputs/onednn_problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "inputs/layer_lists/layer_rules.h"
#include "inputs/messages.h"

namespace octile {
namespace {

constexpr std::array<std::string_view, 6> kIpFields = {"mb", "ic", "id", "ih", "iw", "oc"};
constexpr std::int64_t kDefaultMb = 2;
constexpr std::size_t kMaxRank = 12;  // oneDNN's own

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// The number that `text` begins with, taken off it. Empty: none, or beyond 2^63.
std::optional<std::int64_t> take_number(std::string_view& text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || !is_digit(text.front()) || error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return value;
}

// Products of extents that are no more than kMaxExtent each: empty when beyond `most`.
std::optional<std::int64_t> product(const std::vector<std::int64_t>& extents, std::int64_t most) {
    std::int64_t total = 1;
    for (const std::int64_t extent : extents) {
        if (extent > most / total) return std::nullopt;
        total *= extent;
    }
    return total;
}

// What stands behind 'n': a name, in quotes or not, which may end in "*count".
Status read_name(std::string_view text, OnednnProblem& problem) {
    if (text.starts_with('"')) {
        if (text.size() < 2 || !text.ends_with('"')) {
            return parse_error(fmt::format("name: expected a closing quote, found {}", internal::quote(text)));
        }
        text = text.substr(1, text.size() - 2);
    }
    if (const std::size_t star = text.rfind('*'); star != std::string_view::npos) {
        std::string_view digits = text.substr(star + 1);
        const std::string_view found = digits;
        const std::optional<std::int64_t> count = take_number(digits);
        if (!found.empty() && is_digit(found.front()) && (!count || digits.empty())) {
            if (!count || *count < 1 || *count > max_of("count"))
                return parse_error(fmt::format("name: count: {}", wrong_extent("count", internal::quote(found))));
            problem.count = *count;
            text = text.substr(0, star);
        }
    }
    if (!text.empty()) problem.name = text;
    return {};
}

// The text before the name, and the name as it stands ("" when there is none).
std::pair<std::string_view, std::string_view> split_name(std::string_view text) {
    const std::size_t n = text.find('n');
    if (n == std::string_view::npos) return {text, {}};
    std::string_view shape = text.substr(0, n);
    if (shape.ends_with('_')) shape.remove_suffix(1);
    return {shape, text.substr(n + 1)};
}

Status read_inner_product(std::string_view shape, std::int64_t mb, OnednnProblem& problem) {
    std::array<std::int64_t, kIpFields.size()> values = {};
    std::string_view rest = shape;
    while (!rest.empty()) {
        if (rest.front() == '_') {
            rest.remove_prefix(1);
            continue;
        }
        const auto* const field = std::find(kIpFields.begin(), kIpFields.end(), rest.substr(0, 2));
        if (field == kIpFields.end()) {
            return parse_error(
                fmt::format("expected mb, ic, id, ih, iw or oc and a number, found {}", internal::quote(rest)));
        }
        rest.remove_prefix(2);
        const std::string_view found = rest;
        const std::optional<std::int64_t> value = take_number(rest);
        if (!value || *value < 1 || *value > kMaxExtent) {
            return parse_error(fmt::format("{}: {}", *field, wrong_extent("m", internal::quote(found))));
        }
        std::int64_t& target = values[static_cast<std::size_t>(field - kIpFields.begin())];
        if (target != 0) return parse_error(fmt::format("{}: expected it once, found it again", *field));
        target = *value;
    }
    auto& [batch, ic, id, ih, iw, oc] = values;
    if (ic == 0) return parse_error("ic: expected a value, found none");
    if (oc == 0) return parse_error("oc: expected a value, found none");
    if (ih == 0) ih = std::max<std::int64_t>(id, 1);
    if (iw == 0) iw = ih;
    const std::optional<std::int64_t> k = product({ic, std::max<std::int64_t>(id, 1), ih, iw}, kMaxReduction);
    if (!k) return parse_error(fmt::format("ic: expected K = ic*id*ih*iw of at most {}, found more", kMaxReduction));
    problem.m = mb > 0 ? mb : batch > 0 ? batch : kDefaultMb;
    problem.k = *k;
    problem.n = oc;
    return {};
}

// "2x10x30" into extents.
Result<std::vector<std::int64_t>> read_dims(std::string_view text, std::string_view tensor) {
    std::vector<std::int64_t> dims;
    std::string_view rest = text;
    for (;;) {
        const std::string_view found = rest.substr(0, rest.find('x'));
        const std::optional<std::int64_t> value = take_number(rest);
        if (!value || *value < 1 || *value > kMaxExtent || (!rest.empty() && rest.front() != 'x')) {
            return parse_error(fmt::format("{}: {}", tensor, wrong_extent("m", internal::quote(found))));
        }
        dims.push_back(*value);
        if (rest.empty()) break;
        rest.remove_prefix(1);
    }
    if (dims.size() < 2 || dims.size() > kMaxRank) {
        return parse_error(
            fmt::format("{}: expected 2 to {} extents, found {}", tensor, kMaxRank, internal::quote(text)));
    }
    return dims;
}

Status read_matmul(std::string_view shape, OnednnProblem& problem) {
    std::vector<std::string_view> parts;
    for (std::string_view rest = shape;;) {
        const std::size_t colon = rest.find(':');
        parts.push_back(rest.substr(0, colon));
        if (colon == std::string_view::npos) break;
        rest.remove_prefix(colon + 1);
    }
    if (parts.size() < 2 || parts.size() > 3) {
        return parse_error(fmt::format("expected MxK:KxN, found {}", internal::quote(shape)));
    }
    static constexpr std::array<std::string_view, 3> kTensors = {"source", "weights", "destination"};
    std::array<std::vector<std::int64_t>, 3> dims;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        Result<std::vector<std::int64_t>> found = read_dims(parts[i], kTensors[i]);
        if (!found.ok()) return found.status();
        dims[i] = std::move(found).value();
    }
    const auto& [source, weights, destination] = dims;
    const std::size_t rank = source.size();
    if (weights.size() != rank) {
        return parse_error(fmt::format("weights: expected as many extents as the source has ({}), found {}", rank,
                                       internal::quote(parts[1])));
    }
    const std::int64_t k = source[rank - 1];
    if (weights[rank - 2] != k) {
        return parse_error(fmt::format("weights: expected K = {} as in the source, found {}", k, weights[rank - 2]));
    }
    std::vector<std::int64_t> batch, own_weights = {problem.count};
    for (std::size_t i = 0; i + 2 < rank; ++i) {
        if (source[i] != weights[i] && source[i] != 1 && weights[i] != 1) {
            return parse_error(fmt::format("weights: expected batch extent {} or 1 as in the source, found {}",
                                           source[i], weights[i]));
        }
        (weights[i] > 1 ? own_weights : batch).push_back(std::max(source[i], weights[i]));
    }
    const std::int64_t m = source[rank - 2], n = weights[rank - 1];
    if (!destination.empty() &&
        (destination.size() != rank || destination[rank - 2] != m || destination[rank - 1] != n)) {
        return parse_error(fmt::format("destination: expected {} extents that end in {}x{}, found {}", rank, m, n,
                                       internal::quote(parts[2])));
    }
    batch.push_back(m);
    const std::optional<std::int64_t> rows = product(batch, kMaxExtent), count = product(own_weights, kMaxExtent);
    if (!rows || !count) {
        return parse_error(fmt::format("source: expected a batch of at most {}, found more", kMaxExtent));
    }
    if (k > kMaxReduction) return parse_error(fmt::format("source: k: {}", wrong_extent("k", std::to_string(k))));
    problem.m = *rows;
    problem.k = k;
    problem.n = n;
    problem.count = *count;
    return {};
}

}  // namespace

bool looks_like_problem(std::string_view text) {
    if (text.size() < 3) return false;
    const bool field = std::find(kIpFields.begin(), kIpFields.end(), text.substr(0, 2)) != kIpFields.end();
    if (field && is_digit(text[2])) return true;
    while (!text.empty() && is_digit(text.front()))
        text.remove_prefix(1);
    return text.starts_with('x') && text.size() > 1 && is_digit(text[1]) && text.find(':') != std::string_view::npos;
}

ProblemKind kind_of_problem(std::string_view text) {
    return !text.empty() && is_digit(text.front()) ? ProblemKind::kMatmul : ProblemKind::kInnerProduct;
}

Result<OnednnProblem> parse_problem(std::string_view text, ProblemKind kind, std::int64_t mb) {
    const auto [shape, name] = split_name(text);
    OnednnProblem problem;
    problem.name = shape;
    if (Status status = read_name(name, problem); !status.ok()) return status;
    Status status = kind == ProblemKind::kMatmul ? read_matmul(shape, problem) : read_inner_product(shape, mb, problem);
    if (!status.ok()) return status;
    if (problem.n > max_of("n")) return parse_error(wrong_extent("n", std::to_string(problem.n)));
    return problem;
}

}  // namespace octile
