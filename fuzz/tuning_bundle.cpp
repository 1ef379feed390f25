#include <system_error>

#include "base/printable.h"
#include "fuzz/memory_file.h"
#include "fuzz/require.h"
#include "tuner/bundle.h"
#include "tuner/database.h"
#include "tuner/selection.h"

namespace octile::fuzz {
namespace {

struct Notes final : tuner::TuneObserver {
    void on_stage(const tuner::StagePlan&) override {}
    void on_build(std::size_t) override {}
    void on_dropped(const std::string&, const std::string&) override {}
    void on_progress(const tuner::SearchProgress&, const std::string&, double) override {}
    void on_note(const std::string& note) override {
        require(internal::is_printable(note), "a note that is no line: " + note);
    }
};

}  // namespace

// What a board brings back, imported into an empty database and once more into what that became.
void read_tuning_bundle(std::string_view input) {
    const auto results = memory_file(input);
    const auto database = scratch_folder() / "tuning.jsonl";
    std::error_code ignored;
    std::filesystem::remove(database, ignored);
    Notes notes;
    const auto imported = tuner::import_results(results, database, true, notes);
    if (!went_well(imported)) return;
    if (imported->records > 0) {
        const auto content = tuner::read_database(database);
        require(content.ok(), "an imported database cannot be read: " + content.status().message());
        (void)tuner::choose(content->records);
    }
    (void)went_well(tuner::import_results(results, database, true, notes));
}

}  // namespace octile::fuzz
