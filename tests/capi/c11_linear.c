/* Linears and norms. The numbers are such that INT8 is exact: levels are whole, and the scale of each row is 1. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/capi/c11_check.h"

enum { M = 5, K = 32, N = 24 };

static float w[N][K], x[M][K], y[M][N], bias[N];

static float level(int i, int j) {
    return (float)((i * 7 + j * 5) % 255 - 127);
}

static void fill(void) {
    for (int n = 0; n < N; n++) {
        bias[n] = (float)(n - 10);
        for (int k = 0; k < K; k++)
            w[n][k] = k == 0 ? 127.0f : level(n, k);
    }
    for (int m = 0; m < M; m++) {
        for (int k = 0; k < K; k++)
            x[m][k] = k == 1 ? -127.0f : level(k, m);
    }
}

static float dot(int m, int n) {
    double sum = 0;
    for (int k = 0; k < K; k++)
        sum += (double)x[m][k] * (double)w[n][k];
    return (float)sum;
}

static int loops = 0;

static int run_backwards(void* context, int count, int (*task)(void*, int), void* task_context) {
    int code = 0;
    (void)context;
    loops++;
    for (int i = count - 1; i >= 0; i--) {
        const int result = task(task_context, i);
        if (code == 0) code = result;
    }
    return code;
}

static octile_linear* packed(void) {
    octile_error error;
    octile_linear* linear = NULL;
    const octile_matrix weights = {w, N, K, K, OCTILE_F32};
    octile_linear_options options;
    CHECK(octile_linear_options_init(&options, sizeof options) == OCTILE_OK);
    CHECK(options.size == sizeof options && options.precision == OCTILE_INT8);
    options.activation = OCTILE_RELU;
    CHECK_OK(octile_linear_pack(&weights, bias, N, &options, &linear, &error));
    return linear;
}

static void check_values(void) {
    for (int m = 0; m < M; m++) {
        for (int n = 0; n < N; n++)
            CHECK(y[m][n] == fmaxf(dot(m, n) + bias[n], 0));
    }
}

void check_linears(void) {
    octile_error error;
    fill();
    octile_linear* linear = packed();
    octile_workspace* workspace = NULL;
    octile_packed_rows* rows = NULL;
    CHECK_OK(octile_workspace_create(&workspace, &error));
    CHECK_OK(octile_packed_rows_create(&rows, &error));

    octile_linear_info info = {.size = sizeof info};
    CHECK_OK(octile_linear_get_info(linear, &info, &error));
    CHECK(info.k == K && info.n == N && info.precision == OCTILE_INT8 && info.activation == OCTILE_RELU);
    CHECK(info.bytes >= N * K && !info.gated);
    CHECK(octile_linear_kernel_name(linear, 1) != NULL);

    /* A stride of 0 is that of a dense matrix. */
    octile_matrix from = {x, M, K, 0, OCTILE_F32};
    const octile_mutable_matrix to = {y, M, N, 0, OCTILE_F32};
    CHECK_OK(octile_linear_run(linear, &from, &to, workspace, NULL, &error));
    check_values();

    memset(y, 0, sizeof y);
    octile_set_threads(4);
    octile_set_parallel_for(run_backwards, NULL);
    CHECK_OK(octile_linear_reserve(linear, M, rows, workspace, &error));
    CHECK_OK(octile_linear_pack_rows(linear, &from, rows, &error));
    CHECK(octile_packed_rows_rows(rows) == M && octile_packed_rows_columns(rows) == K);
    CHECK(octile_linear_accepts(linear, rows));
    CHECK_OK(octile_linear_run_rows(linear, rows, &to, workspace, NULL, &error));
    octile_set_parallel_for(NULL, NULL);
    octile_set_threads(0);
    check_values();

    /* y again as its own residual. */
    octile_run_options options;
    CHECK(octile_run_options_init(&options, sizeof options) == OCTILE_OK);
    const octile_matrix residual = {y, M, N, N, OCTILE_F32};
    options.residual = &residual;
    CHECK_OK(octile_linear_run(linear, &from, &to, workspace, &options, &error));
    for (int m = 0; m < M; m++) {
        for (int n = 0; n < N; n++)
            CHECK(y[m][n] == 2 * fmaxf(dot(m, n) + bias[n], 0));
    }

    from.columns = K - 1;
    CHECK(octile_linear_run(linear, &from, &to, workspace, NULL, &error) == OCTILE_INVALID_ARGUMENT);
    CHECK(error.code == OCTILE_INVALID_ARGUMENT && strstr(error.message, "[5, 31]") != NULL);
    CHECK(octile_linear_run(NULL, &from, &to, workspace, NULL, NULL) == OCTILE_INVALID_ARGUMENT);
    x[2][3] = NAN;
    from.columns = K;
    CHECK(octile_linear_run(linear, &from, &to, workspace, NULL, &error) == OCTILE_NON_FINITE);
    CHECK(strstr(error.message, "row 2") != NULL);

    octile_packed_rows_free(rows);
    octile_workspace_free(workspace);
    octile_linear_free(linear);
    octile_linear_free(NULL);
}

/* Levels s4 * q4 + c8 = 3 * q4 - 20, and in the second, shorter group 2 * q4 + 5: a sum that f32 has exactly. */
void check_int4(void) {
    enum { LONG = 48, GROUPS = 2 };
    octile_error error;
    octile_linear* linear = NULL;
    octile_workspace* workspace = NULL;
    uint8_t q4[N][LONG], s4[N][GROUPS];
    int8_t c8[N][GROUPS];
    float scale[N], row[LONG], result[N];
    for (int n = 0; n < N; n++) {
        scale[n] = 0.5f;
        s4[n][0] = 3, s4[n][1] = 2;
        c8[n][0] = -20, c8[n][1] = 5;
        for (int k = 0; k < LONG; k++)
            q4[n][k] = (uint8_t)((n + k) % 16);
    }
    for (int k = 0; k < LONG; k++)
        row[k] = k == 1 ? -127.0f : level(k, 1);
    octile_int4_weights weights = {.size = sizeof weights, .n = N, .k = LONG, .q4 = &q4[0][0], .q4_count = N * LONG};
    weights.s4 = &s4[0][0];
    weights.c8 = &c8[0][0];
    weights.group_count = N * GROUPS;
    weights.scale = scale;
    weights.scale_count = N;
    CHECK_OK(octile_linear_pack_int4(&weights, NULL, 0, NULL, &linear, &error));
    octile_linear_info info = {.size = sizeof info};
    CHECK_OK(octile_linear_get_info(linear, &info, &error));
    CHECK(info.k == LONG && info.n == N && info.precision == OCTILE_INT4);
    CHECK_OK(octile_workspace_create(&workspace, &error));
    const octile_matrix from = {row, 1, LONG, 0, OCTILE_F32};
    const octile_mutable_matrix to = {result, 1, N, 0, OCTILE_F32};
    CHECK_OK(octile_linear_run(linear, &from, &to, workspace, NULL, &error));
    for (int n = 0; n < N; n++) {
        double sum = 0;
        for (int k = 0; k < LONG; k++)
            sum += (double)row[k] * (k < 32 ? 3 * q4[n][k] - 20 : 2 * q4[n][k] + 5);
        CHECK(result[n] == (float)(sum / 2));
    }
    octile_linear_free(linear);
    octile_workspace_free(workspace);

    q4[7][3] = 16;
    CHECK(octile_linear_pack_int4(&weights, NULL, 0, NULL, &linear, &error) == OCTILE_INVALID_ARGUMENT);
    CHECK(linear == NULL && strstr(error.message, "output channel 7") != NULL);
}

void check_norms(void) {
    octile_error error;
    octile_norm* norm = NULL;
    octile_workspace* workspace = NULL;
    float weight[16], v[2][16], result[2][16];
    for (int k = 0; k < 16; k++) {
        weight[k] = 2;
        v[0][k] = k % 2 ? 3.0f : -3.0f; /* mean 0, variance 9 */
        v[1][k] = 0;
    }
    CHECK_OK(octile_norm_make(OCTILE_LAYER_NORM, weight, 16, NULL, 0, 0, 0, &norm, &error));
    CHECK_OK(octile_workspace_create(&workspace, &error));
    const octile_matrix from = {v, 1, 16, 16, OCTILE_F32};
    const octile_mutable_matrix to = {result, 1, 16, 16, OCTILE_F32};
    CHECK_OK(octile_norm_run(norm, &from, &to, workspace, NULL, &error));
    for (int k = 0; k < 16; k++)
        CHECK(result[0][k] == (k % 2 ? 2.0f : -2.0f));
    octile_norm_info info = {.size = sizeof info};
    CHECK_OK(octile_norm_get_info(norm, &info, &error));
    CHECK(info.k == 16 && info.kind == OCTILE_LAYER_NORM);
    CHECK(octile_norm_run(norm, &from, NULL, workspace, NULL, &error) == OCTILE_INVALID_ARGUMENT);
    octile_workspace_free(workspace);
    octile_norm_free(norm);
}
