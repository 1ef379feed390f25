// usage: exit static|thread|pthread_exit|signal: how a process may end while Octile is in use. The exit code is 0 if it
// ends well.
//
// static: a layer is used by the destructor of a static object that was there before the first layer.
// thread: other threads still run layers when main returns.
// pthread_exit: main ends by pthread_exit(); the process ends with its last thread, workers notwithstanding.
// signal: a signal's handler ends the process in the middle of a loop.
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <thread>

#include "octile/parallel.h"
#include "tests/guest/layer.h"

namespace {

using octile::test::Layer;
using octile::test::threaded_layer;

struct Service {
    std::unique_ptr<Layer> layer;
    std::uint64_t expected = 0;

    ~Service() {
        if (layer && layer->run() != expected) _exit(1);
    }
};
Service service;

void use_at_exit() {
    service.layer = std::make_unique<Layer>(threaded_layer());
    service.expected = service.layer->run();
    if (service.expected == 0) std::exit(1);
}

// Its own layer, which nobody destroys.
void run_forever() {
    const Layer& layer = *new Layer(threaded_layer());
    const std::uint64_t expected = layer.run();
    while (true)
        if (layer.run() != expected) _exit(1);
}

void leave_threads_behind() {
    for (int i = 0; i < 3; i++)
        std::thread(run_forever).detach();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

[[noreturn]] void end_main_thread() {
    if (threaded_layer().run() == 0) std::exit(1);
    std::thread([] {
        if (threaded_layer().run() == 0) _exit(1);
    }).detach();
    pthread_exit(nullptr);
}

void interrupt_a_loop() {
    signal(SIGALRM, [](int) { std::exit(0); });
    const itimerval soon{{}, {0, 50000}};
    setitimer(ITIMER_REAL, &soon, nullptr);
    run_forever();
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view how = argc == 2 ? argv[1] : "";
    octile::set_threads(3);
    if (how == "static") return use_at_exit(), 0;
    if (how == "thread") return leave_threads_behind(), 0;
    if (how == "pthread_exit") end_main_thread();
    if (how == "signal") interrupt_a_loop();
    std::printf("usage: exit static|thread|pthread_exit|signal\n");
    return 2;
}
