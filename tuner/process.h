// Other programs: started without a shell, fed, read, and ended when they take too long or somebody asks.
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "octile/status.h"

namespace octile::tuner {

struct ProcessOptions {
    std::string input = {};                           // on stdin
    double seconds = 1e9;                             // then it is ended
    const std::atomic<bool>* stop = nullptr;          // ended as soon as this is set
    std::string path_front = {};                      // a folder in front of PATH
    std::string folder = {};                          // to run in; empty: this one
    std::size_t most_output = std::size_t{64} << 20;  // bytes of either stream; beyond, it is ended
};

struct ProcessResult {
    int exit_code = -1;  // -1: ended by a signal
    int signal = 0;
    bool timed_out = false, stopped = false, too_long = false;
    std::string out, err;

    bool ok() const { return exit_code == 0 && !timed_out && !stopped && !too_long; }
    // How it ended and the last line of what it said, for messages.
    std::string what() const;
};

// kIoError where it cannot be started. The program is the leader of a process group of its own, which is ended as a
// whole: the terminal's Ctrl-C does not reach it.
Result<ProcessResult> run_process(const std::vector<std::string>& arguments, const ProcessOptions& options = {});

}  // namespace octile::tuner
