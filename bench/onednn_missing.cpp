// Stands in for onednn.cpp where oneDNN is not installed.
#include "bench/onednn.h"

namespace octile::bench {

void configure_onednn(OneDnnIsa, int) {}

std::string describe_onednn() {
    return "no oneDNN in this build";
}

bool has_amx() {
    return false;
}

Result<Cell> onednn_cell(const Problem&, OneDnnOutput) {
    return Status(StatusCode::kUnsupported, describe_onednn());
}

Result<Cell> onednn_linear_cell(const Problem&) {
    return Status(StatusCode::kUnsupported, describe_onednn());
}

}  // namespace octile::bench
