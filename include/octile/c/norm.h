// Part of octile/octile.h: layer norm and RMS norm over the features of each row, with an addition before and
// quantization behind.
//
//   v[m, k] = x[m, k]   or, with a residual, sum[m, k] = x[m, k] + residual[m, k], rounded to x's type
//   OCTILE_LAYER_NORM   y = (v - mean) / sqrt(variance + epsilon) * weight[k] + bias[k]
//   OCTILE_RMS_NORM     y = v / sqrt(mean of v * v + epsilon) * weight[k]
//
// The same bits on every CPU, level and thread count.
#pragma once

#include "octile/c/linear.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct octile_norm octile_norm;

typedef int32_t octile_norm_kind;
enum { OCTILE_LAYER_NORM = 0, OCTILE_RMS_NORM = 1 };

// weight [K] and bias [K] are copied; no bias (NULL and 0) is zeros, and OCTILE_RMS_NORM has none.
//
// - OCTILE_INVALID_ARGUMENT: no weights or more than 2^24, a bias of another length or for OCTILE_RMS_NORM, epsilon
//   negative or not finite
// - OCTILE_NON_FINITE: NaN or infinity in weight or bias; the message names the feature
// - OCTILE_UNSUPPORTED: no kernel for these levels
OCTILE_C_API octile_status octile_norm_make(octile_norm_kind kind, const float* weight, size_t weight_count,
                                            const float* bias, size_t bias_count, float epsilon, octile_isa_set isas,
                                            octile_norm** norm, octile_error* error);
OCTILE_C_API void octile_norm_free(octile_norm* norm);

typedef struct octile_norm_info {
    size_t size;
    int64_t k;
    octile_norm_kind kind;
} octile_norm_info;

OCTILE_C_API octile_status octile_norm_get_info(const octile_norm* norm, octile_norm_info* info, octile_error* error);

typedef struct octile_norm_options {
    size_t size;
    // The addition before the norm: both, [M, K] of x's type, or neither. `sum`, what is normalized, may be x or
    // residual itself.
    const octile_matrix* residual;
    const octile_mutable_matrix* sum;
    // Where the norm also writes the rows that `consumer`, and every layer like it, reads, as octile_linear_pack_rows()
    // would make them of y in f32: both, or neither.
    const octile_linear* consumer;
    octile_packed_rows* rows;
} octile_norm_options;

OCTILE_C_API octile_status octile_norm_options_init(octile_norm_options* options, size_t size);

// x [M, K] and y [M, K], each f32, f16 or bf16, M from 0 up. y may be x where the types agree and there is no residual,
// and NULL where options say rows. NaN and infinities go where IEEE arithmetic takes them; into rows they are
// OCTILE_NON_FINITE.
OCTILE_C_API octile_status octile_norm_run(const octile_norm* norm, const octile_matrix* x,
                                           const octile_mutable_matrix* y, octile_workspace* workspace,
                                           const octile_norm_options* options, octile_error* error);

#ifdef __cplusplus
}
#endif
