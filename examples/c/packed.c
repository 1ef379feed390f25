/* Runs the network of a file of `octile quantize`, token by token: packed FILE.octile ID... */
#include <octile/octile.h>

#include <stdio.h>
#include <stdlib.h>

static int fail(const octile_error* error) {
    fprintf(stderr, "packed: %s\n", error->message);
    return 1;
}

int main(int argc, char** argv) {
    octile_error error;
    octile_model* model = NULL;
    octile_session* session = NULL;
    octile_input_info input = {.size = sizeof input};
    octile_output_info output = {.size = sizeof output};
    if (argc < 3) return fputs("usage: packed FILE.octile ID...\n", stderr), 2;

    if (octile_model_open(argv[1], 0, &model, &error) != OCTILE_OK) return fail(&error); /* mapped, not read */
    for (size_t i = 0; i < octile_model_note_count(model); i++)
        fprintf(stderr, "packed: note: %s\n", octile_model_note(model, i));
    if (octile_session_create(model, NULL, &session, &error) != OCTILE_OK) return fail(&error);
    octile_model_free(model); /* the session keeps what it needs */
    if (octile_session_get_input(session, 0, &input, &error) != OCTILE_OK ||
        octile_session_get_output(session, 0, &output, &error) != OCTILE_OK)
        return fail(&error);

    const size_t count = (size_t)output.features;
    float* values = malloc(count * sizeof(float));
    if (!values) return fputs("packed: not enough memory\n", stderr), 1;
    for (int i = 2; i < argc; i++) {
        const int32_t id = atoi(argv[i]), one = 1;
        const octile_session_input in = {.name = input.name, .indices = &id, .index_count = 1};
        const octile_session_output out = {output.name, values, count};
        /* In a causal network each run continues those before it. */
        if (octile_session_run(session, &one, 1, &in, 1, &out, 1, &error) != OCTILE_OK) return fail(&error);
    }
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (values[i] > values[best]) best = i;
    printf("%s: %zu values, the largest at %zu\n", output.name, count, best);
    free(values);
    octile_session_free(session);
    return 0;
}
