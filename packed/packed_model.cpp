#include "octile/packed_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <new>

#include "base/path_text.h"
#include "base/precision_text.h"
#include "packed/packed_file.h"
#include "runtime/input_multiplier.h"
#include "runtime/linear_parts.h"

namespace octile {
namespace {

Status fail(const PackedFile& file, std::string_view owner, const Status& status) {
    return {status.code(), fmt::format("{}: {}: {}", display(file.path()), owner, status.message())};
}

template <typename T>
std::span<const T> values_of(const PackedFile& file, const std::optional<Section>& section) {
    if (!section) return {};
    const std::span<const std::byte> bytes = file.bytes_of(*section);
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

LinearParts parts_of(const PackedFile& file, const LinearEntry& linear, const PanelSection& panels) {
    LinearParts parts;
    parts.options = {.precision = linear.precision,
                     .activation = linear.activation,
                     .range = {},
                     .input_scaling = linear.input_scaling,
                     .input_scale = linear.input_scale,
                     .input_multiplier = values_of<float>(file, linear.input_multiplier)};
    parts.k = linear.k;
    parts.n = linear.n;
    parts.padded_n = panels.padded_n;
    parts.matrices = linear.matrices();
    parts.layout = panels.layout;
    parts.panels = file.bytes_of(panels.section);
    if (panels.steps) parts.steps = file.bytes_of(*panels.steps);
    parts.column_scale = values_of<float>(file, linear.column_scale);
    parts.column_sum = values_of<std::int32_t>(file, linear.column_sum);
    parts.bias = values_of<float>(file, linear.bias);
    return parts;
}

// What Linear::pack() would not have made. A checksum tells damage; this is for files that were made wrong.
Status check_values(const LinearParts& parts) {
    const std::int64_t stride = static_cast<std::int64_t>(parts.bias.size()) / parts.matrices;
    const auto check = [&](std::string_view what, std::span<const float> values, bool positive) -> Status {
        for (std::int64_t i = 0; !values.empty() && i < parts.matrices * parts.n; i++) {
            const float value = values[static_cast<std::size_t>(i / parts.n * stride + i % parts.n)];
            if (std::isfinite(value) && (value > 0 || !positive)) continue;
            return {StatusCode::kParseError, fmt::format("{}: output channel {} has {}; expected a {}finite number",
                                                         what, i % parts.n, value, positive ? "positive, " : "")};
        }
        return {};
    };
    if (Status status = check("column_scale", parts.column_scale, true); !status.ok()) return status;
    if (Status status = check("bias", parts.bias, false); !status.ok()) return status;
    // Levels beyond a byte would wrap: nothing is read or written elsewhere for them.
    if (Status status = parts.int4_panels().check_steps(parts.steps); !status.ok()) return status;
    if (parts.options.input_multiplier.empty()) return {};
    return check_input_multiplier(parts.options.input_multiplier, parts.k);
}

// The panels that a Linear of these levels reads as they are, or else the first.
const PanelSection& choose_panels(const LinearEntry& linear, IsaSet isas) {
    const auto fitting = std::find_if(linear.panels.begin(), linear.panels.end(), [&](const PanelSection& panels) {
        return LinearParts::fits(panels.layout, panels.padded_n, linear.n, linear.precision, isas);
    });
    return fitting == linear.panels.end() ? linear.panels.front() : *fitting;
}

struct Repacked {
    std::size_t linears = 0, bytes = 0;
};

std::string note_of(const PackedFile& file, Precision precision, const Repacked& repacked, IsaSet isas) {
    return fmt::format("{}: no panels of {} for this CPU ({}): {} linear{} packed again, {:.1f} MB of memory",
                       display(file.path()), internal::capitals_of(precision), to_string(isas), repacked.linears,
                       repacked.linears == 1 ? "" : "s", static_cast<double>(repacked.bytes) * 1e-6);
}

MatrixView matrix_of(const PackedTensor& tensor, DataType type) {
    const std::int64_t columns = tensor.shape.empty() ? 1 : tensor.shape.back();
    const auto elements = static_cast<std::int64_t>(tensor.data.size() / size_of(type));
    return {tensor.data.data(), type, columns == 0 ? 0 : elements / columns, columns, columns};
}

std::optional<DataType> type_of(std::string_view dtype) {
    constexpr std::array<std::string_view, 4> kNames = {"F32", "F16", "BF16", "I8"};  // in the order of DataType
    const auto* const found = std::find(kNames.begin(), kNames.end(), dtype);
    return found == kNames.end() ? std::nullopt : std::optional(static_cast<DataType>(found - kNames.begin()));
}

}  // namespace

Result<PackedModel> PackedModel::open(const std::filesystem::path& path, IsaSet isas,
                                      std::vector<std::string>* notes) try {
    Result<PackedFile> opened = PackedFile::open(path);
    if (!opened.ok()) return opened.status();
    PackedFile& file = opened.value();
    std::vector<const PanelSection*> chosen;
    std::vector<PackedFile::NamedSection> used;
    for (const LinearEntry& linear : file.directory().linears) {
        chosen.push_back(&choose_panels(linear, isas));
        PackedFile::add_sections(linear, *chosen.back(), used);
    }
    for (const TensorEntry& tensor : file.directory().tensors)
        used.push_back({tensor.section, tensor.name, "data"});
    // Layers that share an input share its multiplier.
    std::sort(used.begin(), used.end(), [](const PackedFile::NamedSection& a, const PackedFile::NamedSection& b) {
        return a.section.offset < b.section.offset;
    });
    used.erase(std::unique(used.begin(), used.end(),
                           [](const PackedFile::NamedSection& a, const PackedFile::NamedSection& b) {
                               return a.section == b.section;
                           }),
               used.end());
    if (Status status = file.verify(used); !status.ok()) return status;

    PackedModel model;
    model.figures_.file_bytes = file.bytes().size();
    model.figures_.used_bytes = file.overhead_bytes();
    for (const PackedFile::NamedSection& named : used)
        model.figures_.used_bytes += named.section.bytes;

    auto parameters = std::make_shared<Parameters>();
    std::array<Repacked, 3> repacked = {};  // by Precision
    for (std::size_t i = 0; i < chosen.size(); i++) {
        const LinearEntry& linear = file.directory().linears[i];
        const LinearParts parts = parts_of(file, linear, *chosen[i]);
        if (Status status = check_values(parts); !status.ok()) return fail(file, linear.name, status);
        Result<Linear> made = LinearParts::make(parts, file.mapping(), isas);
        if (!made.ok()) return fail(file, linear.name, made.status());
        if (!LinearParts::fits(parts.layout, parts.padded_n, parts.n, linear.precision, isas)) {
            Repacked& of_precision = repacked[static_cast<std::size_t>(linear.precision)];
            of_precision.linears++;
            of_precision.bytes += made->bytes();
        }
        parameters->add_linear(linear.name, std::move(made).value());
    }
    for (const Precision precision : {Precision::kInt8, Precision::kInt4, Precision::kFp16}) {
        const Repacked& of_precision = repacked[static_cast<std::size_t>(precision)];
        model.figures_.repacked_bytes += of_precision.bytes;
        if (of_precision.linears > 0 && notes) notes->push_back(note_of(file, precision, of_precision, isas));
    }
    for (TensorEntry& entry : file.directory().tensors) {
        PackedTensor tensor{std::move(entry.name), std::move(entry.dtype), std::move(entry.shape),
                            file.bytes_of(entry.section)};
        const std::optional<DataType> type = type_of(tensor.dtype);
        if (type && !tensor.data.empty()) parameters->add_tensor(tensor.name, matrix_of(tensor, *type), file.mapping());
        model.tensors_.push_back(std::move(tensor));
    }
    model.plan_ = std::move(file.directory().plan);
    model.graph_ = std::move(file.directory().graph);
    model.parameters_ = std::move(parameters);
    return model;
} catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, display(path) + ": not enough memory to open it");
}

}  // namespace octile
