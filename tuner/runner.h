// Where jobs are measured. A runner brings a job's line to octile_measure and its answer back; whether to believe the
// answer is not its concern.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "octile/status.h"

namespace octile::tuner {

class Runner {
  public:
    virtual ~Runner() = default;
    // To be called before the first job and whenever the program is another one.
    virtual Status install(const std::filesystem::path& program) = 0;
    // The text of the answer. Errors: it could not be started, failed, took longer than `seconds`, or was stopped.
    virtual Result<std::string> run(const std::string& job, double seconds) = 0;
};

// "local"; "ssh:user@host[:port]"; or a command with "{}" where the program stands, run by sh: job on stdin, answer on
// stdout. kInvalidArgument for anything else. `stop`: set when jobs are to be given up.
Result<std::unique_ptr<Runner>> make_runner(std::string_view name, const std::atomic<bool>& stop);

// No runner: a model of a core.
inline constexpr std::string_view kModelRunner = "mca";

// What runners may be, for help and messages.
inline constexpr std::string_view kRunners = "local, ssh:USER@HOST[:PORT], 'COMMAND {}' or mca";

}  // namespace octile::tuner
