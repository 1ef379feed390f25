/* Plans. */
#include <math.h>
#include <string.h>

#include "tests/capi/c11_check.h"

static const char kList[] =
    "name,m,k,n,act,bias\n"
    "q,8,768,768,none,1\n"
    "up,8,768,3072,gelu,1\n"
    "head,8,768,8,none,0\n";

/* FP16 is three times as fast, as measured. */
static int32_t measure(void* context, const octile_measurement_key* key, double* microseconds) {
    ++*(int*)context;
    *microseconds = key->precision == OCTILE_FP16 ? 1 : 3;
    return strcmp(key->core, "neoverse-n1") == 0;
}

static octile_precision precision_of(const octile_plan* plan, const char* name) {
    octile_error error;
    size_t index = 0;
    octile_planned_layer layer = {.size = sizeof layer};
    CHECK_OK(octile_plan_find_layer(plan, name, &index, &error));
    CHECK_OK(octile_plan_get_layer(plan, index, &layer, &error));
    CHECK(strcmp(layer.name, name) == 0);
    return layer.precision;
}

void check_plans(void) {
    octile_error error;
    octile_plan *plan = NULL, *again = NULL, *measured = NULL;
    CHECK_OK(octile_plan_make(kList, strlen(kList), OCTILE_LIST_CSV, NULL, &plan, &error));
    CHECK(octile_plan_layer_count(plan) == 3 && octile_plan_note_count(plan) == 0);
    CHECK(precision_of(plan, "up") == OCTILE_INT8 && precision_of(plan, "head") == OCTILE_FP16);
    octile_plan_summary summary = {.size = sizeof summary};
    CHECK_OK(octile_plan_get_summary(plan, &summary, &error));
    CHECK(summary.linears == 3 && summary.int8 == 2 && summary.fp16 == 1 && isnan(summary.plan_us));

    char *json = NULL, *differences = NULL;
    CHECK_OK(octile_plan_to_json(plan, &json, &error));
    CHECK_OK(octile_plan_from_json(json, strlen(json), &again, &error));
    CHECK_OK(octile_plan_compare(plan, again, &differences, &error));
    CHECK(strcmp(differences, "") == 0);
    octile_string_free(json);
    octile_string_free(differences);

    int calls = 0;
    const octile_force forces[] = {{"^q$", OCTILE_INT8}, {"nothing", OCTILE_INT8}};
    octile_plan_options options;
    CHECK(octile_plan_options_init(&options, sizeof options) == OCTILE_OK);
    CHECK(options.min_ratio == 256 && options.noise == 0.05 && options.threads == 1);
    options.policy = OCTILE_POLICY_COST;
    options.core = "neoverse-n1";
    options.forces = forces;
    options.force_count = 2;
    options.measurement = measure;
    options.measurement_context = &calls;
    CHECK_OK(octile_plan_make(kList, strlen(kList), OCTILE_LIST_CSV, &options, &measured, &error));
    CHECK(calls > 0);
    CHECK(precision_of(measured, "q") == OCTILE_INT8 && precision_of(measured, "up") == OCTILE_FP16);
    CHECK(octile_plan_note_count(measured) == 1 && strstr(octile_plan_note(measured, 0), "nothing") != NULL);
    CHECK(octile_plan_note(measured, 1) == NULL);

    const octile_force int4 = {"^up$", OCTILE_INT4};
    octile_plan* forced = NULL;
    octile_plan_options smaller;
    CHECK(octile_plan_options_init(&smaller, sizeof smaller) == OCTILE_OK);
    smaller.forces = &int4;
    smaller.force_count = 1;
    CHECK_OK(octile_plan_make(kList, strlen(kList), OCTILE_LIST_CSV, &smaller, &forced, &error));
    CHECK(precision_of(forced, "up") == OCTILE_INT4);
    CHECK_OK(octile_plan_get_summary(forced, &summary, &error));
    CHECK(summary.int4 == 1 && summary.int8 == 1 && summary.fp16 == 1);
    octile_plan_free(forced);

    options.core = "abacus";
    CHECK(octile_plan_make(kList, strlen(kList), OCTILE_LIST_CSV, &options, &measured, &error) ==
          OCTILE_INVALID_ARGUMENT);
    CHECK(strstr(error.message, "neoverse-n1") != NULL);
    octile_plan_free(again);
    octile_plan_free(plan);
}
