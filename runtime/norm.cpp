#include "octile/norm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/epilogue.h"
#include "runtime/norm_strips.h"
#include "runtime/packed_rows.h"
#include "runtime/parallel.h"
#include "runtime/workspace.h"

namespace octile {
namespace {

constexpr std::array kTypes = {DataType::kF32, DataType::kF16, DataType::kBF16};

// Of a type in kTypes; their number for another.
std::size_t index_of(DataType type) {
    return static_cast<std::size_t>(std::find(kTypes.begin(), kTypes.end(), type) - kTypes.begin());
}

bool is_float(DataType type) {
    return index_of(type) < kTypes.size();
}

Status check_values(const char* what, std::span<const float> values) {
    const std::int64_t feature = first_non_finite(values.data(), static_cast<std::int64_t>(values.size()));
    if (feature < 0) return {};
    return Status(StatusCode::kNonFinite, fmt::format("{}: feature {} is NaN or infinity", what, feature));
}

}  // namespace

struct [[gnu::visibility("hidden")]] Norm::State {
    NormKind kind = NormKind::kLayerNorm;
    float epsilon = 0;
    std::vector<float> weight, bias;
    std::array<std::array<const Kernel*, kTypes.size()>, 2> kernels{};  // [residual][type of x]
    std::array<const Kernel*, kTypes.size()> conversions{};             // from f32, [type of y]

    std::int64_t k() const {
        return static_cast<std::int64_t>(weight.size());
    }

    // y is optional; `rows` too.
    Status run(const MatrixView& x, const MutableMatrixView* y, PackedRows::State* rows, Workspace& workspace,
               const NormAddition& addition) const;
    Status check(const MatrixView& x, const MutableMatrixView* y, const NormAddition& addition) const;
    Status normalize(const MatrixView& x, const NormAddition& addition, const MutableMatrixView& y) const;
};

Result<Norm> Norm::make(NormKind kind, std::span<const float> weight, std::span<const float> bias, float epsilon,
                        IsaSet isas) {
    // Exact as f32, which the sums are divided by.
    constexpr std::size_t kMaxFeatures = 1 << 24;
    if (weight.empty() || weight.size() > kMaxFeatures)
        return invalid(fmt::format("norm: {} weights; expected 1 to {}", weight.size(), kMaxFeatures));
    if (kind == NormKind::kRmsNorm && !bias.empty()) return invalid("norm: rmsnorm has no bias");
    if (!bias.empty() && bias.size() != weight.size())
        return invalid(fmt::format("norm: bias of {} elements; expected {}", bias.size(), weight.size()));
    if (!(epsilon >= 0) || !std::isfinite(epsilon))
        return invalid(fmt::format("norm: epsilon {}; expected a finite number from 0 up", epsilon));
    for (const auto& [name, values] : {std::pair{"norm weight", weight}, {"norm bias", bias}})
        if (Status status = check_values(name, values); !status.ok()) return status;

    auto state = std::make_unique<State>();
    state->kind = kind;
    state->epsilon = epsilon;
    state->weight.assign(weight.begin(), weight.end());
    state->bias.assign(bias.begin(), bias.end());
    state->bias.resize(weight.size());
    const KernelFamily family = kind == NormKind::kLayerNorm ? KernelFamily::kLayerNorm : KernelFamily::kRmsNorm;
    for (std::size_t type = 0; type < kTypes.size(); type++) {
        for (const bool residual : {false, true}) {
            state->kernels[residual][type] = find_kernel(isas, [&](const KernelInfo& info) {
                return info.family == family && info.input == kTypes[type] &&
                       info.combine == (residual ? Combine::kResidual : Combine::kNone);
            });
        }
        state->conversions[type] = find_kernel(isas, [&](const KernelInfo& info) {
            return info.family == KernelFamily::kEpilogue && info.output == kTypes[type] &&
                   info.combine == Combine::kNone;
        });
    }
    if (!state->kernels[0][0])
        return Status(StatusCode::kUnsupported, fmt::format("no norm kernel for ISA levels: {}", to_string(isas)));
    return Norm(std::move(state));
}

Status Norm::State::check(const MatrixView& x, const MutableMatrixView* y, const NormAddition& addition) const {
    const auto check_like_x = [&](const char* what, const MatrixView& matrix, bool same_type) -> Status {
        if (Status status = check_matrix(what, matrix); !status.ok()) return status;
        if (matrix.rows == x.rows && matrix.columns == x.columns && (!same_type || matrix.type == x.type)) return {};
        return invalid(fmt::format("{} [{}, {}] of type {} beside x [{}, {}] of type {}", what, matrix.rows,
                                   matrix.columns, name_of(matrix.type), x.rows, x.columns, name_of(x.type)));
    };
    if (Status status = check_matrix("x", x); !status.ok()) return status;
    if (x.columns != k())
        return invalid(fmt::format("x [{}, {}] does not fit a norm over {} features", x.rows, x.columns, k()));
    if (!is_float(x.type) || (y && !is_float(y->type))) {
        return Status(StatusCode::kUnsupported, fmt::format("norm of {} to {}; expected f32, f16 or bf16",
                                                            name_of(x.type), name_of(y ? y->type : x.type)));
    }
    if (y)
        if (Status status = check_like_x("y", as_const(*y), false); !status.ok()) return status;
    if (!addition.residual.data && !addition.sum.data) return {};
    if (Status status = check_like_x("residual", addition.residual, true); !status.ok()) return status;
    return check_like_x("sum", as_const(addition.sum), true);
}

Status Norm::State::normalize(const MatrixView& x, const NormAddition& addition, const MutableMatrixView& y) const {
    const bool residual = addition.residual.data != nullptr;
    const Kernel& kernel = *kernels[residual][index_of(x.type)];
    HalideBuffer in = matrix_buffer(x), out = matrix_buffer(y), weights(weight.data(), kFloat32, {k()}),
                 biases(bias.data(), kFloat32, {k()});
    if (!residual) {
        if (kind == NormKind::kRmsNorm) return call_kernel(kernel, {in, weights, epsilon, out});
        return call_kernel(kernel, {in, weights, epsilon, biases, out});
    }
    HalideBuffer added = matrix_buffer(addition.residual), sum = matrix_buffer(addition.sum);
    if (kind == NormKind::kRmsNorm) return call_kernel(kernel, {in, weights, epsilon, added, out, sum});
    return call_kernel(kernel, {in, weights, epsilon, biases, added, out, sum});
}

Status Norm::State::run(const MatrixView& x, const MutableMatrixView* y, PackedRows::State* rows, Workspace& workspace,
                        const NormAddition& addition) const {
    if (Status status = check(x, y, addition); !status.ok()) return status;
    if (rows)
        if (Status status = rows->begin(x.rows, x.columns, DataType::kF32); !status.ok())
            return rows->finish(std::move(status));
    if (x.rows == 0) return {};

    const std::int64_t panel_m = rows ? rows->panel_m() : 1;
    const std::int64_t row_bytes = k() * static_cast<std::int64_t>(sizeof(float));
    const std::int64_t strip_rows = std::min(norm_strip_rows(k(), panel_m), round_up(x.rows, panel_m));
    const std::int64_t strips = (x.rows + strip_rows - 1) / strip_rows;
    const bool direct = y && y->type == DataType::kF32;  // what the norm writes is y
    const int pieces = piece_count(strips, 16.0 * static_cast<double>(x.rows) * static_cast<double>(k()));
    AlignedBuffer& scratch = workspace.state().scratch;
    const std::size_t bytes = direct ? 0 : static_cast<std::size_t>(pieces * strip_rows * row_bytes);
    if (!scratch.reserve(bytes)) return out_of_memory(bytes);
    if (rows)
        if (Status status = rows->prepare(pieces); !status.ok()) return rows->finish(std::move(status));

    const auto run_strip = [&](int piece, std::int64_t strip, float* memory) -> Status {
        const std::int64_t row = strip * strip_rows, count = std::min(strip_rows, x.rows - row);
        NormAddition added;
        if (addition.residual.data) {
            added.residual = block_of(addition.residual, row, count, 0, k());
            added.sum = block_of(addition.sum, row, count, 0, k());
        }
        const MutableMatrixView normal =
            direct ? block_of(*y, row, count, 0, k()) : MutableMatrixView{memory, DataType::kF32, count, k(), k()};
        if (Status status = normalize(block_of(x, row, count, 0, k()), added, normal); !status.ok()) return status;
        if (y && !direct) {
            const Status status =
                Epilogue{}.run(*conversions[index_of(y->type)], as_const(normal), {}, block_of(*y, row, count, 0, k()));
            if (!status.ok()) return status;
        }
        if (!rows) return {};
        return rows->pack_panels(as_const(normal), row / panel_m, (count + panel_m - 1) / panel_m, piece);
    };
    FirstError error;
    auto* floats = reinterpret_cast<float*>(scratch.data());
    Status status = error.take(parallel_pieces(strips, pieces, [&](int piece, std::int64_t begin, std::int64_t end) {
        for (std::int64_t strip = begin; strip < end; strip++) {
            float* memory = direct ? nullptr : floats + piece * strip_rows * k();
            if (Status result = run_strip(piece, strip, memory); !result.ok()) return error.keep(std::move(result));
        }
        return 0;
    }));
    return rows ? rows->finish(std::move(status)) : status;
}

Norm::Norm(std::unique_ptr<State> state) : state_(std::move(state)) {}
Norm::~Norm() = default;
Norm::Norm(Norm&&) noexcept = default;
Norm& Norm::operator=(Norm&&) noexcept = default;

Status Norm::run(const MatrixView& x, const MutableMatrixView& y, Workspace& workspace,
                 const NormAddition& addition) const {
    return state_->run(x, &y, nullptr, workspace, addition);
}

Status Norm::run(const MatrixView& x, const Linear& consumer, PackedRows& rows, Workspace& workspace,
                 const NormAddition& addition) const {
    if (consumer.k() != k())
        return invalid(fmt::format("norm over {} features before a layer of {}", k(), consumer.k()));
    return state_->run(x, nullptr, &consumer.make_ready(rows), workspace, addition);
}

Status Norm::run(const MatrixView& x, const MutableMatrixView& y, const Linear& consumer, PackedRows& rows,
                 Workspace& workspace, const NormAddition& addition) const {
    if (consumer.k() != k())
        return invalid(fmt::format("norm over {} features before a layer of {}", k(), consumer.k()));
    return state_->run(x, &y, &consumer.make_ready(rows), workspace, addition);
}

std::int64_t Norm::k() const {
    return state_->k();
}
NormKind Norm::kind() const {
    return state_->kind;
}

}  // namespace octile
