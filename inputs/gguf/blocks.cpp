#include "inputs/gguf/blocks.h"

#include <fp16.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace octile::gguf {
namespace {

constexpr int kSmall = 32, kLarge = 256;

int byte_at(const std::byte* at, int index) {
    return std::to_integer<int>(at[index]);
}

int signed_at(const std::byte* at, int index) {
    return static_cast<std::int8_t>(at[index]);
}

template <typename Word>
Word word_at(const std::byte* at) {
    Word word;
    std::memcpy(&word, at, sizeof(word));
    return word;
}

float f16_at(const std::byte* at) {
    return fp16_ieee_to_fp32_value(word_at<std::uint16_t>(at));
}

// Value `i` of planes of `width` bytes: the bytes of a group hold, in their lowest `bits`, the group's first `width`
// values, in the bits above these the next `width`, and so on.
template <int bits>
int plane_value(const std::byte* at, int i, int width) {
    constexpr int kPlanes = 8 / bits;
    const int group = i / (width * kPlanes), plane = i / width % kPlanes;
    return byte_at(at, group * width + i % width) >> (bits * plane) & ((1 << bits) - 1);
}

// 32 values of four bits in 16 bytes.
int nibble(const std::byte* at, int i) {
    return plane_value<4>(at, i, kSmall / 2);
}

// The same with a fifth bit, bit i of a word.
int fifth_bit(std::uint32_t word, int i) {
    return static_cast<int>(word >> i & 1) << 4;
}

// Levels of the four-bit types that are no steps of one size.
constexpr std::array<float, 16> kLevels = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// Scale and offset of sub-block `i` of Q4_K and Q5_K, six bits each: eight of both in twelve bytes. The first four lie
// in the low bits of bytes 0 to 3 and 4 to 7, whose upper two bits are the others', whose low four are bytes 8 to 11.
struct SubBlock {
    float scale, offset;
};
SubBlock sub_block(const std::byte* at, int i) {
    if (i < 4) {
        return {static_cast<float>(byte_at(at, i) & 63), static_cast<float>(byte_at(at, i + 4) & 63)};
    }
    const int low = byte_at(at, i + 4);
    return {static_cast<float>((low & 15) | (byte_at(at, i - 4) >> 6 << 4)),
            static_cast<float>(low >> 4 | (byte_at(at, i) >> 6 << 4))};
}

// Scale of sub-block `i` of Q3_K, six bits of which 32 is 0: sixteen in twelve bytes, the low four bits in bytes 0 to 7
// and the upper two in bytes 8 to 11.
float scale_q3_k(const std::byte* at, int i) {
    const int low = plane_value<4>(at, i, 8), high = plane_value<2>(at + 8, i, 4);
    return static_cast<float>((low | high << 4) - 32);
}

}  // namespace

void decode_q4_0(const std::byte* block, float* values) {
    const float d = f16_at(block);
    for (int i = 0; i < kSmall; i++)
        values[i] = d * static_cast<float>(nibble(block + 2, i) - 8);
}

void decode_q4_1(const std::byte* block, float* values) {
    const float d = f16_at(block), m = f16_at(block + 2);
    for (int i = 0; i < kSmall; i++)
        values[i] = d * static_cast<float>(nibble(block + 4, i)) + m;
}

void decode_q5_0(const std::byte* block, float* values) {
    const float d = f16_at(block);
    const auto high = word_at<std::uint32_t>(block + 2);
    for (int i = 0; i < kSmall; i++)
        values[i] = d * static_cast<float>((nibble(block + 6, i) | fifth_bit(high, i)) - 16);
}

void decode_q5_1(const std::byte* block, float* values) {
    const float d = f16_at(block), m = f16_at(block + 2);
    const auto high = word_at<std::uint32_t>(block + 4);
    for (int i = 0; i < kSmall; i++)
        values[i] = d * static_cast<float>(nibble(block + 8, i) | fifth_bit(high, i)) + m;
}

void decode_q8_0(const std::byte* block, float* values) {
    const float d = f16_at(block);
    for (int i = 0; i < kSmall; i++)
        values[i] = d * static_cast<float>(signed_at(block + 2, i));
}

void decode_iq4_nl(const std::byte* block, float* values) {
    const float d = f16_at(block);
    for (int i = 0; i < kSmall; i++)
        values[i] = d * kLevels[static_cast<std::size_t>(nibble(block + 2, i))];
}

void decode_q2_k(const std::byte* block, float* values) {
    const float d = f16_at(block + 80), m = f16_at(block + 82);
    for (int sub = 0; sub < kLarge / 16; sub++) {
        const int both = byte_at(block, sub);
        const float scale = d * static_cast<float>(both & 15), offset = m * static_cast<float>(both >> 4);
        for (int i = 16 * sub; i < 16 * (sub + 1); i++)
            values[i] = scale * static_cast<float>(plane_value<2>(block + 16, i, 32)) - offset;
    }
}

void decode_q3_k(const std::byte* block, float* values) {
    const float d = f16_at(block + 108);
    for (int sub = 0; sub < kLarge / 16; sub++) {
        const float scale = d * scale_q3_k(block + 96, sub);
        for (int i = 16 * sub; i < 16 * (sub + 1); i++) {
            const int low = plane_value<2>(block + 32, i, 32), high = plane_value<1>(block, i, 32);
            values[i] = scale * static_cast<float>(low - (high == 0 ? 4 : 0));
        }
    }
}

void decode_q4_k(const std::byte* block, float* values) {
    const float d = f16_at(block), m = f16_at(block + 2);
    for (int sub = 0; sub < kLarge / 32; sub++) {
        const SubBlock both = sub_block(block + 4, sub);
        const float scale = d * both.scale, offset = m * both.offset;
        for (int i = 32 * sub; i < 32 * (sub + 1); i++)
            values[i] = scale * static_cast<float>(plane_value<4>(block + 16, i, 32)) - offset;
    }
}

void decode_q5_k(const std::byte* block, float* values) {
    const float d = f16_at(block), m = f16_at(block + 2);
    for (int sub = 0; sub < kLarge / 32; sub++) {
        const SubBlock both = sub_block(block + 4, sub);
        const float scale = d * both.scale, offset = m * both.offset;
        for (int i = 32 * sub; i < 32 * (sub + 1); i++) {
            const int level = plane_value<4>(block + 48, i, 32) | plane_value<1>(block + 16, i, 32) << 4;
            values[i] = scale * static_cast<float>(level) - offset;
        }
    }
}

void decode_q6_k(const std::byte* block, float* values) {
    const float d = f16_at(block + 208);
    for (int sub = 0; sub < kLarge / 16; sub++) {
        const float scale = d * static_cast<float>(signed_at(block + 192, sub));
        for (int i = 16 * sub; i < 16 * (sub + 1); i++) {
            const int level = plane_value<4>(block, i, 64) | plane_value<2>(block + 128, i, 32) << 4;
            values[i] = scale * static_cast<float>(level - 32);
        }
    }
}

void decode_iq4_xs(const std::byte* block, float* values) {
    const float d = f16_at(block);
    const int high = word_at<std::uint16_t>(block + 2);
    for (int sub = 0; sub < kLarge / 32; sub++) {
        const int low = byte_at(block + 4, sub / 2) >> (4 * (sub % 2)) & 15;
        const float scale = d * static_cast<float>((low | (high >> (2 * sub) & 3) << 4) - 32);
        for (int i = 32 * sub; i < 32 * (sub + 1); i++)
            values[i] = scale * kLevels[static_cast<std::size_t>(plane_value<4>(block + 8, i, 16))];
    }
}

}  // namespace octile::gguf
