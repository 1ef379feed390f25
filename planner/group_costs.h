// Cost of the linears that share an input, and the precisions that make the group fastest.
#pragma once

#include <span>
#include <vector>

#include "octile/planner.h"
#include "planner/cost_model.h"
#include "planner/precision.h"

namespace octile {

// What surrounds a group of linears that share their input.
struct GroupSetting {
    bool panel_is_free = false;  // a norm or an INT8 linear before it writes the quantized panel
    // For each linear, what INT8 neighbours pay if it is FP16: conversions at its output.
    std::vector<double> conversion_us;
};

class GroupCosts {
  public:
    // `linears` share M, K and their input; none is empty.
    GroupCosts(const CostModel& model, const PlanOptions& options, std::vector<Layer> linears, GroupSetting setting);

    // Policy `cost`. One choice for each linear; what `wanted` says goes first, as with every policy.
    std::vector<Choice> choose(std::span<const Override> wanted) const;

    // Costs of each linear if the group has these precisions. Its part of a shared panel is one of as many equal parts
    // as there are linears of the precision; on the side that was not taken, of the whole group.
    std::vector<Cost> costs(std::span<const Choice> choices) const;

  private:
    double total_us(std::span<const Precision> precisions) const;
    // What INT8 has to beat FP16 with: its time and the noise.
    double with_noise(double us) const;
    Reason reason(std::size_t i, Precision chosen) const;
    double int8_input_us() const { return setting_.panel_is_free ? 0 : int8_[0].input_us; }

    std::vector<Layer> linears_;
    GroupSetting setting_;
    double noise_, floor_us_;
    const SideTime& side(std::size_t i, Precision precision) const;

    std::vector<SideTime> int8_, fp16_, int4_;  // the last is empty where nobody asks for INT4
};

// fp16 / int8 - (1 + noise), rounded: above 0 where INT8 is faster by more than the noise. `floor_us`: the least time
// that counts as one.
double cost_margin(const Cost& cost, double noise, double floor_us);

}  // namespace octile
