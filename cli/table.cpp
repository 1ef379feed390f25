#include "cli/table.h"

#include <algorithm>

#include "base/check.h"
#include "base/printable.h"

namespace octile::cli {
namespace {

// Columns on the terminal, taking each code point for one.
std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xC0) != 0x80; }));
}

constexpr std::string_view kGreen = "\033[32m", kYellow = "\033[33m", kBold = "\033[1m", kPlain = "\033[0m";

std::string_view code_of(Colour colour) {
    switch (colour) {
        case Colour::kGreen:
            return kGreen;
        case Colour::kYellow:
            return kYellow;
        case Colour::kNone:
            break;
    }
    return "";
}

void append_padded(std::string& line, std::string_view text, std::string_view code, std::size_t width, Align align) {
    const std::string padding(width - std::min(width, width_of(text)), ' ');
    if (align == Align::kRight) line += padding;
    line += code;
    line += text;
    if (!code.empty()) line += kPlain;
    if (align == Align::kLeft) line += padding;
}

void append_line(std::string& text, std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    text += line;
    text += '\n';
}

std::string escaped_for_markdown(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        if (c == '|' || c == '\\' || c == '*' || c == '_' || c == '`' || c == '<') escaped += '\\';
        escaped += c;
    }
    return escaped;
}

}  // namespace

void Table::add_row(std::vector<Cell> row) {
    OCTILE_CHECK_EQ(row.size(), columns_.size());
    for (Cell& cell : row) {
        if (!internal::is_printable(cell.text)) cell.text = internal::quote(cell.text);
    }
    rows_.push_back(std::move(row));
}

std::string Table::text(bool colour) const {
    std::vector<std::size_t> widths;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t width = width_of(columns_[i].title);
        for (const std::vector<Cell>& row : rows_)
            width = std::max(width, width_of(row[i].text));
        widths.push_back(width);
    }
    std::string text;
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        if (i > 0) line += "  ";
        append_padded(line, columns_[i].title, colour ? kBold : "", widths[i], columns_[i].align);
    }
    append_line(text, std::move(line));
    for (const std::vector<Cell>& row : rows_) {
        line.clear();
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            if (i > 0) line += "  ";
            append_padded(line, row[i].text, colour ? code_of(row[i].colour) : "", widths[i], columns_[i].align);
        }
        append_line(text, std::move(line));
    }
    return text;
}

std::string Table::markdown() const {
    std::string text;
    for (const Column& column : columns_)
        text += "| " + escaped_for_markdown(column.title) + " ";
    text += "|\n";
    for (const Column& column : columns_)
        text += column.align == Align::kRight ? "| ---: " : "| --- ";
    text += "|\n";
    for (const std::vector<Cell>& row : rows_) {
        for (const Cell& cell : row)
            text += "| " + escaped_for_markdown(cell.text) + " ";
        text += "|\n";
    }
    return text;
}

std::size_t colour_code_length(std::string_view text) {
    for (const std::string_view code : {kGreen, kYellow, kBold, kPlain})
        if (text.starts_with(code)) return code.size();
    return 0;
}

std::string csv_field(std::string_view text) {
    if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"') quoted += '"';
        quoted += c;
    }
    return quoted + '"';
}

}  // namespace octile::cli
