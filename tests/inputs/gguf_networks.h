// GGUF files of tests/inputs/gguf_builder.h as checkpoints and networks.
#pragma once

#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "inputs/checkpoint_network.h"
#include "tests/inputs/gguf_builder.h"
#include "tests/inputs/temp_folder.h"

namespace octile::test {

inline Checkpoint open_gguf(const TempFolder& folder, const GgufBuilder& builder,
                            const std::string& name = "net.gguf") {
    Result<Checkpoint> checkpoint = Checkpoint::open(folder.write(name, builder.bytes()), InputFormat::kGguf);
    INFO(checkpoint.status().message());
    REQUIRE(checkpoint.ok());
    return std::move(checkpoint).value();
}

inline CheckpointNetwork network_of(const Checkpoint& checkpoint, std::set<std::string, std::less<>> ignored = {}) {
    ReadOptions options;
    options.tokens = 5;
    options.ignore_keys = std::move(ignored);
    Result<CheckpointNetwork> network = read_network(checkpoint, options);
    INFO(network.status().message());
    REQUIRE(network.ok());
    return std::move(network).value();
}

inline std::string all(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines)
        text += line + "\n";
    return text;
}

inline bool has(const std::string& text, const std::string& word) {
    return text.find(word) != std::string::npos;
}

}  // namespace octile::test
