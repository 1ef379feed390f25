#include "base/pattern.h"

#include <map>
#include <utility>

namespace octile::internal {
namespace {

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

// All states that a name can be in at a time, as a list without repetitions: no path is tried twice.
class Pattern::Search {
  public:
    Search(const Pattern& pattern, std::string_view name)
        : pattern_(pattern), name_(name), seen_at_(pattern.states_.size(), kNever) {
        // What is inside another comes behind it and is needed first.
        for (std::size_t index = pattern.states_.size(); index-- > 0;)
            if (is_ahead(pattern.states_[index].op)) look_ahead(index);
    }

    bool run(bool from_beginning) {
        for (std::size_t at = 0;; ++at) {
            if (at == 0 || !from_beginning) enter(0, at);
            if (found_) return true;
            if (at == name_.size() || (from_beginning && now_.empty())) return false;
            step(static_cast<unsigned char>(name_[at]), at + 1);
        }
    }

  private:
    static constexpr std::size_t kNever = std::size_t(-1);

    void step(unsigned char byte, std::size_t next) {
        std::swap(now_, before_);
        now_.clear();
        for (const std::size_t index : before_) {
            if (takes(pattern_.states_[index], byte)) enter(index + 1, next);
        }
    }

    // Adds a state at a place in the name, and those that it goes on to without a byte.
    void enter(std::size_t index, std::size_t at) {
        pending_.push_back(index);
        while (!pending_.empty()) {
            index = pending_.back();
            pending_.pop_back();
            if (seen_at_[index] == at) continue;
            seen_at_[index] = at;
            const State& state = pattern_.states_[index];
            if (state.op == Op::kFound) found_ = true;
            if (takes_byte(state.op)) now_.push_back(index);
            if (holds(index, at)) each_next(index, [&](std::size_t next) { pending_.push_back(next); });
        }
    }

    static bool is_ahead(Op op) { return op == Op::kAhead || op == Op::kNotAhead; }
    static bool takes_byte(Op op) { return op == Op::kByte || op == Op::kSet; }

    bool takes(const State& state, unsigned char byte) const {
        return state.op == Op::kByte ? state.byte == byte : pattern_.sets_[state.set].test(byte);
    }

    // States that one goes on to without a byte, where it holds.
    template <typename Use>
    void each_next(std::size_t index, const Use& use) const {
        const State& state = pattern_.states_[index];
        const auto at = [&](std::int16_t distance) { return index + static_cast<std::size_t>(distance); };
        if (takes_byte(state.op) || state.op == Op::kFound) return;
        if (state.op == Op::kEither || is_ahead(state.op)) use(at(state.second));
        if (state.op == Op::kEither || state.op == Op::kGo) use(at(state.first));
        if (state.op != Op::kEither && state.op != Op::kGo && !is_ahead(state.op)) use(index + 1);
    }

    // Whether what a state asks of the place itself is so.
    bool holds(std::size_t index, std::size_t at) const {
        const Op op = pattern_.states_[index].op;
        if (is_ahead(op)) return ahead_.at(index)[at] == (op == Op::kAhead);
        if (op == Op::kBegin) return at == 0;
        if (op == Op::kEnd) return at == name_.size();
        if (op != Op::kBoundary && op != Op::kNotBoundary) return true;
        const bool before = at > 0 && is_word(name_[at - 1]), behind = at < name_.size() && is_word(name_[at]);
        return (before != behind) == (op == Op::kBoundary);
    }

    // Finds the places from which the states of a look-ahead come to their end: from the name's end to its beginning,
    // and at each place from the last state backwards.
    void look_ahead(std::size_t ahead) {
        const std::size_t begin = ahead + 1, count = static_cast<std::size_t>(pattern_.states_[ahead].second) - 1;
        std::vector<std::vector<std::size_t>> before(count);  // who goes on to it without a byte
        for (std::size_t i = 0; i < count; ++i)
            each_next(begin + i, [&](std::size_t next) { before[next - begin].push_back(i); });
        std::vector<bool> reaches(count), behind;
        std::vector<bool>& places = ahead_[ahead];
        places.resize(name_.size() + 1);
        for (std::size_t at = name_.size() + 1; at-- > 0;) {
            behind = std::exchange(reaches, std::vector<bool>(count));
            pending_.assign(1, count - 1);
            for (std::size_t i = 0; i + 1 < count && at < name_.size(); ++i) {
                const State& state = pattern_.states_[begin + i];
                if (takes_byte(state.op) && behind[i + 1] && takes(state, static_cast<unsigned char>(name_[at])))
                    pending_.push_back(i);
            }
            while (!pending_.empty()) {
                const std::size_t reached = pending_.back();
                pending_.pop_back();
                if (reaches[reached]) continue;
                reaches[reached] = true;
                for (const std::size_t i : before[reached])
                    if (holds(begin + i, at)) pending_.push_back(i);
            }
            places[at] = reaches[0];
        }
    }

    const Pattern& pattern_;
    std::string_view name_;
    std::vector<std::size_t> seen_at_;  // where in the name a state was entered last
    std::vector<std::size_t> now_, before_, pending_;
    std::map<std::size_t, std::vector<bool>> ahead_;  // of a look-ahead, by its state: where it matches
    bool found_ = false;
};

bool Pattern::matches(std::string_view name, bool from_beginning) const {
    return Search(*this, name).run(from_beginning);
}

}  // namespace octile::internal
