#include "fuzz/memory_file.h"
#include "fuzz/require.h"
#include "tuner/kernel_model.h"
#include "tuner/schedule_file.h"
#include "tuner/stages.h"

namespace octile::fuzz {

void read_schedule(std::string_view input) {
    const Result<nlohmann::json> schedule = tuner::read_schedule(memory_file(input));
    if (went_well(schedule)) {
        (void)tuner::schedule_text(schedule.value());
        for (const auto& [level, entries] : schedule.value()["levels"].items()) {
            for (const auto& [kernel, entry] : entries.items()) {
                (void)tuner::name_of_entry(entry);
                // Kernels of linears; others have no panels.
                if (entry.contains("panel_m")) (void)tuner::label_of_entry(entry);
            }
        }
    }
    (void)went_well(tuner::tile_costs_from_json(input));
}

}  // namespace octile::fuzz
