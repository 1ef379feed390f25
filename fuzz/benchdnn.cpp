#include "inputs/benchdnn_layers.h"

#include "fuzz/memory_file.h"
#include "fuzz/require.h"
#include "fuzz/use_model.h"

namespace octile::fuzz {

// A --batch finds three files beside it: one of problems, one that includes itself, one that the input follows in.
void read_benchdnn(std::string_view input) {
    static const bool made = [] {
        scratch_file("shapes", "mb2ic3oc4\n");
        scratch_file("loop", "--batch=loop\n");
        return true;
    }();
    (void)made;
    const auto path = scratch_folder() / "input";
    if (input.find("batch=input") != std::string_view::npos) scratch_file("input", input);
    const Result<Model> model = parse_benchdnn_layers(input, path);
    if (went_well(model)) plan(model.value());
}

}  // namespace octile::fuzz
