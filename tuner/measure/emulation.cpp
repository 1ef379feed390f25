#include "tuner/measure/emulation.h"

#include <elf.h>
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string_view>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace octile::measure {
namespace {

#if defined(__aarch64__)
constexpr unsigned kMachine = EM_AARCH64;
constexpr std::string_view kCpuinfoWord = "CPU implementer";
#elif defined(__x86_64__)
constexpr unsigned kMachine = EM_X86_64;
constexpr std::string_view kCpuinfoWord = "vendor_id";
#endif

// Machine of an ELF file; EM_NONE if it cannot be told.
unsigned machine_of(const char* path) {
    std::ifstream file(path, std::ios::binary);
    unsigned char header[20] = {};
    file.read(reinterpret_cast<char*>(header), sizeof header);
    if (!file || std::memcmp(header, ELFMAG, SELFMAG) != 0) return EM_NONE;
    return static_cast<unsigned>(header[18]) | static_cast<unsigned>(header[19]) << 8;
}

std::string other_program() {
    for (const char* path : {"/proc/thread-self/exe", "/proc/./self/exe", "/proc/self/./exe", "/proc//self/exe"}) {
        const unsigned machine = machine_of(path);
        if (machine != EM_NONE && machine != kMachine)
            return fmt::format("{} is a program of another architecture (ELF machine {})", path, machine);
    }
    return {};
}

std::string other_kernel() {
    std::ifstream file("/proc/cpuinfo");
    std::string line, text;
    while (std::getline(file, line))
        text += line + "\n";
    if (text.empty() || text.find(kCpuinfoWord) != std::string::npos) return {};
    // Some kernels say less; what another architecture says is a sign all the same.
    for (const std::string_view other : {"vendor_id", "CPU implementer", "isa\t"}) {
        if (other != kCpuinfoWord && text.find(other) != std::string::npos)
            return "/proc/cpuinfo is that of another architecture";
    }
    return {};
}

double seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

constexpr int kSteps = 2000, kUnrolled = 8;

double integer_seconds() {
    unsigned long value = 1, other = 3;
    const double start = seconds();
    for (int i = 0; i < kSteps; ++i) {
        for (int j = 0; j < kUnrolled; ++j) {
#if defined(__x86_64__)
            asm volatile("xor %1, %0" : "+r"(value) : "r"(other));
#elif defined(__aarch64__)
            asm volatile("eor %0, %0, %1" : "+r"(value) : "r"(other));
#endif
        }
    }
    return seconds() - start;
}

double vector_seconds() {
    const double start = seconds();
#if defined(__x86_64__)
    __m128 value = _mm_set1_ps(1.0f), factor = _mm_set1_ps(0.999f);
#elif defined(__aarch64__)
    float32x4_t value = vdupq_n_f32(1.0f), factor = vdupq_n_f32(0.999f);
#endif
    for (int i = 0; i < kSteps; ++i) {
        for (int j = 0; j < kUnrolled; ++j) {
#if defined(__x86_64__)
            asm volatile("mulps %1, %0" : "+x"(value) : "x"(factor));
#elif defined(__aarch64__)
            asm volatile("fmul %0.4s, %0.4s, %1.4s" : "+w"(value) : "w"(factor));
#endif
        }
    }
    return seconds() - start;
}

std::string slow_vectors() {
    // The least of several: an interrupt makes either side look slow.
    double integer = 1e9, vector = 1e9;
    for (int i = 0; i < 15; ++i) {
        integer = std::min(integer, integer_seconds());
        vector = std::min(vector, vector_seconds());
    }
    const double ratio = vector / std::max(integer, 1e-9);
    if (ratio <= kMostLatency) return {};
    return fmt::format("a multiplication of vectors takes {:.0f} times an operation on integers", ratio);
}

}  // namespace

std::string find_emulator() {
    for (const auto& sign : {other_program, other_kernel, slow_vectors}) {
        if (std::string found = sign(); !found.empty()) return found;
    }
    return {};
}

}  // namespace octile::measure
