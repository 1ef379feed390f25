// usage: two_plugins A B: two shared objects that each hold an Octile, both with their symbols in the global scope.
// What is set in one is not set in the other.
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>

namespace {

template <typename Function>
Function* load(const char* plugin, const char* name) {
    void* library = dlopen(plugin, RTLD_NOW | RTLD_GLOBAL);
    return library ? reinterpret_cast<Function*>(dlsym(library, name)) : nullptr;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const auto run_a = load<std::uint64_t(int)>(argv[1], "plugin_run"),
               run_b = load<std::uint64_t(int)>(argv[2], "plugin_run");
    const auto threads_a = load<int()>(argv[1], "plugin_threads"), threads_b = load<int()>(argv[2], "plugin_threads");
    if (!run_a || !run_b || !threads_a || !threads_b) {
        std::printf("%s\n", dlerror());
        return 1;
    }
    const std::uint64_t a = run_a(2), b = run_b(3);
    std::printf("threads %d and %d, expected 2 and 3\n", threads_a(), threads_b());
    if (a == 0 || a != b) std::printf("results differ\n");
    return a != 0 && a == b && threads_a() == 2 && threads_b() == 3 ? 0 : 1;
}
