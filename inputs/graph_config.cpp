#include "inputs/graph_config.h"

#include <fmt/format.h>

#include <utility>

#include "base/json_document.h"
#include "families/build_network.h"
#include "inputs/messages.h"
#include "inputs/model_config.h"
#include "inputs/sentence_transformers.h"
#include "inputs/text_file.h"

namespace octile {
namespace {

Result<Graph> graph_of(std::string_view text, const std::filesystem::path& path, const TensorList* tensors,
                       const NetworkOptions& options) {
    Result<FamilyNetwork> network = Status(StatusCode::kInternal, "");
    Status status = read_json(text, display(path), [&](const nlohmann::json& document) {
        network = build_network(&document, tensors, options);
    });
    if (!status.ok()) return status;
    const auto fail = [&](const std::string& why) { return parse_error(fmt::format("{}: {}", display(path), why)); };
    if (!network.ok()) return fail(network.status().message());
    if (!network->obstacles.empty()) return fail(network->obstacles.front());
    return needed_part(network->graph);
}

NetworkOptions options_of(const std::filesystem::path& path, const GraphOptions& options) {
    return {.name = name_of_model(path),
            .pooling = options.pooling,
            .normalize = options.normalize,
            .all_logits = options.all_logits,
            .ignore_keys = options.ignore_keys};
}

}  // namespace

Result<Graph> graph_of_config(std::string_view text, const std::filesystem::path& path, const GraphOptions& options) {
    return graph_of(text, path, options.tensors, options_of(path, options));
}

Result<Graph> read_graph(const std::filesystem::path& config, const GraphOptions& options) {
    NetworkOptions network = options_of(config, options);
    Result<std::vector<SentenceModule>> modules = read_sentence_modules(config.parent_path());
    if (!modules.ok()) return modules.status();
    network.modules = std::move(modules).value();
    network.sentence_embedding = !network.modules.empty();
    const Result<std::string> text = read_text_file(config);
    if (!text.ok()) return text.status();
    return graph_of(text.value(), config, options.tensors, network);
}

}  // namespace octile
