#include "planner/infer_inputs.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace octile {
namespace {

enum class Role { kQuery, kKey, kValue, kAttentionOut, kGate, kUp, kDown };
constexpr std::size_t kRoles = 7;

struct Ending {
    std::string_view text;  // of a name, behind its last prefix
    Role role;
};

// How published networks name the linears of a block: LLaMA, Mistral, Qwen, OPT, Whisper (q_proj), BERT and ViT (query,
// attention.output.dense), LLaMA's original code (wq, w1), DistilBERT (q_lin), diffusers (to_q). Longer endings first.
constexpr std::array<Ending, 25> kEndings = {{
    {"self.query", Role::kQuery},
    {"self.key", Role::kKey},
    {"self.value", Role::kValue},
    {"attention.query", Role::kQuery},
    {"attention.key", Role::kKey},
    {"attention.value", Role::kValue},
    {"output.dense", Role::kAttentionOut},
    {"q_proj", Role::kQuery},
    {"k_proj", Role::kKey},
    {"v_proj", Role::kValue},
    {"o_proj", Role::kAttentionOut},
    {"out_proj", Role::kAttentionOut},
    {"query", Role::kQuery},
    {"key", Role::kKey},
    {"value", Role::kValue},
    {"q_lin", Role::kQuery},
    {"k_lin", Role::kKey},
    {"v_lin", Role::kValue},
    {"out_lin", Role::kAttentionOut},
    {"to_q", Role::kQuery},
    {"to_k", Role::kKey},
    {"to_v", Role::kValue},
    {"gate_proj", Role::kGate},
    {"up_proj", Role::kUp},
    {"down_proj", Role::kDown},
}};

struct Match {
    std::string_view prefix;
    Role role;
};

std::optional<Match> match(std::string_view name) {
    for (const Ending& ending : kEndings) {
        if (!name.ends_with(ending.text)) continue;
        const std::string_view prefix = name.substr(0, name.size() - ending.text.size());
        if (!prefix.empty() && prefix.back() != '.' && prefix.back() != '/' && prefix.back() != '_') continue;
        return Match{prefix, ending.role};
    }
    return std::nullopt;
}

// Its keys and values come from the encoder, its queries do not.
bool is_cross_attention(std::string_view prefix) {
    return prefix.find("cross") != std::string_view::npos || prefix.find("encoder_attn") != std::string_view::npos;
}

// The rows of one prefix, by role; the last of each.
using Block = std::array<std::optional<std::size_t>, kRoles>;

class Inference {
  public:
    Inference(std::vector<Layer>& layers, Edges& edges) : layers_(layers), edges_(edges) {}

    void run() {
        // Names become keys that outlive changes to `layers_`: only `inputs` change.
        for (std::size_t row = 0; row < layers_.size(); ++row) {
            if (layers_[row].op != Op::kLinear) continue;
            const std::optional<Match> found = match(layers_[row].name);
            if (!found) continue;
            Block& block = blocks_[found->prefix];
            if (layers_[row].inputs.empty() && !layers_[row].input_unknown)
                infer(row, found->role, block, is_cross_attention(found->prefix));
            block[static_cast<std::size_t>(found->role)] = row;
        }
    }

  private:
    void infer(std::size_t row, Role role, const Block& block, bool cross) {
        switch (role) {
            case Role::kQuery:
                if (cross) return;
                return read_as(row, block, {Role::kKey, Role::kValue});
            case Role::kKey:
            case Role::kValue:
                if (cross) return read_as(row, block, {Role::kKey, Role::kValue});
                return read_as(row, block, {Role::kQuery, Role::kKey, Role::kValue});
            case Role::kGate:
            case Role::kUp:
                return read_as(row, block, {Role::kGate, Role::kUp});
            case Role::kAttentionOut:
                return read_all(row, block, {Role::kQuery, Role::kKey, Role::kValue}, Role::kQuery);
            case Role::kDown:
                return read_all(row, block, {Role::kGate, Role::kUp}, Role::kUp);
        }
    }

    // As the nearest row above with one of the roles.
    void read_as(std::size_t row, const Block& block, std::initializer_list<Role> roles) {
        std::optional<std::size_t> sibling;
        for (const Role role : roles)
            sibling = std::max(sibling, block[static_cast<std::size_t>(role)]);
        if (!sibling) return;
        const Layer &mine = layers_[row], &other = layers_[*sibling];
        if (mine.m != other.m || mine.k != other.k || mine.count != other.count) return;
        set(row, edges_[*sibling]);
    }

    // All rows with one of the roles, if `row` takes what the one called `through` puts out.
    void read_all(std::size_t row, const Block& block, std::initializer_list<Role> roles, Role through) {
        std::vector<std::size_t> sources;
        for (const Role role : roles) {
            const std::optional<std::size_t> source = block[static_cast<std::size_t>(role)];
            if (!source) return;
            sources.push_back(*source);
        }
        if (layers_[*block[static_cast<std::size_t>(through)]].n != layers_[row].k) return;
        std::sort(sources.begin(), sources.end());
        set(row, sources);
    }

    void set(std::size_t row, const std::vector<std::size_t>& sources) {
        if (sources == edges_[row]) return;
        if (times_.empty()) {
            for (const Layer& layer : layers_)
                ++times_[layer.name];
        }
        edges_[row] = sources;
        const bool unique = std::all_of(sources.begin(), sources.end(),
                                        [&](std::size_t source) { return times_[layers_[source].name] == 1; });
        if (!unique) return;
        for (const std::size_t source : sources)
            layers_[row].inputs.push_back(layers_[source].name);
    }

    std::vector<Layer>& layers_;
    Edges& edges_;
    std::unordered_map<std::string_view, Block> blocks_;
    std::unordered_map<std::string_view, std::size_t> times_;
};

}  // namespace

void infer_inputs(std::vector<Layer>& layers, Edges& edges) {
    Inference(layers, edges).run();
}

}  // namespace octile
