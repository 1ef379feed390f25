#include "inputs/onnx_model.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include "base/limits.h"
#include "base/mapped_file.h"
#include "inputs/messages.h"
#include "inputs/onnx/dimensions.h"
#include "inputs/onnx/flatten.h"
#include "inputs/onnx/layers.h"
#include "inputs/onnx/left_out.h"

namespace octile {
namespace {

bool parse(std::span<const std::byte> bytes, onnx::ModelProto& model) {
    google::protobuf::io::CodedInputStream stream(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                                  static_cast<int>(bytes.size()));
    stream.SetRecursionLimit(limits::kOnnxMessageDepth);
    return model.ParseFromCodedStream(&stream) && stream.ConsumedEntireMessage();
}

std::unordered_set<std::string_view> names_of_constants(const onnx::GraphProto& graph) {
    std::unordered_set<std::string_view> names;
    for (const onnx::TensorProto& tensor : graph.initializer())
        names.insert(tensor.name());
    return names;
}

std::string plural(std::size_t count, std::string_view what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

// Names in quotes, of which there may be many.
std::string quoted(const std::vector<std::string>& names) {
    constexpr std::size_t kMost = 4;
    std::string text;
    for (std::size_t i = 0; i < std::min(names.size(), kMost); ++i)
        text += (i == 0 ? "" : ", ") + internal::quote(names[i]);
    if (names.size() > kMost) text += fmt::format(" and {} more", names.size() - kMost);
    return text;
}

std::string describe_body(const OnnxBody& body) {
    return fmt::format("{} of {}", internal::is_printable(body.attribute) ? body.attribute.substr(0, 40) : "a body",
                       describe(*body.node));
}

std::vector<std::string> notes_of(const OnnxGraph& graph, const OnnxLayers& found, const Dimensions& dimensions,
                                  const OnnxOptions& options) {
    std::vector<std::string> notes;
    if (!dimensions.batches().empty()) {
        notes.push_back(fmt::format("assumed: {} {} 1 (--dim NAME=N says otherwise)", quoted(dimensions.batches()),
                                    dimensions.batches().size() == 1 ? "is" : "are"));
    }
    if (!dimensions.tokens().empty()) {
        notes.push_back(fmt::format("assumed: {} {} --tokens", quoted(dimensions.tokens()),
                                    dimensions.tokens().size() == 1 ? "is" : "are"));
    }
    if (found.assumed_rows > 0) {
        notes.push_back(fmt::format("assumed: the rows of {} are --tokens, for the graph does not tell them",
                                    plural(found.assumed_rows, "layer")));
    } else if (options.tokens && !dimensions.uses_tokens()) {
        notes.push_back("--tokens has no effect: the graph tells all rows");
    }
    for (const auto& [form, linears] : found.few_bits) {
        notes.push_back(fmt::format("{} {} weights in {}: planned as if they were floats", plural(linears, "linear"),
                                    linears == 1 ? "has" : "have", form));
    }
    for (const int body : found.bodies_listed) {
        const OnnxBody& listed = graph.bodies[static_cast<std::size_t>(body)];
        const bool repeats = listed.node->op_type() != "If";
        notes.push_back(fmt::format("linears inside {} are listed{}", describe_body(listed),
                                    repeats ? " once, however often it runs" : ""));
    }
    for (const int body : found.bodies_passed_over) {
        notes.push_back(fmt::format("linears inside {} are not listed: those of its other branch are",
                                    describe_body(graph.bodies[static_cast<std::size_t>(body)])));
    }
    return notes;
}

Result<Model> read(const onnx::ModelProto& model, std::size_t bytes, const std::filesystem::path& path,
                   const OnnxOptions& options) {
    const std::string file = display(path);
    const Result<Dimensions> dimensions =
        Dimensions::bind(model.graph(), file, names_of_constants(model.graph()), options.tokens, options.dims);
    if (!dimensions.ok()) return dimensions.status();
    const Result<OnnxGraph> graph = flatten(model, file, bytes, dimensions.value());
    if (!graph.ok()) return graph.status();
    Result<OnnxLayers> layers = layers_of(graph.value(), file, options.tokens);
    if (!layers.ok()) return layers.status();
    Model read{.name = display(path.stem()), .layers = std::move(layers->layers)};
    set_parameters(read, graph.value(), layers.value());
    read.notes = notes_of(graph.value(), layers.value(), dimensions.value(), options);
    for (std::string& note : read.notes)
        note = fmt::format("{}: {}", file, note);
    const auto is_linear = [](const Layer& layer) { return layer.op == Op::kLinear; };
    if (std::any_of(read.layers.begin(), read.layers.end(), is_linear)) return read;
    std::string why;
    if (const auto largest = std::max_element(read.left_out.begin(), read.left_out.end(),
                                              [](const LeftOut& a, const LeftOut& b) { return a.bytes < b.bytes; });
        largest != read.left_out.end()) {
        why = fmt::format(" (the largest parameter, {}: {})", internal::quote(largest->tensor), largest->text);
    }
    return parse_error(
        fmt::format("{}: expected at least one MatMul, Gemm, MatMulInteger or QLinearMatMul with "
                    "constant weights, found none among {} nodes{}",
                    file, graph->nodes.size(), why));
}

}  // namespace

Result<Model> read_onnx(std::span<const std::byte> bytes, const std::filesystem::path& path,
                        const OnnxOptions& options) {
    const std::string file = display(path);
    if (bytes.size() > INT32_MAX) {
        return parse_error(
            fmt::format("{}: expected at most 2 GB, which is protobuf's limit, found {} bytes: keep the "
                        "weights in a file of their own (external data)",
                        file, bytes.size()));
    }
    constexpr std::string_view kOrt = "ORTM";
    if (bytes.size() > 8 && std::memcmp(bytes.data() + 4, kOrt.data(), kOrt.size()) == 0) {
        return parse_error(file +
                           ": expected an ONNX model, found one in onnxruntime's own format (.ort): take the "
                           ".onnx file that it was made from");
    }
    try {
        onnx::ModelProto model;
        if (bytes.empty() || !parse(bytes, model))
            return parse_error(file + ": expected an ONNX model (protobuf), found something else or a part of one");
        if (!model.has_graph()) return parse_error(file + ": graph: expected a graph, found none");
        return read(model, bytes.size(), path, options);
    } catch (const std::bad_alloc&) {
        throw;
    } catch (const std::exception& error) {  // protobuf throws
        return parse_error(fmt::format("{}: expected an ONNX model, found: {}", file, internal::quote(error.what())));
    }
}

Result<Model> read_onnx(const std::filesystem::path& path, const OnnxOptions& options) {
    const Result<MappedFile> mapped = MappedFile::open(path);
    if (!mapped.ok()) return mapped.status();
    return read_onnx(mapped->bytes(), path, options);
}

}  // namespace octile
