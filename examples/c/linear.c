/* Plans a layer from a list, packs it as planned, and runs it. */
#include <octile/octile.h>

#include <stdio.h>
#include <string.h>

enum { M = 2, K = 768, N = 3072 };

static float w[N][K], bias[N], x[M][K], y[M][N];

int main(void) {
    static const char list[] = "name,m,k,n,act,bias\nfc1,2,768,3072,relu,1\n";
    octile_error error;
    octile_plan* plan = NULL;
    octile_planned_layer layer = {.size = sizeof layer};
    octile_linear* fc1 = NULL;
    octile_workspace* workspace = NULL;

    for (int n = 0; n < N; n++) {
        bias[n] = 1;
        for (int k = 0; k < K; k++)
            w[n][k] = 0.5f;
    }
    for (int m = 0; m < M; m++) {
        for (int k = 0; k < K; k++)
            x[m][k] = 2;
    }
    const octile_matrix weights = {.data = w, .rows = N, .columns = K, .type = OCTILE_F32};
    const octile_matrix from = {.data = x, .rows = M, .columns = K, .type = OCTILE_F32};
    const octile_mutable_matrix to = {.data = y, .rows = M, .columns = N, .type = OCTILE_F32};

    int status = octile_plan_make(list, strlen(list), OCTILE_LIST_CSV, NULL, &plan, &error);
    if (status == OCTILE_OK) status = octile_plan_get_layer(plan, 0, &layer, &error);
    if (status == OCTILE_OK) {
        printf("%s: %s, %s\n", layer.name, octile_precision_name(layer.precision), octile_reason_name(layer.reason));
        octile_linear_options options;
        octile_linear_options_init(&options, sizeof options);
        options.precision = layer.precision;
        options.activation = layer.activation;
        status = octile_linear_pack(&weights, bias, N, &options, &fc1, &error);
    }
    if (status == OCTILE_OK) status = octile_workspace_create(&workspace, &error); /* kept from run to run */
    if (status == OCTILE_OK) status = octile_linear_run(fc1, &from, &to, workspace, NULL, &error);
    if (status == OCTILE_OK)
        printf("y[0, 0] = %g, expected %g\n", (double)y[0][0], K * 0.5 * 2 + 1);
    else
        fprintf(stderr, "linear: %s: %s\n", octile_status_name(status), error.message);

    octile_workspace_free(workspace);
    octile_linear_free(fc1);
    octile_plan_free(plan);
    return status == OCTILE_OK ? 0 : 1;
}
