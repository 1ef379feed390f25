#include "base/printable.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace octile::internal {
namespace {

constexpr std::size_t kQuotedBytes = 100;
constexpr std::string_view kHex = "0123456789abcdef";

struct Character {
    std::uint32_t code = 0;
    std::size_t length = 0;  // bytes; 0: the first byte begins no character
};

// The character that `text` begins with. Refuses overlong forms, surrogates and everything above U+10FFFF.
Character first_of(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const std::uint8_t lead = byte(0);
    if (lead < 0x80) return {lead, 1};
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return {};
    std::uint32_t code = lead & (0xFFu >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return {};
        code = code << 6 | (byte(i) & 0x3Fu);
    }
    constexpr std::array<std::uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    return code >= kSmallest[length] && code <= 0x10FFFF && !surrogate ? Character{code, length} : Character{};
}

struct Range {
    std::uint32_t first, last;
};

// What is_printable() refuses, in ascending order.
constexpr Range kUnprintable[] = {
    {0x0000, 0x001F},   {0x007F, 0x009F},  // controls
    {0x061C, 0x061C},                      // Arabic letter mark
    {0x180E, 0x180E},   {0x200B, 0x200B},  // no width; U+200C and U+200D shape letters
    {0x200E, 0x200F},   {0x2028, 0x202E},  // marks, separators, embeddings and overrides of direction
    {0x2060, 0x206F},                      // word joiner, invisible operators, isolates of direction
    {0xFEFF, 0xFEFF},   {0xFFF9, 0xFFFB},  // byte order mark, annotations
    {0xE0000, 0xE007F},                    // tags
};

bool is_printable(const Character& character) {
    if (character.length == 0) return false;
    const Range* const range = std::lower_bound(std::begin(kUnprintable), std::end(kUnprintable), character.code,
                                                [](const Range& one, std::uint32_t code) { return one.last < code; });
    return range == std::end(kUnprintable) || character.code < range->first;
}

// Bytes that `text` begins with and that need no closer look: nearly all there are.
std::size_t plain_length(std::string_view text) {
    const auto* const end = std::find_if(text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; });
    return static_cast<std::size_t>(end - text.begin());
}

void append_byte(std::string& text, char byte) {
    const auto value = static_cast<std::uint8_t>(byte);
    text += "\\x";
    text += kHex[value >> 4];
    text += kHex[value & 15];
}

void append_unit(std::string& text, std::uint32_t unit) {
    text += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4)
        text += kHex[unit >> shift & 15];
}

}  // namespace

bool is_printable(std::string_view text) {
    for (;;) {
        text.remove_prefix(plain_length(text));
        if (text.empty()) return true;
        const Character character = first_of(text);
        if (!is_printable(character)) return false;
        text.remove_prefix(character.length);
    }
}

std::string quote(std::string_view text) {
    std::string quoted = "\"";
    while (!text.empty() && quoted.size() <= kQuotedBytes) {
        const Character character = first_of(text);
        const std::size_t length = std::max<std::size_t>(character.length, 1);
        if (!is_printable(character)) {
            for (const char byte : text.substr(0, length))
                append_byte(quoted, byte);
        } else {
            if (text[0] == '"' || text[0] == '\\') quoted += '\\';
            quoted += text.substr(0, length);
        }
        text.remove_prefix(length);
    }
    return quoted + (text.empty() ? "\"" : "\"...");
}

std::string printable(std::string_view text) {
    return is_printable(text) ? std::string(text) : quote(text);
}

std::string brief(std::string_view text) {
    return text.size() < kQuotedBytes ? printable(text) : quote(text);
}

std::string escape_unprintable(std::string_view text, Breaks breaks) {
    std::string escaped;
    escaped.reserve(text.size());
    for (;;) {
        const std::size_t plain = plain_length(text);
        escaped += text.substr(0, plain);
        text.remove_prefix(plain);
        if (text.empty()) return escaped;
        const Character character = first_of(text);
        const bool kept = breaks == Breaks::kKept && (text[0] == '\n' || text[0] == '\t');
        if (kept || is_printable(character)) {
            escaped += text.substr(0, character.length);
        } else if (character.length == 0) {
            append_byte(escaped, text[0]);
        } else if (character.code < 0x10000) {
            append_unit(escaped, character.code);
        } else {
            append_unit(escaped, 0xD800 + ((character.code - 0x10000) >> 10));
            append_unit(escaped, 0xDC00 + (character.code & 0x3FF));
        }
        text.remove_prefix(std::max<std::size_t>(character.length, 1));
    }
}

}  // namespace octile::internal
