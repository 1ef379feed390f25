#include "select_mmla.h"

#include <optional>
#include <utility>
#include <vector>

namespace octile::generators {

using namespace Halide;
using namespace Halide::Internal;

namespace {

constexpr int kCellResults = 4;  // int32 results of one smmla
constexpr int kCellDepth = 8;    // products in each
constexpr int kCellBytes = 16;   // of either operand

// A vector and, for each lane of an expression, the lane of that vector it reads.
struct Lanes {
    Expr vector;
    std::vector<int> index;
};

// Sees through shuffles of one vector.
Lanes flatten(const Expr& e) {
    const auto* shuffle = e.as<Shuffle>();
    if (shuffle && shuffle->vectors.size() == 1) {
        Lanes inner = flatten(shuffle->vectors[0]);
        std::vector<int> index;
        for (int lane : shuffle->indices)
            index.push_back(inner.index[lane]);
        return {inner.vector, index};
    }
    std::vector<int> identity(e.type().lanes());
    for (int lane = 0; lane < e.type().lanes(); lane++)
        identity[lane] = lane;
    return {e, identity};
}

template <typename Source>
bool reads(const Lanes& lanes, Source source) {
    for (int lane = 0; lane < (int)lanes.index.size(); lane++) {
        if (lanes.index[lane] != source(lane)) return false;
    }
    return true;
}

// Lane of the packed operand that product `lane` reads; each segment of 128 bits makes 32 products of 16 bytes by 16
// bytes.
constexpr int kCellProducts = kCellResults * kCellDepth;
int column_lane(int lane) {
    return lane / kCellProducts * kCellBytes + lane % kCellBytes;
}
// The same two rows in every segment.
int row_lane(int lane) {
    return lane % kCellProducts / kCellBytes * kCellDepth + lane % kCellDepth;
}

bool is_int8_product(const VectorReduce* op) {
    const Cast* wide = op->value.as<Cast>();
    const Call* product = wide ? Call::as_intrinsic(wide->value, {Call::widening_mul}) : nullptr;
    return op->op == VectorReduce::Add && product && product->args[0].type().element_of() == Int(8) &&
           product->args[1].type().element_of() == Int(8);
}

// The same load with another number of lanes; undefined if `vector` is not a dense load.
Expr load_lanes(const Expr& vector, int lanes) {
    const Load* load = vector.as<Load>();
    const Ramp* ramp = load ? load->index.as<Ramp>() : nullptr;
    if (!ramp || !is_const_one(ramp->stride)) return Expr();
    return Load::make(load->type.with_lanes(lanes), load->name, Ramp::make(ramp->base, 1, lanes), load->image,
                      load->param, const_true(lanes), ModulusRemainder());
}

// rows, columns of a reduction that is made of cells.
std::optional<std::pair<Expr, Expr>> match_cells(const VectorReduce* op) {
    const int results = op->type.lanes();
    const Cast* wide = op->value.as<Cast>();
    if (results % kCellResults || wide->type.lanes() != kCellDepth * results) return std::nullopt;
    const Call* product = Call::as_intrinsic(wide->value, {Call::widening_mul});
    Lanes a = flatten(product->args[0]), b = flatten(product->args[1]);
    if (reads(a, column_lane) && reads(b, row_lane)) std::swap(a, b);
    if (!reads(a, row_lane) || !reads(b, column_lane)) return std::nullopt;
    const int segments = results / kCellResults;
    if (segments == 1) return std::pair(a.vector, b.vector);
    // The other carrier: 16 bytes per segment from the place of the first 16.
    const Expr rows = load_lanes(a.vector, segments * kCellBytes);
    if (!rows.defined()) return std::nullopt;
    return std::pair(rows, b.vector);
}

}  // namespace

Expr SelectMmla::visit(const VectorReduce* op) {
    if (!is_int8_product(op)) return IRMutator::visit(op);
    const auto cells = match_cells(op);
    if (!cells) throw CompileError("an int8 product was left unmatched: it is not made of 2x2x8 cells");
    const int results = op->type.lanes(), bytes = kCellBytes / kCellResults * results;
    cells_ += results / kCellResults;
    Expr rows = reinterpret(UInt(8, bytes), cells->first), columns = reinterpret(UInt(8, bytes), cells->second);
    return VectorReduce::make(VectorReduce::Add, cast(Int(32, bytes), widening_mul(rows, columns)), results);
}

Expr SelectPairs::visit(const Shuffle* op) {
    const int lanes = op->type.lanes();
    if (!op->is_interleave() || op->vectors.size() != 2 || lanes % kCellResults) return IRMutator::visit(op);
    const Load *even = op->vectors[0].as<Load>(), *odd = op->vectors[1].as<Load>();
    if (!even || !odd || even->name != odd->name) return IRMutator::visit(op);
    const Ramp *even_at = even->index.as<Ramp>(), *odd_at = odd->index.as<Ramp>();
    if (!even_at || !odd_at || !is_const(even_at->stride, kCellResults) || !is_const(odd_at->stride, kCellResults))
        return IRMutator::visit(op);
    const auto base = as_const_int(even_at->base), next = as_const_int(odd_at->base);
    if (!base || !next || *next != *base + 1 || *base % 2) return IRMutator::visit(op);

    // One of the two rows of the cells in two registers: every other pair of neighbours.
    const int cells = (int)(*base / kCellResults * kCellResults), row = (int)*base - cells;
    const auto load_cells = [&](int at) {
        return Load::make(even->type.with_lanes(lanes), even->name, Ramp::make(at, 1, lanes), even->image, even->param,
                          const_true(lanes), ModulusRemainder());
    };
    const auto pairs = [&](const Expr& e) { return reinterpret(Int(64, lanes / 2), e); };
    const Expr both = Shuffle::make_concat({pairs(load_cells(cells)), pairs(load_cells(cells + lanes))});
    return reinterpret(op->type, Shuffle::make_slice(both, row / 2, 2, lanes / 2));
}

void add_mmla_selection(Pipeline pipeline) {
    pipeline.add_custom_lowering_pass(new SelectMmla);
    pipeline.add_custom_lowering_pass(new SelectPairs);
}

}  // namespace octile::generators
