#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include "cli/output.h"

namespace octile::cli {

Progress::Progress(std::string_view verb, double total)
    : verb_(verb), total_(total), terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
    if (shown_) clear_progress();
}

void Progress::update(double done, std::string_view item) {
    if (!terminal_) return;
    constexpr auto kFirst = std::chrono::milliseconds(500), kInterval = std::chrono::milliseconds(100);
    const Clock::time_point now = Clock::now();
    if (now - start_ < kFirst || now - last_ < kInterval) return;
    last_ = now;
    shown_ = true;
    const double elapsed = std::chrono::duration<double>(now - start_).count();
    const double left = done > 0 ? elapsed * (total_ - done) / done : 0;
    show_progress(fmt::format("{} {:3.0f} %  {}  {:.0f} s left", verb_, 100 * done / total_, item, left));
}

}  // namespace octile::cli
