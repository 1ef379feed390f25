// Networks that a configuration or names of tensors ask for.
#include <catch2/catch.hpp>
#include <chrono>
#include <string>

#include "base/limits.h"
#include "families/build_network.h"
#include "families/tensor_list.h"
#include "inputs/graph_config.h"
#include "inputs/model_config.h"
#include "octile/planner.h"
#include "tests/inputs/status_checks.h"
#include "tests/support/heap_peak.h"

using namespace octile;
using namespace octile::test;

namespace {

std::string bert(const std::string& blocks) {
    return "{\"model_type\": \"bert\", \"hidden_size\": 8, \"num_attention_heads\": 1, \"intermediate_size\": 8, "
           "\"vocab_size\": 8, \"max_position_embeddings\": 8, \"type_vocab_size\": 2, \"num_hidden_layers\": " +
           blocks + "}";
}

std::string mixtral(const std::string& experts) {
    return "{\"model_type\": \"mixtral\", \"hidden_size\": 8, \"num_attention_heads\": 1, \"num_key_value_heads\": 1, "
           "\"intermediate_size\": 8, \"vocab_size\": 8, \"num_hidden_layers\": 2, \"num_local_experts\": " +
           experts + "}";
}

constexpr std::size_t kMostMemory = limits::kNetworkNodes * limits::kNetworkMemoryPerNode;

}  // namespace

TEST_CASE("A few bytes of config.json ask for a network of a bounded size", "[config]") {
    for (const std::string& text : {bert("2147483647"), bert("30000"), mixtral("2147483647"), mixtral("100000")}) {
        INFO(text);
        const std::string bound = "expected a network of at most 262144 nodes, found more";
        const std::size_t peak = peak_of([&] {
            require_error(read_model_config(text, "net/config.json", {.tokens = 4}).status(), StatusCode::kParseError,
                          {"net/config.json", bound});
        });
        CHECK(peak <= kMostMemory);
        require_error(graph_of_config(text, "net/config.json", {}).status(), StatusCode::kParseError,
                      {"net/config.json"});
    }
}

TEST_CASE("Networks within the bound are planned in memory by their nodes", "[config]") {
    for (const std::string& text : {bert("18000"), mixtral("24000")}) {
        INFO(text);
        const std::size_t peak = peak_of([&] {
            const Result<Model> model = read_model_config(text, "net/config.json", {.tokens = 4});
            REQUIRE(model.ok());
            CHECK(make_plan(model.value(), {}).ok());
        });
        INFO(peak);
        CHECK(peak <= kMostMemory);
    }
}

TEST_CASE("Names of tensors ask for a network of a bounded size", "[config]") {
    // What tells a BERT, and one name of the last block that there may be.
    TensorList list;
    for (const char* const name :
         {"encoder.layer.0.attention.self.query.weight", "encoder.layer.0.attention.output.LayerNorm.gamma",
          "encoder.layer.99999.output.dense.weight"})
        list.add(name, {8, 8});
    const std::size_t peak = peak_of([&] {
        require_error(build_network(nullptr, &list, {}).status(), StatusCode::kParseError,
                      {"expected a network of at most 262144 nodes, found more"});
    });
    CHECK(peak <= kMostMemory);
}

TEST_CASE("A network is recognized in n log n, whatever precedes its names", "[config]") {
    TensorList list;
    for (int i = 0; i < 50'000; ++i)
        list.add("p" + std::to_string(i) + ".encoder.layer.0.attention.self.query.weight", {8, 8});
    const auto start = std::chrono::steady_clock::now();
    (void)build_network(nullptr, &list, {});
    // Some 0.1 s; comparing each with each takes minutes. On an emulator, that is.
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}
