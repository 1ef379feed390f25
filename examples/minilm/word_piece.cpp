#include "word_piece.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <span>
#include <utility>

namespace minilm {
namespace {

// Longer words are one unknown piece.
constexpr std::size_t kMaxWordLength = 100;
// The largest vocabularies have 300,000 pieces of up to some 100 bytes; a device has no end.
constexpr std::size_t kMaxPieceBytes = 1024;
constexpr std::int32_t kMaxPieces = 1 << 20;

bool is_cjk(char32_t c) {
    constexpr std::pair<char32_t, char32_t> kIdeographs[] = {{0x4e00, 0x9fff},   {0x3400, 0x4dbf},   {0x20000, 0x2a6df},
                                                             {0x2a700, 0x2b73f}, {0x2b740, 0x2b81f}, {0x2b820, 0x2ceaf},
                                                             {0xf900, 0xfaff},   {0x2f800, 0x2fa1f}};
    return std::any_of(std::begin(kIdeographs), std::end(kIdeographs),
                       [&](const auto& range) { return c >= range.first && c <= range.second; });
}

bool is_punctuation(char32_t c) {
    // All of ASCII that is neither letter, digit, space nor control, whatever Unicode calls it.
    if (c < 128) return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

bool is_control(char32_t c) {
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
    return category >= UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CN;
}

bool is_space(char32_t c) {
    return c == '\t' || c == '\n' || c == '\r' ||
           utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ZS;
}

std::u32string code_points(std::string_view text) {
    std::u32string result;
    const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
    auto left = static_cast<utf8proc_ssize_t>(text.size());
    while (left > 0) {
        utf8proc_int32_t c = 0;
        const utf8proc_ssize_t used = utf8proc_iterate(bytes, left, &c);
        result.push_back(used > 0 ? static_cast<char32_t>(c) : U' ');
        bytes += std::max<utf8proc_ssize_t>(used, 1);
        left -= std::max<utf8proc_ssize_t>(used, 1);
    }
    return result;
}

std::string utf8(std::u32string_view text) {
    std::string result;
    for (const char32_t c : text) {
        std::array<utf8proc_uint8_t, 4> bytes{};
        const auto used = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes.data());
        result.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(used));
    }
    return result;
}

// Appends `c` in lower case and decomposed, without its accents.
void append_plain(char32_t c, std::u32string& text) {
    std::array<utf8proc_int32_t, 32> parts{};
    const auto lower = utf8proc_tolower(static_cast<utf8proc_int32_t>(c));
    const utf8proc_ssize_t count =
        utf8proc_decompose_char(lower, parts.data(), parts.size(), UTF8PROC_DECOMPOSE, nullptr);
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        const utf8proc_int32_t part = parts[static_cast<std::size_t>(i)];
        if (utf8proc_category(part) != UTF8PROC_CATEGORY_MN) text.push_back(static_cast<char32_t>(part));
    }
}

// Lower case without accents, with spaces around whatever is a word by itself.
std::u32string normalized(std::string_view text) {
    std::u32string plain, result;
    for (const char32_t c : code_points(text)) {
        if (is_space(c)) {
            plain.push_back(U' ');
        } else if (c == 0xfffd || is_control(c)) {
            continue;
        } else if (is_cjk(c)) {
            plain.append({U' ', c, U' '});
        } else {
            append_plain(c, plain);
        }
    }
    for (const char32_t c : plain) {
        if (is_punctuation(c))
            result.append({U' ', c, U' '});
        else
            result.push_back(c);
    }
    return result;
}

}  // namespace

std::optional<WordPiece> WordPiece::load(const std::string& path) {
    std::ifstream file(path);
    if (!file) return std::nullopt;
    WordPiece tokenizer;
    std::int32_t id = 0;
    std::string piece;
    for (char c = 0; file.get(c);) {
        if (c != '\n') {
            piece += c;
            if (c == '\0' || piece.size() > kMaxPieceBytes) return std::nullopt;
            continue;
        }
        tokenizer.ids_.emplace(std::exchange(piece, {}), id++);
        if (id == kMaxPieces) return std::nullopt;
    }
    if (!piece.empty()) tokenizer.ids_.emplace(piece, id);
    for (const auto& [special, place] :
         {std::pair{"[CLS]", &tokenizer.first_}, {"[SEP]", &tokenizer.last_}, {"[UNK]", &tokenizer.unknown_}}) {
        const auto found = tokenizer.ids_.find(special);
        if (found == tokenizer.ids_.end()) return std::nullopt;
        *place = found->second;
    }
    return tokenizer;
}

std::vector<std::int32_t> WordPiece::encode(std::string_view text, std::size_t most) const {
    const std::u32string words = normalized(text);
    std::vector<std::int32_t> ids = {first_};
    for (std::size_t begin = 0; begin < words.size();) {
        const std::size_t end = std::min(words.find(U' ', begin), words.size());
        if (end > begin) append_pieces(std::u32string_view(words).substr(begin, end - begin), ids);
        begin = end + 1;
    }
    ids.resize(std::min(ids.size(), most - 1));
    ids.push_back(last_);
    return ids;
}

void WordPiece::append_pieces(std::u32string_view word, std::vector<std::int32_t>& ids) const {
    if (word.size() > kMaxWordLength) return ids.push_back(unknown_);
    const std::size_t before = ids.size();
    for (std::size_t begin = 0; begin < word.size();) {
        std::size_t end = word.size();
        auto found = ids_.end();
        for (; end > begin; end--) {
            found = ids_.find((begin > 0 ? "##" : "") + utf8(word.substr(begin, end - begin)));
            if (found != ids_.end()) break;
        }
        if (end == begin) {
            // A word with a part that is unknown is unknown as a whole.
            ids.resize(before);
            return ids.push_back(unknown_);
        }
        ids.push_back(found->second);
        begin = end;
    }
}

}  // namespace minilm
