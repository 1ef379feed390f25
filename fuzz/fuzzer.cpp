// libFuzzer's side of a target, which the environment variable OCTILE_FUZZ_TARGET names.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "fuzz/target.h"

namespace {

const octile::fuzz::Target* target = nullptr;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    const char* const name = std::getenv("OCTILE_FUZZ_TARGET");
    target = octile::fuzz::find_target(name == nullptr ? "" : name);
    if (target != nullptr) return 0;
    std::fprintf(stderr, "OCTILE_FUZZ_TARGET: expected one of");
    for (const octile::fuzz::Target& known : octile::fuzz::targets())
        std::fprintf(stderr, " %.*s", static_cast<int>(known.name.size()), known.name.data());
    std::fprintf(stderr, ", found \"%s\"\n", name == nullptr ? "" : name);
    std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    target->run({reinterpret_cast<const char*>(data), size});
    return 0;
}
