// Builds the graph of one network, from its configuration, from the tensors of its checkpoint, or from both.
//
// Shapes are those of the tensors where they are known, and those of the configuration elsewhere; where the two
// disagree, no session may run the network. What is not there is bridged by nodes of NodeOp::kOther, so that a graph
// of a part of a checkpoint is one too, and what others read stays right.
//
// Families call it with names as in the checkpoint, without what wraps them all ("module."), and with what precedes the
// backbone's own names in front: `base + "encoder.layer.0."`. Every function that adds a node returns its name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "families/config.h"
#include "families/sentence_modules.h"
#include "families/tensor_list.h"
#include "octile/graph.h"

namespace octile {

struct NetworkOptions {
    std::string name;                  // of the network
    bool sentence_embedding = false;   // modules.json says so: the bare network, pooled, whatever head it came with
    Pooling pooling = Pooling::kMean;  // of an encoder without a head
    bool normalize = true;             // of an encoder without a head
    bool pooling_is_said = false;      // by modules.json; otherwise the two above are assumed
    bool normalization_is_assumed = false;                // where pooling_is_said, by who says nothing of it
    std::vector<SentenceModule> modules = {};             // those of modules.json, in place of the three above
    bool all_logits = false;                              // of a decoder: those of every token, [tokens, vocabulary]
    std::set<std::string, std::less<>> ignore_keys = {};  // of config.json, as if they were not there
};

// Where in a tensor a linear's weights are, if not all of it as [N, K].
struct WeightPlace {
    bool transposed = false;            // [K, N]
    std::optional<std::int64_t> index;  // of a matrix in a 3-D tensor
};

class NetworkBuilder {
  public:
    // `tensors`, without their wrapper; null: only the configuration is known. Both outlive the builder.
    NetworkBuilder(std::string model_type, const Config& config, const TensorList* tensors, std::string base,
                   const NetworkOptions& options);

    const std::string model_type;
    const Config& config;
    const NetworkOptions& options;
    const std::string base;  // in front of the backbone's names: "bert." or ""

    bool is(std::string_view type) const { return model_type == type; }
    // Whether a module's tensor is there. Of a network without tensors: `otherwise`.
    bool has(const std::string& tensor, bool otherwise = false) const;
    bool knows_tensors() const { return tensors_ != nullptr; }
    const TensorList::Shape* shape_of(const std::string& tensor) const;
    // Blocks whose names begin with `beginning` and a number.
    std::int64_t blocks(const char* key, const std::string& beginning, std::int64_t otherwise = 0);
    // An extent of the configuration; where it has no such key, `otherwise`, or, if that is 0 and there are tensors to
    // tell it, 0: not known.
    std::int64_t size(const char* key, std::int64_t otherwise = 0) const;
    // "hidden_act" and the like; `otherwise` is the default of transformers' configuration class.
    ActivationFact activation_fact(const char* key, const char* otherwise) const;
    double epsilon(const char* key, double otherwise);
    // Whether the configuration has what epsilon() was asked for.
    bool says_epsilon() const { return says_epsilon_; }

    // Why no session may run the network, as "key: expected ..., found ...".
    void refuse(std::string why);
    // For an architecture that no head was found for: "...Model" is the bare network, any other one nobody knows.
    void refuse_unless_bare();
    const std::vector<std::string>& obstacles() const { return obstacles_; }
    // What somebody might have expected otherwise.
    void note(std::string text) { notes_.push_back(std::move(text)); }
    const std::vector<std::string>& notes() const { return notes_; }
    // Of the node added last.
    void assume(std::string assumption);

    std::string indices(std::string name, bool optional = false) { return g_.indices(std::move(name), optional); }
    std::string values(std::string name, std::int64_t features, const Rows& rows = {});
    // A sum of tables. Those that are not among the tensors are left out; without any, a node that no session runs.
    std::string embedding(const std::string& name, std::vector<EmbeddingTable> tables, std::int64_t features,
                          const Rows& rows = {});

    struct LinearFacts {
        std::int64_t features = 0;               // by the configuration; 0: it does not say
        bool bias = true;                        // likewise
        std::string weight = {};                 // another tensor than "<name>.weight": a tied head's
        std::string shift = {};                  // another tensor than "<name>.bias"
        std::string shared = {};                 // the node whose weights it uses: "<shared>.weight", "<shared>.bias"
        bool transposed = false;                 // lies [K, N]
        std::optional<std::int64_t> index = {};  // a matrix of a 3-D tensor
    };
    std::string linear(const std::string& name, const std::string& x, const LinearFacts& facts);
    // A convolution whose stride is its size: a linear over `inputs` values of each patch.
    std::string patches(const std::string& name, const std::string& x, std::int64_t inputs, std::int64_t features,
                        bool bias = true);
    // `tensors`: those of another norm; empty: its own.
    std::string layer_norm(const std::string& name, const std::string& x, double epsilon, bool bias = true,
                           const std::string& tensors = {});
    std::string rms_norm(const std::string& name, const std::string& x, double epsilon, std::int64_t heads = 1);
    std::string activation(const std::string& name, const std::string& x, const ActivationFact& fact);
    std::string add(const std::string& name, const std::string& a, const std::string& b);
    std::string gate(const std::string& name, const std::string& gate, const std::string& up,
                     const ActivationFact& fact);
    // Softmax attention; where options.heads is 0 or `why` is not empty, one that no session runs.
    std::string attention(const std::string& name, const std::vector<std::string>& qkv,
                          const GraphBuilder::Attention& options, const std::string& why = {});
    std::string pool(const std::string& name, const std::string& x, Pooling pooling);
    std::string tanh(const std::string& name, const std::string& x) { return adding(name).tanh(wrapped(name), x); }
    // x under another name.
    std::string same(const std::string& name, const std::string& x) {
        return adding(name).slice(name, x, 0, features_of(x));
    }
    // Of x cut into `parts` of one width, the columns of one; where they cannot be, a node that no session runs.
    std::string part(const std::string& name, const std::string& x, std::int64_t index, std::int64_t parts);
    std::string concat(const std::string& name, const std::vector<std::string>& inputs) {
        return adding(name).concat(wrapped(name), inputs);
    }
    std::string normalize(const std::string& name, const std::string& x) { return adding(name).normalize(name, x); }
    // A node that no session runs; `features` 0: as many as the first input's.
    std::string other(const std::string& name, std::string what, const std::vector<std::string>& inputs,
                      std::int64_t features = 0, std::optional<Rows> rows = {});

    std::int64_t features_of(const std::string& name) const { return g_.features_of(name); }
    Node& last() { return g_.last(); }

    // What names are preceded by in the checkpoint.
    void set_wrapper(std::string wrapper) { wrapper_ = std::move(wrapper); }
    std::string wrapped(const std::string& name) const { return wrapper_ + name; }
    Result<Graph> finish(std::vector<std::string> outputs) && { return std::move(g_).finish(std::move(outputs)); }
    const std::map<std::string, WeightPlace>& places() const { return places_; }
    void output(std::string name) { outputs_.push_back(std::move(name)); }
    const std::vector<std::string>& outputs() const { return outputs_; }

  private:
    // For one more node; throws WrongValue where there are limits::kNetworkNodes.
    GraphBuilder& adding(const std::string& name);
    std::string add_linear(const std::string& name, const std::string& x, std::int64_t n, bool bias,
                           const LinearFacts& facts);
    std::string weight_of_norm(const std::string& name, const char* modern, const char* early) const;
    void check_extents(const std::string& name, std::int64_t k, std::int64_t n) const;

    const TensorList* tensors_;
    std::string wrapper_;
    GraphBuilder g_;
    std::size_t nodes_ = 0;
    std::vector<std::string> obstacles_, notes_, outputs_;
    std::unordered_set<std::string> refused_;  // the obstacles
    std::map<std::string, WeightPlace> places_;
    bool says_epsilon_ = false;
};

}  // namespace octile
