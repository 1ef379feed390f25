// What the forms of the int8 GEMM have in common: their arguments, and what becomes of the sums.
//
//   y[n, m] = f32(sum_k (a[m, k] - zero_point[m]) * b[n, k]) * (row_scale[m] * column_scale[n]) + bias[n]
//
// lhs [k_block, panel_m, K / k_block, M / tile_m]   rows of the activations; element type `lhs_type`. Of each panel's
//                                                   rows the first tile_m are read
// rhs [k_block, panel_n, K / k_block, N / panel_n]  columns of the weights, int8
// column_sum [N]                                    int32, sums of the columns of rhs over k
// zero_point [tile_m, M / tile_m]                   int32, only with `asymmetric`
// row_scale [tile_m, M / tile_m], column_scale [N], bias [N]   f32
// y   [N, tile_m, M / tile_m]                       f32; N is a multiple of the tile, and so is M: its rows are split
//                                                   in two dimensions, which spares the kernel a multiplication per row
//
// What follows the bias (activation, residual, gate, other output types) is the epilogue's: epilogue_generator.cpp.
//
// All K of both panels are zero-padded to k_block. A tile of tile_m rows by `panels` adjacent column panels stays in
// registers for the whole reduction.
#pragma once

#include "Halide.h"
#include "panels.h"

namespace octile::generators {

template <typename Form>
class GemmS8Form : public Halide::Generator<Form> {
  public:
    template <typename T>
    using Param = Halide::GeneratorParam<T>;
    template <typename T, int dimensions>
    using InputBuffer = Halide::GeneratorInput<Halide::Buffer<T, dimensions>>;

    Param<int> tile_m{"tile_m", 8};
    Param<int> panel_m{"panel_m", 8};
    Param<int> panel_n{"panel_n", 12};
    Param<int> panels{"panels", 1};
    // The kernel is for one tile of rows, as are all but the tallest: knowing that saves its loop.
    Param<bool> single_tile{"single_tile", false};
    Param<int> k_block{"k_block", 4};
    Param<Halide::Type> lhs_type{"lhs_type", Halide::Int(8)};
    Param<bool> asymmetric{"asymmetric", false};
    Param<Order> order{"order", Order::kColumns, kOrders};

    InputBuffer<void, 4> lhs_{"lhs"};
    InputBuffer<std::int8_t, 4> rhs_{"rhs"};
    InputBuffer<float, 2> row_scale_{"row_scale"};
    InputBuffer<float, 1> column_scale_{"column_scale"};
    InputBuffer<float, 1> bias_{"bias"};
    InputBuffer<std::int32_t, 1> column_sum_{"column_sum"};
    InputBuffer<std::int32_t, 2>* zero_point_ = nullptr;
    Halide::GeneratorOutput<Halide::Buffer<float, 3>> y_{"y"};

    void configure() {
        lhs_.set_type(lhs_type);
        if (asymmetric) zero_point_ = this->template add_input<Halide::Buffer<std::int32_t, 2>>("zero_point");
    }

  protected:
    int tile_n() const { return (int)panels * (int)panel_n; }

    // What the products hold in excess of each element of a column, in this row: an unsigned left-hand side holds its
    // elements + 128.
    Halide::Expr surplus(const Halide::Expr& row) {
        Halide::Expr excess = Halide::cast<std::int32_t>(lhs_.type().is_uint() ? 128 : 0);
        return asymmetric ? excess + (*zero_point_)(row, mo) : excess;
    }

    void define_output(const Halide::Expr& sum) {
        row_scales(mi, mo) = row_scale_(mi, mo);
        y_(n, mi, mo) =
            Halide::strict_float(Halide::cast<float>(sum) * (row_scales(mi, mo) * column_scale_(n)) + bias_(n));
    }

    // y cut into tiles, `lanes` columns to a vector. Leaves the columns of a tile for the form to arrange.
    Halide::Func schedule_output() {
        Halide::Func out = y_;
        tile_output(out, tile(), order);
        row_scales.compute_at(out, each_tile()).store_in(Halide::MemoryType::Register).bound_extent(mi, tile_m);
        constrain_panel(lhs_, k_block, panel_m);
        constrain_panel(rhs_, k_block, panel_n);
        for (auto* vector : {&column_scale_, &bias_})
            vector->dim(0).set_min(0);
        column_sum_.dim(0).set_min(0);
        row_scale_.dim(0).set_bounds(0, tile_m);
        row_scale_.dim(1).set_min(0).set_stride(tile_m);
        if (asymmetric) {
            zero_point_->dim(0).set_bounds(0, tile_m);
            zero_point_->dim(1).set_min(0).set_stride(tile_m);
        }
        constrain_output(y_, tile_m, single_tile);
        return out;
    }

    // The variable of the loop in which one tile is computed.
    Halide::Var each_tile() const { return tile().each(order); }

    Halide::Var mi{"mi"}, n{"n"}, mo{"mo"}, no{"no"};
    Halide::Func row_scales{"row_scales"};

  private:
    OutputTile tile() const { return {n, mi, mo, no, tile_m, tile_n()}; }
};

}  // namespace octile::generators
