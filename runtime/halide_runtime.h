// The few entry points of Halide's run-time library that we use. The build prefixes its symbols
// (generators/build_kernel.py), so that a program may link another Halide library of another version; hence these
// declarations instead of HalideRuntime.h's.
#pragma once

extern "C" {

using octile_halide_error_handler = void (*)(void* user_context, const char* message);
octile_halide_error_handler octile_halide_set_error_handler(octile_halide_error_handler handler);
}
