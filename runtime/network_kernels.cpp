#include "runtime/network_kernels.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/epilogue.h"
#include "runtime/matrix.h"
#include "runtime/parallel.h"

namespace octile {
namespace {

constexpr std::array kTableTypes = {DataType::kF32, DataType::kF16, DataType::kBF16};

// Runs body(first row, rows), which takes `operations` for each element, in pieces of the rows.
template <typename Body>
Status in_pieces(const MutableMatrixView& y, double operations, Body&& body) {
    if (y.rows == 0) return {};
    FirstError error;
    const int pieces = piece_count(y.rows, operations * static_cast<double>(y.rows) * static_cast<double>(y.columns));
    return error.take(parallel_pieces(y.rows, pieces, [&](int, std::int64_t begin, std::int64_t end) {
        Status status = body(begin, end - begin);
        return status.ok() ? 0 : error.keep(std::move(status));
    }));
}

// Of an activation, in instructions of one lane.
double operations_of(Activation activation) {
    return activation == Activation::kNone ? 2 : 24;
}

Status combine(const Kernel& kernel, Activation activation, const MatrixView& z, const MatrixView& other,
               const MutableMatrixView& y) {
    Epilogue epilogue;
    epilogue.activation = activation;
    return in_pieces(y, operations_of(activation), [&](std::int64_t row, std::int64_t rows) {
        const MatrixView second = other.data ? block_of(other, row, rows, 0, y.columns) : MatrixView{};
        return epilogue.run(kernel, block_of(z, row, rows, 0, y.columns), second, block_of(y, row, rows, 0, y.columns));
    });
}

}  // namespace

Result<NetworkKernels> NetworkKernels::find(IsaSet isas) {
    NetworkKernels found;
    bool complete = true;
    const auto one = [&](KernelFamily family, auto matches) {
        const Kernel* kernel =
            find_kernel(isas, [&](const KernelInfo& info) { return info.family == family && matches(info); });
        complete = complete && kernel;
        return kernel;
    };
    const auto any = [](const KernelInfo&) { return true; };
    for (const Combine combine : {Combine::kNone, Combine::kResidual, Combine::kGate}) {
        found.epilogue[static_cast<std::size_t>(combine)] = one(KernelFamily::kEpilogue, [&](const KernelInfo& info) {
            return info.output == DataType::kF32 && info.combine == combine;
        });
    }
    for (std::size_t type = 0; type < kTableTypes.size(); type++) {
        for (const Combine combine : {Combine::kNone, Combine::kResidual}) {
            found.embedding[static_cast<std::size_t>(combine)][type] =
                one(KernelFamily::kEmbedding,
                    [&](const KernelInfo& info) { return info.input == kTableTypes[type] && info.combine == combine; });
        }
    }
    found.mean_pool = one(KernelFamily::kMeanPool, any);
    found.normalize = one(KernelFamily::kNormalize, any);
    found.split_heads = one(KernelFamily::kSplitHeads, any);
    found.rotary = one(KernelFamily::kRotary, any);
    for (const auto& [kernels, combine] :
         {std::pair(&found.attention, Combine::kNone), {&found.biased_attention, Combine::kResidual}}) {
        const auto matches = [combine = combine](const KernelInfo& info) { return info.combine == combine; };
        const Kernel* best = one(KernelFamily::kAttention, matches);
        for (const Kernel& kernel : kernel_table()) {
            const KernelInfo& info = kernel.info;
            if (best && info.family == KernelFamily::kAttention && info.isa == best->info.isa && matches(info))
                kernels->push_back(&kernel);
        }
        std::sort(kernels->begin(), kernels->end(),
                  [](const Kernel* a, const Kernel* b) { return a->info.tile_m > b->info.tile_m; });
    }
    if (complete) return found;
    return Status(StatusCode::kUnsupported, fmt::format("no kernels for a network on ISA levels: {}", to_string(isas)));
}

Status activate_and_add(const NetworkKernels& kernels, Activation activation, const MatrixView& x,
                        const MatrixView& other, const MutableMatrixView& y) {
    return combine(*kernels.epilogue[other.data ? 1 : 0], activation, x, other, y);
}

Status multiply_by_gate(const NetworkKernels& kernels, Activation activation, const MatrixView& gate,
                        const MatrixView& up, const MutableMatrixView& y) {
    return combine(*kernels.epilogue[2], activation, up, gate, y);
}

Status embed_rows(const NetworkKernels& kernels, const MatrixView& table, std::span<const std::int32_t> index, bool add,
                  const MutableMatrixView& y) {
    const auto type = std::find(kTableTypes.begin(), kTableTypes.end(), table.type) - kTableTypes.begin();
    const Kernel& kernel = *kernels.embedding[add][static_cast<std::size_t>(type)];
    return in_pieces(y, 4, [&](std::int64_t row, std::int64_t rows) {
        HalideBuffer source = matrix_buffer(table), target = matrix_buffer(block_of(y, row, rows, 0, y.columns));
        HalideBuffer indices(index.data() + row, kInt32, {rows});
        if (!add) return call_kernel(kernel, {source, indices, target});
        HalideBuffer sum = matrix_buffer(block_of(y, row, rows, 0, y.columns));
        return call_kernel(kernel, {source, indices, sum, target});
    });
}

Status mean_of_rows(const NetworkKernels& kernels, const MatrixView& x, float* y) {
    HalideBuffer source = matrix_buffer(x), target(y, kFloat32, {x.columns});
    return call_kernel(*kernels.mean_pool, {source, target});
}

Status normalize_rows(const NetworkKernels& kernels, const MatrixView& x, float epsilon, const MutableMatrixView& y) {
    return in_pieces(y, 8, [&](std::int64_t row, std::int64_t rows) {
        HalideBuffer source = matrix_buffer(block_of(x, row, rows, 0, x.columns)),
                     target = matrix_buffer(block_of(y, row, rows, 0, y.columns));
        return call_kernel(*kernels.normalize, {source, epsilon, target});
    });
}

}  // namespace octile
