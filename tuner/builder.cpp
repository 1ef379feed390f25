#include "tuner/builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "inputs/messages.h"
#include "planner/json_reader.h"
#include "tuner/process.h"

namespace octile::tuner {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr bool kHostIsArm =
#if defined(__aarch64__)
    true;
#else
    false;
#endif

}  // namespace

Status Builder::run(const std::vector<std::string>& command, double seconds, std::string* out) {
    const fs::path tools = settings_.source / ".venv/bin";
    std::error_code ignored;
    Result<ProcessResult> result = run_process(
        command, {.seconds = seconds, .stop = &stop_, .path_front = fs::exists(tools, ignored) ? tools.native() : ""});
    if (!result.ok()) return result.status();
    std::ofstream(settings_.folder / "tune.log", std::ios::app) << result->out << result->err;
    if (!result->ok())
        return Status(StatusCode::kIoError, fmt::format("{} {} (all of it: {})", command.front(), result->what(),
                                                        display(settings_.folder / "tune.log")));
    if (out) *out = std::move(result->out);
    return {};
}

Status Builder::configure(const std::vector<BuildCandidate>& candidates) {
    json list = json::array();
    for (const BuildCandidate& candidate : candidates)
        list.push_back({{"id", candidate.name}, {"entry", candidate.entry}});
    const json job = {
        {"isa", name_of(settings_.isa)}, {"kernel", settings_.kernel}, {"rows", settings_.rows}, {"candidates", list}};
    std::error_code error;
    fs::create_directories(settings_.folder, error);
    const fs::path file = settings_.folder / "candidates.json";
    std::ofstream stream(file);
    stream << job.dump(1) << "\n";
    stream.close();
    if (!stream) return Status(StatusCode::kIoError, fmt::format("{}: cannot be written", display(file)));

    std::vector<std::string> command = {"cmake",
                                        "-S",
                                        settings_.source.native(),
                                        "-B",
                                        settings_.folder.native(),
                                        "-G",
                                        "Ninja",
                                        "-DCMAKE_BUILD_TYPE=Release",
                                        "-DOCTILE_DEVELOPER_MODE=OFF",
                                        "-DOCTILE_CLI=OFF",
                                        "-DOCTILE_INSTALL=OFF",
                                        "-DOCTILE_CANDIDATES=" + file.native()};
    const fs::path python = settings_.source / ".venv/bin/python";
    if (fs::exists(python, error)) command.push_back("-DPython3_EXECUTABLE=" + python.native());
    const bool arm = settings_.isa >= Isa::kNeon;
    if (arm && !kHostIsArm)
        command.push_back("-DCMAKE_TOOLCHAIN_FILE=" +
                          (settings_.source / "cmake/toolchains/linux-aarch64.cmake").native());
    return run(command);
}

// The first candidate's kernels, without which there is nothing to compare with, however long they take.
Status Builder::make_default() {
    std::ifstream table(kernels() / "include/candidates.inc");
    std::vector<std::string> command = {"cmake", "--build", settings_.folder.native(), "--target"};
    constexpr std::string_view kFront = "OCTILE_CANDIDATE_KERNEL(0, octile_", kEnd = "_argv,";
    for (std::string line; std::getline(table, line);) {
        const std::size_t end = line.find(kEnd);
        if (line.starts_with(kFront) && end != std::string::npos)
            command.push_back(fmt::format("kernels/{}.o", line.substr(kFront.size(), end - kFront.size())));
    }
    return run(command);
}

// All that can be made, whatever fails.
Status Builder::make_kernels(double seconds) {
    return run({"cmake", "--build", settings_.folder.native(), "--target", "octile_kernels", "--", "-k", "0"}, seconds);
}

Result<std::string> Builder::model(const std::string& core) {
    std::string text;
    const Status status = run({"python3", "-B", (settings_.source / "tuner/model_kernels.py").native(), "--core", core,
                               "--candidates", (settings_.folder / "candidates.json").native(), "--table",
                               (kernels() / "include/candidates.inc").native(), "--kernels", kernels().native()},
                              1e9, &text);
    if (!status.ok()) return status;
    return text;
}

Result<std::map<std::string, std::string>> Builder::screen() {
    std::string text;
    const Status status = run(
        {"python3", "-B", (settings_.source / "tuner/screen.py").native(), "--candidates",
         (settings_.folder / "candidates.json").native(), "--table", (kernels() / "include/candidates.inc").native(),
         "--kernels", kernels().native(), "--log", (settings_.folder / "tune.log").native()},
        1e9, &text);
    if (!status.ok()) return status;
    const Result<json> document = internal::parse_json(text);
    if (!document.ok() || !document->is_object())
        return Status(StatusCode::kInternal, "screen.py: expected a JSON object");
    std::map<std::string, std::string> reasons;
    for (const auto& [name, reason] : document.value().items())
        reasons[name] = reason.is_string() ? reason.get<std::string>() : "";
    return reasons;
}

Result<std::map<std::string, std::string>> Builder::build(const std::vector<BuildCandidate>& candidates,
                                                          double seconds) {
    std::error_code ignored;
    fs::remove(settings_.folder / "tune.log", ignored);
    // Reasons from Python and CMake before any kernel are the build's own; of kernels that fail, only their
    // candidates'.
    if (Status status = configure(candidates); !status.ok()) return status;
    if (Status status = make_default(); !status.ok()) return status;
    const Status made = make_kernels(seconds);
    if (stop_) return made;
    Result<std::map<std::string, std::string>> reasons = screen();
    if (!reasons.ok()) return reasons.status();
    if (!made.ok() && reasons->empty()) return made;
    if (!reasons->empty()) {
        std::vector<BuildCandidate> left;
        for (const BuildCandidate& candidate : candidates) {
            if (!reasons->contains(candidate.name)) left.push_back(candidate);
        }
        if (left.empty() || left.front().name != candidates.front().name)
            return Status(StatusCode::kInternal,
                          fmt::format("the default schedule: {}", reasons->at(candidates.front().name)));
        if (Status status = configure(left); !status.ok()) return status;
    }
    if (!settings_.program) return reasons;
    const Status linked = run({"cmake", "--build", settings_.folder.native(), "--target", "octile_measure"});
    return linked.ok() ? std::move(reasons) : linked;
}

}  // namespace octile::tuner
