#include "inputs/model_config.h"

#include <fmt/format.h>

#include <utility>

#include "base/json_document.h"
#include "families/build_network.h"
#include "families/layer_lists.h"
#include "inputs/messages.h"

namespace octile {

std::string name_of_model(const std::filesystem::path& path) {
    if (path.stem() != "config") return display(path.stem());
    const std::filesystem::path folder = path.parent_path().filename();
    return folder.empty() || !internal::is_printable(folder.native()) ? "config" : folder.native();
}

Result<Model> read_model_config(std::string_view text, const std::filesystem::path& path,
                                const ConfigReading& reading) {
    Result<FamilyNetwork> network = Status(StatusCode::kInternal, "");
    const NetworkOptions options = {
        .name = name_of_model(path), .all_logits = true, .ignore_keys = reading.ignore_keys};
    Status status = read_json(text, display(path), [&](const nlohmann::json& document) {
        network = build_network(&document, nullptr, options);
    });
    if (!status.ok()) return status;
    if (!network.ok()) return parse_error(fmt::format("{}: {}", display(path), network.status().message()));
    if (!reading.tokens && counts_tokens(network->graph)) {
        return Status(StatusCode::kInvalidArgument,
                      fmt::format("{}: expected --tokens N: the network does not say how many rows its layers are "
                                  "applied to",
                                  display(path)));
    }
    Model model = blocks_once(linears_and_norms(layers_of(network->graph, reading.tokens.value_or(1)), true));
    for (Layer& layer : model.layers)
        if (!network->says_epsilon) layer.epsilon.reset();
    for (const std::string& key : network->unknown_keys)
        model.notes.push_back(unknown_key_note(path, key, network->model_type));
    return model;
}

std::string unknown_key_note(const std::filesystem::path& config, std::string_view key, std::string_view model_type) {
    return fmt::format(
        "{}: {}: no key that Octile knows of {}: what it changes is not planned, and no network is made "
        "(--ignore-key {})",
        display(config), internal::brief(key), internal::quote(model_type), internal::brief(key));
}

}  // namespace octile
