// What blocks of GGUF's types stand for. Each function reads one block, little-endian and of any alignment, and writes
// as many values as it has, with the operations and the order of llama.cpp's: the same bits.
//
// f16 below is a scale or offset of the whole block, "sub-block" 16 or 32 values side by side.
#pragma once

#include <cstddef>

namespace octile::gguf {

// 32 values.
void decode_q4_0(const std::byte* block, float* values);    // d: d * (q - 8)
void decode_q4_1(const std::byte* block, float* values);    // d, m: d * q + m
void decode_q5_0(const std::byte* block, float* values);    // d: d * (q - 16)
void decode_q5_1(const std::byte* block, float* values);    // d, m: d * q + m
void decode_q8_0(const std::byte* block, float* values);    // d: d * q, q signed
void decode_iq4_nl(const std::byte* block, float* values);  // d: d * table[q]

// 256 values. s and t are a sub-block's, of 4 to 8 bits.
void decode_q2_k(const std::byte* block, float* values);    // d, m: (d * s) * q - (m * t), of 16
void decode_q3_k(const std::byte* block, float* values);    // d: (d * s) * q, s and q signed, of 16
void decode_q4_k(const std::byte* block, float* values);    // d, m: (d * s) * q - (m * t), of 32
void decode_q5_k(const std::byte* block, float* values);    // the same
void decode_q6_k(const std::byte* block, float* values);    // d: (d * s) * q, s and q signed, of 16
void decode_iq4_xs(const std::byte* block, float* values);  // d: (d * s) * table[q], s signed, of 32

}  // namespace octile::gguf
