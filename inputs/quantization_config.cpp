#include "inputs/quantization_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "inputs/json_document.h"
#include "inputs/layer_rules.h"
#include "inputs/messages.h"
#include "inputs/text_file.h"

namespace octile {
namespace {

using nlohmann::json;

constexpr std::string_view kExpression = "re:";

std::regex compile(const std::string& entry, const std::string& pointer) {
    const std::string pattern = entry.substr(kExpression.size());
    if (pattern.empty() || pattern.size() > kMaxNameBytes) {
        fail_at(pointer, fmt::format("expected an expression of 1 to {} bytes, found {}", kMaxNameBytes,
                                     internal::quote(entry)));
    }
    auto flags = std::regex::ECMAScript | std::regex::nosubs | std::regex::optimize;
#ifdef __GLIBCXX__
    flags |= std::regex_constants::__polynomial;  // the default matcher takes exponential time for some expressions
#endif
    try {
        return std::regex(pattern, flags);
    } catch (const std::regex_error&) {
        fail_at(pointer, fmt::format("expected a regular expression behind re:, found {}", internal::quote(entry)));
    }
}

}  // namespace

Result<QuantizationConfig> QuantizationConfig::read(const std::filesystem::path& path) {
    const Result<std::string> text = read_text_file(path);
    if (!text.ok()) return text.status();
    QuantizationConfig config;
    Status status = read_json(text.value(), display(path), [&](const json& document) {
        if (!document.is_object()) fail_at("$", "expected an object, found " + found(document));
        std::string at = "quantization_config";
        const json* quantization = nullptr;
        if (document.contains(at)) {
            quantization = &document[at];
        } else if (document.contains("compression_config")) {  // before compressed-tensors 0.5
            at = "compression_config";
            quantization = &document[at];
        }
        if (quantization == nullptr || !quantization->is_object()) return;
        const auto ignore = quantization->find("ignore");
        if (ignore == quantization->end() || ignore->is_null()) return;
        const std::string list = at + ".ignore";
        if (!ignore->is_array()) fail_at(list, "expected an array of layer names, found " + found(*ignore));
        for (std::size_t i = 0; i < ignore->size(); ++i) {
            const std::string pointer = fmt::format("{}[{}]", list, i);
            const std::string& entry = string_at((*ignore)[i], pointer);
            if (entry.starts_with(kExpression)) {
                config.expressions_.push_back(compile(entry, pointer));
            } else {
                config.names_.push_back(entry);
            }
        }
    });
    if (!status.ok()) return status;
    return config;
}

bool QuantizationConfig::ignores(const std::string& layer) const {
    if (std::find(names_.begin(), names_.end(), layer) != names_.end()) return true;
    return std::any_of(expressions_.begin(), expressions_.end(), [&](const std::regex& expression) {
        return std::regex_search(layer, expression, std::regex_constants::match_continuous);
    });
}

}  // namespace octile
