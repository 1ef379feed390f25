// This machine as a core of the cost model: what the operating system says of it, and rates measured with Octile's own
// kernels.
#pragma once

#include <cstdint>

#include "octile/core.h"
#include "octile/cpu.h"
#include "octile/status.h"
#include "octile/types.h"

namespace octile {

// Microseconds of one call of a linear with f32 input and output, on one thread, by the thread's own clock, which
// stands still while another process has the CPU. The median of several samples. Errors are those of Linear.
struct ProbeShape {
    std::int64_t m = 0, k = 0, n = 0;
    Precision precision = Precision::kInt8;
    Activation activation = Activation::kNone;
};
Result<double> probe_us(const ProbeShape& shape, IsaSet isas);

// Takes about a second. While it runs, octile::set_threads() is 1 and 2; afterwards as before.
Result<Core> measure_host_core(IsaSet isas);

}  // namespace octile
