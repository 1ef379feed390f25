// Aligned tables for the terminal and Markdown tables for documents, from the same cells.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace octile::cli {

enum class Align { kLeft, kRight };
enum class Colour { kNone, kGreen, kYellow };

struct Column {
    std::string title;
    Align align = Align::kLeft;
};

struct Cell {
    std::string text;
    Colour colour = Colour::kNone;
};

class Table {
  public:
    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

    // As many cells as there are columns. What is not printable is quoted.
    void add_row(std::vector<Cell> row);

    // One line per row under a line of titles, two spaces between columns. The padding is outside of the colour codes,
    // so that the same table with and without colour differs in nothing else.
    std::string text(bool colour) const;

    std::string markdown() const;

    const std::vector<Column>& columns() const { return columns_; }
    const std::vector<std::vector<Cell>>& rows() const { return rows_; }

  private:
    std::vector<Column> columns_;
    std::vector<std::vector<Cell>> rows_;
};

// Bytes of the colour code of text() that `text` begins with; 0: of none.
std::size_t colour_code_length(std::string_view text);

// A field of a CSV file, quoted where its content demands it (RFC 4180).
std::string csv_field(std::string_view text);

}  // namespace octile::cli
