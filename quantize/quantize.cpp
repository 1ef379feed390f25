#include "quantize/quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <numeric>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/mapped_file.h"
#include "base/printable.h"
#include "inputs/messages.h"
#include "inputs/tensor_values.h"
#include "packed/packed_writer.h"
#include "quantize/block_packer.h"
#include "quantize/kept_tensor.h"
#include "runtime/matrix.h"

namespace octile {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{4} << 20;  // of a checkpoint that are looked at at once

Status of_layer(const Layer& layer, const Status& status) {
    return {status.code(), fmt::format("{}: {}", layer.name, status.message())};
}

// One linear of the file: one or two layers of the plan.
struct Job {
    LinearEntry entry;
    std::vector<const LinearTensor*> matrices;  // one, or gate and up
    std::span<const float> smoothing;
    std::vector<SectionWriter> panels;  // one for each of entry.panels
    std::vector<SectionWriter> steps;   // likewise, of INT4

    bool int4() const { return entry.precision == Precision::kInt4; }
    std::optional<SectionWriter> column_scale, column_sum, bias;
};

class Quantizer {
  public:
    Quantizer(const Checkpoint& checkpoint, const LinearTensors& tensors, const Plan& plan,
              const QuantizeOptions& options, const std::filesystem::path& path)
        : checkpoint_(checkpoint), plan_(plan), options_(options), writer_(path), shared_(tensors.shared) {
        for (const LinearTensor& tensor : tensors.layers)
            tensors_.emplace(tensor.layer.name, &tensor);
        // A pair has one input, and so one way to quantize it.
        for (PlannedLayer& up : plan_.layers) {
            const auto own = tensors_.find(up.layer.name), gate = tensors_.find(up.gate);
            if (own != tensors_.end() && gate != tensors_.end() && own->second->input != gate->second->input)
                up.gate.clear();
        }
        for (const PlannedLayer& layer : plan_.layers)
            if (layer.layer.op == Op::kLinear) planned_.emplace(layer.layer.name, &layer);
    }

    Result<QuantizeReport> run() {
        for (const PlannedLayer& layer : plan_.layers) {
            if (layer.layer.op == Op::kLinear && !tensors_.contains(layer.layer.name) &&
                !shared_.contains(layer.layer.name))
                return of_layer(layer.layer, parse_error("expected its weights in the checkpoint, found none"));
        }
        find_jobs();
        if (Status status = find_other_tensors(); !status.ok()) return status;
        reserve();
        if (Status status = writer_.start(); !status.ok()) return status;
        PackedDirectory directory;
        directory.producer = options_.producer;
        directory.plan = plan_;
        directory.graph = options_.graph;
        directory.source_bytes = report_.source_bytes;
        if (Status status = write_multipliers(); !status.ok()) return status;
        for (Job& job : jobs_) {
            if (Status status = write(job); !status.ok()) return status;
            directory.linears.push_back(job.entry);
        }
        for (auto& [kept, section] : others_) {
            begin(kept.tensor->name);
            Result<TensorEntry> entry = write(kept, section);
            if (!entry.ok()) return entry.status();
            directory.tensors.push_back(std::move(entry).value());
        }
        if (Status status = writer_.finish(directory); !status.ok()) return status;
        report_.file_bytes = writer_.bytes();
        return report_;
    }

  private:
    const PlannedLayer* planned(std::string_view name) const {
        const auto found = planned_.find(name);
        return found == planned_.end() ? nullptr : found->second;
    }

    // The gate that is packed together with this layer; null: none.
    const PlannedLayer* gate_of(const PlannedLayer& up) const {
        const PlannedLayer* gate = up.gate.empty() ? nullptr : planned(up.gate);
        const bool pair = gate && gate->precision == up.precision && gate->layer.k == up.layer.k &&
                          gate->layer.n == up.layer.n && up.layer.activation == Activation::kNone;
        return pair ? gate : nullptr;
    }

    void find_jobs() {
        std::unordered_set<std::string_view> gates;
        for (const PlannedLayer& layer : plan_.layers)
            if (const PlannedLayer* gate = gate_of(layer)) gates.insert(gate->layer.name);
        for (const PlannedLayer& layer : plan_.layers) {
            if (layer.layer.op != Op::kLinear || gates.contains(layer.layer.name)) continue;
            if (shared_.contains(layer.layer.name)) continue;
            add_job(layer, gate_of(layer));
        }
    }

    void add_job(const PlannedLayer& layer, const PlannedLayer* gate) {
        Job& job = jobs_.emplace_back();
        LinearEntry& entry = job.entry;
        entry.name = layer.layer.name;
        entry.precision = layer.precision;
        entry.activation = gate ? gate->layer.activation : layer.layer.activation;
        entry.k = layer.layer.k;
        entry.n = layer.layer.n;
        entry.gated = gate != nullptr;
        if (layer.panel == InputPanel::kChain) {
            // A chain is made of layers with a static scale, which the planner has checked.
            entry.input_scaling = InputScaling::kStatic;
            entry.input_scale = static_cast<float>(planned(layer.panel_from)->layer.output_scale.value());
        }
        const InputQuantization& input = tensors_.at(entry.name)->input;
        if (is_quantized(layer.precision) && input.scaling != InputScaling::kDynamic) {
            entry.input_scaling = input.scaling;
            entry.input_scale = input.scale;
        }
        if (gate) job.matrices.push_back(tensors_.at(gate->layer.name));
        job.matrices.push_back(tensors_.at(entry.name));
        const auto smoothing = options_.smoothing.find(entry.name);
        // Not of levels that are there already, nor of rows whose scale is.
        const bool free = std::none_of(job.matrices.begin(), job.matrices.end(), [](const LinearTensor* tensor) {
            return tensor->weight.is_int8() || tensor->input.scaling != InputScaling::kDynamic;
        });
        if (smoothing != options_.smoothing.end() && is_quantized(entry.precision) && free)
            job.smoothing = smoothing->second;
        for (const WeightLayout& layout : layouts_of(options_.levels, entry.precision))
            entry.panels.push_back({layout, padded_channels(layout, entry.precision, entry.n), {}});
        if (entry.gated) pad_alike(entry);
        for (const PanelSection& panels : entry.panels)
            entry.channels = std::max(entry.channels, panels.padded_n);

        const bool int8 = entry.precision == Precision::kInt8;
        const auto count = static_cast<std::int64_t>(job.matrices.size());
        (int8 ? report_.int8_linears : job.int4() ? report_.int4_linears : report_.fp16_linears) += count;
        report_.gated_pairs += entry.gated;
        if (!job.smoothing.empty()) report_.smoothed += count;
        for (const LinearTensor* tensor : job.matrices) {
            // A tensor may be of several linears.
            for (const TensorInfo* const used : tensor->tensors)
                if (used_.insert(used).second) report_.source_linear_bytes += used->data.size();
            report_.prequantized += int8 && tensor->weight.is_int8();
        }
    }

    // Output channels that are stored together: a panel's, or of INT4 a pair's.
    static std::int64_t columns_together(const LinearEntry& entry, const PanelSection& panels) {
        return (entry.precision == Precision::kInt4 ? 2 : 1) * static_cast<std::int64_t>(panels.layout.panel_n);
    }

    // The second matrix begins at the same output channel in the panels of all layouts.
    static void pad_alike(LinearEntry& entry) {
        std::int64_t unit = 1, padded = 0;
        for (const PanelSection& panels : entry.panels) {
            unit = std::lcm(unit, columns_together(entry, panels));
            padded = std::max(padded, panels.padded_n);
        }
        for (PanelSection& panels : entry.panels)
            panels.padded_n = round_up(padded, unit);
    }

    Status find_other_tensors() {
        for (const TensorInfo* tensor : checkpoint_.tensors()) {
            report_.source_bytes += tensor->data.size();
            if (used_.contains(tensor) && !options_.keep.contains(tensor->name)) continue;
            const Result<std::optional<KeptTensor>> kept = kept_tensor(*tensor);
            if (!kept.ok()) return kept.status();
            if (!kept.value()) continue;  // the plan names it among what is left out
            others_.emplace_back(*kept.value(), SectionWriter());
            report_.tensors++;
            report_.source_tensor_bytes += tensor->data.size();
            report_.tensor_bytes += kept.value()->bytes;
        }
        return {};
    }

    // Panels of one layout lie side by side: a CPU touches its own and no page of another's.
    void reserve() {
        std::vector<WeightLayout> layouts;
        for (const Precision precision : {Precision::kInt8, Precision::kFp16})
            for (const WeightLayout& layout : layouts_of(options_.levels, precision))
                layouts.push_back(layout);
        for (Job& job : jobs_) {
            job.panels.resize(job.entry.panels.size());
            if (job.int4()) job.steps.resize(job.entry.panels.size());
        }
        for (const WeightLayout& layout : layouts) {
            for (Job& job : jobs_) {
                for (std::size_t i = 0; i < job.panels.size(); i++) {
                    const PanelSection& panels = job.entry.panels[i];
                    if (panels.layout != layout) continue;
                    job.panels[i] = writer_.reserve(job.entry.panel_bytes(panels));
                    if (job.int4()) job.steps[i] = writer_.reserve(job.entry.step_bytes(panels));
                }
            }
        }
        for (Job& job : jobs_) {
            const auto bytes = static_cast<std::uint64_t>(job.entry.matrices() * job.entry.channels) * sizeof(float);
            job.bias = writer_.reserve(bytes);
            if (is_quantized(job.entry.precision)) {
                job.column_scale = writer_.reserve(bytes);
                job.column_sum = writer_.reserve(bytes);
            }
            if (job.smoothing.empty()) continue;
            const std::vector<float> key(job.smoothing.begin(), job.smoothing.end());
            if (const auto [multiplier, added] = multipliers_.try_emplace(key); added)
                multiplier->second.writer = writer_.reserve(key.size() * sizeof(float));
        }
        for (auto& [kept, section] : others_)
            section = writer_.reserve(kept.bytes);
    }

    Status write_multipliers() {
        for (auto& [scales, multiplier] : multipliers_) {
            std::vector<float> inverse;
            for (const float s : scales)
                inverse.push_back(1 / s);
            if (Status status = writer_.write(multiplier.writer, std::as_bytes(std::span(inverse))); !status.ok())
                return status;
            multiplier.section = writer_.end(multiplier.writer);
        }
        return {};
    }

    Status write(Job& job) {
        LinearEntry& entry = job.entry;
        const auto channels = static_cast<std::size_t>(entry.matrices() * entry.channels);
        std::vector<float> scale(channels), bias(channels);
        std::vector<std::int32_t> sum(channels);
        for (std::size_t matrix = 0; matrix < job.matrices.size(); matrix++) {
            const LinearTensor& tensor = *job.matrices[matrix];
            begin(tensor.weight.tensor->name);
            const std::size_t first = matrix * static_cast<std::size_t>(entry.channels);
            if (tensor.bias) {
                const std::vector<float> values = values_of(*tensor.bias);
                if (const std::int64_t channel = first_non_finite(values.data(), entry.n); channel >= 0) {
                    return of_layer(tensor.layer, {StatusCode::kNonFinite,
                                                   fmt::format("bias: output channel {} is NaN or infinity", channel)});
                }
                std::copy(values.begin(), values.end(), bias.begin() + static_cast<std::ptrdiff_t>(first));
            }
            if (Status status =
                    write_matrix(job, tensor, std::span(scale).subspan(first), std::span(sum).subspan(first));
                !status.ok())
                return status;
        }
        for (std::size_t i = 0; i < job.panels.size(); i++) {
            entry.panels[i].section = writer_.end(job.panels[i]);
            if (job.int4()) entry.panels[i].steps = writer_.end(job.steps[i]);
            report_.linear_bytes += entry.panels[i].bytes();
        }
        const auto write_channels = [&](SectionWriter& section, std::span<const std::byte> bytes,
                                        auto& written) -> Status {
            if (Status status = writer_.write(section, bytes); !status.ok()) return status;
            written = writer_.end(section);
            report_.linear_bytes += bytes.size();
            return {};
        };
        if (Status status = write_channels(*job.bias, std::as_bytes(std::span(bias)), entry.bias); !status.ok())
            return status;
        if (is_quantized(entry.precision)) {
            if (Status status = write_channels(*job.column_scale, std::as_bytes(std::span(scale)), entry.column_scale);
                !status.ok())
                return status;
            if (Status status = write_channels(*job.column_sum, std::as_bytes(std::span(sum)), entry.column_sum);
                !status.ok())
                return status;
        }
        if (!job.smoothing.empty())
            entry.input_multiplier = multipliers_.at({job.smoothing.begin(), job.smoothing.end()}).section;
        return {};
    }

    // The same, and what helps: INT8 takes weights that are beyond f16.
    Status with_remedy(const Job& job, const LinearTensor& tensor, std::int64_t first, std::int64_t count,
                       Status status) const {
        if (status.code() != StatusCode::kNonFinite || job.entry.precision != Precision::kFp16) return status;
        BlockPacker int8(tensor, Precision::kInt8, job.smoothing, options_.isas);
        if (!int8.load(first, count).ok()) return status;
        const std::string& name = tensor.layer.name;
        return {status.code(), fmt::format("{} (--force {}=int8)", status.message(),
                                           internal::is_printable(name) ? name : internal::quote(name))};
    }

    // Rows in blocks of whole panels of every layout, each read, quantized, written and let go.
    Status write_matrix(Job& job, const LinearTensor& tensor, std::span<float> scale, std::span<std::int32_t> sum) {
        const LinearEntry& entry = job.entry;
        std::int64_t unit = 1;
        for (const PanelSection& panels : entry.panels)
            unit = std::lcm(unit, columns_together(entry, panels));
        const std::size_t row_bytes = tensor.weight.bytes() / static_cast<std::size_t>(entry.n);
        // What does not lie as it is packed becomes floats first.
        const std::size_t at_once = tensor.weight.in_place()
                                        ? row_bytes
                                        : std::max(row_bytes, static_cast<std::size_t>(entry.k) * sizeof(float));
        const auto fitting = static_cast<std::int64_t>(kBlockBytes / std::max<std::size_t>(at_once, 1));
        const std::int64_t block = std::max<std::int64_t>(1, fitting / unit) * unit;
        BlockPacker packer(tensor, entry.precision, job.smoothing, options_.isas);
        const std::string stored = stored_form(tensor.weight);
        if (!stored.empty()) packer.measure_error();
        for (std::int64_t first = 0; first < entry.n; first += block) {
            const std::int64_t count = std::min(block, entry.n - first);
            if (Status status = packer.load(first, count); !status.ok())
                return of_layer(tensor.layer, with_remedy(job, tensor, first, count, std::move(status)));
            std::copy(packer.scale().begin(), packer.scale().end(), scale.begin() + first);
            std::copy(packer.column_sum().begin(), packer.column_sum().end(), sum.begin() + first);
            for (std::size_t i = 0; i < job.panels.size(); i++) {
                const PanelSection& panels = entry.panels[i];
                const std::int64_t columns = first + count < entry.n ? count : panels.padded_n - first;
                if (Status status = writer_.write(job.panels[i], packer.panels(panels.layout, columns)); !status.ok())
                    return status;
                if (!job.int4()) continue;
                if (Status status = writer_.write(job.steps[i], packer.steps()); !status.ok()) return status;
            }
            release_pages(tensor.weight.rows(first, count).span());
            done_ += static_cast<std::uint64_t>(count) * row_bytes;
            if (options_.progress) options_.progress(share(), tensor.weight.tensor->name);
        }
        release_pages(tensor.weight.span());
        if (!stored.empty())
            report_.requantized.push_back({tensor.layer.name, stored, entry.precision, packer.sqnr_db()});
        return {};
    }

    Result<TensorEntry> write(const KeptTensor& kept, SectionWriter& section) {
        const TensorInfo& tensor = *kept.tensor;
        const Status status = write_kept(kept, [&](std::span<const std::byte> bytes, std::size_t source_bytes) {
            Status written = writer_.write(section, bytes);
            done_ += source_bytes;
            if (options_.progress) options_.progress(share(), tensor.name);
            return written;
        });
        if (!status.ok()) return status;
        return TensorEntry{tensor.name, std::string(kept.dtype), tensor.shape, writer_.end(section)};
    }

    double share() const {
        return report_.source_bytes == 0 ? 1 : static_cast<double>(done_) / static_cast<double>(report_.source_bytes);
    }
    void begin(std::string_view name) const {
        if (options_.progress) options_.progress(share(), name);
    }

    struct Multiplier {
        SectionWriter writer;
        Section section;
    };

    const Checkpoint& checkpoint_;
    Plan plan_;
    const QuantizeOptions& options_;
    PackedWriter writer_;
    const std::map<std::string, std::string, std::less<>>& shared_;
    std::unordered_map<std::string_view, const LinearTensor*> tensors_;
    std::unordered_map<std::string_view, const PlannedLayer*> planned_;  // linears
    std::unordered_set<const TensorInfo*> used_;
    std::vector<Job> jobs_;
    std::map<std::vector<float>, Multiplier> multipliers_;  // by s
    std::vector<std::pair<KeptTensor, SectionWriter>> others_;
    QuantizeReport report_;
    std::uint64_t done_ = 0;
};

}  // namespace

Result<QuantizeReport> quantize_checkpoint(const Checkpoint& checkpoint, const LinearTensors& tensors, const Plan& plan,
                                           const QuantizeOptions& options, const std::filesystem::path& path) {
    try {
        Result<QuantizeReport> report = Quantizer(checkpoint, tensors, plan, options, path).run();
        return report;
    } catch (const std::bad_alloc&) {
        return Status(StatusCode::kOutOfMemory, display(path) + ": not enough memory to write it");
    }
}

}  // namespace octile
