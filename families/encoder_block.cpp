#include "families/encoder_block.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace octile {
namespace {

class Block {
  public:
    Block(NetworkBuilder& builder, const BlockFacts& facts, const std::string& at) : b_(builder), f_(facts), at_(at) {}

    std::string add(const std::string& x, const std::string& encoder) {
        if (f_.parallel) return add_parallel(x);
        std::string y = add_attention(f_.names.self, x, "", f_.names.attention_scale);
        if (f_.names.cross.query && !encoder.empty()) y = add_attention(f_.names.cross, y, encoder, nullptr);
        return add_part(f_.names.norm, y, "ffn", f_.names.ffn_scale,
                        [&](const std::string& z) { return feed_forward(z); });
    }

  private:
    // Both parts read a norm of x, of their own or the same, and are added to it.
    std::string add_parallel(const std::string& x) {
        const std::string first = norm(f_.names.self.norm, x);
        const bool same = !f_.names.norm || std::string_view(f_.names.norm) == f_.names.self.norm;
        const std::string attended = attend(f_.names.self, first, "");
        const std::string y = b_.add(at_ + "attention.residual", attended, x);
        return b_.add(at_ + "ffn.residual", feed_forward(same ? first : norm(f_.names.norm, x)), y);
    }

    std::string norm(const char* name, const std::string& x) {
        if (!name) return x;
        if (f_.norms_unknown) return b_.other(at_ + name + ".place", "a norm here, or behind the next sum", {x});
        if (!b_.config.exists() && !b_.has(at_ + name + ".weight") && !b_.has(at_ + name + ".gamma")) return x;
        if (f_.rms) return b_.rms_norm(at_ + name, x, f_.epsilon);
        return b_.layer_norm(at_ + name, x, f_.epsilon, f_.norm_bias, f_.tensors.empty() ? "" : f_.tensors + name);
    }

    // A residual around `part`, and the norm before or behind it.
    template <typename Part>
    std::string add_part(const char* norm_name, const std::string& x, const std::string& name, const char* scale,
                         Part part) {
        std::string y = part(f_.norm_first ? norm(norm_name, x) : x);
        if (scale && b_.has(at_ + scale, true))
            y = b_.other(at_ + name + ".scaled", "a product with a channel's scale", {y});
        y = b_.add(at_ + name + ".residual", y, x);
        return f_.norm_first ? y : norm(norm_name, y);
    }

    std::string linear(const char* name, const std::string& x, std::int64_t features, bool bias) {
        return b_.linear(at_ + name, x,
                         {.features = features,
                          .bias = bias,
                          .shared = f_.tensors.empty() ? "" : f_.tensors + name,
                          .transposed = f_.transposed});
    }

    std::string add_attention(const AttentionNames& names, const std::string& x, const std::string& context,
                              const char* scale) {
        return add_part(names.norm, x, context.empty() ? "attention" : "cross_attention", scale,
                        [&](const std::string& y) { return attend(names, y, context); });
    }

    std::string attend(const AttentionNames& names, const std::string& y, const std::string& context) {
        const std::int64_t width = f_.projected > 0 ? f_.projected : f_.hidden;
        const std::string attention = at_ + (context.empty() ? "attended" : "cross_attended");
        std::string attended;
        if (names.fused) {
            const std::string qkv = linear(names.fused, y, f_.fused > 0 ? f_.fused : 3 * width, f_.qkv_bias);
            if (!f_.cut) {
                attended = b_.other(attention, "attention over parts of one linear", {qkv}, width_of_out(names, qkv));
                return linear(names.out, attended, f_.hidden, f_.out_bias);
            }
            std::vector<std::string> parts;
            for (const char* part : {"queries", "keys", "values"})
                parts.push_back(b_.part(at_ + part, qkv, std::ssize(parts), 3));
            attended = b_.attention(attention, parts, options(), f_.why);
        } else {
            const std::string& states = context.empty() ? y : context;
            const std::string q = linear(names.query, y, width, f_.qkv_bias),
                              k = linear(names.key, states, width, f_.key_bias && f_.qkv_bias),
                              v = linear(names.value, states, width, f_.qkv_bias);
            attended = b_.attention(attention, {q, k, v}, options(), context.empty() ? f_.why : "cross-attention");
        }
        return linear(names.out, attended, f_.hidden, f_.out_bias);
    }

    GraphBuilder::Attention options() const {
        return {.heads = f_.heads,
                .causal = f_.causal,
                .rotary = f_.rotary,
                .window = f_.window,
                .distance_bias = f_.distance_bias};
    }

    // What attention over a fused projection yields: what the next linear reads.
    std::int64_t width_of_out(const AttentionNames& names, const std::string& qkv) const {
        const TensorList::Shape* shape = b_.shape_of(at_ + names.out + ".weight");
        if (shape && shape->size() == 2) return (*shape)[f_.transposed ? 0 : 1];
        const std::int64_t width = f_.projected > 0 ? f_.projected : f_.hidden;
        return width > 0 ? width : std::max<std::int64_t>(b_.features_of(qkv) / 3, 1);
    }

    std::string feed_forward(const std::string& x) {
        // The gate first: it has to be there when the other is stored.
        std::string gate;
        if (f_.names.gate) gate = linear(f_.names.gate, x, f_.ffn, f_.ffn_bias);
        std::string y = linear(f_.names.up, x, f_.names.gate_in_up ? 2 * f_.ffn : f_.ffn, f_.ffn_bias);
        if (f_.names.gate) {
            y = b_.gate(at_ + "gated", gate, y, f_.activation);
        } else if (f_.names.gate_in_up && f_.cut) {
            const std::string half = b_.part(at_ + "gate", y, 0, 2);
            y = b_.gate(at_ + "gated", half, b_.part(at_ + "up", y, 1, 2), f_.activation);
        } else if (f_.names.gate_in_up) {
            y = b_.other(at_ + "gated", "a gate of the two halves of its input", {y},
                         std::max<std::int64_t>(b_.features_of(y) / 2, 1));
        } else {
            y = b_.activation(at_ + "activation", y, f_.activation);
        }
        return linear(f_.names.down, y, f_.hidden, f_.ffn_bias);
    }

    NetworkBuilder& b_;
    const BlockFacts& f_;
    const std::string& at_;
};

}  // namespace

std::string add_block(NetworkBuilder& builder, const BlockFacts& facts, const std::string& at, const std::string& x,
                      const std::string& encoder) {
    return Block(builder, facts, at).add(x, encoder);
}

std::string add_blocks(NetworkBuilder& builder, const BlockFacts& facts, const char* key, const std::string& beginning,
                       std::string x, std::int64_t otherwise) {
    const std::int64_t count = builder.blocks(key, beginning, otherwise);
    for (std::int64_t block = 0; block < count; block++)
        x = add_block(builder, facts, fmt::format("{}{}.", beginning, block), x);
    return x;
}

}  // namespace octile
