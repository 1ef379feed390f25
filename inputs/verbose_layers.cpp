#include "inputs/verbose_layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "inputs/layer_lists/layer_rules.h"
#include "inputs/messages.h"
#include "inputs/onednn_problem.h"
#include "inputs/post_ops.h"
#include "inputs/unique_layers.h"

namespace octile {
namespace {

// Places behind "exec".
enum Field : std::size_t {
    kEngine = 1,
    kPrimitive,
    kImplementation,
    kProp,
    kTensors,
    kAttributes,
    kAux,
    kProblem,
    kTime
};

// From the marker on; empty when there is none.
std::string_view find_marker(std::string_view line) {
    for (const std::string_view marker : {"onednn_verbose,", "dnnl_verbose,"}) {
        if (const std::size_t at = line.find(marker); at != std::string_view::npos) return line.substr(at);
    }
    return {};
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const std::size_t at = text.find(separator);
        parts.push_back(text.substr(0, at));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + 1);
    }
}

// "bia_f32::blocked:a:f0" or "bia:f32:a:blocked:a::f0" among the tensors.
bool has_bias(std::string_view tensors) {
    for (const std::string_view tensor : split(tensors, ' ')) {
        if (tensor.starts_with("bia") && !tensor.starts_with("bia_undef") && !tensor.starts_with("bia:undef")) {
            return true;
        }
    }
    return false;
}

Activation activation_of(std::string_view attributes) {
    static constexpr std::string_view kKeys[] = {"attr-post-ops:", "post_ops:"};
    for (const std::string_view key : kKeys) {
        if (const std::size_t at = attributes.find(key); at != std::string_view::npos) {
            const std::string_view chain = attributes.substr(at + key.size());
            return first_activation(chain.substr(0, chain.find(' ')));
        }
    }
    return Activation::kNone;
}

}  // namespace

bool is_verbose_line(std::string_view line) {
    return !find_marker(line).empty();
}

Result<Model> parse_verbose_layers(std::string_view text, const std::filesystem::path& path) {
    UniqueLayers layers;
    layers.model().name = display(path.stem());
    std::size_t line = 0;
    std::size_t verbose_lines = 0;
    const auto fail = [&](std::string_view what) {
        return parse_error(fmt::format("{}:{}: {}", display(path), std::max<std::size_t>(line, 1), what));
    };
    while (!text.empty()) {
        std::string_view content = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(content.size() + 1, text.size()));
        ++line;
        if (content.ends_with('\r')) content.remove_suffix(1);
        const std::string_view marked = find_marker(content);
        if (marked.empty()) continue;
        ++verbose_lines;
        const std::vector<std::string_view> fields = split(marked, ',');
        // Between marker and "exec": the version of the format, a timestamp, the component, in some order.
        const auto head = fields.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(fields.size(), 5));
        const auto exec = std::find(fields.begin(), head, "exec");
        if (exec == head) continue;
        const auto field = [&](Field place) -> std::string_view {
            const auto at = static_cast<std::size_t>(exec - fields.begin()) + place;
            return at < fields.size() ? fields[at] : std::string_view();
        };
        const bool matmul = field(kPrimitive) == "matmul";
        if (!matmul && field(kPrimitive) != "inner_product") continue;
        if (field(kProp).starts_with("backward")) continue;
        if (field(kTime).empty()) {
            return fail(
                fmt::format("expected engine, primitive, implementation, propagation, tensors, attributes, "
                            "auxiliary, problem and time behind exec, found {} of them; is the log cut short?",
                            fields.end() - exec - 1));
        }
        const ProblemKind kind = matmul ? ProblemKind::kMatmul : ProblemKind::kInnerProduct;
        const Result<OnednnProblem> problem = parse_problem(field(kProblem), kind);
        if (!problem.ok()) return fail("problem: " + problem.status().message());
        Layer layer{.name = fmt::format("{}:{}", field(kPrimitive), problem->name),
                    .op = Op::kLinear,
                    .m = problem->m,
                    .k = problem->k,
                    .n = problem->n,
                    .count = problem->count,
                    .activation = activation_of(field(kAttributes)),
                    .bias = has_bias(field(kTensors))};
        if (const auto error = check_layer(layer)) return fail(fmt::format("{}: {}", error->field, error->text));
        layers.add(std::move(layer), UniqueLayers::Recurrence::kRunsAgain);
    }
    if (layers.model().layers.empty()) {
        return fail(
            fmt::format("expected lines of ONEDNN_VERBOSE=1 that execute inner_product or matmul, found none "
                        "among {} lines of oneDNN",
                        verbose_lines));
    }
    return layers.take();
}

}  // namespace octile
