// Attention of all sequences and heads: keys (and rotated queries) are put where the kernels read them, then queries
// are multiplied, in pieces of heads and blocks of queries.
#include "runtime/attention.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "runtime/aligned_buffer.h"
#include "runtime/matrix.h"
#include "runtime/parallel.h"
#include "session/step.h"
#include "session/tensors.h"

namespace octile {
namespace {

// Queries of one piece of work: whole tiles of every level.
constexpr std::int64_t kQueryBlock = 16;

class Attention : public Step {
  public:
    Attention(const StepContext& context, const Node& node, std::span<const int> inputs, int output)
        : context_(context),
          node_(node),
          queries_(inputs[0]),
          keys_(inputs[1]),
          values_(inputs[2]),
          output_(output),
          head_(node.features / node.heads),
          wide_(padded_head(head_)),
          group_(node.heads / node.key_heads) {
        const auto sequences = static_cast<std::size_t>(context.options.max_sequences) + 1;
        chunks_.resize(sequences);
        units_.resize(sequences);
    }

    Status prepare(StepContext& context) {
        if (node_.heads * wide_ > kMaxElements / context.options.max_rows) {
            return Status(StatusCode::kInvalidArgument,
                          fmt::format("{} rows of {} heads of {} features; expected at most {} elements in all",
                                      context.options.max_rows, node_.heads, wide_, kMaxElements));
        }
        if (node_.rotary) table_ = &context.rotary_tables.get(*node_.rotary, head_, context.max_keys());
        std::vector<float> bias;
        for (const TensorUse& use : tensors_of(node_)) {
            const MatrixView* tensor = context.parameters.tensor(use.tensor);
            if (Status status = check_tensor(use, tensor); !status.ok()) return status;
            bias = floats_of(*tensor);
        }
        if (node_.window || node_.distance_bias)
            distances_ = &context.distance_tables.get(node_, bias, context.max_keys());
        if (!node_.causal) return {};
        if (slot_floats() > INT64_MAX / 4 / context_.options.max_sequences) return out_of_memory(SIZE_MAX);
        const auto bytes = static_cast<std::size_t>(context_.options.max_sequences * slot_floats()) * sizeof(float);
        return cache_.reserve(bytes) ? Status() : out_of_memory(bytes);
    }

    std::size_t cache_bytes() const override { return cache_.bytes(); }

    std::size_t scratch_bytes() const override {
        return static_cast<std::size_t>(query_floats() + call_floats() + value_floats() +
                                        context_.pieces * piece_floats()) *
               sizeof(float);
    }

    Status run(Frame& frame) override {
        plan_work(frame);
        if (Status status = place(frame); !status.ok()) return status;
        return multiply(frame);
    }

  private:
    // Heads as the kernels read them.
    bool padded() const { return wide_ != head_; }
    std::int64_t key_features() const { return node_.key_heads * wide_; }
    // Of one sequence in the cache: its keys, then its values, each head by itself.
    std::int64_t slot_blocks() const { return key_blocks(context_.options.max_context); }
    std::int64_t slot_keys() const { return slot_blocks() * kKeyBlock * key_features(); }
    std::int64_t slot_floats() const { return slot_keys() + context_.options.max_context * key_features(); }

    // Queries of this call, where they are turned or padded.
    bool places_queries() const { return node_.rotary || padded(); }
    std::int64_t query_floats() const { return places_queries() ? context_.options.max_rows * node_.heads * wide_ : 0; }
    // Keys of this call, where no cache holds them; each sequence begins a block.
    std::int64_t call_floats() const {
        if (node_.causal) return 0;
        const SessionOptions& options = context_.options;
        return (key_blocks(options.max_rows) + options.max_sequences) * kKeyBlock * key_features();
    }
    // Values of this call, where they are padded and no cache holds them.
    std::int64_t value_floats() const {
        return padded() && !node_.causal ? context_.options.max_rows * key_features() : 0;
    }
    // Scores, and what padded heads yield.
    std::int64_t score_floats() const { return attention_scratch(context_.kernels, context_.max_keys()); }
    std::int64_t piece_floats() const {
        return score_floats() + (padded() ? std::max(kQueryBlock, group_) * wide_ : 0);
    }

    float* queries_of(const Frame& frame) const { return frame.scratch<float>(scratch_); }
    float* call_keys(const Frame& frame) const { return queries_of(frame) + query_floats(); }
    float* call_values(const Frame& frame) const { return call_keys(frame) + call_floats(); }
    float* piece(const Frame& frame, int index) const {
        return call_values(frame) + value_floats() + index * piece_floats();
    }
    float* slot(std::int64_t sequence) const {
        return reinterpret_cast<float*>(const_cast<std::byte*>(cache_.data())) + sequence * slot_floats();
    }

    // Where a sequence's keys are: the first of a head's blocks, and what lies between heads.
    struct Keys {
        float* data;
        std::int64_t head_stride;
    };
    Keys keys_of(const Frame& frame, std::int64_t sequence) const {
        if (node_.causal) return {slot(sequence), slot_blocks() * kKeyBlock * wide_};
        const std::int64_t blocks = chunks_[static_cast<std::size_t>(sequence)];
        const std::int64_t own = key_blocks(frame.lengths[static_cast<std::size_t>(sequence)]);
        return {call_keys(frame) + blocks * kKeyBlock * key_features(), own * kKeyBlock * wide_};
    }

    static std::int64_t length(const Frame& frame, std::int64_t sequence) {
        return frame.lengths[static_cast<std::size_t>(sequence)];
    }
    static std::int64_t past(const Frame& frame, std::int64_t sequence) {
        return frame.past[static_cast<std::size_t>(sequence)];
    }
    // One token reads each head of keys once for all queries of the group.
    bool by_group(std::int64_t tokens) const { return tokens == 1; }

    void plan_work(const Frame& frame) {
        operations_ = 0;
        for (std::int64_t sequence = 0; sequence < frame.sequences(); sequence++) {
            const std::int64_t tokens = length(frame, sequence), before = past(frame, sequence);
            const std::int64_t chunks = key_blocks(before + tokens) - before / kKeyBlock;
            const std::int64_t units =
                by_group(tokens) ? node_.key_heads : node_.heads * ((tokens + kQueryBlock - 1) / kQueryBlock);
            const auto at = static_cast<std::size_t>(sequence);
            chunks_[at + 1] = chunks_[at] + chunks;
            units_[at + 1] = units_[at] + units;
            operations_ += 4.0 * static_cast<double>(tokens * node_.features) * static_cast<double>(before + tokens);
        }
    }

    // Runs body(piece, sequence, index within the sequence) for all work that `ends` counts.
    template <typename Body>
    Status for_all(const Frame& frame, const std::vector<std::int64_t>& ends, double operations, Body&& body) {
        const std::int64_t steps = ends[static_cast<std::size_t>(frame.sequences())];
        FirstError error;
        const int pieces = std::min(piece_count(steps, operations), context_.pieces);
        return error.take(parallel_pieces(steps, pieces, [&](int piece, std::int64_t begin, std::int64_t end) {
            const auto last = ends.begin() + frame.sequences() + 1;
            std::int64_t sequence = std::upper_bound(ends.begin(), last, begin) - ends.begin() - 1;
            for (std::int64_t step = begin; step < end; step++) {
                while (step >= ends[static_cast<std::size_t>(sequence) + 1])
                    sequence++;
                Status status = body(piece, sequence, step - ends[static_cast<std::size_t>(sequence)]);
                if (!status.ok()) return error.keep(std::move(status));
            }
            return 0;
        }));
    }

    // One block of keys at a time, with the queries and values of the same tokens.
    Status place(const Frame& frame) {
        const double operations = 4.0 * static_cast<double>(frame.rows * (node_.features + 2 * key_features()));
        return for_all(frame, chunks_, operations, [&](int, std::int64_t sequence, std::int64_t chunk) {
            const std::int64_t before = past(frame, sequence), end = before + length(frame, sequence);
            const std::int64_t block = before / kKeyBlock + chunk;
            const std::int64_t first = std::max(before, block * kKeyBlock),
                               last = std::min(end, (block + 1) * kKeyBlock);
            return place_tokens(frame, sequence, first, last - first);
        });
    }

    Status place_tokens(const Frame& frame, std::int64_t sequence, std::int64_t position, std::int64_t tokens) {
        const std::int64_t row = frame.first_row[static_cast<std::size_t>(sequence)] + position - past(frame, sequence);
        const auto heads_of = [&](const MatrixView& x) {
            auto* data = static_cast<float*>(const_cast<void*>(x.data)) + row * x.row_stride;
            return HeadView{data, 1, head_, x.row_stride};
        };
        RotaryRows rotary;
        if (node_.rotary) {
            const auto at = static_cast<std::size_t>(position * table_->half);
            rotary = {table_->cos.data() + at, table_->sin.data() + at};
        }
        if (places_queries()) {
            const std::int64_t features = node_.heads * wide_;
            const HeadView target{queries_of(frame) + row * features, 1, wide_, features};
            const Status status =
                place_heads(context_.kernels, heads_of(frame[queries_]), target, head_, node_.heads, tokens, rotary);
            if (!status.ok()) return status;
        }
        const Keys keys = keys_of(frame, sequence);
        float* target = keys.data + position / kKeyBlock * kKeyBlock * wide_ + position % kKeyBlock;
        Status status = place_heads(context_.kernels, heads_of(frame[keys_]), {target, kKeyBlock, keys.head_stride, 1},
                                    head_, node_.key_heads, tokens, rotary);
        if (!status.ok() || (!node_.causal && !padded())) return status;
        const HeadView values = node_.causal
                                    ? HeadView{slot(sequence) + slot_keys() + position * wide_, 1,
                                               context_.options.max_context * wide_, wide_}
                                    : HeadView{call_values(frame) + row * key_features(), 1, wide_, key_features()};
        return place_heads(context_.kernels, heads_of(frame[values_]), values, head_, node_.key_heads, tokens, {});
    }

    Status multiply(const Frame& frame) {
        return for_all(frame, units_, operations_, [&](int index, std::int64_t sequence, std::int64_t unit) {
            return multiply_unit(frame, sequence, unit, piece(frame, index));
        });
    }

    Status multiply_unit(const Frame& frame, std::int64_t sequence, std::int64_t unit, float* scratch) const {
        const std::int64_t tokens = length(frame, sequence), before = past(frame, sequence);
        const std::int64_t blocks = (tokens + kQueryBlock - 1) / kQueryBlock;
        const bool grouped = by_group(tokens);
        const std::int64_t head = grouped ? unit * group_ : unit / blocks, key_head = head / group_;
        const std::int64_t token = grouped ? 0 : unit % blocks * kQueryBlock;
        const std::int64_t row = frame.first_row[static_cast<std::size_t>(sequence)] + token;

        const std::int64_t queries = grouped ? group_ : std::min(kQueryBlock, tokens - token);
        const std::int64_t position = before + token;
        AttentionTile tile;
        tile.features = wide_;
        tile.scale = static_cast<float>(node_.scale);
        const MatrixView& x = frame[queries_];
        const bool placed = places_queries();
        const std::int64_t x_stride = placed ? node_.heads * wide_ : x.row_stride;
        tile.queries = (placed ? queries_of(frame) : static_cast<const float*>(x.data)) + row * x_stride + head * wide_;
        tile.query_stride = grouped ? wide_ : x_stride;
        const Keys keys = keys_of(frame, sequence);
        tile.keys = keys.data + key_head * keys.head_stride;
        tile.visible = static_cast<std::int32_t>(node_.causal ? position + 1 : tokens);
        tile.step = node_.causal && !grouped ? 1 : 0;
        set_values(frame, sequence, key_head, tile);
        if (distances_) limit(tile, head, position, queries, grouped);

        const MutableMatrixView y = frame.target(output_);
        float* target = static_cast<float*>(y.data) + row * y.row_stride + head * head_;
        const std::int64_t stride = grouped ? head_ : y.row_stride;
        tile.y = padded() ? scratch + score_floats() : target;
        tile.y_stride = padded() ? wide_ : stride;
        Status status = attend(context_.kernels, tile, queries, scratch);
        for (std::int64_t query = 0; padded() && status.ok() && query < queries; query++)
            std::copy_n(tile.y + query * wide_, head_, target + query * stride);
        return status;
    }

    void set_values(const Frame& frame, std::int64_t sequence, std::int64_t key_head, AttentionTile& tile) const {
        const std::int64_t first = frame.first_row[static_cast<std::size_t>(sequence)];
        if (node_.causal) {
            tile.values = slot(sequence) + slot_keys() + key_head * context_.options.max_context * wide_;
            tile.value_stride = wide_;
        } else if (padded()) {
            tile.values = call_values(frame) + first * key_features() + key_head * wide_;
            tile.value_stride = key_features();
        } else {
            const MatrixView& v = frame[values_];
            tile.values = static_cast<const float*>(v.data) + first * v.row_stride + key_head * head_;
            tile.value_stride = v.row_stride;
        }
    }

    // What distances add, and only the blocks of keys that some query sees.
    void limit(AttentionTile& tile, std::int64_t head, std::int64_t position, std::int64_t queries,
               bool grouped) const {
        std::int64_t first = 0;
        if (node_.window) {
            const std::int64_t last = position + (grouped ? 0 : queries - 1);
            first = std::max<std::int64_t>(position - *node_.window, 0) / kKeyBlock * kKeyBlock;
            tile.visible = static_cast<std::int32_t>(std::min<std::int64_t>(tile.visible, last + *node_.window + 1));
            tile.visible -= static_cast<std::int32_t>(first);
            tile.keys += first * wide_;
            tile.values += first * tile.value_stride;
        }
        tile.bias = distances_->row(head) + distances_->centre + first - position;
        tile.bias_stride = grouped ? distances_->head_stride() : -1;
    }

    const StepContext& context_;
    const Node& node_;
    int queries_, keys_, values_, output_;
    std::int64_t head_, wide_, group_;  // features of a head, and as the kernels have them; heads of queries of a key's
    const RotaryTable* table_ = nullptr;
    const DistanceTable* distances_ = nullptr;  // of a window or a bias
    AlignedBuffer cache_;
    // Work before each sequence: blocks of keys to place, units of queries to multiply.
    std::vector<std::int64_t> chunks_, units_;
    double operations_ = 0;
};

}  // namespace

const RotaryTable& RotaryTables::get(const Rotary& rotary, std::int64_t head, std::int64_t positions) {
    for (const auto& entry : entries_)
        if (entry->rotary == rotary && entry->table.half == head / 2) return entry->table;
    entries_.push_back(std::make_unique<const Entry>(Entry{rotary, make_rotary_table(rotary, head, positions)}));
    return entries_.back()->table;
}

std::size_t RotaryTables::bytes() const {
    std::size_t bytes = 0;
    for (const auto& entry : entries_)
        bytes += (entry->table.cos.size() + entry->table.sin.size()) * sizeof(float);
    return bytes;
}

Result<std::unique_ptr<Step>> make_attention(StepContext& context, const Node& node, std::span<const int> inputs,
                                             int output) {
    auto step = std::make_unique<Attention>(context, node, inputs, output);
    if (Status status = step->prepare(context); !status.ok()) return status;
    return std::unique_ptr<Step>(std::move(step));
}

}  // namespace octile
