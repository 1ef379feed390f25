#include "base/printable.h"

#include <catch2/catch.hpp>

using octile::internal::Breaks;
using octile::internal::escape_unprintable;
using octile::internal::is_printable;
using octile::internal::printable;
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

TEST_CASE("What turns the writing direction or has no width is not printable", "[printable]") {
    for (const std::string_view bad :
         {"\u061C", "\u200B", "\u200E", "\u200F", "\u202A", "\u202E", "\u2060", "\u2066", "\u2069", "\uFEFF", "\uFFF9",
          "\U000E0001", "\U000E007F", "\u180E", "a\u202Eb"}) {
        INFO(quote(bad));
        CHECK_FALSE(is_printable(bad));
    }
    for (const std::string_view good : {"\u00A0", "\u061B", "\u200C", "\u200D", "\u2010", "\u2027", "\u2030", "\u2070",
                                        "\uFFFD", "\U000E0080", "\u05D0"}) {
        INFO(quote(good));
        CHECK(is_printable(good));
    }
}

TEST_CASE("Whole outputs are escaped where they stand", "[printable]") {
    CHECK(escape_unprintable("", Breaks::kKept) == "");
    CHECK(escape_unprintable("a\tb\nc →", Breaks::kKept) == "a\tb\nc →");
    CHECK(escape_unprintable("a\tb\nc\r", Breaks::kEscaped) == "a\\u0009b\\u000ac\\u000d");
    CHECK(escape_unprintable("\x1B[31m\x7F\xC2\x9B", Breaks::kKept) == "\\u001b[31m\\u007f\\u009b");
    CHECK(escape_unprintable("\u202E\U000E0001", Breaks::kKept) == "\\u202e\\udb40\\udc01");
    CHECK(escape_unprintable("\xFFz\xE2\x86", Breaks::kKept) == "\\xffz\\xe2\\x86");
    for (int byte = 0; byte < 256; ++byte)
        CHECK(is_printable(escape_unprintable(std::string(3, static_cast<char>(byte)), Breaks::kEscaped)));
    CHECK(printable("größe") == "größe");
    CHECK(printable("a\x1B") == "\"a\\x1b\"");
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
