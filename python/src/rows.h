// octile.Rows: rows that several linears read, quantized or packed once.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <vector>

#include "octile/linear.h"
#include "python/src/arrays.h"

namespace octile::python {

// Written by one call at a time, that of pack_rows() or of a norm; read by any number.
struct PythonRows {
    PackedRows value;
    Like like;                          // what y is
    std::vector<std::int64_t> leading;  // dimensions of x before its last

    // Memory for the rows of `x`, whose shape and kind y will have.
    void describe(const Array& x);
};

void add_rows(nanobind::module_& module);

}  // namespace octile::python
