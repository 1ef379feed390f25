// The kernels that this build holds, for records of the database to be compared with.
#pragma once

#include <span>
#include <string_view>

#include "tuner/database.h"

namespace octile::tuner {

// One per GEMM family, and the tools that made them.
std::span<const KernelVersion> kernel_versions();
std::string_view digest_of_kernel(std::string_view kernel);  // empty for an unknown one
std::string_view halide_version();
std::string_view clang_version();

}  // namespace octile::tuner
