#include "tuner/measure/candidate_table.h"

#include <array>
#include <vector>

#include "runtime/kernel_table.h"

#define OCTILE_KERNEL(entry, ...) extern "C" int entry(void** arguments);
#include "kernels.inc"
#undef OCTILE_KERNEL

// For tiles that no job of this program runs.
extern "C" int octile_missing_kernel(void**) {
    return -1;
}

namespace octile {
namespace {

constexpr Kernel kAll[] = {
#define OCTILE_KERNEL(entry, ...) {entry, KernelInfo __VA_ARGS__},
#include "kernels.inc"
#undef OCTILE_KERNEL
};

struct CandidateKernel {
    std::size_t candidate;
    Kernel kernel;
};

#define OCTILE_MEASURED(kernel, isa)                     \
    constexpr std::string_view kMeasuredKernel = kernel; \
    constexpr Isa kMeasuredIsa = isa;
#define OCTILE_CANDIDATE(name)
#define OCTILE_CANDIDATE_KERNEL(candidate, entry, ...)
#include "candidates.inc"
#undef OCTILE_MEASURED
#undef OCTILE_CANDIDATE
#undef OCTILE_CANDIDATE_KERNEL

#define OCTILE_MEASURED(kernel, isa)
#define OCTILE_CANDIDATE(name) name,
#define OCTILE_CANDIDATE_KERNEL(candidate, entry, ...)
constexpr std::string_view kNames[] = {
#include "candidates.inc"
};
#undef OCTILE_CANDIDATE
#undef OCTILE_CANDIDATE_KERNEL

#define OCTILE_CANDIDATE(name)
#define OCTILE_CANDIDATE_KERNEL(candidate, entry, ...) {candidate, {entry, KernelInfo __VA_ARGS__}},
constexpr CandidateKernel kKernels[] = {
#include "candidates.inc"
};
#undef OCTILE_MEASURED
#undef OCTILE_CANDIDATE
#undef OCTILE_CANDIDATE_KERNEL

// The candidate's GEMMs, and of the rest what all share.
std::vector<Kernel> table_of(std::size_t candidate) {
    std::vector<Kernel> table;
    for (const Kernel& kernel : kAll) {
        if (kernel.info.family != KernelFamily::kGemmS8 && kernel.info.family != KernelFamily::kGemmF16)
            table.push_back(kernel);
    }
    for (const CandidateKernel& row : kKernels) {
        if (row.candidate == candidate) table.push_back(row.kernel);
    }
    return table;
}

const std::vector<std::vector<Kernel>>& tables() {
    static const std::vector<std::vector<Kernel>> all = [] {
        std::vector<std::vector<Kernel>> made;
        for (std::size_t i = 0; i < std::size(kNames); ++i)
            made.push_back(table_of(i));
        return made;
    }();
    return all;
}

std::size_t selected = 0;

}  // namespace

std::span<const Kernel> kernel_table() {
    return tables()[selected];
}

// A candidate's is the only one.
std::span<const std::string_view> built_schedules() {
    static constexpr std::string_view kCandidate[] = {"default"};
    return kCandidate;
}

namespace measure {

std::string_view measured_kernel() {
    return kMeasuredKernel;
}

Isa measured_isa() {
    return kMeasuredIsa;
}

std::optional<std::size_t> find_candidate(std::string_view name) {
    for (std::size_t i = 0; i < std::size(kNames); ++i) {
        if (kNames[i] == name) return i;
    }
    return std::nullopt;
}

void select_candidate(std::size_t candidate) {
    selected = candidate;
}

}  // namespace measure
}  // namespace octile
