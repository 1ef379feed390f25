// The shapes that speed is reported at, all of them layers of real networks.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace octile::bench {

struct Shape {
    std::int64_t m = 0, k = 0, n = 0;
    std::string_view name;
    bool epilogues = false;  // also timed with every activation: few products per output, so that the epilogue shows

    // 2 m k n: padding is not counted as work.
    double operations() const { return 2.0 * static_cast<double>(m) * static_cast<double>(k) * static_cast<double>(n); }
};

inline constexpr std::array<Shape, 10> kShapes = {{
    {1, 384, 1536, "MiniLM-L6 FFN in, 1 token", true},
    {1, 1536, 384, "MiniLM-L6 FFN out, 1 token"},
    {1, 2048, 2048, "Llama-3.2-1B q, 1 token"},
    {1, 2048, 6144, "Qwen3-1.7B FFN gate, 1 token"},
    {128, 384, 384, "MiniLM-L6 q"},
    {128, 384, 1536, "MiniLM-L6 FFN in", true},
    {128, 1536, 384, "MiniLM-L6 FFN out"},
    {197, 768, 3072, "ViT-B/16 FFN in"},
    {128, 2048, 2048, "Llama-3.2-1B q"},
    {512, 2048, 6144, "Qwen3-1.7B FFN gate"},
}};

}  // namespace octile::bench
