#include "inputs/checkpoint_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/json_document.h"
#include "families/build_network.h"
#include "families/layer_lists.h"
#include "inputs/gguf/config.h"
#include "inputs/messages.h"
#include "inputs/model_config.h"
#include "inputs/packed_forms.h"
#include "inputs/sentence_transformers.h"
#include "inputs/tensor_names.h"
#include "inputs/tensor_values.h"
#include "inputs/text_file.h"
#include "inputs/weight_forms.h"
#include "inputs/weight_rules.h"

namespace octile {
namespace {

using nlohmann::json;

// A row of a 2-D tensor as a vector.
TensorInfo row_of(const TensorInfo& tensor, std::int64_t row) {
    TensorInfo vector = tensor;
    vector.shape = {tensor.shape.back()};
    vector.data = bytes_of(tensor, row * tensor.shape.back(), tensor.shape.back());
    return vector;
}

class Reader {
  public:
    Reader(const Checkpoint& checkpoint, const ReadOptions& options)
        : checkpoint_(checkpoint),
          options_(options),
          config_(checkpoint.gguf() ? checkpoint.path() : checkpoint.path().parent_path() / "config.json"),
          tensors_(tensor_list_of(checkpoint)) {}

    Result<CheckpointNetwork> run() {
        read_config();
        Result<FamilyNetwork> family = build();
        if (!family.ok() && document_) obstacle(family.status().message());
        const std::vector<std::string_view> transposed =
            transposed_linears(document_ ? &*document_ : nullptr, tensors_);
        const auto lies_transposed = [&](std::string_view name) {
            return std::any_of(transposed.begin(), transposed.end(), [&](std::string_view ending) {
                return name.ends_with(ending) &&
                       (name.size() == ending.size() || name[name.size() - ending.size() - 1] == '.');
            });
        };
        Result<WeightRules> rules = make_weight_rules(
            {.leave_out = options_.skip, .may_leave_out = options_.may_skip, .transposed = options_.transposed});
        if (!rules.ok()) return rules.status();
        rules->transposed = [wanted = rules->transposed, &lies_transposed](std::string_view name) {
            return (wanted && wanted(name)) || lies_transposed(name);
        };
        Result<LinearTensors> found = find_linear_tensors(checkpoint_, options_.tokens.value_or(1), rules.value());
        if (!found.ok()) return found.status();
        result_.tensors = std::move(found).value();
        if (family.ok()) {
            take_out(family->graph);
            add_linears(family.value());
            claim(family.value());
        }
        const bool counts = !family.ok() || unclaimed_ > 0 || counts_tokens(family->graph);
        if (!options_.tokens && counts) {
            return Status(StatusCode::kInvalidArgument,
                          fmt::format("{}: expected --tokens N: weights do not say how many rows they are applied to",
                                      display(checkpoint_.path())));
        }
        if (family.ok() && document_) {
            describe(std::move(family).value());
        } else {
            result_.model.name = name_of_file();
            for (const LinearTensor& tensor : result_.tensors.layers)
                result_.model.layers.push_back(tensor.layer);
        }
        if (std::string note = stored_forms_note(checkpoint_, result_.tensors.layers); !note.empty())
            result_.tensors.notes.push_back(std::move(note));
        // The first row of a list reads what comes from outside.
        if (!result_.tensors.layers.empty()) result_.tensors.layers.front().layer.input_unknown = false;
        if (!result_.model.layers.empty()) result_.model.layers.front().input_unknown = false;
        result_.model.parameters = result_.tensors.parameters;
        result_.model.left_out = left_out();
        result_.model.notes.insert(result_.model.notes.begin(), result_.tensors.notes.begin(),
                                   result_.tensors.notes.end());
        return std::move(result_);
    }

  private:
    // What no row takes.
    std::vector<LeftOut> left_out() const {
        std::set<std::string_view> taken;
        for (const LinearTensor& tensor : result_.tensors.layers)
            for (const TensorInfo* const part : tensor.tensors)
                taken.insert(part->name);
        std::vector<LeftOut> left_out;
        // A table that a head is made of as well is one all the same.
        for (const LeftOut& left : result_.tensors.left_out)
            if (left.reason == LeftOutReason::kTable || !taken.contains(left.tensor)) left_out.push_back(left);
        return left_out;
    }

    void obstacle(const std::string& why) { result_.obstacles.push_back(in_words_of_file(why)); }

    // What is said of a configuration, with the file and the key that say it.
    std::string in_words_of_file(const std::string& message) const {
        return fmt::format("{}: {}", display(config_), gguf_ ? octile::in_words_of_file(*gguf_, message) : message);
    }

    std::string name_of_file() const {
        std::filesystem::path name = checkpoint_.path().stem();
        if (name.extension() == ".index") name = name.stem().stem();  // model.safetensors.index
        if (!checkpoint_.gguf() || checkpoint_.gguf()->parts() == 1) return display(name);
        return display(name.string().substr(0, name.string().size() - std::string_view("-00001-of-00002").size()));
    }

    // Of a GGUF file: of an architecture that is not known, there is no configuration.
    void read_gguf() {
        Result<GgufConfig> config = gguf_config(*checkpoint_.gguf(), options_.ignore_keys);
        if (!config.ok()) return obstacle(config.status().message());
        document_ = config->document;
        gguf_ = std::move(config).value();
    }

    // A file that describes no network of transformers (diffusers', say) is as good as none.
    void read_config() {
        if (checkpoint_.gguf()) return read_gguf();
        std::error_code error;
        if (!std::filesystem::is_regular_file(config_, error)) return;
        const Result<std::string> text = read_text_file(config_);
        Status status = text.status();
        if (text.ok()) {
            status = read_json(text.value(), display(config_), [&](const json& document) {
                if (document.is_object() && document.contains("model_type"))
                    document_ = document;
                else
                    obstacle("model_type: expected a string, found no such key");
            });
        }
        if (!status.ok()) result_.obstacles.push_back(status.message());
    }

    Result<FamilyNetwork> build() {
        NetworkOptions network{.name = document_ && !gguf_ ? name_of_model(config_) : name_of_file(),
                               .ignore_keys = options_.ignore_keys};
        if (!document_) return build_network(nullptr, &tensors_, network);
        if (gguf_) {
            network.sentence_embedding = network.pooling_is_said = gguf_->pooling.has_value();
            network.pooling = gguf_->pooling.value_or(network.pooling);
            network.normalization_is_assumed = gguf_->pooling.has_value();
            return build_network(&*document_, &tensors_, network);
        }
        Result<std::vector<SentenceModule>> modules = read_sentence_modules(config_.parent_path());
        if (!modules.ok()) {
            result_.obstacles.push_back(modules.status().message());
            network.pooling_is_said = true;
            network.normalize = false;
        } else {
            network.modules = std::move(modules).value();
        }
        network.sentence_embedding = !modules.ok() || !network.modules.empty();
        return build_network(&*document_, &tensors_, network);
    }

    // Matrices of which the network says that they are no linears: its tables, and whatever its nodes of those names
    // are. Without its configuration it is an assumption, as everything that names tell.
    void take_out(const Graph& graph) {
        std::unordered_map<std::string_view, const Node*> nodes;
        std::unordered_set<std::string_view> tables;
        for (const Node& node : graph.nodes) {
            nodes.emplace(node.name, &node);
            for (const EmbeddingTable& table : node.tables)
                tables.insert(table.tensor);
        }
        std::erase_if(result_.tensors.layers, [&](const LinearTensor& tensor) {
            if (tensor.layer.op != Op::kLinear) return false;
            const auto node = nodes.find(tensor.layer.name);
            const bool is_linear = node != nodes.end() && node->second->op == NodeOp::kLinear;
            const bool is_table = tables.contains(tensor.tensors.front()->name);
            if (is_linear || (node == nodes.end() && !is_table)) return false;
            for (const TensorInfo* const part : tensor.tensors) {
                result_.tensors.left_out.push_back(
                    is_table ? left_out_of(*part, LeftOutReason::kTable, "an embedding table")
                             : left_out_of(*part, LeftOutReason::kOther,
                                           node->second->what.empty() ? std::string(name_of(node->second->op))
                                                                      : node->second->what));
                result_.tensors.left_out.back().assumed = is_table;
            }
            return true;
        });
        if (!document_) return;
        for (LeftOut& left : result_.tensors.left_out)
            left.assumed = false;
    }

    // Linears of the network that are no tensors of their own: a head that is tied to a table, experts of one tensor, a
    // convolution that is a linear.
    void add_linears(const FamilyNetwork& family) {
        std::unordered_set<std::string> known;  // of strings: the list grows below
        for (const LinearTensor& tensor : result_.tensors.layers)
            known.insert(tensor.layer.name);
        std::unordered_map<std::string_view, const Node*> nodes;
        for (const Node& node : family.graph.nodes)
            nodes.emplace(node.name, &node);
        for (const Layer& layer : layers_of(family.graph, 1).layers) {
            if (layer.op != Op::kLinear || known.contains(layer.name)) continue;
            if (const Node& node = *nodes.at(layer.name); !node.shared.empty()) {
                result_.tensors.shared.emplace(node.name, node.shared);
                continue;
            }
            const auto place = family.places.find(layer.name);
            if (std::optional<LinearTensor> added = linear_of(
                    *nodes.at(layer.name), layer, place == family.places.end() ? WeightPlace() : place->second))
                result_.tensors.layers.push_back(std::move(*added));
        }
    }

    std::optional<LinearTensor> linear_of(const Node& node, const Layer& layer, const WeightPlace& place) const {
        const TensorInfo* tensor = checkpoint_.find(node.weight);
        if (!tensor || !has_unscaled_floats(*tensor)) return std::nullopt;
        LinearTensor linear;
        linear.layer = layer;
        if (place.index) {
            linear.weight = WeightMatrix::of(*tensor, *place.index, place.transposed);
        } else if (tensor->shape.size() == 2) {
            linear.weight = WeightMatrix::of(*tensor, place.transposed);
        } else {
            linear.weight = {.tensor = tensor, .n = layer.n, .k = layer.k, .row_stride = layer.k};
        }
        linear.tensors = {tensor};
        if (node.bias.empty()) return linear;
        const TensorInfo* bias = checkpoint_.find(node.bias);
        if (!bias) return std::nullopt;
        linear.bias = place.index ? row_of(*bias, *place.index) : *bias;
        linear.tensors.push_back(bias);
        return linear;
    }

    // What the network says of the checkpoint's linears and norms, in its order.
    void claim(const FamilyNetwork& family) {
        const Model thin = linears_and_norms(layers_of(family.graph, options_.tokens.value_or(1)), false);
        std::unordered_map<std::string_view, std::size_t> places;
        for (std::size_t i = 0; i < thin.layers.size(); i++)
            places.emplace(thin.layers[i].name, i);
        std::unordered_map<std::string_view, std::size_t> there;
        for (const LinearTensor& tensor : result_.tensors.layers)
            there.emplace(tensor.layer.name, 0);
        const auto place_of = [&](const LinearTensor& tensor) {
            const auto found = places.find(tensor.layer.name);
            const bool same = found != places.end() && thin.layers[found->second].op == tensor.layer.op &&
                              thin.layers[found->second].k == tensor.layer.k &&
                              thin.layers[found->second].n == tensor.layer.n;
            return same ? found->second : thin.layers.size();
        };
        std::vector<LinearTensor>& layers = result_.tensors.layers;
        std::stable_sort(layers.begin(), layers.end(),
                         [&](const LinearTensor& a, const LinearTensor& b) { return place_of(a) < place_of(b); });
        for (LinearTensor& tensor : layers) {
            const std::size_t place = place_of(tensor);
            if (place == thin.layers.size()) {
                unclaimed_ += tensor.layer.op == Op::kLinear;
                continue;
            }
            const Layer& known = thin.layers[place];
            tensor.layer.m = known.m;
            tensor.layer.activation = known.activation;
            tensor.layer.epsilon = known.epsilon;
            tensor.layer.assumptions = known.assumptions;
            tensor.layer.inputs = known.inputs;
            const auto is_there = [&](const std::string& input) { return there.contains(input); };
            if (!std::all_of(known.inputs.begin(), known.inputs.end(), is_there)) tensor.layer.inputs.clear();
            tensor.layer.input_unknown = tensor.layer.inputs.empty();
        }
    }

    // A network that config.json describes.
    void describe(FamilyNetwork family) {
        result_.model = layers_of(family.graph, options_.tokens.value_or(1));
        std::unordered_map<std::string_view, Layer*> rows;
        for (Layer& layer : result_.model.layers)
            rows.emplace(layer.name, &layer);
        std::vector<Layer> others;
        for (const LinearTensor& tensor : result_.tensors.layers) {
            const auto row = rows.find(tensor.layer.name);
            if (row != rows.end() && row->second->op == tensor.layer.op)
                row->second->weights = tensor.layer.weights;
            else if (row == rows.end())
                others.push_back(tensor.layer);
        }
        for (const auto& [name, owner] : result_.tensors.shared)
            if (rows.contains(name) && rows.contains(owner)) rows.at(name)->weights = rows.at(owner)->weights;
        result_.model.layers.insert(result_.model.layers.end(), others.begin(), others.end());
        for (const std::string& key : unknown_keys_of(family))
            result_.model.notes.push_back(unknown_key_note(config_, key, family.model_type));
        for (const std::vector<std::string>* notes : {&family.notes, gguf_ ? &gguf_->notes : nullptr}) {
            if (!notes) continue;
            for (const std::string& note : *notes)
                result_.model.notes.push_back(in_words_of_file(note));
        }
        for (const std::string& why : family.obstacles)
            obstacle(why);
        if (result_.obstacles.empty()) result_.graph = needed_part(family.graph);
        if (result_.graph) note_others(others);
        result_.whole = std::move(family.graph);
    }

    // What a network is made without.
    void note_others(const std::vector<Layer>& others) {
        const auto is_linear = [](const Layer& layer) { return layer.op == Op::kLinear; };
        const auto first = std::find_if(others.begin(), others.end(), is_linear);
        if (first == others.end()) return;
        const auto count = std::count_if(others.begin(), others.end(), is_linear);
        result_.model.notes.push_back(
            fmt::format("{}: the network that it describes has no {}{}: packed, and not run with it", display(config_),
                        internal::quote(first->name),
                        count == 1   ? ""
                        : count == 2 ? " and 1 other linear of the checkpoint"
                                     : fmt::format(" and {} other linears of the checkpoint", count - 1)));
    }

    // By the file's own names. Of a GGUF file, those of its own are obstacles here.
    std::vector<std::string> unknown_keys_of(const FamilyNetwork& family) {
        if (!gguf_) return family.unknown_keys;
        std::vector<std::string> keys = gguf_->unknown_keys;
        for (const std::string& key : keys)
            obstacle(fmt::format("{}: expected a key that Octile knows of {}, found another (--ignore-key {})", key,
                                 internal::quote(checkpoint_.gguf()->architecture_name()), key));
        for (const std::string& key : family.unknown_keys)
            keys.push_back(octile::in_words_of_file(*gguf_, key));
        return keys;
    }

    const Checkpoint& checkpoint_;
    const ReadOptions& options_;
    std::filesystem::path config_;
    TensorList tensors_;
    std::optional<json> document_;
    std::optional<GgufConfig> gguf_;  // what the document was made from
    std::int64_t unclaimed_ = 0;      // linears
    CheckpointNetwork result_;
};

}  // namespace

TensorList tensor_list_of(const Checkpoint& checkpoint) {
    TensorList list;
    for (const TensorInfo* tensor : checkpoint.tensors()) {
        const GgufType* const blocks = block_type(tensor->dtype);
        const bool packed = tensor->dtype == "U8" || tensor->dtype == "I32" || (blocks && !blocks->decode);
        if (!packed) list.add(family_name(tensor->name), tensor->shape);
    }
    // As if they were there in floats. What is wrong with them is said where they are read.
    for (const PackedModule& module : find_packed_modules(checkpoint)) {
        if (!module.read) continue;
        const Result<PackedWeights> weights =
            module.read(*module.tensors.front(), ModuleTensors(checkpoint, module.name));
        if (weights.ok()) list.add(module.name + ".weight", {weights->n, weights->k});
    }
    return list;
}

Result<CheckpointNetwork> read_network(const Checkpoint& checkpoint, const ReadOptions& options) {
    return Reader(checkpoint, options).run();
}

}  // namespace octile
