#include "families/tensor_list.h"

#include <catch2/catch.hpp>
#include <functional>
#include <set>
#include <string>
#include <vector>

using namespace octile;

namespace {

using Beginnings = std::set<std::string, std::less<>>;

TensorList list_of(const std::vector<std::string>& names) {
    TensorList list;
    for (const std::string& name : names)
        list.add(name, {2, 3});
    return list;
}

}  // namespace

TEST_CASE("tensor list: what wraps every name, and nothing else") {
    CHECK(list_of({"module.a.weight", "module.b.weight"}).wrapper() == "module.");
    CHECK(list_of({"module._orig_mod.a", "module._orig_mod.b"}).wrapper() == "module._orig_mod.");
    CHECK(list_of({"base_model.model.a"}).wrapper() == "base_model.model.");
    CHECK(list_of({"module.a.weight", "other.weight"}).wrapper().empty());
    CHECK(list_of({"modules.a.weight"}).wrapper().empty());
    CHECK(list_of({}).wrapper().empty());
    CHECK(list_of({"module.a", "module.b"}).without("module.").has("b"));
}

TEST_CASE("tensor list: beginnings of a pattern, from a component on") {
    const TensorList list = list_of({"model.layers.0.fc.weight", "model.layers.11.fc.weight",
                                     "vision.layers.2.fc.weight", "layers.x.fc.weight", "sublayers.3.fc.weight"});
    CHECK(list.beginnings_of("layers.*.fc.weight") == Beginnings{"model.", "vision."});
    CHECK(list.beginnings_of("layers.*.fc").empty());
    CHECK(list_of({"layers.0.fc.weight"}).beginnings_of("layers.*.fc.weight") == Beginnings{""});
    CHECK(list.count_behind("model.layers.") == 12);
    CHECK(list.count_behind("layers.") == 0);  // x is no number
    CHECK(list_of({"layers.99999999999999999999.a"}).count_behind("layers.") == 0);
}
