#include "cli/inspect_gguf.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/table.h"
#include "inputs/gguf/config.h"
#include "inputs/gguf/model.h"
#include "inputs/gguf/values.h"
#include "inputs/messages.h"
#include "inputs/tensor_values.h"

namespace octile::cli {
namespace {

struct Entry {
    const TensorInfo& tensor;
    const std::string& file_name;
};

std::string bytes_text(std::size_t bytes) {
    return bytes < 100'000 ? fmt::format("{:.1f} kB", static_cast<double>(bytes) * 1e-3)
                           : fmt::format("{:.1f} MB", static_cast<double>(bytes) * 1e-6);
}

// What values are not as the file has them.
std::string changes_of(const TensorInfo& tensor) {
    if (block_type(tensor.dtype) && !has_values(tensor)) return "not read";
    if (tensor.paired_rows > 0) return fmt::format("rows out of their pairs, heads of {}", tensor.paired_rows);
    if (tensor.shift != 0) return fmt::format("less {}", tensor.shift);
    return "";
}

std::vector<Entry> entries_of(const GgufModel& model) {
    std::vector<Entry> entries;
    for (std::size_t i = 0; i < model.tensors().size(); i++)
        entries.push_back({model.tensors()[i], model.file_names()[i]});
    return entries;
}

std::string table_text(const GgufModel& model, bool colour) {
    Table keys({{"key"}, {"kind"}, {"value"}});
    for (const GgufKey& key : model.header().keys) {
        keys.add_row({{key.name},
                      {key.value.is_array ? "array" : std::string(name_of(key.value.kind))},
                      {gguf_text(key.value)}});
    }
    Table tensors({{"tensor"}, {"type"}, {"shape"}, {"bytes", Align::kRight}, {"read as"}, {"changed"}});
    std::map<std::string_view, std::pair<std::int64_t, std::size_t>> types;
    std::size_t bytes = 0;
    for (const auto& [tensor, file_name] : entries_of(model)) {
        tensors.add_row({{file_name},
                         {std::string(tensor.dtype)},
                         {shape_text(tensor)},
                         {bytes_text(tensor.data.size())},
                         {tensor.name == file_name ? "" : tensor.name},
                         {changes_of(tensor)}});
        types[tensor.dtype].first++;
        types[tensor.dtype].second += tensor.data.size();
        bytes += tensor.data.size();
    }
    std::string text = fmt::format(
        "{}: GGUF version {}, architecture {}{}{}\n{}\n{}\n", display(model.path().filename()), model.header().version,
        model.architecture_name().empty() ? "not said" : model.architecture_name(),
        model.architecture() ? "" : ", whose network is not known",
        model.parts() == 1 ? "" : fmt::format(", {} parts", model.parts()), keys.text(colour), tensors.text(colour));
    std::string counts;
    for (const auto& [type, sum] : types)
        counts += fmt::format("{}{} of {} ({})", counts.empty() ? "" : ", ", sum.first, type, bytes_text(sum.second));
    return text + fmt::format("{} tensors, {}{}{}\n", model.tensors().size(), bytes_text(bytes),
                              counts.empty() ? "" : ": ", counts);
}

nlohmann::ordered_json json_of(const GgufModel& model) {
    nlohmann::ordered_json document = {{"format", "gguf"},
                                       {"version", model.header().version},
                                       {"architecture", model.architecture_name()},
                                       {"known", model.architecture() != nullptr},
                                       {"parts", model.parts()},
                                       {"keys", nlohmann::ordered_json::object()},
                                       {"tensors", nlohmann::ordered_json::array()}};
    for (const GgufKey& key : model.header().keys) {
        const bool number = !key.value.is_array && key.value.kind != GgufKind::kString;
        // Not a number has none in JSON.
        if (number)
            document["keys"][key.name] = nlohmann::ordered_json::parse(gguf_text(key.value), nullptr, false);
        else
            document["keys"][key.name] = gguf_text(key.value);
    }
    for (const auto& [tensor, file_name] : entries_of(model)) {
        document["tensors"].push_back({{"name", file_name},
                                       {"read_as", tensor.name},
                                       {"type", tensor.dtype},
                                       {"shape", tensor.shape},
                                       {"bytes", tensor.data.size()},
                                       {"read", has_values(tensor)},
                                       {"heads_of_paired_rows", tensor.paired_rows},
                                       {"added", tensor.shift}});
    }
    return document;
}

}  // namespace

int inspect_gguf(const std::filesystem::path& file, bool json) {
    const Result<GgufModel> model = GgufModel::open(file);
    if (!model.ok()) return fail(kExitError, model.status().message());
    const Result<GgufConfig> config = gguf_config(model.value(), {});
    if (!config.ok()) note(fmt::format("{}: {}", display(file), config.status().message()));
    if (config.ok()) {
        for (const std::string& key : config->unknown_keys)
            note(fmt::format("{}: {}: no key that Octile knows", display(file), key));
    }
    const Status written = write_stdout(json ? internal::json_text(json_of(model.value()))
                                             : table_text(model.value(), stdout_takes_colour()));
    return written.ok() ? kExitOk : fail_by(written);
}

}  // namespace octile::cli
