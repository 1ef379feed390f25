#include "bench/peer_rows.h"

#include <algorithm>
#include <cmath>

#if defined(__x86_64__)
// GCC 12 takes the undefined vectors that its own intrinsics start from for a mistake.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#endif

namespace octile::bench {
namespace {

constexpr float kSmallest = 1e-8f;

void quantize_plain(std::span<const float> x, int most, std::uint8_t* levels, float& scale) {
    float absmax = kSmallest;
    for (const float value : x)
        absmax = std::max(absmax, std::abs(value));
    const float inverse = static_cast<float>(most) / absmax;
    scale = absmax / static_cast<float>(most);
    for (std::size_t i = 0; i < x.size(); i++)
        levels[i] = static_cast<std::uint8_t>(static_cast<int>(std::nearbyint(x[i] * inverse)) + most + 1);
}

void dequantize_plain(std::span<const std::int32_t> sums, float row_scale, const std::int32_t* offset,
                      const float* column_scale, const float* bias, float* y) {
    for (std::size_t n = 0; n < sums.size(); n++)
        y[n] = static_cast<float>(sums[n] - offset[n]) * (row_scale * column_scale[n]) + bias[n];
}

#if defined(__x86_64__)

#define OCTILE_BENCH_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))

// Lanes of a vector that lie before the end.
OCTILE_BENCH_AVX512 __mmask16 lanes_left(std::size_t left) {
    return left >= 16 ? static_cast<__mmask16>(0xffff) : static_cast<__mmask16>((1u << left) - 1);
}

OCTILE_BENCH_AVX512 void quantize_avx512(std::span<const float> x, int most, std::uint8_t* levels, float& scale) {
    // Four maxima, because one would wait for itself.
    __m512 largest[4];
    for (__m512& one : largest)
        one = _mm512_set1_ps(kSmallest);
    std::size_t i = 0;
    for (; i + 64 <= x.size(); i += 64) {
        for (std::size_t chain = 0; chain < 4; chain++) {
            largest[chain] = _mm512_max_ps(largest[chain], _mm512_abs_ps(_mm512_loadu_ps(&x[i + 16 * chain])));
        }
    }
    for (; i < x.size(); i += 16) {
        const __m512 values = _mm512_maskz_loadu_ps(lanes_left(x.size() - i), x.data() + i);
        largest[0] = _mm512_max_ps(largest[0], _mm512_abs_ps(values));
    }
    const float absmax = _mm512_reduce_max_ps(
        _mm512_max_ps(_mm512_max_ps(largest[0], largest[1]), _mm512_max_ps(largest[2], largest[3])));
    scale = absmax / static_cast<float>(most);
    const __m512 inverse = _mm512_set1_ps(static_cast<float>(most) / absmax);
    const __m512i middle = _mm512_set1_epi32(most + 1);
    for (i = 0; i < x.size(); i += 16) {
        const __mmask16 mask = lanes_left(x.size() - i);
        const __m512 scaled = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x.data() + i), inverse);
        const __m512i level = _mm512_add_epi32(_mm512_cvtps_epi32(scaled), middle);
        _mm_mask_storeu_epi8(levels + i, mask, _mm512_cvtepi32_epi8(level));
    }
}

OCTILE_BENCH_AVX512 void dequantize_avx512(std::span<const std::int32_t> sums, float row_scale,
                                           const std::int32_t* offset, const float* column_scale, const float* bias,
                                           float* y) {
    const __m512 row = _mm512_set1_ps(row_scale);
    for (std::size_t n = 0; n < sums.size(); n += 16) {
        const __mmask16 mask = lanes_left(sums.size() - n);
        const __m512i sum = _mm512_sub_epi32(_mm512_maskz_loadu_epi32(mask, sums.data() + n),
                                             _mm512_maskz_loadu_epi32(mask, offset + n));
        const __m512 scale = _mm512_mul_ps(row, _mm512_maskz_loadu_ps(mask, column_scale + n));
        const __m512 result = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, _mm512_maskz_loadu_ps(mask, bias + n));
        _mm512_mask_storeu_ps(y + n, mask, result);
    }
}

bool has_avx512() {
    static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    return has;
}

#endif

}  // namespace

float quantize_peer_row(std::span<const float> x, int most, std::uint8_t* levels) {
    float scale = 0;
#if defined(__x86_64__)
    if (has_avx512()) {
        quantize_avx512(x, most, levels, scale);
        return scale;
    }
#endif
    quantize_plain(x, most, levels, scale);
    return scale;
}

void dequantize_peer_row(std::span<const std::int32_t> sums, float row_scale, const std::int32_t* offset,
                         const float* column_scale, const float* bias, float* y) {
#if defined(__x86_64__)
    if (has_avx512()) return dequantize_avx512(sums, row_scale, offset, column_scale, bias, y);
#endif
    dequantize_plain(sums, row_scale, offset, column_scale, bias, y);
}

}  // namespace octile::bench
