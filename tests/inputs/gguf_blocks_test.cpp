// Blocks of every type, beside what the gguf package makes of them (tools/make_gguf_blocks.py wrote the file).
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "inputs/gguf/model.h"
#include "inputs/tensor_values.h"

using namespace octile;

namespace {

GgufModel open_blocks() {
    Result<GgufModel> model = GgufModel::open(OCTILE_GGUF_BLOCKS);
    INFO(model.status().message());
    REQUIRE(model.ok());
    return std::move(model).value();
}

// The same bits, but for which NaN it is: numpy and a CPU differ in that.
bool same(float a, float b) {
    return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof(a)) == 0;
}

}  // namespace

TEST_CASE("gguf blocks: the bits that the gguf package computes") {
    const GgufModel model = open_blocks();
    int types = 0;
    for (const std::string& name : model.file_names()) {
        const TensorInfo* const expected = model.find_in_file(name + ".values");
        if (!expected) continue;
        types++;
        INFO(name);
        const TensorInfo& blocks = *model.find_in_file(name);
        REQUIRE(blocks.dtype == name);
        REQUIRE(blocks.shape == expected->shape);
        const std::vector<float> values = values_of(blocks), wanted = values_of(*expected);
        REQUIRE(values.size() == wanted.size());
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < values.size(); i++)
            wrong += !same(values[i], wanted[i]);
        CHECK(wrong == 0);
    }
    CHECK(types == 12);
}

TEST_CASE("gguf blocks: any part, at any stride") {
    const GgufModel model = open_blocks();
    for (const std::string name : {"Q4_0", "Q6_K", "Q3_K"}) {
        INFO(name);
        const TensorInfo& blocks = *model.find_in_file(name);
        const std::vector<float> all = values_of(blocks);
        const auto elements = static_cast<std::int64_t>(all.size());
        for (const std::int64_t stride : {1, 3, 32, 256}) {
            for (const std::int64_t first : {0, 1, 31, 100, 257}) {
                std::vector<float> part(
                    static_cast<std::size_t>(std::min<std::int64_t>(300, (elements - first + stride - 1) / stride)));
                read_values(blocks, first, stride, part);
                bool equal = true;
                for (std::size_t i = 0; i < part.size(); i++)
                    equal = equal &&
                            same(part[i], all[static_cast<std::size_t>(first) + i * static_cast<std::size_t>(stride)]);
                INFO(first << " " << stride);
                CHECK(equal);
            }
        }
        // Where they lie: whole blocks.
        const std::int64_t block = blocks.shape[1];
        const std::size_t bytes = blocks.data.size() / static_cast<std::size_t>(blocks.shape[0]);
        CHECK(bytes_of(blocks, block, 2 * block).data() == blocks.data.data() + bytes);
        CHECK(bytes_of(blocks, block, 2 * block).size() == 2 * bytes);
        CHECK(bytes_of(blocks, block - 1, 2).size() == 2 * bytes);
        CHECK(bytes_of(blocks, 5, 0).empty());
    }
}
