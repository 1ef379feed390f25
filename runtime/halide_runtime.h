// The few entry points of Halide's run-time library that we use. The build prefixes its symbols
// (generators/build_kernel.py), so that a program may link another Halide library of another version; hence these
// declarations instead of HalideRuntime.h's.
#pragma once

#include <cstdint>

extern "C" {

using octile_halide_error_handler = void (*)(void* user_context, const char* message);
octile_halide_error_handler octile_halide_set_error_handler(octile_halide_error_handler handler);

using octile_halide_task = int (*)(void* user_context, int index, std::uint8_t* closure);
int octile_halide_default_do_par_for(void* user_context, octile_halide_task task, int min, int size,
                                     std::uint8_t* closure);
int octile_halide_set_num_threads(int count);
}
