// Forks while other threads pack and run layers: each child packs, runs with workers of its own, gets the same bits,
// and ends as any process does.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "octile/parallel.h"
#include "tests/guest/layer.h"
#include "tests/guest/process.h"

namespace {

using octile::test::Layer;
using octile::test::threaded_layer;

constexpr int kChildren = 60;
constexpr unsigned kSeconds = 60;  // that a child may take

int child(const Layer& parents, std::uint64_t expected) {
    alarm(kSeconds);
    if (parents.run() != expected) return 2;
    if (octile::test::live_threads() < 2) return 3;
    if (threaded_layer().run() != expected) return 4;
    return 0;
}

}  // namespace

int main() {
    octile::set_threads(3);
    const Layer layer = threaded_layer();
    const std::uint64_t expected = layer.run();
    if (expected == 0) return 1;
    std::atomic<bool> stop = false;
    std::vector<std::thread> busy;
    busy.emplace_back([&] {
        while (!stop)
            (void)octile::test::pack_layer(16, 16);
    });
    for (int i = 0; i < 2; i++) {
        busy.emplace_back([&] {
            while (!stop)
                (void)layer.run();
        });
    }
    int failed = 0;
    for (int i = 0; i < kChildren && failed == 0; i++) {
        const pid_t pid = fork();
        if (pid == 0) {
            const int code = child(layer, expected);
            // Both ways to end: with and without what is done at exit.
            i % 2 ? _exit(code) : std::exit(code);
        }
        int status = 0;
        if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            std::printf("child %d: status %#x\n", i, static_cast<unsigned>(status));
            failed = 1;
        }
    }
    stop = true;
    for (std::thread& thread : busy)
        thread.join();
    if (layer.run() != expected) failed = 1;
    return failed;
}
