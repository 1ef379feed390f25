// What running a Linear refuses: the code and the words of every message, and that a refused call leaves y alone.
#include <sys/mman.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "octile/layer.h"
#include "octile/linear.h"
#include "tests/runtime/errors.h"
#include "tests/support/levels.h"

namespace octile::test {
namespace {

TEST_CASE("run: more elements than an int32 can index") {
    const float value = 1;
    for (const Precision precision : kPrecisions) {
        const Linear linear = pack(6, 5, precision);
        Workspace workspace;
        TypedMatrix y(DataType::kF32, 1, 5);
        MutableMatrixView tall = y.mutable_view();
        tall.rows = kMaxExtent;
        require_error(linear.run({&value, DataType::kF32, kMaxExtent, 6, 6}, tall, workspace),
                      StatusCode::kInvalidArgument, {"y", "2147483647 elements"});
        PackedRows rows;
        require_error(linear.pack_rows({&value, DataType::kF32, kMaxExtent, 6, 6}, rows), StatusCode::kInvalidArgument,
                      {"x", "2147483647 elements"});
        // As given it would fit, but not with K padded.
        tall.rows = kMaxExtent / 8;
        require_error(linear.run({&value, DataType::kF32, tall.rows, 6, 6}, tall, workspace),
                      StatusCode::kInvalidArgument, {"x", "2147483647 elements"});
        CHECK(y.untouched());
    }
}

TEST_CASE("run: an int8 y needs to know what a level is worth") {
    for (const Precision precision : kPrecisions) {
        const Linear linear = pack(6, 5, precision);
        const TypedMatrix x = make_matrix(DataType::kF32, 4, 6);
        TypedMatrix y(DataType::kI8, 4, 5);
        Workspace workspace;
        for (const float scale : {0.0f, -1.0f, kNan, kInfinity, 0x1p-149f, 0x1p127f}) {
            require_error(linear.run(x.view(), y.mutable_view(), workspace, {.residual = {}, .output_scale = scale}),
                          StatusCode::kInvalidArgument, {"output scale", "y of type i8", "positive, normal"});
        }
        CHECK(y.untouched());
        CHECK(linear.run(x.view(), y.mutable_view(), workspace, {.residual = {}, .output_scale = 1}).ok());
    }
}

TEST_CASE("run: a residual that does not fit") {
    for (const Precision precision : kPrecisions) {
        const Linear linear = pack(6, 5, precision);
        const TypedMatrix x = make_matrix(DataType::kF32, 4, 6), right = make_matrix(DataType::kF32, 4, 5);
        TypedMatrix y(DataType::kF32, 4, 5);
        Workspace workspace;
        const auto refused = [&](const MatrixView& residual, const std::vector<std::string>& words) {
            require_error(linear.run(x.view(), y.mutable_view(), workspace, {.residual = residual}),
                          StatusCode::kInvalidArgument, words);
            CHECK(y.untouched());
        };
        refused(make_matrix(DataType::kF32, 3, 5).view(), {"residual [3, 5]", "expected [4, 5] of type f32"});
        refused(make_matrix(DataType::kF32, 4, 6).view(), {"residual [4, 6]", "expected [4, 5] of type f32"});
        refused(make_matrix(DataType::kF16, 4, 5).view(), {"residual", "of type f16", "of type f32"});
        MatrixView strided = right.view();
        strided.row_stride = 4;
        refused(strided, {"residual", "row stride 4"});
        TypedMatrix levels(DataType::kI8, 4, 5);
        require_error(
            linear.run(x.view(), levels.mutable_view(), workspace, {.residual = levels.view(), .output_scale = 1}),
            StatusCode::kInvalidArgument, {"residual", "of type i8", "of type f32"});
        CHECK(levels.untouched());
        CHECK(linear.run(x.view(), y.mutable_view(), workspace, {.residual = right.view()}).ok());

        const TypedMatrix w = make_matrix(DataType::kF32, 5, 6);
        const Result<Linear> gated =
            Linear::pack_gated(w.view(), {}, w.view(), {}, {.precision = precision}, supported_isas());
        REQUIRE(gated.ok());
        require_error(gated->run(x.view(), y.mutable_view(), workspace, {.residual = right.view()}),
                      StatusCode::kInvalidArgument, {"gated", "residual"});
    }
}

TEST_CASE("pack_rows and run: rows of another kind than the layer takes") {
    const TypedMatrix x = make_matrix(DataType::kF32, 4, 6), wide = make_matrix(DataType::kF32, 4, 7);
    const TypedMatrix w = make_matrix(DataType::kF32, 5, 6);
    const auto pack_with = [&](const LinearOptions& options, IsaSet isas = supported_isas()) {
        Result<Linear> linear = Linear::pack(w.view(), {}, options, isas);
        REQUIRE(linear.ok());
        return std::move(linear).value();
    };
    const Linear dynamic = pack_with({}), fp16 = pack_with({.precision = Precision::kFp16}),
                 asymmetric = pack_with({.input_scaling = InputScaling::kAsymmetric}),
                 fine = pack_with({.input_scaling = InputScaling::kStatic, .input_scale = 0.01f}),
                 coarse = pack_with({.input_scaling = InputScaling::kStatic, .input_scale = 0.02f}),
                 longer = pack(7, 5, Precision::kInt8);
    TypedMatrix y(DataType::kF32, 4, 5);
    Workspace workspace;
    const Linear* const layers[] = {&dynamic, &fp16, &asymmetric, &fine, &coarse, &longer};
    for (const Linear* from : layers) {
        PackedRows rows;
        REQUIRE(from->pack_rows(from == &longer ? wide.view() : x.view(), rows).ok());
        for (const Linear* to : layers) {
            REQUIRE(to->accepts(rows) == (from == to));
            if (from == to) continue;
            require_error(to->run(rows, y.mutable_view(), workspace), StatusCode::kInvalidArgument,
                          {"rows [4, ", "packed for another"});
            CHECK(y.untouched());
        }
    }
    const std::vector<Level> levels = levels_with(KernelFamily::kGemmS8);
    if (levels.size() > 1) {
        PackedRows rows;
        REQUIRE(pack_with({}, levels.front().isas).pack_rows(x.view(), rows).ok());
        CHECK_FALSE(pack_with({}, levels.back().isas).accepts(rows));
    }

    PackedRows rows;
    require_error(dynamic.run(rows, y.mutable_view(), workspace), StatusCode::kInvalidArgument, {"rows"});
    require_error(dynamic.pack_rows(wide.view(), rows), StatusCode::kInvalidArgument, {"x [4, 7]", "from 6 to 5"});
    MatrixView bytes = x.view();
    bytes.type = DataType::kI8;
    for (const Linear* layer : {&dynamic, &fp16, &asymmetric}) {
        require_error(layer->pack_rows(bytes, rows), StatusCode::kUnsupported,
                      {"x of type i8", "f32, f16, bf16", "static"});
    }
    REQUIRE(dynamic.pack_rows(x.view(), rows).ok());
    TypedMatrix tall(DataType::kF32, 5, 5);
    require_error(dynamic.run(rows, tall.mutable_view(), workspace), StatusCode::kInvalidArgument,
                  {"y [5, 5]", "4 rows"});
    CHECK(tall.untouched());
}

TEST_CASE("pack_rows: rows that cannot be quantized are no rows") {
    const TypedMatrix w = make_matrix(DataType::kF32, 5, 6), good = make_matrix(DataType::kF32, 4, 6);
    TypedMatrix bad = make_matrix(DataType::kF32, 4, 6), y(DataType::kF32, 4, 5);
    bad.set(2, 3, kNan);
    for (const InputScaling scaling : {InputScaling::kDynamic, InputScaling::kStatic, InputScaling::kAsymmetric}) {
        const Result<Linear> linear =
            Linear::pack(w.view(), {}, {.input_scaling = scaling, .input_scale = 0.1f}, supported_isas());
        REQUIRE(linear.ok());
        PackedRows rows;
        REQUIRE(linear->pack_rows(good.view(), rows).ok());
        require_error(linear->pack_rows(bad.view(), rows), StatusCode::kNonFinite, {"x", "row 2 "});
        CHECK(rows.rows() == 0);
        CHECK_FALSE(linear->accepts(rows));
        Workspace workspace;
        require_error(linear->run(rows, y.mutable_view(), workspace), StatusCode::kInvalidArgument, {"rows"});
        require_error(linear->run(bad.view(), y.mutable_view(), workspace), StatusCode::kNonFinite, {"x", "row 2 "});
        CHECK(y.untouched());
    }
}

TEST_CASE("run: shapes that do not fit") {
    for (const Precision precision : kPrecisions) {
        const Linear linear = pack(6, 5, precision);
        const TypedMatrix x_matrix = make_matrix(DataType::kF32, 4, 8);
        TypedMatrix y_matrix(DataType::kF32, 4, 8);
        Workspace workspace;
        const MatrixView x{x_matrix.view().data, DataType::kF32, 4, 6, 8};
        const MutableMatrixView y{y_matrix.mutable_view().data, DataType::kF32, 4, 5, 8};
        const auto with = [&](auto view, std::int64_t rows, std::int64_t columns, std::int64_t row_stride) {
            view.rows = rows;
            view.columns = columns;
            view.row_stride = row_stride;
            return view;
        };
        const auto refused = [&](const MatrixView& bad_x, const MutableMatrixView& bad_y,
                                 const std::vector<std::string>& words) {
            require_error(linear.run(bad_x, bad_y, workspace), StatusCode::kInvalidArgument, words);
            CHECK(y_matrix.untouched());
        };
        refused(with(x, 4, 7, 8), y, {"[4, 7]", "from 6 to 5"});
        refused(with(x, 4, 5, 8), y, {"[4, 5]", "from 6 to 5"});
        refused(with(x, 3, 6, 8), y, {"y [4, 5]", "3 rows"});
        refused(x, with(y, 4, 4, 8), {"[4, 4]", "from 6 to 5"});
        refused(x, with(y, 4, 6, 8), {"[4, 6]", "from 6 to 5"});
        refused(with(x, -4, 6, 8), with(y, -4, 5, 8), {"y", "[-4, 5]"});
        refused(with(x, kMaxExtent + 1, 6, 8), with(y, kMaxExtent + 1, 5, 8), {"y", "[2147483648, 5]"});
        refused(with(x, 4, 6, 5), y, {"x", "row stride 5"});
        refused(with(x, 4, 6, -8), y, {"x", "row stride -8"});
        refused(x, with(y, 4, 5, 4), {"y", "row stride 4"});
        refused(x, with(y, 4, 5, kMaxExtent + 1), {"y", "row stride 2147483648"});
        MatrixView x_null = x;
        x_null.data = nullptr;
        refused(x_null, y, {"x", "no data"});
        MutableMatrixView y_null = y;
        y_null.data = nullptr;
        refused(x, y_null, {"y", "no data"});
        MatrixView levels = x;
        levels.type = DataType::kI8;
        require_error(linear.run(levels, y, workspace), StatusCode::kUnsupported, {"x of type i8", "f32, f16, bf16"});
        CHECK(y_matrix.untouched());
        // And what it was all compared with is right.
        CHECK(linear.run(x, y, workspace).ok());
        CHECK_FALSE(y_matrix.untouched());
    }
}

TEST_CASE("run: no rows are no work, with or without memory") {
    for (const Precision precision : kPrecisions) {
        const Linear linear = pack(6, 5, precision);
        Workspace workspace;
        CHECK(linear.run({nullptr, DataType::kF32, 0, 6, 6}, {nullptr, DataType::kF16, 0, 5, 5}, workspace).ok());
        require_error(linear.run({nullptr, DataType::kF32, 0, 7, 7}, {nullptr, DataType::kF16, 0, 5, 5}, workspace),
                      StatusCode::kInvalidArgument, {"[0, 7]", "from 6 to 5"});
    }
}

TEST_CASE("run: INT8 names the first row that holds NaN or infinity, and writes nothing") {
    for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
        const Linear linear = pack(21, 5, Precision::kInt8, level.isas);
        Workspace workspace;
        for (const DataType in : kActivationTypes) {
            for (const DataType out : kActivationTypes) {
                for (const std::int64_t m : {1, 2, 30}) {
                    for (const float bad : {kNan, kInfinity, -kInfinity}) {
                        for (const std::int64_t row : {std::int64_t{0}, m / 2, m - 1}) {
                            TypedMatrix x = make_matrix(in, m, 21), y(out, m, 5);
                            x.set(row, 20, bad);
                            x.set(m - 1, 3, kNan);
                            require_error(linear.run(x.view(), y.mutable_view(), workspace), StatusCode::kNonFinite,
                                          {"x", "row " + std::to_string(row) + " "});
                            CHECK(y.untouched());
                        }
                    }
                }
            }
        }
    }
}

// Rows of one element far apart: only the pages that are touched are there.
class DistantRows {
  public:
    DistantRows(DataType type, std::int64_t rows, std::int64_t row_stride)
        : type_(type),
          rows_(rows),
          row_stride_(row_stride),
          bytes_(static_cast<std::size_t>((rows - 1) * row_stride + 1) * size_of(type)) {
        memory_ = static_cast<std::byte*>(
            ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        REQUIRE(memory_ != MAP_FAILED);
    }
    DistantRows(const DistantRows&) = delete;
    DistantRows& operator=(const DistantRows&) = delete;
    ~DistantRows() { ::munmap(memory_, bytes_); }

    void set(std::int64_t row, float value) {
        const std::uint32_t bits = encode(type_, value);
        std::memcpy(at(row), &bits, size_of(type_));
    }
    float get(std::int64_t row) const {
        std::uint32_t bits = 0;
        std::memcpy(&bits, at(row), size_of(type_));
        return decode(type_, bits);
    }
    MatrixView view() const { return {memory_, type_, rows_, 1, row_stride_}; }
    MutableMatrixView mutable_view() { return {memory_, type_, rows_, 1, row_stride_}; }

  private:
    std::byte* at(std::int64_t row) const {
        return memory_ + static_cast<std::size_t>(row * row_stride_) * size_of(type_);
    }

    DataType type_;
    std::int64_t rows_, row_stride_;
    std::size_t bytes_;
    std::byte* memory_ = nullptr;
};

TEST_CASE("run: rows as far apart as an int32 can say, and further") {
    for (const Precision precision : kPrecisions) {
        const TypedMatrix w(DataType::kF32, 1, 1, std::vector<float>{1.0f});
        const Result<Linear> linear = Linear::pack(w.view(), {}, {.precision = precision}, supported_isas());
        REQUIRE(linear.ok());
        Workspace workspace;
        for (const DataType type : kActivationTypes) {
            // Bytes between the rows do not fit an int32, and those of f32 no uint32 either.
            DistantRows x(type, 2, kMaxExtent / 2), y(type, 2, kMaxExtent / 2);
            x.set(0, 1.0f);
            x.set(1, -2.0f);
            const Status status = linear.value().run(x.view(), y.mutable_view(), workspace);
            INFO(status.message());
            REQUIRE(status.ok());
            CHECK(y.get(0) == Approx(1.0f).epsilon(1e-3));
            CHECK(y.get(1) == Approx(-2.0f).epsilon(1e-3));

            TypedMatrix near_y(type, 2, 1);
            require_error(linear.value().run(DistantRows(type, 2, kMaxExtent).view(), near_y.mutable_view(), workspace),
                          StatusCode::kInvalidArgument, {"x", "2147483647 elements"});
            CHECK(near_y.untouched());
        }
    }
}

}  // namespace
}  // namespace octile::test
