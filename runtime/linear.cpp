#include "octile/linear.h"

#include <fmt/format.h>

#include <cmath>

#include "octile/layer.h"
#include "octile/parallel.h"
#include "runtime/gemm.h"
#include "runtime/linear_parts.h"
#include "runtime/norm_strips.h"
#include "runtime/parallel.h"
#include "runtime/schedule_in_use.h"
#include "runtime/workspace.h"

namespace octile {
namespace {

// One matrix of weights as the caller gives it.
struct Source {
    const char* name;
    const char* bias_name;
    MatrixView weights;
    std::span<const float> scale;  // of levels that are there already; else empty
    std::span<const float> bias;
    const Int4View* int4 = nullptr;  // in place of weights.data
};

Status check_channel_scales(std::span<const float> scale, std::int64_t channels) {
    if (scale.size() != static_cast<std::size_t>(std::max<std::int64_t>(0, channels)))
        return invalid(fmt::format("scale: {} elements; expected {}", scale.size(), channels));
    for (std::size_t channel = 0; channel < scale.size(); channel++) {
        if (!(scale[channel] > 0) || !std::isfinite(scale[channel])) {
            return invalid(fmt::format("scale: output channel {} has {}; expected a positive, finite number", channel,
                                       scale[channel]));
        }
    }
    return {};
}

Status check_source(const Source& source, const LinearOptions& options) {
    const MatrixView& weights = source.weights;
    if (source.int4) {
        if (Status status = check_int4(*source.int4); !status.ok()) return status;
        if (Status status = check_channel_scales(source.int4->scale, weights.rows); !status.ok()) return status;
    } else if (Status status = check_matrix(source.name, weights); !status.ok()) {
        return status;
    }
    if (weights.rows < 1)
        return invalid(fmt::format("{}: shape [{}, {}] has no rows", source.name, weights.rows, weights.columns));
    // With a zero point, an element of x has nine bits.
    const std::int64_t most = options.input_scaling == InputScaling::kAsymmetric ? kMaxReduction / 2 : kMaxReduction;
    if (options.precision != Precision::kFp16 && weights.columns > most) {
        return invalid(
            fmt::format("{}: K = {}; INT8 sums up to {} products exactly", source.name, weights.columns, most));
    }
    const auto channels = static_cast<std::size_t>(weights.rows);
    if (!source.bias.empty() && source.bias.size() != channels)
        return invalid(fmt::format("{}: {} elements; expected {}", source.bias_name, source.bias.size(), channels));
    const auto bias_size = static_cast<std::int64_t>(source.bias.size());
    if (const std::int64_t channel = first_non_finite(source.bias.data(), bias_size); channel >= 0) {
        return Status(StatusCode::kNonFinite,
                      fmt::format("{}: output channel {} is NaN or infinity", source.bias_name, channel));
    }
    return {};
}

Status check_options(const LinearOptions& options) {
    if (options.range && options.activation != Activation::kNone) {
        return invalid(
            fmt::format("an output range and the activation {}: expected one of them", name_of(options.activation)));
    }
    if (options.range && !(options.range->low <= options.range->high))
        return invalid(fmt::format("output range from {} to {}", options.range->low, options.range->high));
    if (options.input_scaling != InputScaling::kDynamic && options.precision == Precision::kFp16)
        return invalid("an input scaling other than dynamic needs INT8");
    // The inverse is normal too then.
    const bool scale_fits =
        std::isnormal(options.input_scale) && options.input_scale > 0 && std::isnormal(1.0f / options.input_scale);
    if (options.input_scaling == InputScaling::kStatic && !scale_fits)
        return invalid(fmt::format("input scale {}; expected a positive, normal number", options.input_scale));
    return {};
}

// Those of INT8 serve INT4, with one more that makes INT8's panels of its own.
const LevelKernels* kernels_for(Precision precision, IsaSet isas, int schedule) {
    if (precision != Precision::kInt4) return LevelKernels::find(precision, isas, schedule);
    const LevelKernels* kernels = LevelKernels::find(Precision::kInt8, isas, schedule);
    return kernels && kernels->unpack() ? kernels : nullptr;
}

Status no_kernel(Precision precision, IsaSet isas) {
    return {StatusCode::kUnsupported,
            fmt::format("no {} kernel for ISA levels: {}", name_of(precision), to_string(isas))};
}

}  // namespace

Workspace::Workspace() : state_(std::make_unique<State>()) {}
Workspace::~Workspace() = default;
Workspace::Workspace(Workspace&&) noexcept = default;
Workspace& Workspace::operator=(Workspace&&) noexcept = default;
std::size_t Workspace::bytes() const {
    return state_ ? state_->rows.bytes() + state_->scratch.bytes() : 0;
}
Workspace::State& Workspace::state() {
    if (!state_) state_ = std::make_unique<State>();
    return *state_;
}

struct [[gnu::visibility("hidden")]] Linear::State {
    LinearOptions options;
    std::shared_ptr<const InputMultiplier> multiplier;  // what options.input_multiplier is a view of
    PackedWeights weights;
    std::shared_ptr<const void> owner;  // of what `weights` borrows

    static Result<Linear> pack(std::span<const Source> sources, const LinearOptions& options, IsaSet isas);
    Status check_output(std::int64_t rows, const MutableMatrixView& y, const RunOptions& run) const;
    // What remains of a run once rows and output are known to fit.
    Status multiply(const PackedRows::State& rows, const MutableMatrixView& y, AlignedBuffer& scratch,
                    const RunOptions& run) const;
};

Result<Linear> Linear::State::pack(std::span<const Source> sources, const LinearOptions& options, IsaSet isas) {
    if (const Result<ThreadLimit> threads = thread_limit(); !threads.ok()) return threads.status();
    if (Status status = check_options(options); !status.ok()) return status;
    for (const Source& source : sources)
        if (Status status = check_source(source, options); !status.ok()) return status;
    if (!options.input_multiplier.empty())
        if (Status status = check_input_multiplier(options.input_multiplier, sources[0].weights.columns); !status.ok())
            return status;
    const Result<int> schedule = schedule_in_use();
    if (!schedule.ok()) return schedule.status();
    const LevelKernels* kernels = kernels_for(options.precision, isas, schedule.value());
    if (!kernels) return no_kernel(options.precision, isas);
    auto state = std::make_unique<State>();
    state->options = options;
    if (!options.input_multiplier.empty()) {
        state->multiplier = std::make_shared<const InputMultiplier>(options.input_multiplier);
        state->options.input_multiplier = state->multiplier->values();
    }
    PackedWeights& weights = state->weights;
    weights.kernels = kernels;
    weights.k = sources[0].weights.columns;
    weights.n = sources[0].weights.rows;
    weights.matrices = static_cast<int>(sources.size());
    weights.int4 = options.precision == Precision::kInt4;
    if (Status status = weights.allocate(); !status.ok()) return status;
    for (int matrix = 0; const Source& source : sources) {
        Status status = source.int4 ? weights.pack_int4(matrix, *source.int4, 0)
                                    : weights.pack(matrix, source.name, source.weights, source.scale);
        if (!status.ok()) return status;
        weights.set_bias(matrix++, source.bias);
    }
    return Linear(std::move(state));
}

Result<Linear> Linear::pack(const MatrixView& weights, std::span<const float> bias, const LinearOptions& options,
                            IsaSet isas) {
    if (weights.type == DataType::kI8) return invalid("weights of type i8: expected f32, f16 or bf16, or their scales");
    const Source source{"weights", "bias", weights, {}, bias};
    return State::pack({&source, 1}, options, isas);
}

Result<Linear> Linear::pack_quantized(const MatrixView& levels, std::span<const float> scale,
                                      std::span<const float> bias, const LinearOptions& options, IsaSet isas) {
    if (levels.type != DataType::kI8 || options.precision != Precision::kInt8) {
        return invalid(fmt::format("quantized weights of type {} for {}: expected i8 for int8", name_of(levels.type),
                                   name_of(options.precision)));
    }
    if (Status status = check_channel_scales(scale, levels.rows); !status.ok()) return status;
    const Source source{"weights", "bias", levels, scale, bias};
    return State::pack({&source, 1}, options, isas);
}

Result<Linear> Linear::pack_int4(const Int4View& weights, std::span<const float> bias, const LinearOptions& options,
                                 IsaSet isas) {
    if (options.precision != Precision::kInt4)
        return invalid(fmt::format("weights in the form of INT4 for {}: expected int4", name_of(options.precision)));
    const MatrixView shape{weights.q4.data(), DataType::kI8, weights.n, weights.k, weights.k};
    const Source source{"weights", "bias", shape, {}, bias, &weights};
    return State::pack({&source, 1}, options, isas);
}

Result<Linear> Linear::pack_gated(const MatrixView& gate, std::span<const float> gate_bias, const MatrixView& up,
                                  std::span<const float> up_bias, const LinearOptions& options, IsaSet isas) {
    if (gate.rows != up.rows || gate.columns != up.columns) {
        return invalid(fmt::format("gate [{}, {}] and up [{}, {}]: expected the same shape", gate.rows, gate.columns,
                                   up.rows, up.columns));
    }
    if (gate.type == DataType::kI8 || up.type == DataType::kI8)
        return invalid("gate and up of type i8: expected f32, f16 or bf16");
    const Source sources[] = {{"gate", "gate bias", gate, {}, gate_bias}, {"up", "up bias", up, {}, up_bias}};
    return State::pack(sources, options, isas);
}

Linear::Linear(std::unique_ptr<State> state) : state_(std::move(state)) {}
Linear::~Linear() = default;
Linear::Linear(Linear&&) noexcept = default;
Linear& Linear::operator=(Linear&&) noexcept = default;

Status Linear::State::check_output(std::int64_t rows, const MutableMatrixView& y, const RunOptions& run) const {
    if (Status status = check_matrix("y", as_const(y)); !status.ok()) return status;
    if (y.columns != weights.n || y.rows != rows) {
        return invalid(fmt::format("y [{}, {}] does not fit {} rows of a linear layer from {} to {} features", y.rows,
                                   y.columns, rows, weights.k, weights.n));
    }
    if (y.type == DataType::kI8 &&
        !(std::isnormal(run.output_scale) && run.output_scale > 0 && std::isnormal(1.0f / run.output_scale))) {
        return invalid(
            fmt::format("output scale {} for y of type i8; expected a positive, normal number", run.output_scale));
    }
    const MatrixView& residual = run.residual;
    if (!residual.data) return {};
    if (Status status = check_matrix("residual", residual); !status.ok()) return status;
    const DataType expected = y.type == DataType::kI8 ? DataType::kF32 : y.type;
    if (residual.rows != y.rows || residual.columns != y.columns || residual.type != expected) {
        return invalid(fmt::format("residual [{}, {}] of type {}; expected [{}, {}] of type {}", residual.rows,
                                   residual.columns, name_of(residual.type), y.rows, y.columns, name_of(expected)));
    }
    if (weights.matrices == 2) return invalid("a gated layer has no residual");
    return {};
}

Status Linear::State::multiply(const PackedRows::State& rows, const MutableMatrixView& y, AlignedBuffer& scratch,
                               const RunOptions& run) const {
    if (rows.rows == 0) return {};
    const Epilogue epilogue{options.activation, options.range, run.output_scale, run.residual};
    return run_gemm(rows, weights, epilogue, y, scratch);
}

Status Linear::pack_rows(const MatrixView& x, PackedRows& rows) const {
    if (Status status = check_matrix("x", x); !status.ok()) return status;
    if (x.columns != state_->weights.k) {
        return invalid(
            fmt::format("x [{}, {}] does not fit a linear layer from {} to {} features", x.rows, x.columns, k(), n()));
    }
    return make_ready(rows).pack(x);
}

PackedRows::State& Linear::make_ready(PackedRows& rows) const {
    if (!rows.state_) rows.state_ = std::make_unique<PackedRows::State>();
    PackedRows::State& state = *rows.state_;
    state.kernels = state_->weights.kernels;
    state.scaling = state_->options.input_scaling;
    state.input_scale = state_->options.input_scale;
    state.multiplier = state_->multiplier;
    return state;
}

Status Linear::reserve(std::int64_t rows, PackedRows& panel, Workspace& workspace) const {
    PackedRows::State& state = make_ready(panel);
    const std::int64_t count = std::max<std::int64_t>(rows, 2);
    Status status = state.begin(count, k(), DataType::kF32);
    const std::int64_t norm = norm_scratch_bytes(k(), state.panel_m());
    state.rows = state.k = 0;
    if (!status.ok()) return status;
    const std::int64_t gemm = gemm_scratch_bytes(state_->weights);
    const auto bytes = static_cast<std::size_t>(max_pieces() * std::max(gemm, norm));
    return workspace.state().scratch.reserve(bytes) ? Status() : out_of_memory(bytes);
}

bool Linear::accepts(const PackedRows& rows) const {
    if (!rows.state_) return false;
    const PackedRows::State& state = *rows.state_;
    const LinearOptions& options = state_->options;
    return state.kernels == state_->weights.kernels && state.k == k() && state.scaling == options.input_scaling &&
           (options.input_scaling != InputScaling::kStatic || state.input_scale == options.input_scale) &&
           same(state.multiplier.get(), state_->multiplier.get());
}

Status Linear::run(const PackedRows& rows, const MutableMatrixView& y, Workspace& workspace,
                   const RunOptions& options) const {
    if (!accepts(rows)) {
        return invalid(
            fmt::format("these rows [{}, {}] were packed for another kind of layer than one of {} from {} "
                        "to {} features",
                        rows.rows(), rows.columns(), name_of(precision()), k(), n()));
    }
    if (Status status = state_->check_output(rows.rows(), y, options); !status.ok()) return status;
    return state_->multiply(*rows.state_, y, workspace.state().scratch, options);
}

Status Linear::run(const MatrixView& x, const MutableMatrixView& y, Workspace& workspace,
                   const RunOptions& options) const {
    if (Status status = state_->check_output(x.rows, y, options); !status.ok()) return status;
    PackedRows& rows = workspace.state().rows;
    if (Status status = pack_rows(x, rows); !status.ok()) return status;
    return state_->multiply(*rows.state_, y, workspace.state().scratch, options);
}

LinearParts LinearParts::of(const Linear& linear) {
    const Linear::State& state = *linear.state_;
    const PackedWeights& weights = state.weights;
    const auto columns = static_cast<std::size_t>(weights.matrices * weights.padded_n());
    const bool int8 = weights.precision() == Precision::kInt8;
    const auto floats = [&](const SharedBuffer& buffer) {
        return std::span(reinterpret_cast<const float*>(buffer.data()), columns);
    };
    LinearParts parts;
    parts.options = state.options;
    parts.k = weights.k;
    parts.n = weights.n;
    parts.padded_n = weights.padded_n();
    parts.matrices = weights.matrices;
    parts.layout = weights.layout();
    const Int4Panels int4 = weights.int4_panels();
    const std::int64_t panel_bytes = weights.int4 ? int4.q4_bytes() : parts.shape().bytes(parts.layout);
    parts.panels = {weights.panel.data(), static_cast<std::size_t>(weights.matrices * panel_bytes)};
    if (weights.int4)
        parts.steps = {weights.steps.data(), static_cast<std::size_t>(weights.matrices * int4.step_bytes())};
    if (int8) {
        parts.column_scale = floats(weights.column_scale);
        parts.column_sum = std::span(reinterpret_cast<const std::int32_t*>(weights.column_sum.data()), columns);
    }
    parts.bias = floats(weights.bias);
    return parts;
}

bool LinearParts::fits(const WeightLayout& layout, std::int64_t padded_n, std::int64_t n, Precision precision,
                       IsaSet isas) {
    const LevelKernels* kernels = kernels_for(precision, isas, 0);  // all schedules read the same panels
    if (!kernels) return false;
    PackedWeights wanted;
    wanted.kernels = kernels;
    wanted.int4 = precision == Precision::kInt4;
    return wanted.layout() == layout && padded_n >= round_up(n, wanted.column_unit());
}

Result<Linear> LinearParts::make(const LinearParts& parts, std::shared_ptr<const void> owner, IsaSet isas) {
    if (const Result<ThreadLimit> threads = thread_limit(); !threads.ok()) return threads.status();
    const Result<int> schedule = schedule_in_use();
    if (!schedule.ok()) return schedule.status();
    const LevelKernels* kernels = kernels_for(parts.options.precision, isas, schedule.value());
    if (!kernels) return no_kernel(parts.options.precision, isas);
    auto state = std::make_unique<Linear::State>();
    state->options = parts.options;
    if (!parts.options.input_multiplier.empty())
        state->multiplier = std::make_shared<const InputMultiplier>(parts.options.input_multiplier, owner);
    PackedWeights& weights = state->weights;
    weights.kernels = kernels;
    weights.k = parts.k;
    weights.n = parts.n;
    weights.matrices = parts.matrices;
    weights.int4 = parts.options.precision == Precision::kInt4;
    if (fits(parts.layout, parts.padded_n, parts.n, parts.options.precision, isas)) {
        weights.padded_columns = parts.padded_n;
        weights.panel.borrow(parts.panels);
        weights.steps.borrow(parts.steps);
        weights.column_scale.borrow(std::as_bytes(parts.column_scale));
        weights.column_sum.borrow(std::as_bytes(parts.column_sum));
        weights.bias.borrow(std::as_bytes(parts.bias));
        state->owner = std::move(owner);
        return Linear(std::move(state));
    }
    if (Status status = weights.allocate(); !status.ok()) return status;
    if (Status status = repack(parts, weights); !status.ok()) return status;
    return Linear(std::move(state));
}

std::int64_t Linear::k() const {
    return state_->weights.k;
}
std::int64_t Linear::n() const {
    return state_->weights.n;
}
Precision Linear::precision() const {
    return state_->options.precision;
}
Activation Linear::activation() const {
    return state_->options.activation;
}
bool Linear::gated() const {
    return state_->weights.matrices == 2;
}
std::size_t Linear::bytes() const {
    return state_->weights.bytes();
}

std::string_view Linear::kernel_name(std::int64_t m) const {
    const GemmKernels& gemm = state_->weights.kernels->gemm(
        state_->options.input_scaling == InputScaling::kAsymmetric ? Scaling::kAsymmetric : Scaling::kDynamic,
        state_->weights.size());
    if (m == 1) return gemm.row->info.name;
    const auto rows = static_cast<std::size_t>(std::max<std::int64_t>(m, 1));
    return gemm.wide[std::min(rows, gemm.wide.size()) - 1]->info.name;
}

}  // namespace octile
