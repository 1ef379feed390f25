#include "inputs/layer_lists/list_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/path_text.h"

namespace octile {

Result<std::string_view> text_of(std::string_view bytes, const std::filesystem::path& path, std::size_t max_bytes) {
    const auto fail = [&](std::ptrdiff_t line, std::string_view text) {
        return Status(StatusCode::kParseError, fmt::format("{}:{}: {}", display(path), line, text));
    };
    if (bytes.size() > max_bytes)
        return fail(1, fmt::format("expected a layer list of at most {} bytes, found more", max_bytes));
    if (const std::size_t nul = bytes.find('\0'); nul != std::string_view::npos) {
        const auto line = 1 + std::count(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(nul), '\n');
        return fail(line, "expected UTF-8 text, found a NUL byte");
    }
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (bytes.starts_with(kByteOrderMark)) bytes.remove_prefix(kByteOrderMark.size());
    return bytes;
}

}  // namespace octile
