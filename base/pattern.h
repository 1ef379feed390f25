// Patterns that names of layers are searched with: the user's (--skip, --force) and a checkpoint's (ignore lists). An
// engine of our own because they come from outside: std::regex takes memory without bound for what it compiles and
// recurses in what it searches, and a library that does neither (RE2) would have to be linked by everyone who links the
// archive, in which the planner is. Here both are bounded, and time is the pattern's size times the name's, for each
// level of look-ahead in it.
//
// Syntax, a part of ECMAScript's and of Python's: characters; . (any but a line break); ^ and $; classes [a-z_], [^x];
// \d \w \s \D \W \S \b \B, \t \n \r \f \v, \xHH, and \ before anything that is no letter and no digit; groups (...) and
// (?:...); |; * + ? {m} {m,} {m,n}, also lazy (*?), which finds the same names; look-ahead (?=...) and (?!...). Bytes
// are compared, not characters. Refused: look-behind, back-references, named groups and classes, flags.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "octile/status.h"

namespace octile::internal {

class Pattern {
  public:
    // kInvalidArgument says what is wrong and at which byte, or which bound was passed: limits::kPatternBytes,
    // kPatternStates, kPatternDepth.
    static Result<Pattern> compile(std::string_view text);

    // Whether it matches somewhere in the name.
    bool found_in(std::string_view name) const { return matches(name, false); }
    // Whether it matches from the name's beginning on; what follows may be anything.
    bool begins(std::string_view name) const { return matches(name, true); }

    // What it takes: memory is at most limits::kPatternMemoryPerState for each.
    std::size_t states() const { return states_.size(); }

  private:
    friend class PatternCompiler;

    enum class Op : std::uint8_t {
        kByte,         // this one
        kSet,          // one of sets_[set]
        kEither,       // go on at both distances
        kGo,           // go on at the first distance
        kBegin,        // the name's beginning
        kEnd,          // the name's end
        kBoundary,     // of a word
        kNotBoundary,  // anywhere else
        kAhead,        // what begins with the next state matches from here; go on at the second distance, behind it
        kNotAhead,     // likewise, and it does not match
        kFound,
    };
    struct State {
        Op op = Op::kFound;
        std::uint8_t byte = 0;
        std::uint16_t set = 0;
        std::int16_t first = 0, second = 0;  // distances in states
    };
    class Search;

    bool matches(std::string_view name, bool from_beginning) const;

    std::vector<State> states_;
    std::vector<std::bitset<256>> sets_;
};

}  // namespace octile::internal
