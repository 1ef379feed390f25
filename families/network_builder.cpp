#include "families/network_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/json_document.h"
#include "base/limits.h"
#include "base/printable.h"

namespace octile {
namespace {

using internal::quote;

// A block's name without its number: what is wrong with one block is wrong with all.
std::string pattern_of(std::string_view name) {
    std::string pattern;
    for (std::size_t at = 0; at <= name.size();) {
        const std::size_t dot = std::min(name.find('.', at), name.size());
        const std::string_view part = name.substr(at, dot - at);
        const bool number = !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
        if (at > 0) pattern += '.';
        pattern += number ? std::string_view("*") : part;
        at = dot + 1;
    }
    return pattern;
}

std::string shape_text(const TensorList::Shape& shape) {
    return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace

NetworkBuilder::NetworkBuilder(std::string type, const Config& values, const TensorList* tensors, std::string beginning,
                               const NetworkOptions& how)
    : model_type(std::move(type)),
      config(values),
      options(how),
      base(std::move(beginning)),
      tensors_(tensors),
      g_(how.name) {}

bool NetworkBuilder::has(const std::string& tensor, bool otherwise) const {
    return tensors_ ? tensors_->has(tensor) : otherwise;
}

const TensorList::Shape* NetworkBuilder::shape_of(const std::string& tensor) const {
    return tensors_ ? tensors_->find(tensor) : nullptr;
}

std::int64_t NetworkBuilder::blocks(const char* key, const std::string& beginning, std::int64_t otherwise) {
    if (!tensors_) return otherwise > 0 ? config.extent_or(key, otherwise) : config.extent(key);
    const std::int64_t found = tensors_->count_behind(beginning);
    if (config.has(key) && config.extent(key) != found)
        refuse(fmt::format("{}: expected the {} blocks of the checkpoint, found {}", key, found, config.extent(key)));
    return found;
}

std::int64_t NetworkBuilder::size(const char* key, std::int64_t otherwise) const {
    if (config.has(key)) return config.extent(key);
    if (otherwise > 0) return otherwise;
    return tensors_ ? 0 : config.extent(key);
}

ActivationFact NetworkBuilder::activation_fact(const char* key, const char* otherwise) const {
    const std::string word = config.word_or(key, otherwise);
    return {activation_called(word), word, !config.exists()};
}

double NetworkBuilder::epsilon(const char* key, double otherwise) {
    says_epsilon_ = says_epsilon_ || config.has(key);
    return config.number_or(key, otherwise);
}

void NetworkBuilder::refuse(std::string why) {
    if (refused_.insert(why).second) obstacles_.push_back(std::move(why));
}

void NetworkBuilder::refuse_unless_bare() {
    const std::string architecture = config.architecture();
    if (!architecture.empty() && !architecture.ends_with("Model"))
        refuse(fmt::format("architectures: expected a network that Octile knows, found {}", quote(architecture)));
}

void NetworkBuilder::assume(std::string assumption) {
    g_.last().assumptions.push_back(std::move(assumption));
}

GraphBuilder& NetworkBuilder::adding(const std::string& name) {
    if (++nodes_ > limits::kNetworkNodes) {
        fail_at("node " + quote(pattern_of(name)),
                fmt::format("expected a network of at most {} nodes, found more", limits::kNetworkNodes));
    }
    return g_;
}

void NetworkBuilder::check_extents(const std::string& name, std::int64_t k, std::int64_t n) const {
    const std::pair<const char*, std::pair<std::int64_t, std::int64_t>> extents[] = {{"k", {k, kMaxReduction}},
                                                                                     {"n", {n, kMaxExtent}}};
    for (const auto& [field, extent] : extents) {
        if (extent.first >= 1 && extent.first <= extent.second) continue;
        fail_at("layer " + quote(pattern_of(name)),
                fmt::format("{}: expected an integer from 1 to {}, found {}", field, extent.second, extent.first));
    }
}

std::string NetworkBuilder::values(std::string name, std::int64_t features, const Rows& rows) {
    return adding(name).values(std::move(name), std::max<std::int64_t>(features, 1), rows);
}

std::string NetworkBuilder::embedding(const std::string& name, std::vector<EmbeddingTable> tables,
                                      std::int64_t features, const Rows& rows) {
    bool whole = true;
    std::vector<EmbeddingTable> there;
    for (EmbeddingTable& table : tables) {
        const TensorList::Shape* shape = shape_of(table.tensor);
        if (tensors_ && (!shape || shape->size() != 2)) {
            refuse(fmt::format("tensor {}: expected a table of {}, found none", quote(wrapped(table.tensor)),
                               quote(name)));
            whole = false;
            continue;
        }
        if (shape) {
            if (table.rows > 0 && table.rows != (*shape)[0])
                refuse(fmt::format("tensor {}: expected {} rows as config.json says, found {}",
                                   quote(wrapped(table.tensor)), table.rows, shape_text(*shape)));
            table.rows = (*shape)[0];
            features = (*shape)[1];
        }
        table.tensor = wrapped(table.tensor);
        there.push_back(std::move(table));
    }
    features = std::max<std::int64_t>(features, 1);
    const auto is_sound = [&](const EmbeddingTable& table) {
        return table.rows > 0 && table.rows <= kMaxExtent / features && table.offset < table.rows;
    };
    if (!whole || there.empty() || features > kMaxReduction || !std::all_of(there.begin(), there.end(), is_sound))
        return other(name, "tables that are not known", {}, features, rows);
    adding(name).embedding(wrapped(name), features, std::move(there));
    if (rows != Rows()) g_.last().rows = rows;
    return wrapped(name);
}

std::string NetworkBuilder::linear(const std::string& name, const std::string& x, const LinearFacts& given) {
    LinearFacts facts = given;
    if (!facts.shared.empty()) {
        facts.weight = facts.shared + ".weight";
        facts.shift = facts.shared + ".bias";
    }
    const std::string weight = facts.weight.empty() ? name + ".weight" : facts.weight;
    std::int64_t n = facts.features, k = features_of(x);
    bool bias = facts.bias;
    if (tensors_) {
        const TensorList::Shape* shape = shape_of(weight);
        const std::size_t rank = facts.index ? 3 : 2;
        if (!shape || shape->size() != rank) {
            refuse(
                fmt::format("node {}: expected a tensor {}, found none", quote(wrapped(name)), quote(wrapped(weight))));
            return other(name, "a linear that is not in the checkpoint", {x}, n);
        }
        const std::int64_t rows = (*shape)[rank - (facts.transposed ? 1 : 2)],
                           columns = (*shape)[rank - (facts.transposed ? 2 : 1)];
        if (n > 0 && n != rows)
            refuse(fmt::format("tensor {}: expected {} output features as config.json says, found {}",
                               quote(wrapped(weight)), n, shape_text(*shape)));
        n = rows;
        const TensorList::Shape* shift = shape_of(facts.shift.empty() ? name + ".bias" : facts.shift);
        bias = shift && shift->size() == rank - 1 && shift->back() == n;
        if (n < 1 || columns < 1) return other(name, "an empty linear", {x});
        if (columns != k) {
            refuse(fmt::format("tensor {}: expected {} input features, found {}", quote(wrapped(weight)), k,
                               shape_text(*shape)));
            return add_linear(name, other(name + ".input", "rows of another width", {x}, columns), n, bias, facts);
        }
    }
    check_extents(name, k, n);
    return add_linear(name, x, n, bias, facts);
}

std::string NetworkBuilder::add_linear(const std::string& name, const std::string& x, std::int64_t n, bool bias,
                                       const LinearFacts& facts) {
    adding(name).linear(wrapped(name), x, n, bias);
    if (!facts.weight.empty()) g_.last().weight = wrapped(facts.weight);
    if (bias && !facts.shift.empty()) g_.last().bias = wrapped(facts.shift);
    if (!facts.shared.empty()) g_.last().shared = wrapped(facts.shared);
    if (facts.transposed || facts.index) places_[wrapped(name)] = {facts.transposed, facts.index};
    return wrapped(name);
}

std::string NetworkBuilder::patches(const std::string& name, const std::string& x, std::int64_t inputs,
                                    std::int64_t features, bool bias) {
    const TensorList::Shape* shape = shape_of(name + ".weight");
    if (tensors_ && (!shape || shape->size() != 2))
        return other(name, "a convolution", {x}, shape && !shape->empty() ? shape->front() : features);
    if (features_of(x) != inputs) return other(name, "a convolution", {x}, features);
    return linear(name, x, {.features = features, .bias = bias});
}

std::string NetworkBuilder::weight_of_norm(const std::string& name, const char* modern, const char* early) const {
    const bool renamed = tensors_ && !tensors_->has(name + modern) && tensors_->has(name + early);
    return name + (renamed ? early : modern);
}

std::string NetworkBuilder::layer_norm(const std::string& name, const std::string& x, double epsilon, bool bias,
                                       const std::string& tensors) {
    // TensorFlow's names, which early checkpoints have.
    const std::string& beginning = tensors.empty() ? name : tensors;
    const std::string weight = weight_of_norm(beginning, ".weight", ".gamma"),
                      shift = weight_of_norm(beginning, ".bias", ".beta");
    if (tensors_ && !tensors_->has(weight)) {
        refuse(fmt::format("node {}: expected a tensor {}, found none", quote(wrapped(name)), quote(wrapped(weight))));
        return x;
    }
    check_extents(name, features_of(x), features_of(x));
    if (const TensorList::Shape* shape = shape_of(weight); shape && *shape != TensorList::Shape{features_of(x)})
        return other(name, "a norm of another width", {x}, shape->size() == 1 ? shape->front() : 0);
    adding(name).layer_norm(wrapped(name), x, epsilon);
    g_.last().weight = wrapped(weight);
    g_.last().bias = has(shift, bias) ? wrapped(shift) : "";
    return wrapped(name);
}

std::string NetworkBuilder::rms_norm(const std::string& name, const std::string& x, double epsilon,
                                     std::int64_t heads) {
    const std::string weight = name + ".weight";
    if (tensors_ && !tensors_->has(weight)) {
        refuse(fmt::format("node {}: expected a tensor {}, found none", quote(wrapped(name)), quote(wrapped(weight))));
        return x;
    }
    const std::int64_t features = features_of(x);
    check_extents(name, features, features);
    if (const TensorList::Shape* shape = shape_of(weight)) {
        const std::int64_t width = shape->size() == 1 ? shape->front() : 0;
        // Of heads: as many as fit, where nobody says it.
        if (heads == 0) heads = width > 0 && features % width == 0 ? features / width : 1;
        if (width * heads != features)
            return other(name, "a norm of another width", {x}, heads == 1 ? width : features);
    }
    adding(name).rms_norm(wrapped(name), x, epsilon, std::max<std::int64_t>(heads, 1));
    return wrapped(name);
}

std::string NetworkBuilder::activation(const std::string& name, const std::string& x, const ActivationFact& fact) {
    if (fact.known == Activation::kNone) return x;
    if (!fact.known && fact.word == "tanh") return tanh(name, x);
    if (!fact.known) return other(name, "the activation " + internal::brief(fact.word), {x});
    adding(name).activation(wrapped(name), x, *fact.known);
    if (fact.assumed) assume(fmt::format("activation {}, the default", fact.word));
    return wrapped(name);
}

std::string NetworkBuilder::add(const std::string& name, const std::string& a, const std::string& b) {
    if (a == b || features_of(a) != features_of(b)) return other(name, "a sum of unlike rows", {a, b});
    return adding(name).add(wrapped(name), a, b);
}

std::string NetworkBuilder::gate(const std::string& name, const std::string& gate, const std::string& up,
                                 const ActivationFact& fact) {
    if (!fact.known) return other(name, "a gate with the activation " + internal::brief(fact.word), {gate, up});
    if (gate == up || features_of(gate) != features_of(up)) return other(name, "a gate of unlike rows", {gate, up});
    adding(name).gate(wrapped(name), gate, up, *fact.known);
    if (fact.assumed) assume(fmt::format("activation {}, the default", fact.word));
    return wrapped(name);
}

std::string NetworkBuilder::attention(const std::string& name, const std::vector<std::string>& qkv,
                                      const GraphBuilder::Attention& how, const std::string& why) {
    const std::int64_t heads = how.heads, key_heads = how.key_heads == 0 ? heads : how.key_heads;
    std::string reason = why;
    if (heads < 1) {
        if (reason.empty()) reason = "attention of an unknown number of heads";
    } else if (key_heads > heads || heads % key_heads != 0) {
        refuse(fmt::format("num_key_value_heads: expected key_heads that divide {} heads, found {}", heads, key_heads));
        reason = "attention of unlike heads";
    } else if (features_of(qkv[0]) % heads != 0 || features_of(qkv[1]) != features_of(qkv[2]) ||
               features_of(qkv[1]) / key_heads != features_of(qkv[0]) / heads || features_of(qkv[1]) % key_heads != 0) {
        refuse(fmt::format("num_attention_heads: expected a divisor of hidden_size ({}), found {}", features_of(qkv[0]),
                           heads));
        reason = "attention of heads that do not fit";
    } else if (how.rotary && features_of(qkv[0]) / heads % 2 != 0) {
        reason = "attention with a rotary embedding of an odd width";
    }
    if (!reason.empty()) return other(name, reason, qkv);
    return adding(name).attention(wrapped(name), qkv[0], qkv[1], qkv[2], how);
}

std::string NetworkBuilder::part(const std::string& name, const std::string& x, std::int64_t index,
                                 std::int64_t parts) {
    const std::int64_t width = features_of(x) / parts;
    if (width < 1 || width * parts != features_of(x))
        return other(name, "a part of rows that are no whole number of it", {x}, std::max<std::int64_t>(width, 1));
    return adding(name).slice(wrapped(name), x, index * width, width);
}

std::string NetworkBuilder::pool(const std::string& name, const std::string& x, Pooling pooling) {
    return adding(name).pool(name, x, pooling);
}

std::string NetworkBuilder::other(const std::string& name, std::string what, const std::vector<std::string>& inputs,
                                  std::int64_t features, std::optional<Rows> rows) {
    if (features < 1) features = inputs.empty() ? 1 : features_of(inputs.front());
    std::vector<std::string> distinct;
    std::unordered_set<std::string_view> known;
    for (const std::string& input : inputs)
        if (known.insert(input).second) distinct.push_back(input);
    return adding(name).other(wrapped(name), std::move(what), std::move(distinct), features, rows);
}

}  // namespace octile
