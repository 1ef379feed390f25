#include "base/printable.h"

#include <catch2/catch.hpp>

using octile::internal::is_printable;
using octile::internal::quote;

TEST_CASE("Printable is valid UTF-8 without control characters", "[printable]") {
    CHECK(is_printable(""));
    CHECK(is_printable("plain ~"));
    CHECK(is_printable("größe → 𝄞"));
    CHECK(is_printable("\xF4\x8F\xBF\xBF"));  // U+10FFFF
    for (const std::string_view bad :
         {"\n", "\t", "\x7F", "\x1B[0m", "\x80", "\xC2", "\xC2\x85", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80",
          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE2\x86", "\xE2\x80\xA8", "ab\xE2\x28\xA1"}) {
        INFO(quote(bad));
        CHECK_FALSE(is_printable(bad));
    }
    CHECK_FALSE(is_printable(std::string_view("a\0b", 3)));
}

TEST_CASE("Quotes are one printable line, whatever is inside", "[printable]") {
    CHECK(quote("") == "\"\"");
    CHECK(quote("-3") == "\"-3\"");
    CHECK(quote("a\"b\\c") == "\"a\\\"b\\\\c\"");
    CHECK(quote("a\n\x1B\xFF→") == "\"a\\x0a\\x1b\\xff→\"");
    CHECK(quote(std::string_view("\0", 1)) == "\"\\x00\"");
    CHECK(quote(std::string(100, 'x')) == "\"" + std::string(100, 'x') + "\"");
    CHECK(quote(std::string(101, 'x')) == "\"" + std::string(100, 'x') + "\"...");
    for (int byte = 0; byte < 256; ++byte)
        CHECK(is_printable(quote(std::string(3, static_cast<char>(byte)))));
}
