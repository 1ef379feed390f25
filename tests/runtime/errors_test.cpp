// What Linear refuses: the code and the words of every message, and that a refused call leaves y alone.
#include <sys/mman.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "octile/layer.h"
#include "octile/linear.h"
#include "tests/inputs/status_checks.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/seed.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
constexpr Precision kPrecisions[] = {Precision::kInt8, Precision::kFp16};

TypedMatrix make_matrix(DataType type, std::int64_t rows, std::int64_t columns) {
    Random random("errors");
    return {type, rows, columns, make_values(random, rows, columns, Fill::kNormal)};
}

Status pack_status(const MatrixView& w, std::span<const float> bias = {}, Precision precision = Precision::kInt8) {
    return Linear::pack(w, bias, {.precision = precision}, supported_isas()).status();
}

Linear pack(std::int64_t k, std::int64_t n, Precision precision, IsaSet isas = supported_isas()) {
    Result<Linear> linear = Linear::pack(make_matrix(DataType::kF32, n, k).view(), {}, {.precision = precision}, isas);
    REQUIRE(linear.ok());
    return std::move(linear).value();
}

TEST_CASE("pack: shapes that can never be right") {
    const TypedMatrix w = make_matrix(DataType::kF32, 3, 4);
    const struct {
        std::int64_t rows, columns, row_stride;
        std::vector<std::string> words;
    } cases[] = {
        {0, 4, 4, {"weights", "[0, 4]"}},
        {-1, 4, 4, {"weights", "[-1, 4]"}},
        {3, 0, 4, {"weights", "[3, 0]"}},
        {3, -4, 4, {"weights", "[3, -4]"}},
        {3, kMaxExtent + 1, kMaxExtent + 1, {"weights", "[3, 2147483648]", "2147483647"}},
        {kMaxExtent + 1, 4, 4, {"weights", "[2147483648, 4]", "2147483647"}},
        {std::numeric_limits<std::int64_t>::max(), 4, 4, {"weights", "[9223372036854775807, 4]"}},
        {3, 4, 3, {"weights", "row stride 3", "4"}},
        {3, 4, 0, {"weights", "row stride 0"}},
        {3, 4, -4, {"weights", "row stride -4"}},
        {3, 4, kMaxExtent + 1, {"weights", "row stride 2147483648"}},
    };
    for (const Precision precision : kPrecisions) {
        for (const auto& [rows, columns, row_stride, words] : cases) {
            MatrixView view = w.view();
            view.rows = rows;
            view.columns = columns;
            view.row_stride = row_stride;
            require_error(pack_status(view, {}, precision), StatusCode::kInvalidArgument, words);
        }
        MatrixView no_data = w.view();
        no_data.data = nullptr;
        require_error(pack_status(no_data, {}, precision), StatusCode::kInvalidArgument, {"weights", "no data"});
    }
}

TEST_CASE("more elements than an int32 can index") {
    const float value = 1;
    for (const Precision precision : kPrecisions) {
        const MatrixView weights{&value, DataType::kF32, kMaxExtent, 100, 100};
        require_error(pack_status(weights, {}, precision), StatusCode::kInvalidArgument,
                      {"weights", "2147483647 elements"});
        const Linear linear = pack(6, 5, precision);
        Workspace workspace;
        TypedMatrix y(DataType::kF32, 1, 5);
        MutableMatrixView tall = y.mutable_view();
        tall.rows = kMaxExtent;
        require_error(linear.run({&value, DataType::kF32, kMaxExtent, 6, 6}, tall, workspace),
                      StatusCode::kInvalidArgument, {"x", "2147483647 elements"});
        // As given it would fit, but not with K padded.
        tall.rows = kMaxExtent / 8;
        require_error(linear.run({&value, DataType::kF32, tall.rows, 6, 6}, tall, workspace),
                      StatusCode::kInvalidArgument, {"x", "2147483647 elements"});
        CHECK(y.untouched());
    }
}

TEST_CASE("pack: INT8 refuses a K whose sum might not fit int32, FP16 takes it") {
    const TypedMatrix longest = make_matrix(DataType::kF32, 1, kMaxReduction),
                      longer = make_matrix(DataType::kF32, 1, kMaxReduction + 1);
    CHECK(pack_status(longest.view()).ok());
    require_error(pack_status(longer.view()), StatusCode::kInvalidArgument, {"K = 131073", "131072"});
    CHECK(pack_status(longer.view(), {}, Precision::kFp16).ok());
}

TEST_CASE("pack: types that weights do not come in") {
    const TypedMatrix w = make_matrix(DataType::kF32, 3, 4);
    MatrixView view = w.view();
    view.type = DataType::kI8;
    for (const Precision precision : kPrecisions)
        require_error(pack_status(view, {}, precision), StatusCode::kUnsupported, {"weights", "i8"});
}

TEST_CASE("pack: no level to run on") {
    const TypedMatrix w = make_matrix(DataType::kF32, 3, 4);
    for (const Precision precision : kPrecisions) {
        const Status status =
            Linear::pack(w.view(), {}, {.precision = precision, .activation = Activation::kGelu}, IsaSet()).status();
        require_error(status, StatusCode::kUnsupported, {std::string(name_of(precision)), "gelu", "none"});
    }
}

TEST_CASE("pack: a bias of another length, or not of numbers") {
    const TypedMatrix w = make_matrix(DataType::kF32, 3, 4);
    for (const Precision precision : kPrecisions) {
        for (const std::size_t size : {1u, 2u, 4u}) {
            const std::vector<float> bias(size);
            require_error(pack_status(w.view(), bias, precision), StatusCode::kInvalidArgument,
                          {"bias", std::to_string(size), "expected 3"});
        }
        for (const float bad : {kNan, kInfinity, -kInfinity}) {
            require_error(pack_status(w.view(), std::vector<float>{0, bad, bad}, precision), StatusCode::kNonFinite,
                          {"bias", "output channel 1 "});
        }
    }
}

TEST_CASE("pack: the first channel that is not of numbers is named") {
    for (const Precision precision : kPrecisions) {
        for (const Level& level :
             levels_with(precision == Precision::kInt8 ? KernelFamily::kGemmS8 : KernelFamily::kGemmF16)) {
            for (const DataType type : kWeightTypes) {
                for (const float bad : {kNan, kInfinity, -kInfinity}) {
                    for (const std::int64_t channel : {0, 7, 40}) {
                        TypedMatrix w = make_matrix(type, 41, 19);
                        w.set(channel, 18, bad);
                        w.set(40, 0, bad);
                        const Status status = Linear::pack(w.view(), {}, {.precision = precision}, level.isas).status();
                        INFO(name_of(level.isa) << ' ' << name_of(type));
                        require_error(status, StatusCode::kNonFinite,
                                      {"weights", "output channel " + std::to_string(channel) + " "});
                    }
                }
            }
        }
    }
}

TEST_CASE("pack: FP16 refuses a weight beyond the largest number of f16") {
    for (const Level& level : levels_with(KernelFamily::kGemmF16)) {
        for (const float value : {65519.0f, -65519.0f, 65504.0f, 65520.0f, -65520.0f, 1e30f}) {
            TypedMatrix w = make_matrix(DataType::kF32, 5, 19);
            w.set(3, 2, value);
            const Status status = Linear::pack(w.view(), {}, {.precision = Precision::kFp16}, level.isas).status();
            INFO(value);
            if (std::abs(value) < 65520)
                CHECK(status.ok());  // rounds to 65504
            else
                require_error(status, StatusCode::kNonFinite, {"weights", "output channel 3 ", "65504"});
        }
    }
    CHECK(pack_status([] {
              static TypedMatrix w = make_matrix(DataType::kF32, 5, 19);
              w.set(3, 2, 1e30f);
              return w.view();
          }())
              .ok());
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
        refused(with(x, 3, 6, 8), y, {"[3, 6]", "[4, 5]"});
        refused(x, with(y, 4, 4, 8), {"[4, 4]", "from 6 to 5"});
        refused(x, with(y, 4, 6, 8), {"[4, 6]", "from 6 to 5"});
        refused(with(x, -4, 6, 8), with(y, -4, 5, 8), {"x", "[-4, 6]"});
        refused(with(x, kMaxExtent + 1, 6, 8), with(y, kMaxExtent + 1, 5, 8), {"x", "[2147483648, 6]"});
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
        for (const DataType type : {DataType::kBF16, DataType::kI8}) {
            MatrixView typed_x = x;
            typed_x.type = type;
            require_error(linear.run(typed_x, y, workspace), StatusCode::kUnsupported,
                          {"x", std::string(name_of(type)), "f32 or f16"});
            MutableMatrixView typed_y = y;
            typed_y.type = type;
            require_error(linear.run(x, typed_y, workspace), StatusCode::kUnsupported,
                          {"y", std::string(name_of(type)), "f32 or f16"});
        }
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
