// usage: busy [--rounds=N] [--limit=RATIO] [COMMAND...]: how much slower two threads are than one while something else
// runs: a process that keeps one processor busy, or COMMAND, one that keeps more of them.
//
// Times passes through a network's linears with one thread and with two, in turn, and prints the median of each and the
// median of the ratios of neighbouring samples. With a limit, exit code 1 if two threads take longer than that many
// times what one takes, in the best of three tries: what else the machine does comes on top. 77: not two processors.
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "octile/parallel.h"
#include "tests/guest/layer.h"

namespace {

using Clock = std::chrono::steady_clock;
using octile::test::Layer;

// The last processor of the mask, so that the scheduler may leave the first to us.
void occupy_processor(const cpu_set_t& usable) {
    int last = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &usable)) last = cpu;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    sched_setaffinity(0, sizeof one, &one);
    while (true)
        __asm__ volatile("");
}

class Neighbour {
  public:
    Neighbour(char** command, const cpu_set_t& usable) : pid_(fork()) {
        if (pid_ != 0) return;
        if (!*command) occupy_processor(usable);
        execv(*command, command);
        _exit(127);
    }
    Neighbour(const Neighbour&) = delete;
    Neighbour& operator=(const Neighbour&) = delete;
    ~Neighbour() {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }

  private:
    pid_t pid_;
};

double median(std::vector<double> samples) {
    const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
    std::nth_element(samples.begin(), middle, samples.end());
    return *middle;
}

// Linears as a small transformer has them, for one token and for many.
struct Network {
    Layer up{64, 384, 1536}, down{64, 1536, 384}, one_row{1, 1024, 2048};

    // Seconds of a sample, long enough for the scheduler to have changed its mind several times.
    double time(int threads) const {
        octile::set_threads(threads);
        std::vector<float> y;
        octile::Workspace workspace;
        const Clock::time_point start = Clock::now();
        for (int pass = 0; pass < 200; pass++)
            for (const Layer* layer : {&up, &down, &one_row})
                if (!layer->run(y, workspace)) std::abort();
        return std::chrono::duration<double>(Clock::now() - start).count();
    }
};

double measure(const Network& network, int rounds) {
    std::vector<double> one, two, ratio;
    for (int round = 0; round < rounds; round++) {
        one.push_back(network.time(1));
        two.push_back(network.time(2));
        ratio.push_back(two.back() / one.back());
    }
    std::printf("one thread %.2f ms, two threads %.2f ms, two : one %.3f\n", 1e3 * median(one), 1e3 * median(two),
                median(ratio));
    return median(ratio);
}

template <typename Number>
bool read_option(std::string_view argument, std::string_view name, Number& value) {
    if (!argument.starts_with(name)) return false;
    argument.remove_prefix(name.size());
    return std::from_chars(argument.data(), argument.data() + argument.size(), value).ec == std::errc();
}

}  // namespace

int main(int argc, char** argv) {
    int rounds = 31, at = 1;
    double limit = 0;
    for (; at < argc; at++)
        if (!read_option(argv[at], "--rounds=", rounds) && !read_option(argv[at], "--limit=", limit)) break;
    cpu_set_t usable;
    if (sched_getaffinity(0, sizeof usable, &usable) != 0 || CPU_COUNT(&usable) < 2) return 77;
    const Network network;
    const Neighbour neighbour(argv + at, usable);
    double best = 0;
    for (int attempt = 0; attempt < (limit > 0 ? 3 : 1); attempt++) {
        const double ratio = measure(network, rounds);
        best = attempt == 0 ? ratio : std::min(best, ratio);
        if (best <= limit) return 0;
    }
    return limit > 0 ? 1 : 0;
}
