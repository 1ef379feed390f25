#include "cli/shared_linears.h"

#include <string_view>
#include <unordered_map>

namespace octile::cli {
namespace {

// A pattern that matches this name and no other.
std::string pattern_of(std::string_view name) {
    std::string pattern = "^";
    for (const char c : name) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                           static_cast<unsigned char>(c) >= 0x80;
        if (!plain) pattern += '\\';
        pattern += c;
    }
    return pattern + '$';
}

}  // namespace

Result<Plan> make_plan_of_shared(const Model& model, PlanOptions options,
                                 const std::map<std::string, std::string, std::less<>>& shared,
                                 std::vector<std::string>* notes) {
    Result<Plan> plan = make_plan(model, options, notes);
    if (!plan.ok() || shared.empty()) return plan;
    std::unordered_map<std::string_view, Precision> planned;
    for (const PlannedLayer& layer : plan->layers)
        planned.emplace(layer.layer.name, layer.precision);
    const std::size_t given = options.forces.size();
    for (const auto& [name, owner] : shared) {
        const auto own = planned.find(name), other = planned.find(owner);
        if (own != planned.end() && other != planned.end() && own->second != other->second)
            options.forces.push_back({pattern_of(name), other->second});
    }
    return options.forces.size() == given ? std::move(plan) : make_plan(model, options);
}

}  // namespace octile::cli
