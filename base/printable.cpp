#include "base/printable.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace octile::internal {
namespace {

constexpr std::size_t kQuotedBytes = 100;

// Length of the printable character that `text` begins with; 0 if it begins with none. Refuses overlong forms,
// surrogates and everything above U+10FFFF.
std::size_t printable_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const std::uint8_t lead = byte(0);
    if (lead < 0x80) return lead >= 0x20 && lead != 0x7F ? 1 : 0;
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
    std::uint32_t code = lead & (0xFFu >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return 0;
        code = code << 6 | (byte(i) & 0x3Fu);
    }
    constexpr std::array<std::uint32_t, 5> kSmallest = {0, 0, 0xA0, 0x800, 0x10000};  // U+0080..U+009F are controls
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    const bool line_break = code == 0x2028 || code == 0x2029;
    return code >= kSmallest[length] && code <= 0x10FFFF && !surrogate && !line_break ? length : 0;
}

}  // namespace

bool is_printable(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = printable_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

std::string quote(std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string quoted = "\"";
    while (!text.empty() && quoted.size() <= kQuotedBytes) {
        const std::size_t length = printable_length(text);
        if (length == 0) {
            const auto value = static_cast<std::uint8_t>(text[0]);
            quoted += "\\x";
            quoted += kHex[value >> 4];
            quoted += kHex[value & 15];
        } else {
            if (text[0] == '"' || text[0] == '\\') quoted += '\\';
            quoted += text.substr(0, length);
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return quoted + (text.empty() ? "\"" : "\"...");
}

}  // namespace octile::internal
