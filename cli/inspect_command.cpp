#include <fmt/format.h>

#include <chrono>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/inspect_gguf.h"
#include "cli/output.h"
#include "cli/shared_options.h"
#include "cli/table.h"
#include "inputs/format.h"
#include "inputs/messages.h"
#include "octile/packed_model.h"
#include "octile/parallel.h"
#include "packed/packed_file.h"

namespace octile::cli {
namespace {

struct Arguments {
    std::string file;
    bool json = false;
    int threads = 0;
};

// What opening the file for this CPU took.
struct Opening {
    Status status;
    double milliseconds = 0;
    std::size_t resident = 0;  // growth
    PackedFigures figures;
    std::vector<std::string> notes;
};

Opening open_timed(const std::string& path, IsaSet isas) {
    Opening opening;
    const std::size_t before = resident_memory();
    const auto start = std::chrono::steady_clock::now();
    const Result<PackedModel> model = PackedModel::open(path, isas, &opening.notes);
    opening.milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    const std::size_t after = resident_memory();
    opening.resident = after > before ? after - before : 0;
    opening.status = model.status();
    if (model.ok()) opening.figures = model->figures();
    return opening;
}

struct Inspection {
    PackedFile file;
    Opening opening;
    std::map<std::string, std::vector<std::string>, std::less<>> damage;  // by linear or tensor: what of it
    std::size_t sections = 0, damaged = 0;
    std::unordered_map<std::string_view, const PlannedLayer*> planned;  // by name, of the file's plan
};

std::string sizes_text(std::uint64_t bytes) {
    return bytes < 100'000 ? fmt::format("{:.1f} kB", static_cast<double>(bytes) * 1e-3)
                           : fmt::format("{:.1f} MB", static_cast<double>(bytes) * 1e-6);
}

std::uint64_t bytes_of(const LinearEntry& linear) {
    std::uint64_t bytes = linear.bias.bytes;
    for (const std::optional<Section>& section : {linear.column_scale, linear.column_sum, linear.input_multiplier})
        bytes += section ? section->bytes : 0;
    for (const PanelSection& panels : linear.panels)
        bytes += panels.bytes();
    return bytes;
}

// "i8mm sve256 | dotprod": each panels' readers.
std::string levels_of(const LinearEntry& linear) {
    std::string text;
    for (const PanelSection& panels : linear.panels) {
        const IsaSet readers = readers_of(panels.layout, linear.precision, panels.padded_n, linear.n);
        text += fmt::format(
            "{}{}", text.empty() ? "" : " | ",
            readers.empty() ? fmt::format("{}x{}", panels.layout.k_block, panels.layout.panel_n) : to_string(readers));
    }
    return text;
}

std::string check_text(const Inspection& inspection, const std::string& name) {
    const auto found = inspection.damage.find(name);
    return found == inspection.damage.end() ? "ok" : fmt::format("DAMAGED: {}", fmt::join(found->second, ", "));
}

std::string reason_of(const Inspection& inspection, const std::string& name) {
    const auto found = inspection.planned.find(name);
    return found == inspection.planned.end() ? "-" : std::string(name_of(found->second->reason));
}

std::string form_of(const LinearEntry& linear) {
    std::string form = linear.gated ? "gated" : "";
    const auto add = [&](std::string_view word) { form += fmt::format("{}{}", form.empty() ? "" : ", ", word); };
    if (linear.activation != Activation::kNone) add(name_of(linear.activation));
    if (linear.input_multiplier) add("smoothed");
    if (linear.input_scaling == InputScaling::kStatic) add("static input");
    if (linear.input_scaling == InputScaling::kAsymmetric) add("asymmetric input");
    return form;
}

std::string table_text(const Inspection& inspection, bool colour) {
    const PackedDirectory& directory = inspection.file.directory();
    const Plan& plan = directory.plan;
    Table linears({{"linear"},
                   {"K", Align::kRight},
                   {"N", Align::kRight},
                   {"precision"},
                   {"reason"},
                   {"form"},
                   {"panels for"},
                   {"bytes", Align::kRight},
                   {"check"}});
    std::uint64_t linear_bytes = 0, tensor_bytes = 0;
    for (const LinearEntry& linear : directory.linears) {
        const Colour precision = is_quantized(linear.precision) ? Colour::kGreen : Colour::kYellow;
        linears.add_row({{linear.name},
                         {fmt::format("{}", linear.k)},
                         {fmt::format("{}", linear.n)},
                         {std::string(name_of(linear.precision)), precision},
                         {reason_of(inspection, linear.name)},
                         {form_of(linear)},
                         {levels_of(linear)},
                         {sizes_text(bytes_of(linear))},
                         {check_text(inspection, linear.name)}});
        linear_bytes += bytes_of(linear);
    }
    Table tensors({{"tensor"}, {"type"}, {"shape"}, {"bytes", Align::kRight}, {"check"}});
    for (const TensorEntry& tensor : directory.tensors) {
        tensors.add_row({{tensor.name},
                         {tensor.dtype},
                         {fmt::format("[{}]", fmt::join(tensor.shape, ", "))},
                         {sizes_text(tensor.section.bytes)},
                         {check_text(inspection, tensor.name)}});
        tensor_bytes += tensor.section.bytes;
    }
    std::string text = fmt::format("{}: format {}, written by {}, policy {}{}\n{}", plan.model,
                                   inspection.file.version(), directory.producer, name_of(plan.policy),
                                   directory.graph.empty() ? ", no graph" : ", with its graph", linears.text(colour));
    if (!directory.tensors.empty()) text += "\n" + tensors.text(colour);
    text += "\n" + to_text(summarize(plan)) + "\n";
    text += fmt::format("{} linears {}, {} tensors {}; file {}, made of {}\n", directory.linears.size(),
                        sizes_text(linear_bytes), directory.tensors.size(), sizes_text(tensor_bytes),
                        sizes_text(inspection.file.bytes().size()), sizes_text(directory.source_bytes));
    text += fmt::format("checksums: {} of {} sections verified\n", inspection.sections - inspection.damaged,
                        inspection.sections);
    const Opening& opening = inspection.opening;
    if (!opening.status.ok()) return text + "it cannot be opened\n";
    const PackedFigures& figures = opening.figures;
    const double used = static_cast<double>(figures.used_bytes);
    const double growth =
        static_cast<double>(opening.resident) / static_cast<double>(figures.used_bytes + figures.repacked_bytes) - 1;
    text += fmt::format(
        "opened in {:.1f} ms, {:.1f} GB/s: {} used and verified{}; resident memory grew by {} ({:+.1f} %)\n",
        opening.milliseconds, used * 1e-6 / opening.milliseconds, sizes_text(figures.used_bytes),
        figures.repacked_bytes == 0 ? "" : fmt::format(", {} packed again", sizes_text(figures.repacked_bytes)),
        sizes_text(opening.resident), 100 * growth);
    return text;
}

nlohmann::ordered_json json_of(const Inspection& inspection) {
    const PackedDirectory& directory = inspection.file.directory();
    nlohmann::ordered_json document = {{"format", inspection.file.version()},
                                       {"producer", directory.producer},
                                       {"model", directory.plan.model},
                                       {"policy", name_of(directory.plan.policy)},
                                       {"graph", !directory.graph.empty()},
                                       {"file_bytes", inspection.file.bytes().size()},
                                       {"source_bytes", directory.source_bytes},
                                       {"linears", nlohmann::ordered_json::array()},
                                       {"tensors", nlohmann::ordered_json::array()}};
    for (const LinearEntry& linear : directory.linears) {
        nlohmann::ordered_json panels = nlohmann::ordered_json::array();
        for (const PanelSection& section : linear.panels) {
            panels.push_back(
                {{"k_block", section.layout.k_block},
                 {"panel_n", section.layout.panel_n},
                 {"bytes", section.bytes()},
                 {"checksum", fmt::format("{:016x}", section.section.checksum)},
                 {"levels", to_string(readers_of(section.layout, linear.precision, section.padded_n, linear.n))}});
        }
        document["linears"].push_back({{"name", linear.name},
                                       {"k", linear.k},
                                       {"n", linear.n},
                                       {"precision", name_of(linear.precision)},
                                       {"reason", reason_of(inspection, linear.name)},
                                       {"activation", name_of(linear.activation)},
                                       {"gated", linear.gated},
                                       {"smoothed", linear.input_multiplier.has_value()},
                                       {"bytes", bytes_of(linear)},
                                       {"panels", panels},
                                       {"verified", !inspection.damage.contains(linear.name)}});
    }
    for (const TensorEntry& tensor : directory.tensors) {
        document["tensors"].push_back({{"name", tensor.name},
                                       {"dtype", tensor.dtype},
                                       {"shape", tensor.shape},
                                       {"bytes", tensor.section.bytes},
                                       {"checksum", fmt::format("{:016x}", tensor.section.checksum)},
                                       {"verified", !inspection.damage.contains(tensor.name)}});
    }
    const Opening& opening = inspection.opening;
    if (opening.status.ok()) {
        document["opening"] = {{"ms", opening.milliseconds},
                               {"used_bytes", opening.figures.used_bytes},
                               {"repacked_bytes", opening.figures.repacked_bytes},
                               {"resident_bytes", opening.resident}};
    }
    return document;
}

int run_inspect(const Arguments& arguments) {
    set_threads(arguments.threads);
    if (detect_format(arguments.file) == InputFormat::kGguf) return inspect_gguf(arguments.file, arguments.json);
    const Result<IsaSet> isas = usable_isas();
    if (!isas.ok()) return fail(kExitError, isas.status().message());
    // First of all, so that no page of the file is in this process yet.
    Opening opening = open_timed(arguments.file, isas.value());
    Result<PackedFile> file = PackedFile::open(arguments.file);
    if (!file.ok()) return fail(kExitError, file.status().message());
    Inspection inspection{std::move(file).value(), std::move(opening), {}, 0, 0, {}};
    for (const PackedFile::NamedSection& named : inspection.file.sections()) {
        inspection.sections++;
        if (inspection.file.verify(std::span(&named, 1)).ok()) continue;
        inspection.damaged++;
        inspection.damage[std::string(named.owner)].emplace_back(named.what);
    }
    for (const PlannedLayer& layer : inspection.file.directory().plan.layers)
        inspection.planned.try_emplace(layer.layer.name, &layer);
    for (const std::string& line : inspection.opening.notes)
        note(line);
    const Status written = write_stdout(arguments.json ? internal::json_text(json_of(inspection))
                                                       : table_text(inspection, stdout_takes_colour()));
    if (!written.ok()) return fail_by(written);
    if (!inspection.damage.empty()) {
        const auto& [name, what] = *inspection.damage.begin();
        return fail(kExitNotVerified, fmt::format("{}: {}: {}: the checksum is another one; the file is damaged",
                                                  display(arguments.file), name, fmt::join(what, ", ")));
    }
    return inspection.opening.status.ok() ? kExitOk : fail(kExitError, inspection.opening.status.message());
}

}  // namespace

void add_inspect_command(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* command =
        app.add_subcommand("inspect",
                           "What a packed file holds; verify every checksum, and time opening it. Or what a "
                           "GGUF file says and holds");
    command->add_option("FILE", arguments->file, "A file of octile quantize, or a GGUF file")
        ->required()
        ->type_name("FILE.octile|FILE.gguf");
    command->add_flag("--json", arguments->json, "As JSON");
    add_threads_option(*command, arguments->threads);
    command->callback([arguments, &exit_code] { exit_code = run_inspect(*arguments); });
}

}  // namespace octile::cli
