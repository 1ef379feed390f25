// One step of a session, and what a call hands to all of them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "octile/linear.h"
#include "octile/session.h"
#include "runtime/network_kernels.h"
#include "session/distance_table.h"
#include "session/rotary_table.h"

namespace octile {

// Rotary tables of a session: attention of the same angles shares one.
class RotaryTables {
  public:
    const RotaryTable& get(const Rotary& rotary, std::int64_t head, std::int64_t positions);
    std::size_t bytes() const;

  private:
    struct Entry {
        Rotary rotary;
        RotaryTable table;
    };
    std::vector<std::unique_ptr<const Entry>> entries_;
};

// What a session computes with; outlives its steps.
struct StepContext {
    const Graph& graph;
    const Parameters& parameters;
    const SessionOptions& options;
    NetworkKernels kernels;
    IsaSet isas;
    bool causal = false;  // attention remembers
    int pieces = 1;       // scratch memory is there for that many at once
    RotaryTables rotary_tables = {};
    DistanceTables distance_tables = {};

    // Rows of one call, and keys that a token may see.
    std::int64_t max_keys() const { return causal ? options.max_context : options.max_rows; }
};

// One call of run(). Vectors have their sizes from create() on.
struct Frame {
    std::int64_t rows = 0;
    std::span<const std::int32_t> lengths;
    std::vector<std::int64_t> first_row;                 // of each sequence
    std::vector<std::int64_t> past;                      // tokens of each sequence before this call
    std::vector<std::span<const std::int32_t>> indices;  // of each graph input
    std::vector<MatrixView> values;                      // of each value, inputs and outputs included
    std::byte* arena = nullptr;
    std::vector<PackedRows> panels;
    Workspace workspace;

    std::int64_t sequences() const { return static_cast<std::int64_t>(lengths.size()); }
    const MatrixView& operator[](int value) const { return values[static_cast<std::size_t>(value)]; }
    MutableMatrixView target(int value) const {
        const MatrixView& view = (*this)[value];
        return {const_cast<void*>(view.data), view.type, view.rows, view.columns, view.row_stride};
    }
    template <typename Element>
    Element* scratch(std::size_t offset) const {
        return reinterpret_cast<Element*>(arena + offset);
    }
};

class Step {
  public:
    virtual ~Step() = default;
    virtual Status run(Frame& frame) = 0;

    // Memory in the arena while it runs, and where it has come to lie.
    virtual std::size_t scratch_bytes() const { return 0; }
    void set_scratch(std::size_t offset) { scratch_ = offset; }
    // Memory that stays from call to call.
    virtual std::size_t cache_bytes() const { return 0; }

  protected:
    std::size_t scratch_ = 0;
};

// A step for a node that is no linear and no norm, from values `inputs` to `output`. The message of a failure says what
// is wrong, not with which node.
Result<std::unique_ptr<Step>> make_embedding(const StepContext& context, const Node& node, int output);
Result<std::unique_ptr<Step>> make_attention(StepContext& context, const Node& node, std::span<const int> inputs,
                                             int output);
// Activation, addition, gate (its activation left out, if its first input has it already), pooling, normalization,
// tanh, columns of one value and of several.
std::unique_ptr<Step> make_elementwise(const StepContext& context, const Node& node, Activation activation,
                                       std::span<const int> inputs, int output);

struct LinearStep {
    const Linear* linear = nullptr;
    int input = 0, output = 0;
    int residual = -1;  // none
    int panel = 0;      // where its packed rows are
    bool packs = true;  // nobody before it has packed them
};
std::unique_ptr<Step> make_linear(const LinearStep& step);

// One norm, its y (-1: nobody reads it) and the packed rows of a linear behind it (null: none does).
Result<std::unique_ptr<Step>> make_norm(const StepContext& context, const Node& node, int input, int output,
                                        const Linear* consumer, int panel);

}  // namespace octile
