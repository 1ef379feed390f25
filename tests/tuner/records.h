// Records for tests, whole and valid.
#pragma once

#include <string>
#include <vector>

#include "tuner/record.h"

namespace octile::test {

inline tuner::Record make_record(std::vector<double> ns = {1000, 1010, 990}) {
    tuner::Record record;
    record.key = {.kernel = "gemm_s8",
                  .isa = Isa::kI8mm,
                  .shape_class = "many",
                  .m = 128,
                  .k = 384,
                  .n = 1536,
                  .epilogue = Activation::kGelu,
                  .threads = 1,
                  .core = "arm:0x41:0xd49",
                  .vector_bits = 128};
    record.params = {
        {"panel", "s8"},         {"k_block", 8},
        {"cell", {2, 2}},        {"panel_m", 4},
        {"panel_n", 12},         {"tiles", {{{"m", 4}, {"unroll", 4}}, {{"m", 3}}, {{"m", 2}}, {{"m", 1}}}},
        {"row", {{"panels", 2}}}};
    record.label = "8x12 unroll 4";
    record.is_default = true;
    record.ns = std::move(ns);
    record.verified = !record.ns.empty();
    record.error = record.ns.empty() ? "wrong result" : "";
    record.session = "s1";
    record.job = "g0.r0.l0";
    record.job_seconds = 0.25;
    record.kernels = "0123456789abcdef";
    record.octile = "0.1.0";
    record.halide = "21.0.0";
    record.clang = "ziglang 0.17.1";
    record.time = "2026-11-22T07:30:00Z";
    return record;
}

// Another schedule, of panels of so many columns: a multiple of four up to 24 is one that there can be.
inline tuner::Record with_panel_n(tuner::Record record, int panel_n) {
    record.params["panel_n"] = panel_n;
    record.label = "8x" + std::to_string(panel_n);
    record.is_default = false;
    return record;
}

}  // namespace octile::test
