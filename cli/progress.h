// One line on stderr that says how far a command is and how long it will take. Nothing unless stderr is a terminal, and
// nothing for work that is done within a moment.
#pragma once

#include <chrono>
#include <string_view>

namespace octile::cli {

class Progress {
  public:
    // `total`: the work in any unit; update() says how much of it is done.
    Progress(std::string_view verb, double total);
    ~Progress();  // clears the line
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void update(double done, std::string_view item);

  private:
    using Clock = std::chrono::steady_clock;

    std::string_view verb_;
    double total_;
    bool terminal_;
    bool shown_ = false;
    Clock::time_point start_ = Clock::now(), last_ = start_;
};

}  // namespace octile::cli
