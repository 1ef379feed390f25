#include <string>
#include <vector>

#include "base/printable.h"
#include "fuzz/memory_file.h"
#include "fuzz/require.h"
#include "fuzz/use_model.h"
#include "octile/planner.h"
#include "tuner/database.h"
#include "tuner/schedule_file.h"
#include "tuner/selection.h"

namespace octile::fuzz {

// A database: validated, merged with itself, chosen from, exported, and planned by.
void read_tuning_records(std::string_view input) {
    const auto path = memory_file(input);
    const Result<std::vector<std::string>> offences = tuner::validate_database(path);
    if (went_well(offences)) {
        for (const std::string& offence : offences.value())
            require(internal::is_printable(offence), "an offence that is no line: " + offence);
    }
    const Result<tuner::DatabaseContent> content = tuner::read_database(path);
    if (!went_well(content)) return;
    const std::vector<tuner::DatabaseContent> twice = {content.value(), content.value()};
    const auto merged = tuner::read_database(memory_file(tuner::merged(twice), 1));
    require(merged.ok(), "a merged database cannot be read: " + merged.status().message());
    const std::vector<tuner::Choice> choices = tuner::choose(content->records);
    for (const tuner::Choice& choice : choices)
        (void)tuner::verdict_of(choice);
    if (!choices.empty()) {
        const std::string schedule = tuner::schedule_text(tuner::with_choices(nullptr, choices, "x"));
        const auto read = tuner::read_schedule(memory_file(schedule, 2));
        require(read.ok(), "an exported schedule cannot be read: " + read.status().message());
    }
}

}  // namespace octile::fuzz
