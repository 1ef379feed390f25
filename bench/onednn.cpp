#include "bench/onednn.h"

#include <fmt/format.h>
#include <omp.h>

#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

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

// A matmul with everything it works on.
class Matmul {
  public:
    Matmul(const Problem& problem, OneDnnOutput output)
        : problem_(problem), engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
        using dnnl::memory;
        const Shape& shape = problem.shape();
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

        auto* x = static_cast<std::uint8_t*>(x_.get_data_handle());
        for (std::int64_t i = 0; i < shape.m * shape.k; i++)
            x[i] = x_at(i);
        memory plain_w(plain, engine_);
        auto* w = static_cast<std::int8_t*>(plain_w.get_data_handle());
        for (std::int64_t i = 0; i < shape.n * shape.k; i++)
            w[i] = w_at(i);
        dnnl::reorder(plain_w, w_).execute(stream_, plain_w, w_);
        stream_.wait();
        float_output_ = output == OneDnnOutput::kF32;
    }

    void run() {
        matmul_.execute(stream_, {{DNNL_ARG_SRC, x_}, {DNNL_ARG_WEIGHTS, w_}, {DNNL_ARG_DST, y_}});
        stream_.wait();
    }

    // First and last row of y. The scale is a power of two, so f32 rounds once, on either side.
    Status check() const {
        const Shape& shape = problem_.shape();
        for (const std::int64_t row : {std::int64_t{0}, shape.m - 1}) {
            for (std::int64_t column = 0; column < shape.n; column++) {
                std::int32_t sum = 0;
                for (std::int64_t k = 0; k < shape.k; k++)
                    sum += x_at(row * shape.k + k) * w_at(column * shape.k + k);
                const std::int64_t at = row * shape.n + column;
                const void* y = y_.get_data_handle();
                const bool right = float_output_ ? static_cast<const float*>(y)[at] == static_cast<float>(sum) * kScale
                                                 : static_cast<const std::int32_t*>(y)[at] == sum;
                if (!right) {
                    return Status(StatusCode::kInternal,
                                  fmt::format("wrong result of oneDNN at [{}, {}]", row, column));
                }
            }
        }
        return {};
    }

  private:
    static constexpr float kScale = 0.5f;
    // Any values do, as integer products take the same time; these differ along rows and columns. Seven bits, because
    // below VNNI oneDNN adds pairs of products in saturating int16.
    static std::uint8_t x_at(std::int64_t i) { return static_cast<std::uint8_t>(i * 37 % 127); }
    static std::int8_t w_at(std::int64_t i) { return static_cast<std::int8_t>(i * 53 % 255 - 127); }

    const Problem& problem_;
    dnnl::engine engine_;
    dnnl::stream stream_;
    dnnl::matmul matmul_;
    dnnl::memory x_, w_, y_;
    bool float_output_ = false;
};

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
    try {
        auto matmul = std::make_shared<Matmul>(problem, output);
        return Cell{.operations = problem.shape().operations(),
                    .run =
                        [matmul] {
                            matmul->run();
                            return Status();
                        },
                    .check = [matmul] { return matmul->check(); }};
    } catch (const dnnl::error& error) {
        return Status(StatusCode::kUnsupported, fmt::format("oneDNN: {}", error.what()));
    }
}

}  // namespace octile::bench
