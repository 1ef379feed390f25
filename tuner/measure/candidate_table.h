// The candidates of this program: a kernel table each, of which one at a time is the runtime's.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "octile/cpu.h"

namespace octile::measure {

// What the candidates are schedules of.
std::string_view measured_kernel();  // "gemm_s8" or "gemm_f16"
Isa measured_isa();

std::optional<std::size_t> find_candidate(std::string_view name);

// Makes kernel_table() this candidate's: what Linear::pack() finds from now on. Layers that are packed keep theirs.
void select_candidate(std::size_t candidate);

}  // namespace octile::measure
