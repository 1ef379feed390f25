// Writes the decoder that the tests of the C API run: octile_capi_network FILE.octile
#include <cstdio>

#include "tests/packed/packed_network.h"

int main(int argc, char** argv) {
    using namespace octile;
    if (argc != 2) return std::fputs("usage: octile_capi_network FILE.octile\n", stderr), 2;
    const Graph graph = test::decoder_graph({});
    // All INT8: the same bits of a prompt at once and token by token, which FP16 does not promise.
    const Status status = test::write_packed(graph, test::plan_of(graph, 0), argv[1]);
    if (!status.ok()) std::fprintf(stderr, "octile_capi_network: %s\n", status.message().c_str());
    return status.ok() ? 0 : 1;
}
