#include "calibration/activations.h"
#include "fuzz/memory_file.h"
#include "fuzz/require.h"

namespace octile::fuzz {

void read_npz(std::string_view input) {
    const Result<Activations> archive = Activations::open(memory_file(input));
    if (!went_well(archive)) return;
    for (const std::string& name : archive->names())
        (void)went_well(archive->find(name, 4, 7));
}

}  // namespace octile::fuzz
