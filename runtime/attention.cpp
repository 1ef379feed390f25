#include "runtime/attention.h"

#include "runtime/halide_call.h"

namespace octile {
namespace {

using Dimensions = std::initializer_list<HalideBuffer::Dimension>;

// [D / 2, 2, H, T]
HalideBuffer head_buffer(const HeadView& view, std::int64_t features, std::int64_t heads, std::int64_t tokens) {
    const std::int64_t half = features / 2;
    return HalideBuffer(view.data, kFloat32,
                        Dimensions{{half, view.feature_stride},
                                   {2, half * view.feature_stride},
                                   {heads, view.head_stride},
                                   {tokens, view.token_stride}});
}

// Of a width that no kernel has: in the kernels' operations.
void place_padded(const HeadView& x, const HeadView& y, std::int64_t features, std::int64_t head, std::int64_t token,
                  const RotaryRows& rotary) {
    const std::int64_t half = features / 2;
    const float* from = x.data + head * x.head_stride + token * x.token_stride;
    float* to = y.data + head * y.head_stride + token * y.token_stride;
    const auto at = [&](std::int64_t d) { return from[d * x.feature_stride]; };
    for (std::int64_t d = 0; rotary.cos && d < half; d++) {
        const float cos = rotary.cos[token * half + d], sin = rotary.sin[token * half + d];
        to[d * y.feature_stride] = at(d) * cos - at(d + half) * sin;
        to[(d + half) * y.feature_stride] = at(d + half) * cos + at(d) * sin;
    }
    for (std::int64_t d = rotary.cos ? features : 0; d < features; d++)
        to[d * y.feature_stride] = at(d);
    for (std::int64_t d = features; d < padded_head(features); d++)
        to[d * y.feature_stride] = 0;
}

Status attend_tile(const Kernel& kernel, const AttentionTile& tile, float* scratch) {
    const std::int64_t rows = kernel.info.tile_m, features = tile.features;
    const std::int32_t count = tile.visible + tile.step * static_cast<std::int32_t>(rows - 1);
    const std::int64_t blocks = key_blocks(count), row_stride = kKeyBlock * blocks;
    HalideBuffer queries(tile.queries, kFloat32, Dimensions{{features, 1}, {rows, tile.query_stride}});
    HalideBuffer keys(tile.keys, kFloat32, {kKeyBlock, features, blocks});
    HalideBuffer values(tile.values, kFloat32, Dimensions{{features, 1}, {count, tile.value_stride}});
    HalideBuffer scores(scratch, kFloat32, {kKeyBlock, blocks, rows}),
        weights(scratch + rows * row_stride, kFloat32, {kKeyBlock, blocks, rows});
    HalideBuffer y(tile.y, kFloat32, Dimensions{{features, 1}, {rows, tile.y_stride}});
    if (tile.bias) {
        HalideBuffer bias(tile.bias, kFloat32,
                          Dimensions{{kKeyBlock, 1}, {blocks, kKeyBlock}, {rows, tile.bias_stride}});
        return call_kernel(
            kernel, {queries, keys, values, tile.visible, tile.step, count, tile.scale, bias, scores, weights, y});
    }
    return call_kernel(kernel, {queries, keys, values, tile.visible, tile.step, count, tile.scale, scores, weights, y});
}

}  // namespace

Status place_heads(const NetworkKernels& kernels, const HeadView& x, const HeadView& y, std::int64_t features,
                   std::int64_t heads, std::int64_t tokens, const RotaryRows& rotary) {
    if (features != padded_head(features)) {
        for (std::int64_t token = 0; token < tokens; token++)
            for (std::int64_t head = 0; head < heads; head++)
                place_padded(x, y, features, head, token, rotary);
        return {};
    }
    HalideBuffer source = head_buffer(x, features, heads, tokens), target = head_buffer(y, features, heads, tokens);
    if (!rotary.cos) return call_kernel(*kernels.split_heads, {source, target});
    HalideBuffer cos(rotary.cos, kFloat32, {features / 2, tokens}), sin(rotary.sin, kFloat32, {features / 2, tokens});
    return call_kernel(*kernels.rotary, {source, cos, sin, target});
}

std::int64_t attention_scratch(const NetworkKernels& kernels, std::int64_t keys) {
    return 2 * kernels.attention.front()->info.tile_m * kKeyBlock * key_blocks(keys);
}

Status attend(const NetworkKernels& kernels, AttentionTile tile, std::int64_t queries, float* scratch) {
    for (const Kernel* kernel : tile.bias ? kernels.biased_attention : kernels.attention) {
        const std::int64_t rows = kernel->info.tile_m;
        for (; queries >= rows; queries -= rows) {
            if (Status status = attend_tile(*kernel, tile, scratch); !status.ok()) return status;
            tile.queries += rows * tile.query_stride;
            tile.y += rows * tile.y_stride;
            tile.visible += tile.step * static_cast<std::int32_t>(rows);
            if (tile.bias) tile.bias += rows * tile.bias_stride;
        }
    }
    return {};
}

}  // namespace octile
