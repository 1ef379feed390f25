#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/table.h"
#include "octile/cpu.h"
#include "octile/parallel.h"
#include "runtime/kernel_table.h"
#include "runtime/schedule_in_use.h"

namespace octile::cli {
namespace {

struct LevelInfo {
    Isa isa;
    int int8_kernels = 0, fp16_kernels = 0, shared_kernels = 0;
    bool supported = false, usable = false;
};

// What the kernels of a family serve.
int& count_of(LevelInfo& level, KernelFamily family) {
    switch (family) {
        case KernelFamily::kQuantizeRows:
        case KernelFamily::kQuantizeWeights:
        case KernelFamily::kUnpackS4:
        case KernelFamily::kGemmS8:
            return level.int8_kernels;
        case KernelFamily::kPackRowsF16:
        case KernelFamily::kPackWeightsF16:
        case KernelFamily::kGemmF16:
            return level.fp16_kernels;
        default:
            return level.shared_kernels;
    }
}

// The levels that this build has kernels for.
std::vector<LevelInfo> levels(IsaSet usable) {
    std::vector<LevelInfo> infos;
    for (int i = 0; i < kIsaCount; i++) {
        const Isa isa = static_cast<Isa>(i);
        LevelInfo info{.isa = isa, .supported = supported_isas().has(isa), .usable = usable.has(isa)};
        for (const Kernel& kernel : kernel_table()) {
            if (kernel.info.isa == isa) ++count_of(info, kernel.info.family);
        }
        if (info.int8_kernels + info.fp16_kernels + info.shared_kernels > 0) infos.push_back(info);
    }
    return infos;
}

// The level whose GEMM of this family a layer would run, "none" without one.
std::string dispatched(IsaSet usable, KernelFamily family) {
    const Kernel* kernel = find_kernel(usable, [&](const KernelInfo& info) { return info.family == family; });
    return kernel ? std::string(name_of(kernel->info.isa)) : "none";
}

// "OCTILE_CORE", or what the hardware says of itself, and how.
std::string source_of(const CoreInUse& core) {
    if (core.from_environment) return "OCTILE_CORE";
    const CoreKind& kind = core.kind;
    const std::string source = fmt::format("{}: {}", name_of(kind.source), kind.identity);
    return kind.cpus == kind.of ? source : fmt::format("{}, {} of {} CPUs", source, kind.cpus, kind.of);
}

int run_info(bool json) {
    const Result<IsaSet> usable = usable_isas();
    if (!usable.ok()) return fail(kExitError, usable.status().message());
    const Result<ThreadLimit> threads = thread_limit();
    if (!threads.ok()) return fail(kExitError, threads.status().message());
    const Result<CoreInUse> core = core_in_use();
    if (!core.ok()) return fail(kExitError, core.status().message());
    const auto schedules = built_schedules();
    const std::string_view schedule = schedules[static_cast<std::size_t>(core.value().schedule)];
    const auto [count, source] = threads.value();
    const std::string int8 = dispatched(usable.value(), KernelFamily::kGemmS8),
                      fp16 = dispatched(usable.value(), KernelFamily::kGemmF16);

    std::string text;
    if (json) {
        nlohmann::ordered_json document;
        document["version"] = OCTILE_VERSION;
        document["threads"] = count;
        document["threads_from"] = name_of(source);
        document["core"] =
            core.value().core.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(core.value().core);
        document["core_from"] =
            core.value().from_environment ? std::string_view("OCTILE_CORE") : name_of(core.value().kind.source);
        if (!core.value().from_environment) {
            const CoreKind& kind = core.value().kind;
            document["core_identity"] = kind.identity;
            document["core_cpus"] = kind.cpus;
            document["core_cpus_of"] = kind.of;
        }
        document["schedule"] = schedule;
        document["schedules"] = schedules;
        document["int8_level"] = int8;
        document["fp16_level"] = fp16;
        for (const LevelInfo& level : levels(usable.value())) {
            document["levels"].push_back({{"name", name_of(level.isa)},
                                          {"supported", level.supported},
                                          {"usable", level.usable},
                                          {"int8_kernels", level.int8_kernels},
                                          {"fp16_kernels", level.fp16_kernels},
                                          {"shared_kernels", level.shared_kernels}});
        }
        text = internal::json_text(document);
    } else {
        Table table({{"level"},
                     {"CPU has it"},
                     {"used"},
                     {"INT8 kernels", Align::kRight},
                     {"FP16 kernels", Align::kRight},
                     {"shared kernels", Align::kRight}});
        for (const LevelInfo& level : levels(usable.value())) {
            table.add_row({{std::string(name_of(level.isa))},
                           {level.supported ? "yes" : "no"},
                           {level.usable ? "yes" : "no", level.usable ? Colour::kGreen : Colour::kNone},
                           {fmt::format("{}", level.int8_kernels)},
                           {fmt::format("{}", level.fp16_kernels)},
                           {fmt::format("{}", level.shared_kernels)}});
        }
        text = fmt::format(
            "octile {}: {} kernels, {} thread{} ({})\n{}INT8 layers run at level {}, FP16 layers at level {}\n"
            "core {} ({}), schedule {} of: {}\n",
            OCTILE_VERSION, kernel_table().size(), count, count == 1 ? "" : "s", name_of(source),
            table.text(stdout_takes_colour()), int8, fp16, core.value().core.empty() ? "unknown" : core.value().core,
            internal::printable(source_of(core.value())), schedule, fmt::join(schedules, " "));
    }
    const Status written = write_stdout(text);
    return written.ok() ? kExitOk : fail_by(written);
}

}  // namespace

void add_info_command(CLI::App& app, int& exit_code) {
    auto json = std::make_shared<bool>(false);
    CLI::App* command = app.add_subcommand("info",
                                           "What this CPU runs and which kernels are built in (OCTILE_ISA limits the "
                                           "level, OCTILE_CORE names the core whose schedule runs, OCTILE_NUM_THREADS "
                                           "says the threads)");
    command->add_flag("--json", *json, "Print JSON");
    command->callback([json, &exit_code] { exit_code = run_info(*json); });
}

}  // namespace octile::cli
