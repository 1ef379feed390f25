// Linears and norms: those that a norm quantizes for included.
#include "octile/norm.h"
#include "session/step.h"
#include "session/tensors.h"

namespace octile {
namespace {

class RunLinear : public Step {
  public:
    explicit RunLinear(const LinearStep& step) : step_(step) {}

    Status run(Frame& frame) override {
        PackedRows& rows = frame.panels[static_cast<std::size_t>(step_.panel)];
        if (step_.packs)
            if (Status status = step_.linear->pack_rows(frame[step_.input], rows); !status.ok()) return status;
        RunOptions options;
        if (step_.residual >= 0) options.residual = frame[step_.residual];
        return step_.linear->run(rows, frame.target(step_.output), frame.workspace, options);
    }

  private:
    LinearStep step_;
};

class RunNorm : public Step {
  public:
    RunNorm(Norm norm, std::int64_t heads, int input, int output, const Linear* consumer, int panel)
        : norm_(std::move(norm)), heads_(heads), input_(input), output_(output), consumer_(consumer), panel_(panel) {}

    Status run(Frame& frame) override {
        const MatrixView x = by_head(frame[input_]);
        if (!consumer_) return norm_.run(x, by_head(frame.target(output_)), frame.workspace);
        PackedRows& rows = frame.panels[static_cast<std::size_t>(panel_)];
        if (output_ < 0) return norm_.run(x, *consumer_, rows, frame.workspace);
        return norm_.run(x, frame.target(output_), *consumer_, rows, frame.workspace);
    }

  private:
    // A head is a row of its own; rows are dense then.
    template <typename View>
    View by_head(const View& view) const {
        if (heads_ == 1) return view;
        const std::int64_t features = view.columns / heads_;
        return {view.data, view.type, view.rows * heads_, features, features};
    }

    Norm norm_;
    std::int64_t heads_;
    int input_, output_;
    const Linear* consumer_;
    int panel_;
};

}  // namespace

std::unique_ptr<Step> make_linear(const LinearStep& step) {
    return std::make_unique<RunLinear>(step);
}

Result<std::unique_ptr<Step>> make_norm(const StepContext& context, const Node& node, int input, int output,
                                        const Linear* consumer, int panel) {
    std::vector<std::vector<float>> tensors(2);
    const std::vector<TensorUse> uses = tensors_of(node);
    for (std::size_t i = 0; i < uses.size(); i++) {
        const MatrixView* tensor = context.parameters.tensor(uses[i].tensor);
        if (Status status = check_tensor(uses[i], tensor); !status.ok()) return status;
        tensors[i] = floats_of(*tensor);
    }
    Result<Norm> norm = Norm::make(node.op == NodeOp::kRmsNorm ? NormKind::kRmsNorm : NormKind::kLayerNorm, tensors[0],
                                   tensors[1], static_cast<float>(node.epsilon), context.isas);
    if (!norm.ok()) return norm.status();
    return std::unique_ptr<Step>(
        std::make_unique<RunNorm>(std::move(norm).value(), node.heads, input, output, consumer, panel));
}

}  // namespace octile
