// Part of octile/octile.h: a network that `octile quantize` packed, and what runs it.
#pragma once

#include "octile/c/linear.h"
#include "octile/c/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct octile_model octile_model;
typedef struct octile_session octile_session;

// Maps a packed file and verifies the checksum of everything that will be used. Sessions and linears made of it keep it
// mapped, whether it is freed or not. `isas`: 0, or the levels that linears may use; panels that the file lacks for
// them are packed anew, which a note says.
//
// - OCTILE_IO_ERROR: no regular file that can be read
// - OCTILE_PARSE_ERROR: another file, a newer version's, one cut short or changed
// - OCTILE_UNSUPPORTED: no kernel for these levels
//
// A file that is shortened while it is open ends the process (SIGBUS): replace files by rename.
OCTILE_C_API octile_status octile_model_open(const char* path, octile_isa_set isas, octile_model** model,
                                             octile_error* error);
OCTILE_C_API void octile_model_free(octile_model* model);

// A line each. NULL from the count on.
OCTILE_C_API size_t octile_model_note_count(const octile_model* model);
OCTILE_C_API const char* octile_model_note(const octile_model* model, size_t index);

typedef struct octile_model_figures {
    size_t size;
    size_t file_bytes;      // all mapped
    size_t used_bytes;      // read, and checked
    size_t repacked_bytes;  // memory of its own, of linears whose panels the file lacks for this CPU
} octile_model_figures;

OCTILE_C_API octile_status octile_model_get_figures(const octile_model* model, octile_model_figures* figures,
                                                    octile_error* error);

// The plan that it was packed by.
OCTILE_C_API octile_status octile_model_get_plan(const octile_model* model, octile_plan** plan, octile_error* error);

// The network's graph as JSON; NULL where the file holds layers and no network.
OCTILE_C_API const char* octile_model_graph_json(const octile_model* model);

// Its linears, in alphabetical order. A gated pair is one, under the name of its up projection.
OCTILE_C_API size_t octile_model_linear_count(const octile_model* model);
OCTILE_C_API const char* octile_model_linear_name(const octile_model* model, size_t index);
OCTILE_C_API octile_status octile_model_get_linear(const octile_model* model, const char* name, octile_linear** linear,
                                                   octile_error* error);

// A tensor that is no linear's.
typedef struct octile_tensor {
    size_t size;
    const char* name;
    const char* dtype;  // as safetensors spells it: "F32", "BF16", "I64"
    const int64_t* shape;
    size_t rank;
    const void* data;  // row-major, little-endian, aligned to 64 bytes
    size_t bytes;
} octile_tensor;

OCTILE_C_API size_t octile_model_tensor_count(const octile_model* model);
OCTILE_C_API octile_status octile_model_get_tensor(const octile_model* model, size_t index, octile_tensor* tensor,
                                                   octile_error* error);

// What a node has yielded, f32, valid during the call.
typedef void (*octile_observer)(void* context, const char* node, const octile_matrix* value);

typedef struct octile_session_options {
    size_t size;
    int64_t max_rows;       // 512; tokens of one call, of all sequences together
    int64_t max_sequences;  // 8; of one call
    int64_t max_context;    // 512; causal networks: tokens of a sequence, those of earlier calls included
    // 0, or the levels of the kernels other than the linears', which are those they were packed for.
    octile_isa_set isas;
    octile_observer observer;  // called behind every node on the thread of the run; or NULL
    void* observer_context;
} octile_session_options;

OCTILE_C_API octile_status octile_session_options_init(octile_session_options* options, size_t size);

// Takes all memory that runs need: they take none. OCTILE_INVALID_ARGUMENT: a file without a network, options below 1;
// OCTILE_UNSUPPORTED: what no session runs.
OCTILE_C_API octile_status octile_session_create(const octile_model* model, const octile_session_options* options,
                                                 octile_session** session, octile_error* error);
OCTILE_C_API void octile_session_free(octile_session* session);

// The options that it was made with, isas as they were given.
OCTILE_C_API octile_status octile_session_get_options(const octile_session* session, octile_session_options* options,
                                                      octile_error* error);

// One of the graph's inputs: an int32 index for each row, where `features` is 0, or values [rows, features] of f32. A
// row is a token.
typedef struct octile_input_info {
    size_t size;
    const char* name;
    int64_t features;
    int32_t optional;  // of indices: all 0 where the program has none
} octile_input_info;

// One of the graph's outputs, dense, f32: [rows, features], or [sequences, features] where per_sequence is 1.
typedef struct octile_output_info {
    size_t size;
    const char* name;
    int64_t features;
    int32_t per_sequence;
} octile_output_info;

OCTILE_C_API size_t octile_session_input_count(const octile_session* session);
OCTILE_C_API octile_status octile_session_get_input(const octile_session* session, size_t index,
                                                    octile_input_info* input, octile_error* error);
OCTILE_C_API size_t octile_session_output_count(const octile_session* session);
OCTILE_C_API octile_status octile_session_get_output(const octile_session* session, size_t index,
                                                     octile_output_info* output, octile_error* error);

// They never grow.
typedef struct octile_session_input {
    const char* name;
    const int32_t* indices;  // or NULL
    size_t index_count;
    octile_matrix values;  // all 0 for indices: both are an error
} octile_session_input;

typedef struct octile_session_output {
    const char* name;
    float* values;
    size_t value_count;
} octile_session_output;

// Runs the network on the rows of `sequence_count` sequences, one behind the other, of lengths[i] >= 1 tokens each. In
// a causal network they continue what sequence i has said since the last reset. All outputs have to be there, and all
// inputs that are not optional. Memory of inputs and outputs must not overlap.
//
// OCTILE_INVALID_ARGUMENT: too many rows, an index outside its table (naming input and row), memory of another size;
// OCTILE_NON_FINITE: a linear's input holds what its precision cannot, naming node and row. After an error, outputs
// hold anything and no sequence has become longer.
OCTILE_C_API octile_status octile_session_run(octile_session* session, const int32_t* lengths, size_t sequence_count,
                                              const octile_session_input* inputs, size_t input_count,
                                              const octile_session_output* outputs, size_t output_count,
                                              octile_error* error);

// Forgets the tokens of all sequences, or of one, from 0 to max_sequences - 1.
OCTILE_C_API octile_status octile_session_reset(octile_session* session, octile_error* error);
OCTILE_C_API octile_status octile_session_reset_sequence(octile_session* session, int64_t sequence,
                                                         octile_error* error);
// Tokens that a sequence has said since.
OCTILE_C_API octile_status octile_session_get_context(const octile_session* session, int64_t sequence, int64_t* tokens,
                                                      octile_error* error);

// Memory of a session in bytes.
typedef struct octile_session_memory {
    size_t size;
    size_t total;
    size_t arena;    // values between nodes, which share it
    size_t panels;   // packed rows
    size_t scratch;  // between kernels
    size_t cache;    // keys and values of causal attention
    size_t tables;   // of rotary embeddings
} octile_session_memory;

OCTILE_C_API octile_status octile_session_get_memory(const octile_session* session, octile_session_memory* memory,
                                                     octile_error* error);

#ifdef __cplusplus
}
#endif
