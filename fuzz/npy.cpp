#include "calibration/array_file.h"
#include "fuzz/require.h"

namespace octile::fuzz {

void read_npy(std::string_view input) {
    const Result<ArrayRows> rows = parse_npy(std::as_bytes(std::span(input)), "x.npy", 7);
    if (!went_well(rows)) return;
    require(rows->rows <= 7 && rows->values.size() == static_cast<std::size_t>(rows->rows * rows->columns),
            "rows of another size than they say");
}

}  // namespace octile::fuzz
