// From what is known of a network to its graph.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "families/network_builder.h"
#include "families/tensor_list.h"
#include "octile/graph.h"
#include "octile/status.h"

namespace octile {

struct FamilyNetwork {
    std::string model_type;
    bool says_epsilon = false;  // of its norms; otherwise it is the default
    bool by_names = false;      // no configuration says the type; every node carries the assumption
    Graph graph;                // as a whole, for a planner
    // Why no session may run it, each as "key: expected ..., found ..." or "node ...: ..."; empty: it may run
    // needed_part(graph).
    std::vector<std::string> obstacles;
    std::vector<std::string> notes;
    std::map<std::string, WeightPlace> places;  // of linears whose weights are not all of a tensor, or lie otherwise
    std::vector<std::string> unknown_keys;      // of config.json, which are among the obstacles too
};

// Of a configuration, which may be null, and of tensors, which may be null or empty, but not of neither. kUnsupported
// where no family is known by the configuration's model_type, or the tensors' names; kParseError for a configuration
// that is not one, with "key: expected ..., found ...".
Result<FamilyNetwork> build_network(const nlohmann::json* config, const TensorList* tensors,
                                    const NetworkOptions& options);

// Endings of the names of linears that lie [K, N] in a checkpoint of that configuration (which may be null) and those
// tensors.
std::vector<std::string_view> transposed_linears(const nlohmann::json* config, const TensorList& tensors);

// Every model type that there is a family for, in order.
std::vector<std::string_view> known_model_types();

}  // namespace octile
