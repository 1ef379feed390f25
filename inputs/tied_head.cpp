#include "inputs/tied_head.h"

#include <algorithm>
#include <system_error>

#include "base/json_document.h"
#include "inputs/messages.h"
#include "inputs/tensor_names.h"
#include "inputs/text_file.h"

namespace octile {
namespace {

bool is_tied(const std::filesystem::path& config) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(config, error)) return false;
    const Result<std::string> text = read_text_file(config);
    if (!text.ok()) return false;
    bool tied = false;
    // What is wrong with it is for those to say who need it.
    (void)read_json(text.value(), display(config), [&](const nlohmann::json& document) {
        if (!document.is_object() || !document.contains("tie_word_embeddings")) return;
        const nlohmann::json& value = document["tie_word_embeddings"];
        tied = value.is_boolean() && value.get<bool>();
    });
    return tied;
}

}  // namespace

std::string tied_head_note(const Checkpoint& checkpoint) {
    constexpr std::string_view kHead = "lm_head.weight", kWeight = ".weight";
    const TensorInfo* const head = checkpoint.find(kHead);
    if (!head || checkpoint.gguf() || !is_tied(checkpoint.path().parent_path() / "config.json")) return "";
    for (const TensorInfo* const table : checkpoint.tensors()) {
        if (table->shape != head->shape || !table->name.ends_with(kWeight)) continue;
        const std::string_view name = std::string_view(table->name).substr(0, table->name.size() - kWeight.size());
        if (table_name(name) == TableName::kNone) continue;
        if (table->dtype == head->dtype && std::equal(table->data.begin(), table->data.end(), head->data.begin()))
            return "";
        return display(checkpoint.path()) + ": config.json ties lm_head to " + internal::quote(table->name) +
               ", and the file has another one: the head is the file's";
    }
    return "";
}

}  // namespace octile
