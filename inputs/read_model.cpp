#include "inputs/read_model.h"

#include <fmt/format.h>

#include <cctype>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/limits.h"
#include "inputs/benchdnn_layers.h"
#include "inputs/checkpoint_network.h"
#include "inputs/foreign_files.h"
#include "inputs/layer_lists/csv_layers.h"
#include "inputs/layer_lists/json_layers.h"
#include "inputs/layer_lists/layer_rules.h"
#include "inputs/messages.h"
#include "inputs/model_config.h"
#include "inputs/onnx_model.h"
#include "inputs/text_file.h"
#include "inputs/verbose_layers.h"
#include "inputs/weight_rules.h"

namespace octile {
namespace {

Result<Model> read_weights(const std::filesystem::path& path, InputFormat format, const ReadOptions& options) {
    const Result<Checkpoint> checkpoint = Checkpoint::open(path, format);
    if (!checkpoint.ok()) return checkpoint.status();
    Result<CheckpointNetwork> network = read_network(checkpoint.value(), options);
    if (!network.ok()) return network.status();
    return std::move(network->model);
}

void set_rows(Model& model, const std::optional<std::int64_t>& tokens) {
    if (!tokens) return;
    for (Layer& layer : model.layers)
        layer.m = *tokens;
}

// The format of a text that has been read.
InputFormat format_of_text(const std::filesystem::path& path, std::string_view text) {
    const InputFormat format = detect_text_format(text);
    const bool object =
        format == InputFormat::kJson || format == InputFormat::kSafetensorsIndex || format == InputFormat::kModelConfig;
    std::string extension = path.extension().string();
    for (char& c : extension)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return extension == ".json" && !object ? InputFormat::kJson : format;
}

bool is_of_weights(std::optional<InputFormat> format) {
    return format == InputFormat::kSafetensors || format == InputFormat::kSafetensorsIndex ||
           format == InputFormat::kGguf;
}

// One of those; empty for a file of any other format, or none.
std::optional<InputFormat> format_of_weights(const std::filesystem::path& file, std::optional<InputFormat> format) {
    if (!format) format = detect_format(file);
    std::error_code error;
    if (!format && std::filesystem::is_regular_file(file, error)) {
        const Result<std::string> text = read_text_file(file);
        if (text.ok()) format = format_of_text(file, text.value());
    }
    return is_of_weights(format) ? format : std::nullopt;
}

Result<Model> read_text(const std::filesystem::path& path, std::optional<InputFormat> format,
                        const ReadOptions& options) {
    const bool log = format == InputFormat::kOnednnVerbose || path.extension() == ".log";
    const Result<std::string> text = read_text_file(path, log ? limits::kLogBytes : limits::kTextBytes);
    if (!text.ok()) return text.status();
    if (!format) format = format_of_text(path, text.value());
    if (*format == InputFormat::kSafetensorsIndex) return read_weights(path, *format, options);
    if (!options.transposed.empty()) {
        return Status(StatusCode::kInvalidArgument,
                      display(path) + ": expected --transposed with weights only: a list says K and N");
    }
    if (!options.skip.empty()) {
        return Status(StatusCode::kInvalidArgument,
                      display(path) +
                          ": expected --skip with weights only: a layer list leaves a layer out by not "
                          "naming it");
    }
    if (*format == InputFormat::kModelConfig)
        return read_model_config(text.value(), path, {options.tokens, options.ignore_keys});
    Result<Model> model = *format == InputFormat::kJson            ? parse_json_layers(text.value(), path)
                          : *format == InputFormat::kBenchdnn      ? parse_benchdnn_layers(text.value(), path)
                          : *format == InputFormat::kOnednnVerbose ? parse_verbose_layers(text.value(), path)
                                                                   : parse_csv_layers(text.value(), path);
    if (model.ok()) set_rows(model.value(), options.tokens);
    return model;
}

// A folder with nothing in it that is read, or a file that is something else altogether.
Status check_file(const std::filesystem::path& file) {
    std::error_code error;
    if (std::filesystem::is_directory(file, error)) {
        return {StatusCode::kIoError, fmt::format("{}: expected a file, or a directory with {}; found none of them{}",
                                                  display(file), checkpoint_names(), foreign_folder(file))};
    }
    const std::string what = foreign_file(file);
    return what.empty() ? Status() : parse_error(fmt::format("{}: found {}", display(file), what));
}

}  // namespace

Result<LinearTensors> find_linear_tensors(const Checkpoint& checkpoint, const ReadOptions& options) {
    const Result<WeightRules> rules = make_weight_rules(
        {.leave_out = options.skip, .may_leave_out = options.may_skip, .transposed = options.transposed});
    return rules.ok() ? find_linear_tensors(checkpoint, options.tokens.value_or(0), rules.value()) : rules.status();
}

Result<std::optional<Checkpoint>> open_weights(const std::filesystem::path& path, const ReadOptions& options) {
    const std::filesystem::path file = file_of_checkpoint(path);
    if (Status status = check_file(file); !status.ok()) return status;
    const std::optional<InputFormat> format = format_of_weights(file, options.format);
    if (!format) return std::optional<Checkpoint>();
    Result<Checkpoint> checkpoint = Checkpoint::open(file, *format);
    if (!checkpoint.ok()) return checkpoint.status();
    return std::optional<Checkpoint>(std::move(checkpoint).value());
}

bool is_weights(const std::filesystem::path& path, const ReadOptions& options) {
    return format_of_weights(file_of_checkpoint(path), options.format).has_value();
}

Result<Model> read_model(const std::filesystem::path& path, const ReadOptions& options) {
    try {
        if (options.tokens && (*options.tokens < 1 || *options.tokens > max_of("m"))) {
            return Status(StatusCode::kInvalidArgument,
                          "--tokens: " + wrong_extent("m", std::to_string(*options.tokens)));
        }
        const std::filesystem::path file = file_of_checkpoint(path);
        if (Status status = check_file(file); !status.ok()) return status;
        const std::optional<InputFormat> format = options.format ? options.format : detect_format(file);
        if (!options.dims.empty() && format != InputFormat::kOnnx) {
            return Status(StatusCode::kInvalidArgument,
                          display(path) + ": expected --dim with ONNX only: other files have no extents by name");
        }
        if (is_of_weights(format)) return read_weights(file, *format, options);
        if (format == InputFormat::kOnnx) return read_onnx(file, {.tokens = options.tokens, .dims = options.dims});
        return read_text(file, format, options);
    } catch (const std::bad_alloc&) {
        return Status(StatusCode::kOutOfMemory, display(path) + ": not enough memory to read it");
    }
}

}  // namespace octile
