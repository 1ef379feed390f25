// Octile from C11, and from every language that calls C. docs/c_api.md begins with a whole program.
//
//   octile_error error;
//   octile_linear* linear;
//   if (octile_linear_pack(&weights, NULL, 0, NULL, &linear, &error) != OCTILE_OK) puts(error.message);
//
// - Errors. What can fail returns a code and, in `error`, which is the last argument everywhere, the same code with a
//   message; NULL: no message is wanted. A handle or pointer that is NULL where one is needed, a number that no
//   enumeration has, and memory that cannot be had are errors like any other. Nothing here throws, whatever is linked
//   in, and nothing aborts. What a function makes (`octile_linear** linear`) is NULL after an error. (An
//   octile_..._init() has two arguments that could be wrong, and returns the code alone.)
// - Ownership. What a function makes, its caller frees: octile_linear_free() and so on, which take NULL too; text by
//   octile_string_free(). Arguments are copied, or read during the call only, unless their comment says otherwise.
//   `const char*` that is returned belongs to the handle it was asked of, or to the library, and is valid as long.
// - Threads. Any number of threads may use a linear, norm, plan or model at once. One thread at a time uses a
//   workspace, packed rows or a session, and frees whatever it is. Do not cancel a thread within a call.
// - Structs that may grow begin with `size`, their caller's sizeof: `octile_model_figures figures = {.size =
//   sizeof(figures)}`. Options are filled in by their octile_..._init(&options, sizeof(options)), with the defaults,
//   and NULL stands for these. A program runs with every later library of its interface; with an earlier one, unless
//   it sets what that one does not know, which is OCTILE_UNSUPPORTED.
// - Units. Shapes are [rows, columns], row-major, in elements. M: rows; K: input features; N: output features.
//   Microseconds and bytes are called so. Text is UTF-8. Flags are 0 or 1.
#pragma once

#include "octile/c/linear.h"
#include "octile/c/machine.h"
#include "octile/c/norm.h"
#include "octile/c/plan.h"
#include "octile/c/session.h"
#include "octile/c/types.h"
