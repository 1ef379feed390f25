// usage: octile_fuzz_seeds FOLDER
#include "fuzz/seeds.h"

#include <cstdio>
#include <cstring>
#include <fstream>
#include <vector>

#include "octile/core.h"
#include "tests/inputs/safetensors_builder.h"

namespace octile::fuzz {

void SeedFolder::add(std::string_view target, std::string_view name, std::string_view bytes) const {
    const std::filesystem::path folder = path_ / target;
    std::filesystem::create_directories(folder);
    std::ofstream(folder / name, std::ios::binary) << bytes;
}

namespace {

// A file of ones, whose last tensor has to say N and K.
std::string with_extents(std::string file) {
    constexpr std::int64_t kExtents[] = {2, 16};
    std::memcpy(file.data() + file.size() - sizeof(kExtents), kExtents, sizeof(kExtents));
    return file;
}

void add_safetensors_seeds(const SeedFolder& folder) {
    using test::TestTensor;
    const auto header_of = [](const std::string& file) {
        std::uint64_t bytes = 0;
        std::memcpy(&bytes, file.data(), sizeof(bytes));
        return file.substr(sizeof(bytes), bytes);
    };
    const std::string small = test::safetensors_bytes(std::vector<TestTensor>{{"wte.weight", {3, 2}},
                                                                              {"layer.0.fc.bias", {2}, "F16"},
                                                                              {"layer.0.fc.weight", {2, 3}, "BF16"},
                                                                              {"norm.weight", {2}},
                                                                              {"ids", {1}, "I64"}});
    const std::string decoder =
        test::safetensors_bytes(std::vector<TestTensor>{{"layers.0.up_proj.weight", {24, 16}},
                                                        {"layers.0.gate_proj.weight", {24, 16}, "F16"},
                                                        {"layers.0.q_proj.weight", {16, 16}, "I8"},
                                                        {"layers.0.q_proj.weight_scale", {16, 1}},
                                                        {"norm.weight", {16}},
                                                        {"embed_tokens.weight", {5, 16}, "BF16"}});
    // Of every form of packed levels one linear.
    const std::string words =
        test::safetensors_bytes(std::vector<TestTensor>{{"gptq.qweight", {2, 8}, "I32"},
                                                        {"gptq.qzeros", {2, 1}, "I32"},
                                                        {"gptq.scales", {2, 8}, "F16"},
                                                        {"awq.qweight", {16, 1}, "I32"},
                                                        {"awq.qzeros", {2, 1}, "I32"},
                                                        {"awq.scales", {2, 8}, "F16"},
                                                        {"packed.weight_packed", {2, 2}, "I32"},
                                                        {"packed.weight_scale", {2, 2}, "BF16"},
                                                        {"packed.weight_zero_point", {1, 2}, "I32"},
                                                        {"packed.weight_shape", {2}, "I64"}});
    folder.add("safetensors", "words", with_extents(words));
    folder.add("safetensors", "small", small);
    folder.add("safetensors", "decoder", decoder);
    folder.add("network", "safetensors", small);
    folder.add("safetensors_header", "small", header_of(small));
    folder.add("safetensors_header", "decoder", header_of(decoder));
}

void add_core_seeds(const SeedFolder& folder) {
    for (const std::string_view name : {"neoverse-n1", "neoverse-v2"})
        folder.add("core", name, to_json(find_core(name).value()));
}

}  // namespace
}  // namespace octile::fuzz

int main(int count, char** arguments) {
    if (count != 2) {
        std::fprintf(stderr, "usage: octile_fuzz_seeds FOLDER\n");
        return 2;
    }
    const octile::fuzz::SeedFolder folder(arguments[1]);
    octile::fuzz::add_core_seeds(folder);
    octile::fuzz::add_gguf_seeds(folder);
    octile::fuzz::add_onnx_seeds(folder);
    octile::fuzz::add_packed_seeds(folder);
    octile::fuzz::add_safetensors_seeds(folder);
    octile::fuzz::add_tuning_seeds(folder);
    return 0;
}
