// Part of octile/octile.h: planning, from a list of layers to INT8 or FP16 for each. Pure: no file is read, the CPU is
// not looked at, and the answer is the same everywhere. docs/planner.md has policies and reasons.
#pragma once

#include "octile/c/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct octile_plan octile_plan;

typedef int32_t octile_list_format;  // docs/inputs.md, "Layer lists"
enum { OCTILE_LIST_CSV = 0, OCTILE_LIST_JSON = 1 };

typedef int32_t octile_policy;
enum { OCTILE_POLICY_RATIO = 0, OCTILE_POLICY_COST = 1, OCTILE_POLICY_ACCURACY = 2 };

typedef int32_t octile_op;
enum {
    OCTILE_OP_LINEAR = 0,
    OCTILE_OP_LAYERNORM = 1,
    OCTILE_OP_ACTIVATION = 2,
    OCTILE_OP_ADD = 3,
    OCTILE_OP_OTHER = 4
};

// Why a layer has its precision.
typedef int32_t octile_reason;
enum {
    OCTILE_RATIO_GE_MIN = 0,
    OCTILE_RATIO_LT_MIN = 1,
    OCTILE_FORCED = 2,
    OCTILE_SKIPPED = 3,
    OCTILE_PREQUANTIZED = 4,
    OCTILE_NO_KERNEL = 5,
    OCTILE_NOT_A_LINEAR = 6,
    OCTILE_COMPUTE_BOUND = 7,
    OCTILE_BANDWIDTH_BOUND = 8,
    OCTILE_PANEL_SHARED = 9,
    OCTILE_QDQ_DOMINATES = 10,
    OCTILE_INT8_NOT_FASTER = 11,
    OCTILE_TIE_KEEPS_FP16 = 12,
    OCTILE_MEASURED_FASTER = 13,
    OCTILE_WITHIN_BUDGET = 14,
    OCTILE_ACCURACY_BUDGET = 15
};

// Where an INT8 linear's quantized input comes from.
typedef int32_t octile_input_panel;
enum {
    OCTILE_PANEL_NONE = 0,        // FP16: there is none
    OCTILE_PANEL_OWN = 1,         // it quantizes its input itself, for the layers that share it too
    OCTILE_PANEL_FROM_OTHER = 2,  // another INT8 linear of the same input quantized it
    OCTILE_PANEL_FROM_NORM = 3,   // the layernorm before it writes it
    OCTILE_PANEL_FROM_CHAIN = 4   // the INT8 linear before it writes INT8, by its static scale
};

OCTILE_C_API const char* octile_policy_name(octile_policy policy);
OCTILE_C_API const char* octile_op_name(octile_op op);
OCTILE_C_API const char* octile_reason_name(octile_reason reason);  // "RATIO_GE_MIN"
OCTILE_C_API const char* octile_input_panel_name(octile_input_panel panel);

// The precision of every linear whose name a pattern matches.
typedef struct octile_force {
    const char* pattern;
    octile_precision precision;
} octile_force;

// A layer that the program may have timed.
typedef struct octile_measurement_key {
    const char* core;
    int64_t m, k, n;
    int32_t threads;
    octile_precision precision;
    octile_activation activation;
} octile_measurement_key;

// Whether there is a measurement, and if so, `*microseconds`, above 0, of the whole linear (quantize or pack, GEMM,
// epilogue) on that core. Asked for both precisions of every linear; must give the same answer each time. The key is
// valid during the call.
typedef int32_t (*octile_measurement)(void* context, const octile_measurement_key* key, double* microseconds);

// Error of one layer's output in INT8 against floating point, and what policy `accuracy` makes of it.
typedef struct octile_layer_error {
    int32_t known;             // 0: there is none for this row, which stays FP16
    int32_t int8;              // 1: the error budget lets the layer be INT8
    double sqnr_db;            // signal to quantization noise
    double cosine;             // similarity
    double smoothquant_alpha;  // with the activations smoothed by this exponent; NaN: as they are
} octile_layer_error;

// Patterns are ECMAScript regular expressions without back-references, found anywhere in a name. Precedence: skip; then
// the last force that matches; then the policy.
typedef struct octile_plan_options {
    size_t size;
    // What the list is called in messages, as a file would be; without its ending, the model's name where the list says
    // none. NULL: "layers".
    const char* list_name;
    int64_t tokens;  // 0; from 1: takes the place of every m of the list
    octile_policy policy;
    int32_t threads;   // 1; those that costs are for, as many as the core has at most
    double min_ratio;  // 256; policy `ratio`: INT8 from this K*N/(K+N) on
    double noise;      // 0.05; policy `cost`: INT8 has to be faster by more than this share
    const octile_force* forces;
    size_t force_count;
    const char* skip;  // a pattern: stay FP16; NULL: none
    // The core that costs are for: the name of one that comes with the library, or a description (octile_core_to_json()
    // writes one); at most one of them. Policy `cost` needs one.
    const char* core;
    const char* core_json;
    octile_measurement measurement;  // or NULL
    void* measurement_context;
    // Policy `accuracy` needs them, one for each row of the list.
    const octile_layer_error* errors;
    size_t error_count;
} octile_plan_options;

OCTILE_C_API octile_status octile_plan_options_init(octile_plan_options* options, size_t size);

// Plans a layer list of `list_bytes` bytes. OCTILE_PARSE_ERROR: not such a list, naming line or field;
// OCTILE_INVALID_ARGUMENT: options that are wrong, or a list that is.
OCTILE_C_API octile_status octile_plan_make(const char* list, size_t list_bytes, octile_list_format format,
                                            const octile_plan_options* options, octile_plan** plan,
                                            octile_error* error);

// Strict: an unknown, missing or contradictory field is an error that names it.
OCTILE_C_API octile_status octile_plan_from_json(const char* json, size_t json_bytes, octile_plan** plan,
                                                 octile_error* error);
OCTILE_C_API void octile_plan_free(octile_plan* plan);

// To be freed by octile_string_free(). The text is a line for the plan, one per layer, one for the summary.
OCTILE_C_API octile_status octile_plan_to_json(const octile_plan* plan, char** json, octile_error* error);
OCTILE_C_API octile_status octile_plan_to_text(const octile_plan* plan, char** text, octile_error* error);
// What two plans do not agree on, a line each: "fc1: precision: int8 -> fp16". "" if and only if they are the same.
OCTILE_C_API octile_status octile_plan_compare(const octile_plan* before, const octile_plan* after, char** differences,
                                               octile_error* error);

// One row of a plan: what fusion has made of one or several rows of the list. NaN and NULL: there is none.
typedef struct octile_planned_layer {
    size_t size;
    const char* name;
    int64_t m, k, n;
    int64_t count;  // how many times the network holds this layer
    octile_op op;
    octile_activation activation;
    int32_t bias;
    octile_precision precision;
    octile_reason reason;
    int32_t quantize_input;
    octile_input_panel panel;
    const char* panel_from;  // the layer that writes the panel
    const char* gate;        // the layer whose output this one's is multiplied by
    double ratio;            // K*N/(K+N) of a linear
    double margin;           // how far the policy's figure is from flipping the choice
    double int8_us, fp16_us;
    double int4_us;  // of a layer that is INT4
} octile_planned_layer;

OCTILE_C_API size_t octile_plan_layer_count(const octile_plan* plan);
OCTILE_C_API octile_status octile_plan_get_layer(const octile_plan* plan, size_t index, octile_planned_layer* layer,
                                                 octile_error* error);
// The first layer of that name.
OCTILE_C_API octile_status octile_plan_find_layer(const octile_plan* plan, const char* name, size_t* index,
                                                  octile_error* error);

// Linears, counted as often as the network holds them.
typedef struct octile_plan_summary {
    size_t size;
    int64_t linears, int8, fp16;
    double plan_us, fp16_us;  // of all linears as planned, and if all were FP16; NaN without costs
    int64_t int4;
} octile_plan_summary;

OCTILE_C_API octile_status octile_plan_get_summary(const octile_plan* plan, octile_plan_summary* summary,
                                                   octile_error* error);

// What planning had to remark, a line each: patterns that decided no layer. NULL from the count on.
OCTILE_C_API size_t octile_plan_note_count(const octile_plan* plan);
OCTILE_C_API const char* octile_plan_note(const octile_plan* plan, size_t index);

// The cores that come with the library, in alphabetical order. NULL from the count on.
OCTILE_C_API size_t octile_core_count(void);
OCTILE_C_API const char* octile_core_name(size_t index);
// Its description, to be freed by octile_string_free().
OCTILE_C_API octile_status octile_core_to_json(const char* name, char** json, octile_error* error);

#ifdef __cplusplus
}
#endif
