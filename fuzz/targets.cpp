#include <algorithm>
#include <array>

#include "fuzz/target.h"

namespace octile::fuzz {

// Each in the file of its name.
void read_benchdnn(std::string_view);
void read_config(std::string_view);
void read_core(std::string_view);
void read_csv(std::string_view);
void read_gguf(std::string_view);
void read_graph(std::string_view);
void read_json(std::string_view);
void read_network(std::string_view);
void read_npy(std::string_view);
void read_npz(std::string_view);
#ifdef OCTILE_HAS_ONNX
void read_onnx(std::string_view);
#endif
void read_packed_directory(std::string_view);
void read_packed_file(std::string_view);
void read_pattern(std::string_view);
void read_plan(std::string_view);
void read_safetensors(std::string_view);
void read_safetensors_header(std::string_view);
void read_safetensors_index(std::string_view);
void read_schedule(std::string_view);
void read_tuning_answer(std::string_view);
void read_tuning_bundle(std::string_view);
void read_tuning_records(std::string_view);
void read_verbose(std::string_view);
#ifdef OCTILE_HAS_UTF8PROC
void read_vocabulary(std::string_view);
#endif

namespace {

constexpr auto kTargets = std::to_array<Target>({
    {"benchdnn", read_benchdnn},
    {"config", read_config},
    {"core", read_core},
    {"csv", read_csv},
    {"gguf", read_gguf},
    {"graph", read_graph},
    {"json", read_json},
    {"network", read_network},
    {"npy", read_npy},
    {"npz", read_npz},
#ifdef OCTILE_HAS_ONNX
    {"onnx", read_onnx},
#endif
    {"packed_directory", read_packed_directory},
    {"packed_file", read_packed_file},
    {"pattern", read_pattern},
    {"plan", read_plan},
    {"safetensors", read_safetensors},
    {"safetensors_header", read_safetensors_header},
    {"safetensors_index", read_safetensors_index},
    {"schedule", read_schedule},
    {"tuning_answer", read_tuning_answer},
    {"tuning_bundle", read_tuning_bundle},
    {"tuning_records", read_tuning_records},
    {"verbose", read_verbose},
#ifdef OCTILE_HAS_UTF8PROC
    {"vocabulary", read_vocabulary},
#endif
});

}  // namespace

std::span<const Target> targets() {
    return kTargets;
}

const Target* find_target(std::string_view name) {
    const auto found =
        std::find_if(kTargets.begin(), kTargets.end(), [&](const Target& target) { return target.name == name; });
    return found == kTargets.end() ? nullptr : &*found;
}

}  // namespace octile::fuzz
