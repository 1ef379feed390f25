#include "inputs/onnx/einsum.h"

#include <algorithm>

namespace octile {
namespace {

constexpr std::string_view kEllipsis = "...";
constexpr std::size_t kMostHidden = 10;  // axes behind an ellipsis: one digit each

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// "ab...c" for a tensor of that rank; `hidden` is how many axes the ellipsis stands for.
std::optional<std::string> write_out(std::string_view term, std::size_t hidden) {
    const std::size_t dots = term.find(kEllipsis);
    std::string letters(term.substr(0, dots));
    if (dots != std::string_view::npos) {
        for (std::size_t i = 0; i < hidden; ++i)
            letters += static_cast<char>('0' + i);
        letters += term.substr(dots + kEllipsis.size());
    }
    const bool fine =
        std::all_of(letters.begin(), letters.end(), [](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
    return fine ? std::optional(letters) : std::nullopt;
}

}  // namespace

std::optional<EinsumTerms> parse_einsum(std::string_view equation, const std::vector<std::size_t>& ranks) {
    std::string text;
    for (const char c : equation.substr(0, 256)) {
        if (c != ' ') text += c;
    }
    const std::size_t arrow = text.find("->");
    std::string_view left = std::string_view(text).substr(0, arrow);
    std::vector<std::string_view> terms;
    for (std::size_t comma = 0; comma != std::string_view::npos;) {
        comma = left.find(',');
        terms.push_back(left.substr(0, comma));
        left = comma == std::string_view::npos ? std::string_view() : left.substr(comma + 1);
    }
    if (terms.size() != ranks.size()) return std::nullopt;
    EinsumTerms out;
    std::size_t most_hidden = 0;
    for (std::size_t i = 0; i < terms.size(); ++i) {
        const bool open = terms[i].find(kEllipsis) != std::string_view::npos;
        const std::size_t named = terms[i].size() - (open ? kEllipsis.size() : 0);
        if (named > ranks[i] || (!open && named != ranks[i]) || ranks[i] - named > kMostHidden) return std::nullopt;
        std::optional<std::string> letters = write_out(terms[i], ranks[i] - named);
        if (!letters) return std::nullopt;
        most_hidden = std::max(most_hidden, ranks[i] - named);
        out.operands.push_back(std::move(*letters));
    }
    if (arrow != std::string::npos) {
        std::optional<std::string> letters = write_out(std::string_view(text).substr(arrow + 2), most_hidden);
        if (!letters) return std::nullopt;
        out.result = std::move(*letters);
        return out;
    }
    // Without an arrow: what is hidden, then letters that occur once, sorted.
    std::string all;
    for (const std::string& operand : out.operands)
        all += operand;
    std::sort(all.begin(), all.end());
    for (const char c : all) {
        if (std::count(all.begin(), all.end(), c) == 1 || (!is_letter(c) && out.result.find(c) == std::string::npos))
            out.result += c;
    }
    return out;
}

}  // namespace octile
