#include "quantize/graph_of.h"

#include <filesystem>
#include <string_view>
#include <system_error>
#include <unordered_map>

#include "inputs/graph_config.h"

namespace octile {

Result<std::optional<Graph>> graph_of(const Checkpoint& checkpoint) {
    const std::filesystem::path config = checkpoint.path().parent_path() / "config.json";
    std::error_code error;
    if (!std::filesystem::is_regular_file(config, error)) return std::optional<Graph>();
    GraphOptions options;
    options.has_tensor = [&](std::string_view tensor) { return checkpoint.find(tensor) != nullptr; };
    Result<Graph> graph = read_graph(config, std::move(options));
    if (!graph.ok()) return graph.status();
    return std::optional(std::move(graph).value());
}

GraphLayers layers_of(const Graph& graph, const Model& listed, const std::vector<std::optional<LayerError>>& errors,
                      std::int64_t tokens) {
    GraphLayers result{layers_of(graph, tokens), {}};
    std::unordered_map<std::string_view, std::size_t> rows;
    for (std::size_t row = 0; row < listed.layers.size(); row++)
        rows.emplace(listed.layers[row].name, row);
    if (!errors.empty()) result.errors.resize(result.model.layers.size());
    for (std::size_t at = 0; at < result.model.layers.size(); at++) {
        Layer& layer = result.model.layers[at];
        const auto row = rows.find(layer.name);
        if (row == rows.end()) continue;
        layer.weights = listed.layers[row->second].weights;
        if (!errors.empty()) result.errors[at] = errors[row->second];
    }
    return result;
}

}  // namespace octile
