// The drawings of the HTML report: inline SVG that follows the report's style sheet, with a tooltip on every mark.
#pragma once

#include <string>
#include <string_view>

#include "octile/plan.h"

namespace octile::cli {

// Text for HTML and SVG, in elements and in quoted attributes.
std::string escape_html(std::string_view text);

// Layers that bar_chart() draws at most: those that take most of the network's time.
inline constexpr std::size_t kMostBars = 150;

// For each linear two bars, INT8 above FP16, each in the parts of its time; the longer one fills the width. Empty
// without costs.
std::string bar_chart(const Plan& plan);

// Ratio K*N/(K+N) against gain, a disc for each linear as large as its part of the network's time, and the line at the
// plan's min_ratio. Empty without costs.
std::string scatter_chart(const Plan& plan);

// Time saved against SQNR. Empty without a frontier.
std::string frontier_chart(const Plan& plan);

}  // namespace octile::cli
