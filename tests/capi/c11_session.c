/* A packed decoder, run token by token. */
#include <stdlib.h>
#include <string.h>

#include "tests/capi/c11_check.h"

static int observed = 0;

static void observe(void* context, const char* node, const octile_matrix* value) {
    (void)context;
    observed += strlen(node) > 0 && value->data != NULL && value->type == OCTILE_F32;
}

/* The logits behind `count` tokens, to be freed. */
static float* run(octile_session* session, const int32_t* ids, int32_t count, size_t* features) {
    octile_error error;
    octile_input_info input = {.size = sizeof input};
    octile_output_info output = {.size = sizeof output};
    CHECK_OK(octile_session_get_input(session, 0, &input, &error));
    CHECK_OK(octile_session_get_output(session, 0, &output, &error));
    CHECK(input.features == 0 && output.per_sequence);
    *features = (size_t)output.features;
    float* logits = malloc(*features * sizeof(float));
    const octile_session_input in = {.name = input.name, .indices = ids, .index_count = (size_t)count};
    const octile_session_output out = {output.name, logits, *features};
    CHECK_OK(octile_session_run(session, &count, 1, &in, 1, &out, 1, &error));
    return logits;
}

static void check_cache(octile_session* session) {
    octile_error error;
    const int32_t ids[] = {3, 1, 4, 1, 5};
    int64_t tokens = 0;
    size_t features = 0;
    float* whole = run(session, ids, 5, &features);
    CHECK_OK(octile_session_get_context(session, 0, &tokens, &error));
    CHECK(tokens == 5);
    CHECK_OK(octile_session_reset(session, &error));
    float* parts = NULL;
    for (int i = 0; i < 5; i++) {
        free(parts);
        parts = run(session, ids + i, 1, &features);
    }
    CHECK(memcmp(whole, parts, features * sizeof(float)) == 0);
    CHECK_OK(octile_session_reset_sequence(session, 0, &error));
    CHECK_OK(octile_session_get_context(session, 0, &tokens, &error));
    CHECK(tokens == 0);
    free(whole);
    free(parts);
}

void check_sessions(const char* network) {
    octile_error error;
    octile_model* model = NULL;
    octile_session* session = NULL;
    octile_plan* plan = NULL;
    octile_linear* linear = NULL;
    CHECK(octile_model_open("no/such/file", 0, &model, &error) == OCTILE_IO_ERROR && model == NULL);
    CHECK(strstr(error.message, "no/such/file") == error.message);
    CHECK_OK(octile_model_open(network, 0, &model, &error));
    octile_model_figures figures = {.size = sizeof figures};
    CHECK_OK(octile_model_get_figures(model, &figures, &error));
    CHECK(figures.file_bytes >= figures.used_bytes && figures.used_bytes > 0);
    CHECK(octile_model_graph_json(model) != NULL && octile_model_tensor_count(model) > 0);
    CHECK_OK(octile_model_get_plan(model, &plan, &error));
    CHECK(octile_plan_layer_count(plan) >= octile_model_linear_count(model));
    CHECK_OK(octile_model_get_linear(model, octile_model_linear_name(model, 0), &linear, &error));

    octile_session_options options;
    CHECK(octile_session_options_init(&options, sizeof options) == OCTILE_OK);
    options.max_rows = 8;
    options.max_sequences = 2;
    options.max_context = 16;
    options.observer = observe;
    CHECK_OK(octile_session_create(model, &options, &session, &error));
    /* What is made of a model keeps what it needs. */
    octile_model_free(model);
    octile_linear_info info = {.size = sizeof info};
    CHECK_OK(octile_linear_get_info(linear, &info, &error));
    octile_linear_free(linear);
    octile_plan_free(plan);

    octile_session_options made = {.size = sizeof made};
    octile_session_memory memory = {.size = sizeof memory};
    CHECK_OK(octile_session_get_options(session, &made, &error));
    CHECK(made.max_rows == 8 && made.max_sequences == 2 && made.max_context == 16);
    CHECK_OK(octile_session_get_memory(session, &memory, &error));
    CHECK(memory.cache > 0 && memory.total >= memory.cache + memory.arena);
    check_cache(session);
    CHECK(observed > 0);
    octile_session_free(session);
}
