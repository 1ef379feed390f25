// usage: unload PLUGIN...: loads each, runs a layer on three threads, unloads it while its workers still look for work,
// and again when they have gone to sleep. No thread of it may be left, and none may run into what is no longer there.
#include <dlfcn.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>

#include "tests/guest/process.h"

namespace {

using octile::test::is_mapped;
using octile::test::live_threads;

int fail(const char* plugin, const char* what) {
    std::printf("%s: %s\n", plugin, what);
    return 1;
}

int load_and_unload(const char* plugin, std::chrono::milliseconds pause, std::uint64_t& expected) {
    void* library = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
    if (!library) return fail(plugin, dlerror());
    const auto run = reinterpret_cast<std::uint64_t (*)(int)>(dlsym(library, "plugin_run"));
    if (!run) return fail(plugin, dlerror());
    const std::uint64_t digest = run(3);
    if (expected == 0) expected = digest;
    if (digest == 0 || digest != expected) return fail(plugin, "another result than the time before");
    if (live_threads() < 2) return fail(plugin, "expected workers");
    std::this_thread::sleep_for(pause);
    if (dlclose(library) != 0) return fail(plugin, dlerror());
    const std::string name = std::string(plugin).substr(std::string(plugin).rfind('/') + 1);
    if (is_mapped(name)) return fail(plugin, "still mapped: something in it cannot be unloaded");
    if (live_threads() != 1) return fail(plugin, "threads are left");
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::uint64_t expected = 0;
    for (int round = 0; round < 30; round++)
        for (int i = 1; i < argc; i++)
            if (load_and_unload(argv[i], std::chrono::milliseconds(round % 3 * 5), expected) != 0) return 1;
    // Who ran on would have met with it by now.
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return 0;
}
