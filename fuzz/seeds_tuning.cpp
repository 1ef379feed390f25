#include <nlohmann/json.hpp>

#include "fuzz/seeds.h"
#include "octile/core.h"
#include "tests/tuner/records.h"
#include "tuner/kernel_versions.h"
#include "tuner/protocol.h"
#include "tuner/record.h"
#include "tuner/stages.h"

namespace octile::fuzz {

using nlohmann::json;

void add_tuning_seeds(const SeedFolder& folder) {
    using namespace tuner;
    const std::string head = "{\"octile_tuning\":1}\n";
    Record first = test::make_record(), second = test::with_panel_n(test::make_record({900, 905, 890}), 16);
    folder.add("tuning_records", "two", head + to_json(first) + "\n" + to_json(second) + "\n");
    first.job = second.job = "confirm.r0.l0";
    folder.add("tuning_records", "confirmed", head + to_json(first) + "\n" + to_json(second) + "\n");

    const json narrow = {{"panel_m", 8}, {"panel_n", 12}, {"tiles", {{{"m", 8}, {"unroll", 4}}}}};
    const json wide = {{"panel_m", 8}, {"panel_n", 16}};
    JobText job{.job = "s/panels.l0",
                .m = 128,
                .k = 384,
                .n = 1536,
                .epilogue = Activation::kGelu,
                .threads = 1,
                .candidates = {name_of_entry(narrow), name_of_entry(wide)},
                .rounds = 2,
                .sample_ms = 2,
                .cpu = -1};
    Answer answer{.job = job.job,
                  .kernel = "gemm_s8",
                  .kernels = std::string(digest_of_kernel("gemm_s8")),
                  .isa = "i8mm",
                  .core = "arm:0x41:0xd49",
                  .vector_bits = 128,
                  .octile = "0.1.0",
                  .halide = "h",
                  .clang = "c",
                  .emulated = {},
                  .candidates = {{job.candidates[0], true, "", {100, 101}}, {job.candidates[1], true, "", {90, 91}}},
                  .seconds = 1};
    folder.add("tuning_answer", "right", to_json(job) + "\n" + to_text(answer));
    const json manifest = {{"octile_bundle", 1},
                           {"session", "s"},
                           {"kernel", "gemm_s8"},
                           {"isa", "i8mm"},
                           {"core", to_json(find_core("neoverse-n2").value())},
                           {"default", job.candidates[0]},
                           {"candidates",
                            {{job.candidates[0], {{"label", "8x12"}, {"entry", narrow}}},
                             {job.candidates[1], {{"label", "8x16"}, {"entry", wide}}}}},
                           {"jobs", {to_json(job)}}};
    folder.add("tuning_bundle", "right", manifest.dump() + "\n" + to_text(answer));
    answer.candidates[1] = {job.candidates[1], false, "wrong result", {}};
    folder.add("tuning_answer", "wrong", to_json(job) + "\n" + to_text(answer));
    folder.add("tuning_bundle", "wrong", manifest.dump() + "\n" + to_text(answer));
}

}  // namespace octile::fuzz
