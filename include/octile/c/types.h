// Part of octile/octile.h: codes, errors, vocabularies and matrices.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "octile/export.h"

#ifdef __cplusplus
extern "C" {
#endif

// Of these headers. octile_version_number() is that of the library.
#define OCTILE_VERSION_MAJOR 0
#define OCTILE_VERSION_MINOR 1
#define OCTILE_VERSION_PATCH 0
#define OCTILE_VERSION_STRING "0.1.0"
#define OCTILE_VERSION_NUMBER (OCTILE_VERSION_MAJOR * 10000 + OCTILE_VERSION_MINOR * 100 + OCTILE_VERSION_PATCH)

OCTILE_C_API int32_t octile_version_number(void);
OCTILE_C_API const char* octile_version_string(void);

// Enumerations are numbers of one size, whatever compiler or language: another number is an error, and no undefined
// behaviour. Theirs never change; later versions add some.
typedef int32_t octile_status;
enum {
    OCTILE_OK = 0,
    OCTILE_INVALID_ARGUMENT = 1,  // NULL, a shape, option or field that can never be right
    OCTILE_PARSE_ERROR = 2,       // a text or file that is not what its format says; the message names line or field
    OCTILE_IO_ERROR = 3,          // the operating system refused: missing file, no permission
    OCTILE_NON_FINITE = 4,        // NaN or infinity where a number is needed; the message names the row
    OCTILE_UNSUPPORTED = 5,       // this CPU, this library's version or build has nothing for the request
    OCTILE_OUT_OF_MEMORY = 6,
    OCTILE_INTERNAL = 7  // a defect of Octile, or a callback that failed
};

typedef int32_t octile_data_type;  // little-endian; f16 is IEEE binary16
enum { OCTILE_F32 = 0, OCTILE_F16 = 1, OCTILE_BF16 = 2, OCTILE_I8 = 3 };

typedef int32_t octile_precision;
enum { OCTILE_INT8 = 0, OCTILE_FP16 = 1, OCTILE_INT4 = 2 };

typedef int32_t octile_activation;  // docs/quantization.md has the formulas
enum {
    OCTILE_ACTIVATION_NONE = 0,
    OCTILE_RELU = 1,
    OCTILE_RELU6 = 2,
    OCTILE_HARDSWISH = 3,
    OCTILE_GELU = 4,  // erf
    OCTILE_GELU_TANH = 5,
    OCTILE_QUICK_GELU = 6,
    OCTILE_SILU = 7
};

// The spelling of a value in files, flags and messages: "invalid argument", "bf16", "int8", "gelu_tanh". NULL: there is
// no such value. Valid for ever.
OCTILE_C_API const char* octile_status_name(octile_status status);
OCTILE_C_API const char* octile_data_type_name(octile_data_type type);
OCTILE_C_API const char* octile_precision_name(octile_precision precision);
OCTILE_C_API const char* octile_activation_name(octile_activation activation);

// What a call that can fail leaves behind, in memory of the caller's: nothing is allocated and nothing is the thread's.
// One line without a line break, which names what was expected and found; "" after OCTILE_OK. Of a longer one, "..."
// stands for the middle. Never grows.
#define OCTILE_ERROR_BYTES 1020
typedef struct octile_error {
    octile_status code;
    char message[OCTILE_ERROR_BYTES];
} octile_error;

// Row-major matrices that the caller owns. Rows are `row_stride` elements apart, 0 standing for `columns`; elements are
// at multiples of their size. They never grow.
typedef struct octile_matrix {
    const void* data;
    int64_t rows;
    int64_t columns;
    int64_t row_stride;
    octile_data_type type;
} octile_matrix;

typedef struct octile_mutable_matrix {
    void* data;
    int64_t rows;
    int64_t columns;
    int64_t row_stride;
    octile_data_type type;
} octile_mutable_matrix;

// Text that a function made. NULL is fine.
OCTILE_C_API void octile_string_free(char* text);

#ifdef __cplusplus
}
#endif
