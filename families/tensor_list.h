// What a checkpoint holds, as far as a family looks at it: names and shapes.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace octile {

class TensorList {
  public:
    using Shape = std::vector<std::int64_t>;

    void add(std::string name, Shape shape) { shapes_[std::move(name)] = std::move(shape); }

    bool empty() const { return shapes_.empty(); }
    // Null when there is none of that name.
    const Shape* find(std::string_view name) const;
    bool has(std::string_view name) const { return find(name) != nullptr; }

    // What somebody else has put in front of every name: torch.compile's "_orig_mod.", DataParallel's "module.", PEFT's
    // "base_model.model.", one in the other; empty: nothing.
    std::string wrapper() const;
    // The same list without a beginning that every name has.
    TensorList without(std::string_view beginning) const;

    // The beginnings of the names that end as `pattern` says, where '*' stands for a number: of "layers.*.fc.weight"
    // and "model.layers.0.fc.weight" it is "model.".
    std::set<std::string, std::less<>> beginnings_of(std::string_view pattern) const;
    // One more than the largest number that follows `beginning` before a dot; 0: there is none.
    std::int64_t count_behind(std::string_view beginning) const;

  private:
    std::map<std::string, Shape, std::less<>> shapes_;
};

}  // namespace octile
