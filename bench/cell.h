// One thing that is timed: a call, how many operations it is worth, and how to see that it computes what it should.
#pragma once

#include <functional>

#include "octile/status.h"

namespace octile::bench {

struct Cell {
    double operations = 0;
    std::function<Status()> run;
    std::function<Status()> check;  // looks at what the last run() left behind

    // The first run, which is also the warm-up, and its check. Before anything is timed.
    Status verify() const {
        if (Status status = run(); !status.ok()) return status;
        return check();
    }
};

}  // namespace octile::bench
