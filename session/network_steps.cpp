// Everything but linears, norms and attention.
#include <fmt/format.h>

#include <algorithm>

#include "base/printable.h"
#include "runtime/matrix.h"
#include "session/elementary.h"
#include "session/pooling.h"
#include "session/step.h"
#include "session/tensors.h"

namespace octile {
namespace {

class Embed : public Step {
  public:
    struct Table {
        MatrixView view;
        int input = -1;  // graph input; -1: positions
        std::string index;
        std::int64_t offset = 0;
    };

    Embed(const StepContext& context, std::vector<Table> tables, int output)
        : context_(context), tables_(std::move(tables)), output_(output) {}

    std::size_t scratch_bytes() const override {
        return static_cast<std::size_t>(context_.options.max_rows) * sizeof(std::int32_t);
    }

    Status run(Frame& frame) override {
        const std::span rows(frame.scratch<std::int32_t>(scratch_), static_cast<std::size_t>(frame.rows));
        for (std::size_t i = 0; i < tables_.size(); i++) {
            const Table& table = tables_[i];
            Status status = table.input < 0 ? positions(frame, table, rows) : indices(frame, table, rows);
            if (status.ok()) status = embed_rows(context_.kernels, table.view, rows, i > 0, frame.target(output_));
            if (!status.ok()) return status;
        }
        return {};
    }

  private:
    static Status positions(const Frame& frame, const Table& table, std::span<std::int32_t> rows) {
        for (std::size_t sequence = 0; sequence < frame.lengths.size(); sequence++) {
            const std::int64_t begin = frame.past[sequence] + table.offset, count = frame.lengths[sequence];
            if (begin + count > table.view.rows) {
                return invalid(
                    fmt::format("sequence {}: {} tokens; expected at most {}, for the table has no more "
                                "positions",
                                sequence, frame.past[sequence] + count, table.view.rows - table.offset));
            }
            for (std::int64_t i = 0; i < count; i++)
                rows[static_cast<std::size_t>(frame.first_row[sequence] + i)] = static_cast<std::int32_t>(begin + i);
        }
        return {};
    }

    static Status indices(const Frame& frame, const Table& table, std::span<std::int32_t> rows) {
        const std::span<const std::int32_t> given = frame.indices[static_cast<std::size_t>(table.input)];
        for (std::size_t row = 0; row < rows.size(); row++) {
            const std::int64_t index = given.empty() ? 0 : given[row];
            if (index < 0 || index + table.offset >= table.view.rows) {
                return invalid(fmt::format("input {}, row {}: expected an index from 0 to {}, found {}",
                                           internal::quote(table.index), row, table.view.rows - table.offset - 1,
                                           index));
            }
            rows[row] = static_cast<std::int32_t>(index + table.offset);
        }
        return {};
    }

    const StepContext& context_;
    std::vector<Table> tables_;
    int output_;
};

class Elementwise : public Step {
  public:
    Elementwise(const StepContext& context, const Node& node, Activation activation, std::span<const int> inputs,
                int output)
        : kernels_(context.kernels),
          node_(node),
          activation_(activation),
          inputs_(inputs.begin(), inputs.end()),
          output_(output) {}

    Status run(Frame& frame) override {
        const MatrixView& x = frame[inputs_[0]];
        const MutableMatrixView y = frame.target(output_);
        switch (node_.op) {
            case NodeOp::kActivation:
                return activate_and_add(kernels_, activation_, x, {}, y);
            case NodeOp::kAdd:
                return activate_and_add(kernels_, Activation::kNone, x, frame[inputs_[1]], y);
            case NodeOp::kGate:
                return multiply_by_gate(kernels_, activation_, x, frame[inputs_[1]], y);
            case NodeOp::kNormalize:
                return normalize_rows(kernels_, x, static_cast<float>(node_.epsilon), y);
            case NodeOp::kTanh:
                tanh_of(x, y);
                return {};
            case NodeOp::kSlice:
                return copy(block_of(x, 0, x.rows, node_.first, y.columns), y);
            case NodeOp::kConcat:
                return concat(frame, y);
            default:
                return pool(frame, x, y);
        }
    }

  private:
    Status pool(const Frame& frame, const MatrixView& x, const MutableMatrixView& y) const {
        for (std::int64_t sequence = 0; sequence < y.rows; sequence++) {
            const std::int64_t first = frame.first_row[static_cast<std::size_t>(sequence)],
                               count = frame.lengths[static_cast<std::size_t>(sequence)];
            auto* target = static_cast<float*>(y.data) + sequence * y.row_stride;
            const Status status = pool_rows(kernels_, node_.pooling, block_of(x, first, count, 0, x.columns), target);
            if (!status.ok()) return status;
        }
        return {};
    }

    Status copy(const MatrixView& x, const MutableMatrixView& y) const {
        return activate_and_add(kernels_, Activation::kNone, x, {}, y);
    }

    Status concat(const Frame& frame, const MutableMatrixView& y) const {
        std::int64_t column = 0;
        for (const int input : inputs_) {
            const MatrixView& x = frame[input];
            if (Status status = copy(x, block_of(y, 0, y.rows, column, x.columns)); !status.ok()) return status;
            column += x.columns;
        }
        return {};
    }

    static void tanh_of(const MatrixView& x, const MutableMatrixView& y) {
        for (std::int64_t row = 0; row < x.rows; row++) {
            const float* from = static_cast<const float*>(x.data) + row * x.row_stride;
            std::transform(from, from + x.columns, static_cast<float*>(y.data) + row * y.row_stride,
                           hyperbolic_tangent);
        }
    }

    const NetworkKernels& kernels_;
    const Node& node_;
    Activation activation_;
    std::vector<int> inputs_;
    int output_;
};

}  // namespace

Result<std::unique_ptr<Step>> make_embedding(const StepContext& context, const Node& node, int output) {
    std::vector<Embed::Table> tables;
    const std::vector<TensorUse> uses = tensors_of(node);
    for (std::size_t i = 0; i < uses.size(); i++) {
        const MatrixView* tensor = context.parameters.tensor(uses[i].tensor);
        if (Status status = check_tensor(uses[i], tensor); !status.ok()) return status;
        Embed::Table table{*tensor, -1, node.tables[i].index, node.tables[i].offset};
        for (std::size_t input = 0; input < context.graph.inputs.size(); input++)
            if (context.graph.inputs[input].name == table.index) table.input = static_cast<int>(input);
        tables.push_back(std::move(table));
    }
    return std::unique_ptr<Step>(std::make_unique<Embed>(context, std::move(tables), output));
}

std::unique_ptr<Step> make_elementwise(const StepContext& context, const Node& node, Activation activation,
                                       std::span<const int> inputs, int output) {
    return std::make_unique<Elementwise>(context, node, activation, inputs, output);
}

}  // namespace octile
