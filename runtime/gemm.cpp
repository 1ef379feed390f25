#include "runtime/gemm.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "octile/parallel.h"
#include "runtime/cache_sizes.h"
#include "runtime/parallel.h"

namespace octile {
namespace {

// Rows and columns of y, or of what is multiplied for it.
struct Block {
    std::int64_t row, rows, column, columns;
};

// Memory of one piece of the work.
struct Scratch {
    float* strip;        // what lies between GEMM and epilogue
    std::byte* panels;   // of int4 weights: a block of columns, unpacked, matrix by matrix
    std::int64_t first;  // the block's first column, and how many it has
    std::int64_t columns;
};

// What lies between GEMM and epilogue stays in the first level.
constexpr std::int64_t kStripRows = 32, kStripFloats = 4096;

// Columns of int4 weights that are unpacked at once: they stay in half of the second level, where rows meet them.
std::int64_t unpacked_columns(const PackedWeights& weights) {
    const std::int64_t unit = weights.column_unit(), column_bytes = weights.matrices * weights.int4_panels().padded_k();
    const std::int64_t fit = cache_sizes().level2 / 2 / column_bytes / unit * unit;
    return std::clamp(fit, unit, weights.padded_n());
}

std::int64_t unpacked_bytes(const PackedWeights& weights, std::int64_t columns) {
    return weights.int4 ? weights.matrices * columns * weights.int4_panels().padded_k() : 0;
}

class Gemm {
  public:
    Gemm(const PackedRows::State& rows, const PackedWeights& weights, const Epilogue& epilogue,
         const MutableMatrixView& y)
        : rows_(rows),
          weights_(weights),
          kernels_(*weights.kernels),
          gemm_(kernels_.gemm(rows.levels(), weights.size())),
          epilogue_(epilogue),
          y_(y) {
        const Combine combine = weights.matrices == 2    ? Combine::kGate
                                : epilogue.residual.data ? Combine::kResidual
                                                         : Combine::kNone;
        unit_ = column_unit();
        epilogue_kernel_ = kernels_.epilogue(y.type, combine);
        direct_columns_ =
            weights.matrices == 1 && epilogue.is_identity(y.type) ? weights.n / unit_ * unit_ : std::int64_t{0};
        choose_blocks();
    }

    Status check() const {
        if (epilogue_kernel_) return {};
        return Status(StatusCode::kUnsupported, fmt::format("no kernel writes y of type {}", name_of(y_.type)));
    }

    // Bytes of scratch memory per piece.
    std::int64_t scratch_bytes() const { return strip_bytes() + unpacked_bytes(weights_, block_columns_); }

    // Work is cut into groups of rows, and each of those into units of columns.
    std::int64_t units() const { return row_groups() * column_units(); }

    // Units [begin, end).
    Status run(std::int64_t begin, std::int64_t end, std::byte* memory) const {
        Scratch scratch{reinterpret_cast<float*>(memory), memory + strip_bytes(), 0, 0};
        for (std::int64_t at = begin; at < end;) {
            const std::int64_t group = at / column_units(), next = std::min(end, (group + 1) * column_units());
            const Block task{group * task_rows_, std::min(task_rows_, rows_.rows - group * task_rows_),
                             (at - group * column_units()) * unit_, (next - at) * unit_};
            if (Status status = run_task(task, scratch); !status.ok()) return status;
            at = next;
        }
        return {};
    }

  private:
    std::int64_t strip_bytes() const {
        if (direct_columns_ == weights_.n) return 0;
        // Fewer rows have wider strips; they must not need more than many rows did.
        const std::int64_t floats = std::max(kStripFloats, weights_.matrices * strip_rows_ * strip_columns_);
        return round_up(floats * static_cast<std::int64_t>(sizeof(float)), AlignedBuffer::kAlignment);
    }

    std::int64_t column_units() const { return (weights_.n + unit_ - 1) / unit_; }
    std::int64_t row_groups() const { return (rows_.rows + task_rows_ - 1) / task_rows_; }

    Status run_task(const Block& task, Scratch& scratch) const {
        for (std::int64_t column = task.column; column < task.column + task.columns; column += block_columns_) {
            const std::int64_t columns = std::min(block_columns_, task.column + task.columns - column);
            if (weights_.int4)
                if (Status status = unpack(column, columns, scratch); !status.ok()) return status;
            for (std::int64_t row = task.row; row < task.row + task.rows; row += block_rows_) {
                const Block block{row, std::min(block_rows_, task.row + task.rows - row), column, columns};
                if (Status status = run_block(block, scratch); !status.ok()) return status;
            }
        }
        return {};
    }

    // Columns [column, column + columns) of all matrices. Of those beyond the last panel, levels are 0.
    Status unpack(std::int64_t column, std::int64_t columns, Scratch& scratch) const {
        const Int4Panels panels = weights_.int4_panels();
        const std::int64_t first = column / panels.pair_columns(), wanted = columns / panels.pair_columns();
        const std::int64_t present = std::min(wanted, panels.pairs() - first), bytes = columns * panels.padded_k();
        for (int matrix = 0; matrix < weights_.matrices; matrix++) {
            std::byte* target = scratch.panels + matrix * bytes;
            if (Status status = weights_.unpack(matrix, first, present, target); !status.ok()) return status;
            const std::int64_t filled = present * panels.pair_columns() * panels.padded_k();
            std::fill(target + filled, target + bytes, std::byte{0});
        }
        scratch.first = column;
        scratch.columns = columns;
        return {};
    }

    // Panels of weights from `column` of all matrices' columns on.
    HalideBuffer panels_from(std::int64_t column, std::int64_t columns, const Scratch& scratch) const {
        const std::int64_t panel_n = kernels_.panel_n(), count = columns / panel_n;
        if (!weights_.int4) return weights_.panel_buffer(column / panel_n, count);
        const std::int64_t k_block = kernels_.k_block(), stored_k = weights_.int4_panels().padded_k();
        const std::int64_t matrix = column / weights_.padded_n(), of_matrix = column % weights_.padded_n();
        const std::byte* data = scratch.panels + (matrix * scratch.columns + of_matrix - scratch.first) * stored_k;
        return HalideBuffer(
            data, halide_type_of(Element::kS8),
            std::initializer_list<HalideBuffer::Dimension>{{k_block, 1},
                                                           {panel_n, k_block},
                                                           {weights_.padded_k() / k_block, k_block * panel_n},
                                                           {count, panel_n * stored_k}});
    }

    Status run_block(const Block& task, const Scratch& scratch) const {
        const std::int64_t row = task.row, first = task.column, last = first + task.columns;
        const std::int64_t direct = std::min(last, direct_columns_);
        if (first < direct) {
            const Block block{row, task.rows, first, direct - first};
            auto* y = static_cast<float*>(y_.data) + row * y_.row_stride + first;
            if (Status status = multiply(block, first, y, y_.row_stride, scratch); !status.ok()) return status;
        }
        if (overlaps(first, last)) {
            // The last tile, moved back to end where y does: what it computes again has the same bits.
            const Block block{row, task.rows, weights_.n - unit_, unit_};
            auto* y = static_cast<float*>(y_.data) + row * y_.row_stride + block.column;
            return multiply(block, block.column, y, y_.row_stride, scratch);
        }
        for (std::int64_t column = std::max(first, direct); column < last; column += strip_columns_) {
            const Block strip{row, task.rows, column, std::min(strip_columns_, last - column)};
            if (Status status = run_strip(strip, scratch); !status.ok()) return status;
        }
        return {};
    }

    // Whether these columns end with those of y, in a whole panel, and hold two tiles at least, all for the GEMM to
    // write.
    bool overlaps(std::int64_t first, std::int64_t last) const {
        // Of int4 weights that tile's columns need not be unpacked.
        return !weights_.int4 && direct_columns_ > 0 && last > weights_.n && weights_.n % kernels_.panel_n() == 0 &&
               last - first >= 2 * unit_;
    }
    // The kernel for what is left of `rows` behind whole panels; null if nothing is.
    const Kernel* rest_kernel(std::int64_t rows) const {
        const std::int64_t rest = rows % rows_.panel_m();
        return rest == 0 ? nullptr : gemm_.wide[static_cast<std::size_t>(rest - 1)];
    }
    // Columns that every kernel of this call divides.
    std::int64_t column_unit() const {
        if (weights_.int4) return weights_.column_unit();
        if (rows_.single_row) return gemm_.row->info.tile_n;
        const Kernel* rest = rest_kernel(rows_.rows);
        return std::max(gemm_.wide.back()->info.tile_n, rest ? rest->info.tile_n : 1);
    }

    // How often to cut the rows among threads. A thread that multiplies the rows that it has quantized takes nothing of
    // x out of another one's cache, where each has room for the weights.
    std::int64_t row_tasks() const {
        constexpr std::int64_t kFewestRows = 32;  // too few would read the weights too often
        if (weights_.size() == WeightSize::kLarge) return 1;
        return std::clamp<std::int64_t>(rows_.rows / kFewestRows, 1, threads());
    }

    void choose_blocks() {
        const std::int64_t panel_m = rows_.panel_m();
        const std::int64_t row_bytes = rows_.padded_k() * size_of(kernels_.element());
        // Half of the second level for the activations: the weights pass through the rest.
        const KernelInfo& blocking = gemm_.tallest();
        const auto whole = [](std::int64_t wanted, std::int64_t of) {
            return std::max<std::int64_t>(1, wanted / of) * of;
        };
        block_rows_ =
            whole(blocking.block_rows > 0 ? blocking.block_rows : cache_sizes().level2 / 2 / row_bytes, panel_m);
        block_columns_ = whole(blocking.block_columns > 0 ? blocking.block_columns : weights_.padded_n(), unit_);
        if (weights_.int4) block_columns_ = std::min(block_columns_, unpacked_columns(weights_));
        task_rows_ = blocking.task_rows > 0 ? whole(blocking.task_rows, panel_m)
                                            : round_up((rows_.rows + row_tasks() - 1) / row_tasks(), panel_m);
        strip_rows_ = std::min({round_up(kStripRows, panel_m), block_rows_, round_up(rows_.rows, panel_m)});
        const std::int64_t fit = kStripFloats / (strip_rows_ * weights_.matrices) / unit_ * unit_;
        strip_columns_ = std::min(std::max<std::int64_t>(fit, unit_), round_up(weights_.n, unit_));
    }

    Status run_strip(const Block& strip, const Scratch& scratch) const {
        const std::int64_t columns = std::min(strip.columns, weights_.n - strip.column);
        for (std::int64_t at = 0; at < strip.rows; at += strip_rows_) {
            const std::int64_t row = strip.row + at, count = std::min(strip_rows_, strip.rows - at);
            const Block part{row, count, strip.column, strip.columns};
            for (int matrix = 0; matrix < weights_.matrices; matrix++) {
                float* z = scratch.strip + matrix * strip_rows_ * strip_columns_;
                const std::int64_t column = strip.column + matrix * weights_.padded_n();
                if (Status status = multiply(part, column, z, strip_columns_, scratch); !status.ok()) return status;
            }
            const MatrixView first{scratch.strip, DataType::kF32, count, columns, strip_columns_};
            MatrixView z = first, other{};
            if (weights_.matrices == 2) {
                z.data = scratch.strip + strip_rows_ * strip_columns_;
                other = first;
            } else if (epilogue_.residual.data) {
                other = block_of(epilogue_.residual, row, count, strip.column, columns);
            }
            const MutableMatrixView y = block_of(y_, row, count, strip.column, columns);
            if (Status status = epilogue_.run(*epilogue_kernel_, z, other, y); !status.ok()) return status;
        }
        return {};
    }

    // The block's rows times columns [column, column + block.columns) of all matrices. The first row starts a panel;
    // the last panel of x may be a partial one, which has a kernel for every number of rows.
    Status multiply(const Block& block, std::int64_t column, float* y, std::int64_t stride,
                    const Scratch& scratch) const {
        if (rows_.single_row) return call(*gemm_.row, block.row, 1, column, block.columns, y, stride, scratch);
        const std::int64_t panel_m = rows_.panel_m(), whole = block.rows / panel_m;
        if (whole > 0) {
            if (Status status = call(*gemm_.wide.back(), block.row, whole, column, block.columns, y, stride, scratch);
                !status.ok())
                return status;
        }
        const Kernel* rest = rest_kernel(block.rows);
        if (!rest) return {};
        return call(*rest, block.row + whole * panel_m, 1, column, block.columns, y + whole * panel_m * stride, stride,
                    scratch);
    }

    // `tiles` tiles of the kernel's height from `row` on.
    Status call(const Kernel& kernel, std::int64_t row, std::int64_t tiles, std::int64_t column, std::int64_t columns,
                float* y, std::int64_t stride, const Scratch& scratch) const {
        const std::int64_t tile_m = kernel.info.tile_m;
        HalideBuffer lhs = rows_.panel_buffer(row / rows_.panel_m(), tiles);
        HalideBuffer rhs = panels_from(column, columns, scratch);
        HalideBuffer bias(weights_.bias.data() + column * 4, kFloat32, {columns});
        HalideBuffer target(y, kFloat32,
                            std::initializer_list<HalideBuffer::Dimension>{
                                {columns, 1}, {tile_m, stride}, {tiles, tiles > 1 ? tile_m * stride : 0}});
        if (kernels_.precision() == Precision::kFp16) return call_kernel(kernel, {lhs, rhs, bias, target});
        HalideBuffer row_scale(rows_.scale + row, kFloat32, {tile_m, tiles});
        HalideBuffer column_scale(weights_.column_scale.data() + column * 4, kFloat32, {columns});
        HalideBuffer column_sum(weights_.column_sum.data() + column * 4, kInt32, {columns});
        if (kernel.info.scaling != Scaling::kAsymmetric)
            return call_kernel(kernel, {lhs, rhs, row_scale, column_scale, bias, column_sum, target});
        HalideBuffer zero_point(rows_.zero_point + row, kInt32, {tile_m, tiles});
        return call_kernel(kernel, {lhs, rhs, row_scale, column_scale, bias, column_sum, zero_point, target});
    }

    const PackedRows::State& rows_;
    const PackedWeights& weights_;
    const LevelKernels& kernels_;
    const GemmKernels& gemm_;
    const Epilogue& epilogue_;
    const MutableMatrixView& y_;
    const Kernel* epilogue_kernel_ = nullptr;
    std::int64_t unit_ = 1;
    std::int64_t direct_columns_ = 0;  // from 0 on: what the GEMM may write to y itself
    std::int64_t task_rows_ = 0, block_rows_ = 0, block_columns_ = 0, strip_rows_ = 0, strip_columns_ = 0;
};

}  // namespace

Status run_gemm(const PackedRows::State& rows, const PackedWeights& weights, const Epilogue& epilogue,
                const MutableMatrixView& y, AlignedBuffer& scratch) {
    const Gemm gemm(rows, weights, epilogue, y);
    if (Status status = gemm.check(); !status.ok()) return status;
    const double operations =
        static_cast<double>(rows.rows) * static_cast<double>(weights.k) * static_cast<double>(weights.padded_n());
    const int pieces = piece_count(gemm.units(), operations * weights.matrices);
    const auto bytes = static_cast<std::size_t>(gemm.scratch_bytes() * pieces);
    if (!scratch.reserve(bytes)) return out_of_memory(bytes);
    FirstError error;
    const int code = parallel_pieces(gemm.units(), pieces, [&](int piece, std::int64_t begin, std::int64_t end) {
        Status status = gemm.run(begin, end, scratch.data() + piece * gemm.scratch_bytes());
        return status.ok() ? 0 : error.keep(std::move(status));
    });
    return error.take(code);
}

std::int64_t gemm_scratch_bytes(const PackedWeights& weights) {
    const LevelKernels& kernels = *weights.kernels;
    const std::int64_t rows = round_up(kStripRows, kernels.panel_m(false));
    // A strip that does not fit is one unit of columns wide.
    const std::int64_t floats = std::max(kStripFloats, weights.matrices * rows * weights.column_unit());
    const std::int64_t unpacked = weights.int4 ? unpacked_bytes(weights, unpacked_columns(weights)) : 0;
    return round_up(floats * static_cast<std::int64_t>(sizeof(float)), AlignedBuffer::kAlignment) + unpacked;
}

}  // namespace octile
