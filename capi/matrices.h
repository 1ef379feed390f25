// Memory that C callers hand in, as views.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "capi/boundary.h"
#include "octile/c/machine.h"
#include "octile/cpu.h"
#include "octile/linear.h"

namespace octile::capi {

// Refuse null, an unknown type and elements that are not at multiples of their size. (Extents are checked by who takes
// the view.)
MatrixView view_of(const octile_matrix* matrix, const char* what);
MutableMatrixView view_of(const octile_mutable_matrix* matrix, const char* what);

void check_aligned(const void* data, std::size_t alignment, const char* what);

// `count` elements. NULL stands for none.
template <typename T>
std::span<T> span_of(T* data, std::size_t count, const char* what) {
    if (!data && count != 0) refuse(std::string(what) + ": expected an array, found NULL and a count above 0");
    if (count > PTRDIFF_MAX / sizeof(T))
        refuse(std::string(what) + ": a count of " + std::to_string(count) + " is beyond all memory");
    check_aligned(data, alignof(T), what);
    return {data, count};
}

// The same of what may be left out, which NULL says, and no count of 0.
inline std::span<const float> optional_floats(const float* data, std::size_t count, const char* what) {
    if (data && count == 0) refuse(std::string(what) + ": expected NULL for none, found an array of 0 elements");
    return span_of(data, count, what);
}

// 0: usable_isas(). Refuses what is no level, and levels that this CPU lacks.
IsaSet isas_of(octile_isa_set isas);
// Refuses what is no level.
IsaSet any_isas_of(octile_isa_set isas);
octile_isa_set to_c(IsaSet isas);

}  // namespace octile::capi
