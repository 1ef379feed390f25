#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/limits.h"
#include "base/pattern.h"
#include "base/printable.h"

namespace octile::internal {
namespace {

using ByteSet = std::bitset<256>;

ByteSet range(unsigned char first, unsigned char last) {
    ByteSet set;
    for (int byte = first; byte <= last; ++byte)
        set.set(static_cast<std::size_t>(byte));
    return set;
}

ByteSet single(unsigned char byte) {
    return range(byte, byte);
}

// The class that \d, \w, \s or the opposite of one is.
std::optional<ByteSet> class_of(char letter) {
    const ByteSet digits = range('0', '9');
    switch (letter) {
        case 'd':
            return digits;
        case 'D':
            return ~digits;
        case 'w':
        case 'W': {
            const ByteSet word = digits | range('a', 'z') | range('A', 'Z') | single('_');
            return letter == 'w' ? word : ~word;
        }
        case 's':
        case 'S': {
            const ByteSet space = range('\t', '\r') | single(' ');
            return letter == 's' ? space : ~space;
        }
        default:
            return std::nullopt;
    }
}

int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 16;
}

}  // namespace

// Makes states of a pattern while it reads it. Distances are relative: what has been made can be moved and copied.
class PatternCompiler {
  public:
    explicit PatternCompiler(std::string_view text) : text_(text) {}

    Result<Pattern> run() {
        if (text_.empty()) return fail("the pattern is empty");
        if (text_.size() > limits::kPatternBytes) {
            return fail("expected a pattern of at most " + std::to_string(limits::kPatternBytes) + " bytes, found " +
                        std::to_string(text_.size()));
        }
        try {
            alternatives(0);
            if (at_ < text_.size()) wrong("expected ( before )");
            add({.op = Op::kFound});
        } catch (Wrong& error) {
            return fail(std::move(error.text));
        }
        return std::move(pattern_);
    }

  private:
    using Op = Pattern::Op;
    using State = Pattern::State;

    struct Wrong {
        std::string text;
    };

    static Status fail(std::string text) { return {StatusCode::kInvalidArgument, std::move(text)}; }

    [[noreturn]] void wrong(std::string_view what) const {
        throw Wrong{"not a regular expression: byte " + std::to_string(at_ + 1) + ": " + std::string(what)};
    }

    bool more() const { return at_ < text_.size(); }
    bool take(std::string_view token) {
        if (!text_.substr(at_).starts_with(token)) return false;
        at_ += token.size();
        return true;
    }

    std::vector<State>& states() { return pattern_.states_; }
    std::size_t end() const { return pattern_.states_.size(); }

    void make_room(std::size_t count) const {
        if (end() + count > limits::kPatternStates)
            wrong("expected a pattern of at most " + std::to_string(limits::kPatternStates) + " states, found more");
    }

    void add(State state) {
        make_room(1);
        states().push_back(state);
    }

    void insert(std::size_t at, State state) {
        make_room(1);
        states().insert(states().begin() + static_cast<std::ptrdiff_t>(at), state);
    }

    static std::int16_t distance(std::size_t from, std::size_t to) {
        return static_cast<std::int16_t>(static_cast<std::ptrdiff_t>(to) - static_cast<std::ptrdiff_t>(from));
    }

    // a|b|c: either a, or either b, or c; all go on behind the last.
    void alternatives(std::size_t depth) {
        if (depth > limits::kPatternDepth)
            wrong("expected at most " + std::to_string(limits::kPatternDepth) + " levels of groups, found more");
        std::vector<std::size_t> leaves;
        std::size_t start = end();
        sequence(depth);
        while (take("|")) {
            insert(start, {.op = Op::kEither, .first = 1, .second = distance(start, end() + 2)});
            leaves.push_back(end());
            add({.op = Op::kGo});
            start = end();
            sequence(depth);
        }
        for (const std::size_t leave : leaves)
            states()[leave].first = distance(leave, end());
    }

    void sequence(std::size_t depth) {
        while (more() && text_[at_] != '|' && text_[at_] != ')') {
            const std::size_t start = end();
            const bool repeatable = atom(depth);
            if (!repeatable && more() && std::string_view("*+?{").find(text_[at_]) != std::string_view::npos)
                wrong("expected something to repeat");
            if (repeatable) quantifier(start);
        }
    }

    // Whether it may be repeated.
    bool atom(std::size_t depth) {
        const char c = text_[at_];
        if (std::string_view("*+?{").find(c) != std::string_view::npos) wrong("expected something to repeat");
        ++at_;
        switch (c) {
            case '(':
                if (take("?=") || take("?!")) {
                    look_ahead(text_[at_ - 1] == '=', depth);
                    return false;
                }
                if (!take("?:") && more() && text_[at_] == '?')
                    wrong("look-behind, named groups and flags are not known here");
                alternatives(depth + 1);
                if (!take(")")) wrong("expected ) behind (");
                return true;
            case '[':
                add_set(read_class());
                return true;
            case '.':
                add_set(~(single('\n') | single('\r')));
                return true;
            case '^':
                add({.op = Op::kBegin});
                return false;
            case '$':
                add({.op = Op::kEnd});
                return false;
            case '\\':
                return escape();
            default:
                add({.op = Op::kByte, .byte = static_cast<std::uint8_t>(c)});
                return true;
        }
    }

    void look_ahead(bool wanted, std::size_t depth) {
        const std::size_t start = end();
        add({.op = wanted ? Op::kAhead : Op::kNotAhead});
        alternatives(depth + 1);
        if (!take(")")) wrong("expected ) behind (");
        add({.op = Op::kFound});
        states()[start].second = distance(start, end());
    }

    bool escape() {
        if (more() && (text_[at_] == 'b' || text_[at_] == 'B')) {
            add({.op = text_[at_++] == 'b' ? Op::kBoundary : Op::kNotBoundary});
            return false;
        }
        const ByteSet set = escaped();
        if (set.count() != 1) {
            add_set(set);
            return true;
        }
        std::size_t byte = 0;
        while (!set.test(byte))
            ++byte;
        add({.op = Op::kByte, .byte = static_cast<std::uint8_t>(byte)});
        return true;
    }

    // What stands behind a backslash, alone and in a class.
    ByteSet escaped() {
        if (!more()) wrong("expected a character behind \\");
        const char c = text_[at_++];
        if (const auto set = class_of(c)) return *set;
        constexpr std::string_view kLetters = "tnrfv", kControls = "\t\n\r\f\v";
        if (const std::size_t control = kLetters.find(c); control != std::string_view::npos)
            return single(static_cast<unsigned char>(kControls[control]));
        if (c == 'x' && at_ + 2 <= text_.size() && digit_of(text_[at_]) < 16 && digit_of(text_[at_ + 1]) < 16) {
            at_ += 2;
            return single(static_cast<unsigned char>(digit_of(text_[at_ - 2]) * 16 + digit_of(text_[at_ - 1])));
        }
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (letter || (c >= '0' && c <= '9')) wrong("unknown: " + quote(text_.substr(at_ - 2, 2)));
        return single(static_cast<unsigned char>(c));
    }

    ByteSet read_class() {
        const bool inverted = take("^");
        ByteSet set;
        if (more() && text_[at_] == ']') wrong("expected a class of at least one character");
        while (!take("]")) {
            if (text_.substr(at_).starts_with("[:")) wrong("named classes are not known here");
            const ByteSet first = class_atom();
            const bool is_range = text_.substr(at_).starts_with("-") && !text_.substr(at_).starts_with("-]");
            if (!is_range) {
                set |= first;
                continue;
            }
            ++at_;
            const ByteSet last = class_atom();
            if (first.count() != 1 || last.count() != 1) wrong("expected single characters at both ends of a range");
            const unsigned char from = byte_of(first), to = byte_of(last);
            if (from > to) wrong("expected a range in ascending order");
            set |= range(from, to);
        }
        return inverted ? ~set : set;
    }

    static unsigned char byte_of(const ByteSet& set) {
        unsigned char byte = 0;
        while (!set.test(byte))
            ++byte;
        return byte;
    }

    ByteSet class_atom() {
        if (!more()) wrong("expected ] behind [");
        const char c = text_[at_++];
        return c == '\\' ? escaped() : single(static_cast<unsigned char>(c));
    }

    void add_set(const ByteSet& set) {
        auto& sets = pattern_.sets_;
        const auto known = std::find(sets.begin(), sets.end(), set);
        const auto index = static_cast<std::uint16_t>(known - sets.begin());
        if (known == sets.end()) sets.push_back(set);
        add({.op = Op::kSet, .set = index});
    }

    // Of what has been made from `start` on.
    void quantifier(std::size_t start) {
        if (take("*")) {
            repeat_any(start);
        } else if (take("+")) {
            add({.op = Op::kEither, .first = distance(end(), start), .second = 1});
        } else if (take("?")) {
            make_optional(start);
        } else if (take("{")) {
            counted(start);
        } else {
            return;
        }
        take("?");  // lazy: the same names
        if (more() && std::string_view("*+?{").find(text_[at_]) != std::string_view::npos)
            wrong("expected something to repeat");
    }

    void repeat_any(std::size_t start) {
        insert(start, {.op = Op::kEither, .first = 1, .second = distance(start, end() + 2)});
        add({.op = Op::kGo, .first = distance(end(), start)});
    }

    void make_optional(std::size_t start) {
        insert(start, {.op = Op::kEither, .first = 1, .second = distance(start, end() + 1)});
    }

    std::optional<std::size_t> number() {
        if (!more() || digit_of(text_[at_]) > 9) return std::nullopt;
        std::size_t value = 0;
        while (more() && digit_of(text_[at_]) <= 9)
            value = std::min(value * 10 + static_cast<std::size_t>(digit_of(text_[at_++])), limits::kPatternStates + 1);
        return value;
    }

    void counted(std::size_t start) {
        const std::optional<std::size_t> least = number();
        std::optional<std::size_t> most = least;
        if (least && take(",")) most = number();
        const bool open = least && !most;
        if (!least || !take("}")) wrong("expected {m}, {m,} or {m,n}");
        if (!open && *most < *least) wrong("expected {m,n} with m of at most n");

        const std::vector<State> once(states().begin() + static_cast<std::ptrdiff_t>(start), states().end());
        // Even what is empty takes a state for each time, so that the bound holds the time too.
        const std::size_t copies = open ? *least + 1 : *most;
        if (copies > limits::kPatternStates) make_room(limits::kPatternStates + 1);
        make_room(copies * std::max<std::size_t>(once.size(), 1));
        states().resize(start);
        for (std::size_t i = 0; i < copies; ++i) {
            const std::size_t copy = end();
            states().insert(states().end(), once.begin(), once.end());
            if (once.empty()) add({.op = Op::kGo, .first = 1});
            if (i < *least) continue;
            if (open) {
                repeat_any(copy);
            } else {
                make_optional(copy);
            }
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
    Pattern pattern_;
};

Result<Pattern> Pattern::compile(std::string_view text) {
    return PatternCompiler(text).run();
}

}  // namespace octile::internal
