// A shared object that uses Octile, as a program would load and unload it.
#include <cstdint>
#include <optional>

#include "octile/parallel.h"
#include "tests/guest/layer.h"

#define PLUGIN_API extern "C" __attribute__((visibility("default")))

PLUGIN_API std::uint64_t plugin_run(int threads) {
    static std::optional<octile::test::Layer> layer;
    octile::set_threads(threads);
    if (!layer) layer = octile::test::threaded_layer();
    return layer->run();
}

PLUGIN_API int plugin_threads() {
    return octile::threads();
}
