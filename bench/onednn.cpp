#include "bench/onednn.h"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "bench/peer_rows.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace octile::bench {
namespace {

const char* isa_name() {
    switch (dnnl::get_effective_cpu_isa()) {
        case dnnl::cpu_isa::avx2:
            return "AVX2";
        case dnnl::cpu_isa::avx512_core:
            return "AVX512_CORE";
        case dnnl::cpu_isa::avx512_core_vnni:
            return "AVX512_CORE_VNNI";
        case dnnl::cpu_isa::avx512_core_bf16:
            return "AVX512_CORE_BF16";
        case dnnl::cpu_isa::avx512_core_amx:
            return "AVX512_CORE_AMX";
        default:
            return "another ISA";
    }
}

// u8 [m, k] times s8 [n, k]: a matmul with everything it works on.
class Matmul {
  public:
    Matmul(const Shape& shape, OneDnnOutput output, const std::int8_t* weights)
        : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
        using dnnl::memory;
        const memory::desc source({shape.m, shape.k}, memory::data_type::u8, memory::format_tag::ab);
        // [N, K] row-major, seen as K x N.
        const memory::desc plain({shape.k, shape.n}, memory::data_type::s8, memory::format_tag::ba);
        const memory::desc packed({shape.k, shape.n}, memory::data_type::s8, memory::format_tag::any);
        const auto type = output == OneDnnOutput::kS32 ? memory::data_type::s32 : memory::data_type::f32;
        const memory::desc target({shape.m, shape.n}, type, memory::format_tag::ab);
        dnnl::primitive_attr attributes;
        constexpr int kPerColumn = 1 << 1;
        const std::vector<float> scales(static_cast<std::size_t>(shape.n), kScale);
        if (output == OneDnnOutput::kF32) attributes.set_output_scales(kPerColumn, scales);
        const dnnl::matmul::primitive_desc descriptor(dnnl::matmul::desc(source, packed, target), attributes, engine_);
        matmul_ = dnnl::matmul(descriptor);
        x_ = memory(source, engine_);
        y_ = memory(target, engine_);
        w_ = memory(descriptor.weights_desc(), engine_);
        memory plain_w(plain, engine_);
        std::copy_n(weights, shape.n * shape.k, static_cast<std::int8_t*>(plain_w.get_data_handle()));
        dnnl::reorder(plain_w, w_).execute(stream_, plain_w, w_);
        stream_.wait();
    }

    std::uint8_t* x() const { return static_cast<std::uint8_t*>(x_.get_data_handle()); }
    const void* y() const { return y_.get_data_handle(); }

    void run() {
        matmul_.execute(stream_, {{DNNL_ARG_SRC, x_}, {DNNL_ARG_WEIGHTS, w_}, {DNNL_ARG_DST, y_}});
        stream_.wait();
    }

    static constexpr float kScale = 0.5f;  // of kF32

  private:
    dnnl::engine engine_;
    dnnl::stream stream_;
    dnnl::matmul matmul_;
    dnnl::memory x_, w_, y_;
};

// Any values do, as integer products take the same time; these differ along rows and columns. Seven bits, because
// below VNNI oneDNN adds pairs of products in saturating int16.
std::uint8_t x_at(std::int64_t i) {
    return static_cast<std::uint8_t>(i * 37 % 127);
}
std::int8_t w_at(std::int64_t i) {
    return static_cast<std::int8_t>(i * 53 % 255 - 127);
}

Status wrong(std::int64_t row, std::int64_t column) {
    return Status(StatusCode::kInternal, fmt::format("wrong result of oneDNN at [{}, {}]", row, column));
}

// The bare product.
class Product {
  public:
    Product(const Shape& shape, OneDnnOutput output)
        : shape_(shape), output_(output), matmul_(shape, output, weights(shape).data()) {
        for (std::int64_t i = 0; i < shape.m * shape.k; i++)
            matmul_.x()[i] = x_at(i);
    }

    void run() { matmul_.run(); }

    // First and last row of y. The scale is a power of two, so f32 rounds once, on either side.
    Status check() const {
        for (const std::int64_t row : {std::int64_t{0}, shape_.m - 1}) {
            for (std::int64_t column = 0; column < shape_.n; column++) {
                std::int32_t sum = 0;
                for (std::int64_t k = 0; k < shape_.k; k++)
                    sum += x_at(row * shape_.k + k) * w_at(column * shape_.k + k);
                const std::int64_t at = row * shape_.n + column;
                const bool right =
                    output_ == OneDnnOutput::kF32
                        ? static_cast<const float*>(matmul_.y())[at] == static_cast<float>(sum) * Matmul::kScale
                        : static_cast<const std::int32_t*>(matmul_.y())[at] == sum;
                if (!right) return wrong(row, column);
            }
        }
        return {};
    }

  private:
    static std::vector<std::int8_t> weights(const Shape& shape) {
        std::vector<std::int8_t> w;
        for (std::int64_t i = 0; i < shape.n * shape.k; i++)
            w.push_back(w_at(i));
        return w;
    }

    Shape shape_;
    OneDnnOutput output_;
    Matmul matmul_;
};

// A whole layer of f32 rows: quantize, multiply, dequantize.
class PeerLinear {
  public:
    explicit PeerLinear(const Problem& problem)
        : problem_(problem),
          most_(dnnl::get_effective_cpu_isa() == dnnl::cpu_isa::avx2 ? 63 : 127),
          matmul_(problem.shape(), OneDnnOutput::kS32, problem.quantized_weights().values.data()),
          row_scale_(static_cast<std::size_t>(problem.shape().m)),
          y_(static_cast<std::size_t>(problem.shape().m * problem.shape().n)) {
        const Shape& shape = problem.shape();
        const std::vector<std::int8_t>& levels = problem.quantized_weights().values;
        for (std::int64_t n = 0; n < shape.n; n++) {
            const auto* row = levels.data() + n * shape.k;
            offset_.push_back((most_ + 1) * std::accumulate(row, row + shape.k, 0));
        }
    }

    void run() {
        const Shape& shape = problem_.shape();
        const auto* x = static_cast<const float*>(problem_.matrix(Side::kRows, DataType::kF32).data);
#pragma omp parallel for if (shape.m > 1)
        for (std::int64_t m = 0; m < shape.m; m++) {
            row_scale_[static_cast<std::size_t>(m)] = quantize_peer_row(
                {x + m * shape.k, static_cast<std::size_t>(shape.k)}, most_, matmul_.x() + m * shape.k);
        }
        matmul_.run();
        const auto* sums = static_cast<const std::int32_t*>(matmul_.y());
        const float* column_scale = problem_.quantized_weights().scales.data();
        const float* bias = problem_.bias().data();
#pragma omp parallel for if (shape.m > 1)
        for (std::int64_t m = 0; m < shape.m; m++) {
            dequantize_peer_row({sums + m * shape.n, static_cast<std::size_t>(shape.n)},
                                row_scale_[static_cast<std::size_t>(m)], offset_.data(), column_scale, bias,
                                y_.data() + m * shape.n);
        }
    }

    // Some rows of y, to within the four roundings behind the sum.
    Status check() const {
        const Shape& shape = problem_.shape();
        const auto* x = static_cast<const float*>(problem_.matrix(Side::kRows, DataType::kF32).data);
        const reference::QuantizedRows& w = problem_.quantized_weights();
        for (const std::int64_t m : problem_.sample(Side::kRows)) {
            const std::span<const float> row(x + m * shape.k, static_cast<std::size_t>(shape.k));
            const float absmax = reference::absmax(row), most = static_cast<float>(most_);
            for (std::int64_t n = 0; n < shape.n; n++) {
                const auto column = static_cast<std::size_t>(n);
                std::int64_t sum = 0;
                for (std::size_t k = 0; k < row.size(); k++) {
                    sum += static_cast<std::int64_t>(std::nearbyint(row[k] * (most / absmax))) *
                           w.values[column * row.size() + k];
                }
                const double product = static_cast<double>(sum) * static_cast<double>(absmax / most) *
                                       static_cast<double>(w.scales[column]);
                const double expected = product + static_cast<double>(problem_.bias()[column]);
                const double found = static_cast<double>(y_[static_cast<std::size_t>(m * shape.n + n)]);
                const double tolerance = 4 * 0x1p-24 * (std::abs(product) + std::abs(expected));
                if (!(std::abs(found - expected) <= tolerance)) return wrong(m, n);
            }
        }
        return {};
    }

  private:
    const Problem& problem_;
    int most_;
    Matmul matmul_;
    std::vector<float> row_scale_, y_;
    std::vector<std::int32_t> offset_;
};

template <typename Layer, typename... Arguments>
Result<Cell> make_cell(const Shape& shape, Arguments&&... arguments) {
    try {
        auto layer = std::make_shared<Layer>(std::forward<Arguments>(arguments)...);
        return Cell{.operations = shape.operations(),
                    .run =
                        [layer] {
                            layer->run();
                            return Status();
                        },
                    .check = [layer] { return layer->check(); }};
    } catch (const dnnl::error& error) {
        return Status(StatusCode::kUnsupported, fmt::format("oneDNN: {}", error.what()));
    }
}

}  // namespace

void configure_onednn(OneDnnIsa isa, int threads) {
    // Debian's library runs on GNU OpenMP, whose own variable is read too early to be set from here.
    omp_set_num_threads(threads);
    if (isa == OneDnnIsa::kAvx2) dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx2);
    if (isa == OneDnnIsa::kVnni) dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx512_core_vnni);
}

std::string describe_onednn() {
    const dnnl_version_t* version = dnnl::version();
    return fmt::format("oneDNN {}.{}.{} on {}", version->major, version->minor, version->patch, isa_name());
}

bool has_amx() {
#if defined(__x86_64__)
    unsigned a, b, c, d;
    constexpr unsigned kAmxInt8 = 1u << 25;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & kAmxInt8);
#else
    return false;
#endif
}

Result<Cell> onednn_cell(const Problem& problem, OneDnnOutput output) {
    return make_cell<Product>(problem.shape(), problem.shape(), output);
}

Result<Cell> onednn_linear_cell(const Problem& problem) {
    return make_cell<PeerLinear>(problem.shape(), problem);
}

}  // namespace octile::bench
