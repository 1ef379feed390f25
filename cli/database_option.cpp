#include "cli/database_option.h"

#include "cli/output.h"
#include "tuner/kernel_versions.h"

namespace octile::cli {

Result<tuner::DatabaseContent> read_records(const std::string& file, bool accept_stale,
                                            std::vector<std::string>* notes) {
    const auto say = [notes](const std::string& line) { notes ? notes->push_back(line) : note(line); };
    Result<tuner::DatabaseContent> content = tuner::read_database(file);
    if (!content.ok()) return content.status();
    for (const std::string& line : content->notes)
        say(line);
    const std::string stale = tuner::stale_message(file, content->records, tuner::kernel_versions());
    if (!stale.empty() && !accept_stale) return Status(StatusCode::kInvalidArgument, stale);
    if (!stale.empty()) say(stale.substr(0, stale.find(": measure")) + ": taken all the same");
    return content;
}

}  // namespace octile::cli
