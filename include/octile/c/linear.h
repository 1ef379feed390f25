// Part of octile/octile.h: linear layers.
//
//   y[m, n] = act(sum_k x[m, k] * w[n, k] + bias[n]) + residual[m, n]
//
// or, of two matrices of weights with one input (SwiGLU, GeGLU),
//
//   y[m, n] = act(sum_k x[m, k] * gate[n, k] + gate_bias[n]) * (sum_k x[m, k] * up[n, k] + up_bias[n])
//
// INT8 quantizes w per output channel when it packs and x per row when it runs; its results are the same bits on every
// CPU, level and thread count (docs/quantization.md).
#pragma once

#include "octile/c/machine.h"
#include "octile/c/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct octile_linear octile_linear;

// Scratch memory of a run: grows to what a call needs and keeps it, so that a second call of the same shape allocates
// nothing.
typedef struct octile_workspace octile_workspace;

// Rows of x as octile_linear_pack_rows() leaves them: for several layers that share an input, quantized once.
typedef struct octile_packed_rows octile_packed_rows;

// How INT8 gets the levels of x.
typedef int32_t octile_input_scaling;
enum {
    OCTILE_SCALING_DYNAMIC = 0,    // symmetric, from each row's largest magnitude
    OCTILE_SCALING_STATIC = 1,     // symmetric, all rows by input_scale; what is beyond 127 scales saturates
    OCTILE_SCALING_ASYMMETRIC = 2  // from each row's range, with a zero point
};

typedef struct octile_linear_options {
    size_t size;
    octile_precision precision;          // OCTILE_INT8
    octile_activation activation;        // OCTILE_ACTIVATION_NONE; of a gated layer: on the gate
    octile_input_scaling input_scaling;  // OCTILE_SCALING_DYNAMIC
    float input_scale;                   // with OCTILE_SCALING_STATIC: what one level is worth, positive and normal
    // Bounds in place of an activation, of what it would be applied to, where has_range is 1.
    int32_t has_range;
    float range_low, range_high;
    // 0: octile_usable_isas().
    octile_isa_set isas;
    // [K], positive and finite, or NULL: x[m, k] * input_multiplier[k], rounded to f32, takes the place of x[m, k].
    // SmoothQuant's 1/s for a layer whose weights are w[n, k] * s[k].
    const float* input_multiplier;
    size_t input_multiplier_count;
} octile_linear_options;

OCTILE_C_API octile_status octile_linear_options_init(octile_linear_options* options, size_t size);

// Packs weights [N, K] of f32, f16 or bf16, and bias [N] (NULL and 0: none), into memory of its own; the originals may
// be freed.
//
// - OCTILE_INVALID_ARGUMENT: an extent below 1, more than 2^31 - 1 elements with padding, K above 131072 with INT8
//   (65536 with OCTILE_SCALING_ASYMMETRIC), a bias of another length, options that contradict each other
// - OCTILE_NON_FINITE: NaN or infinity, or with FP16 a weight beyond 65504; the message names the output channel
// - OCTILE_UNSUPPORTED: no kernel for these levels
OCTILE_C_API octile_status octile_linear_pack(const octile_matrix* weights, const float* bias, size_t bias_count,
                                              const octile_linear_options* options, octile_linear** linear,
                                              octile_error* error);

// The same from INT8 levels [N, K] of type i8 and what a level of each output channel is worth, scale [N]: positive,
// finite.
OCTILE_C_API octile_status octile_linear_pack_quantized(const octile_matrix* levels, const float* scale,
                                                        size_t scale_count, const float* bias, size_t bias_count,
                                                        const octile_linear_options* options, octile_linear** linear,
                                                        octile_error* error);

// Weights in the form of INT4 (docs/quantization.md): 32 consecutive k of one output channel are a group, of which the
// last may be shorter, and
//
//   level[n, k] = s4[n, k / 32] * q4[n, k] + c8[n, k / 32]
typedef struct octile_int4_weights {
    size_t size;
    int64_t n, k;
    const uint8_t* q4;  // [n, k], one to a byte: 0 to 15
    size_t q4_count;
    const uint8_t* s4;   // [n, groups of a channel]: 1 to 15
    const int8_t* c8;    // likewise; it and every level: -127 to 127
    size_t group_count;  // elements of s4, and of c8
    const float* scale;  // [n], what a level is worth: positive, finite
    size_t scale_count;
} octile_int4_weights;

// The same from weights that are in the form of INT4. options->precision is OCTILE_INT4; NULL stands for it and the
// other defaults. OCTILE_INVALID_ARGUMENT names the output channel that is not of this form.
OCTILE_C_API octile_status octile_linear_pack_int4(const octile_int4_weights* weights, const float* bias,
                                                   size_t bias_count, const octile_linear_options* options,
                                                   octile_linear** linear, octile_error* error);

// A gated layer: gate and up [N, K], each with a bias [N] or none.
OCTILE_C_API octile_status octile_linear_pack_gated(const octile_matrix* gate, const float* gate_bias,
                                                    size_t gate_bias_count, const octile_matrix* up,
                                                    const float* up_bias, size_t up_bias_count,
                                                    const octile_linear_options* options, octile_linear** linear,
                                                    octile_error* error);

OCTILE_C_API void octile_linear_free(octile_linear* linear);

typedef struct octile_linear_info {
    size_t size;
    int64_t k;     // input features
    int64_t n;     // output features
    size_t bytes;  // of packed weights, scales and bias
    octile_precision precision;
    octile_activation activation;
    int32_t gated;
} octile_linear_info;

OCTILE_C_API octile_status octile_linear_get_info(const octile_linear* linear, octile_linear_info* info,
                                                  octile_error* error);

// Name of the GEMM kernel that a run of M rows spends its time in, as docs/kernels.md spells it. NULL for no linear.
OCTILE_C_API const char* octile_linear_kernel_name(const octile_linear* linear, int64_t m);

OCTILE_C_API octile_status octile_workspace_create(octile_workspace** workspace, octile_error* error);
OCTILE_C_API void octile_workspace_free(octile_workspace* workspace);
OCTILE_C_API size_t octile_workspace_bytes(const octile_workspace* workspace);

typedef struct octile_run_options {
    size_t size;
    // [M, N] of y's type (f32 where y is i8), added after the activation, or NULL. May be y itself where the types
    // agree. Not for gated layers.
    const octile_matrix* residual;
    // y of type i8: what one level is worth. y = rne(v / output_scale), saturated to -127..127.
    float output_scale;
} octile_run_options;

OCTILE_C_API octile_status octile_run_options_init(octile_run_options* options, size_t size);

// x [M, K] f32, f16 or bf16, or i8 (levels, with OCTILE_SCALING_STATIC); y [M, N] f32, f16, bf16 or i8; M from 0 up. x
// and y must not overlap.
//
// - OCTILE_INVALID_ARGUMENT: shapes or options that do not fit
// - OCTILE_NON_FINITE, naming the first such row, y not written: with INT8, a row of x holds NaN or infinity; with
// FP16,
//   a finite number beyond 65504
// - OCTILE_UNSUPPORTED: no kernel for the type of x or y
OCTILE_C_API octile_status octile_linear_run(const octile_linear* linear, const octile_matrix* x,
                                             const octile_mutable_matrix* y, octile_workspace* workspace,
                                             const octile_run_options* options, octile_error* error);

// A run in two steps: octile_linear_pack_rows() of any layer, and octile_linear_run_rows() of every layer that accepts
// these rows.
OCTILE_C_API octile_status octile_packed_rows_create(octile_packed_rows** rows, octile_error* error);
OCTILE_C_API void octile_packed_rows_free(octile_packed_rows* rows);
OCTILE_C_API int64_t octile_packed_rows_rows(const octile_packed_rows* rows);
OCTILE_C_API int64_t octile_packed_rows_columns(const octile_packed_rows* rows);
OCTILE_C_API size_t octile_packed_rows_bytes(const octile_packed_rows* rows);

OCTILE_C_API octile_status octile_linear_pack_rows(const octile_linear* linear, const octile_matrix* x,
                                                   octile_packed_rows* rows, octile_error* error);
OCTILE_C_API int32_t octile_linear_accepts(const octile_linear* linear, const octile_packed_rows* rows);
OCTILE_C_API octile_status octile_linear_run_rows(const octile_linear* linear, const octile_packed_rows* rows,
                                                  const octile_mutable_matrix* y, octile_workspace* workspace,
                                                  const octile_run_options* options, octile_error* error);

// Takes the memory that runs of up to `row_count` rows need on as many threads as now: they allocate nothing then. What
// `rows` held is gone.
OCTILE_C_API octile_status octile_linear_reserve(const octile_linear* linear, int64_t row_count,
                                                 octile_packed_rows* rows, octile_workspace* workspace,
                                                 octile_error* error);

#ifdef __cplusplus
}
#endif
