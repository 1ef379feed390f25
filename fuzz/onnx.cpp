#include "inputs/onnx_model.h"

#include <span>

#include "fuzz/require.h"
#include "fuzz/use_model.h"

namespace octile::fuzz {

void read_onnx(std::string_view input) {
    const Result<Model> model = octile::read_onnx(std::as_bytes(std::span(input)), "net.onnx", {.tokens = 5});
    if (went_well(model)) plan(model.value());
}

}  // namespace octile::fuzz
