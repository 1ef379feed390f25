#include "capi/matrices.h"

#include <fmt/format.h>

#include "capi/enums.h"

namespace octile::capi {
namespace {

template <typename View, typename Matrix>
View view(const Matrix* matrix, const char* what) {
    const Matrix& given = object_at(matrix, what);
    const DataType type = to_cpp<DataType>(given.type, fmt::format("{}.type", what).c_str());
    check_aligned(given.data, size_of(type), what);
    const std::int64_t stride = given.row_stride == 0 ? given.columns : given.row_stride;
    return {given.data, type, given.rows, given.columns, stride};
}

}  // namespace

MatrixView view_of(const octile_matrix* matrix, const char* what) {
    return view<MatrixView>(matrix, what);
}

MutableMatrixView view_of(const octile_mutable_matrix* matrix, const char* what) {
    return view<MutableMatrixView>(matrix, what);
}

void check_aligned(const void* data, std::size_t alignment, const char* what) {
    if (reinterpret_cast<std::uintptr_t>(data) % alignment == 0) return;
    refuse(fmt::format("{}: expected an address that is a multiple of {}, found {}", what, alignment, data));
}

IsaSet any_isas_of(octile_isa_set isas) {
    if (isas >> kIsaCount != 0)
        refuse(fmt::format("isas: expected levels from 1u << 0 to 1u << {}, found {:#x}", kIsaCount - 1, isas));
    IsaSet set;
    for (const auto& [bit, isa] : kPairs<Isa>)
        if (isas >> bit & 1) set.add(isa);
    return set;
}

IsaSet isas_of(octile_isa_set isas) {
    if (isas == 0) return take(usable_isas());
    const IsaSet set = any_isas_of(isas), supported = supported_isas();
    for (const auto& [bit, isa] : kPairs<Isa>) {
        if (!set.has(isa) || supported.has(isa)) continue;
        check(Status(StatusCode::kUnsupported,
                     fmt::format("isas: this CPU lacks {}; it has {}", name_of(isa), to_string(supported))));
    }
    return set;
}

octile_isa_set to_c(IsaSet isas) {
    octile_isa_set set = 0;
    for (const auto& [bit, isa] : kPairs<Isa>)
        if (isas.has(isa)) set |= 1u << bit;
    return set;
}

}  // namespace octile::capi
