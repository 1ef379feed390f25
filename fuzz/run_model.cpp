#include "fuzz/run_model.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/printable.h"
#include "fuzz/require.h"
#include "fuzz/use_model.h"
#include "octile/linear.h"
#include "octile/session.h"
#include "packed/packed_file.h"

namespace octile::fuzz {
namespace {

constexpr std::int64_t kRows = 6, kSequences = 2, kLargest = 100'000;

// Memory for every output, [rows, features].
std::vector<std::vector<float>> buffers_of(const Graph& graph) {
    std::vector<std::vector<float>> buffers;
    for (const std::string& output : graph.outputs) {
        const auto node = std::find_if(graph.nodes.begin(), graph.nodes.end(),
                                       [&](const Node& candidate) { return candidate.name == output; });
        buffers.emplace_back(static_cast<std::size_t>(kRows * node->features));
    }
    return buffers;
}

bool is_small(const Graph& graph) {
    const auto small = [](const auto& value) { return value.features <= kLargest; };
    return std::all_of(graph.nodes.begin(), graph.nodes.end(), small) &&
           std::all_of(graph.inputs.begin(), graph.inputs.end(), small);
}

void run_linears(const Parameters& parameters) {
    for (const auto& [name, linear] : parameters.linears()) {
        if (linear.k() > kLargest || linear.n() > kLargest) continue;
        const std::vector<float> x(static_cast<std::size_t>(3 * linear.k()), 0.25f);
        std::vector<float> y(static_cast<std::size_t>(3 * linear.n()));
        Workspace workspace;
        (void)went_well(linear.run({x.data(), DataType::kF32, 3, linear.k(), linear.k()},
                                   {y.data(), DataType::kF32, 3, linear.n(), linear.n()}, workspace));
    }
}

}  // namespace

void run(const Graph& graph, const Plan& plan, const std::shared_ptr<const Parameters>& parameters) {
    if (!is_small(graph)) return;
    Result<Session> session =
        Session::create(graph, plan, parameters,
                        {.max_rows = kRows, .max_sequences = kSequences, .max_context = 8, .isas = {}, .observer = {}});
    if (!went_well(session)) return;
    const std::vector<std::int32_t> ids(kRows, 1), lengths = {2, 4};
    std::vector<std::vector<float>> values, buffers = buffers_of(graph);
    std::vector<SessionInput> inputs;
    for (const GraphInput& input : graph.inputs) {
        if (input.features == 0) {
            inputs.push_back({input.name, ids, {}});
            continue;
        }
        const auto& rows = values.emplace_back(static_cast<std::size_t>(kRows * input.features), 0.5f);
        inputs.push_back({input.name, {}, {rows.data(), DataType::kF32, kRows, input.features, input.features}});
    }
    // An output has as many rows as there are tokens, or sequences.
    for (const std::int64_t rows : {kRows, kSequences}) {
        std::vector<SessionOutput> outputs;
        for (std::size_t i = 0; i < buffers.size(); ++i) {
            const std::size_t features = buffers[i].size() / kRows;
            outputs.push_back(
                {graph.outputs[i], std::span(buffers[i]).first(features * static_cast<std::size_t>(rows))});
        }
        for (int again = 0; again < 2; ++again)
            (void)went_well(session->run(lengths, inputs, outputs));
        session->reset();
    }
}

void run_packed(const std::filesystem::path& path) {
    const IsaSet isas = usable_isas().value();
    std::vector<std::string> notes;
    const Result<PackedModel> model = PackedModel::open(path, isas, &notes);
    for (const std::string& note : notes)
        require(internal::is_printable(note), "a note that is no line: " + note);
    if (went_well(model)) {
        use(model->plan());
        run_linears(*model->parameters());
        std::size_t sum = 0;
        for (const PackedTensor& tensor : model->tensors()) {
            for (const std::byte byte : tensor.data)
                sum += static_cast<std::size_t>(byte);
        }
        require(sum <= std::size_t{255} * model->figures().file_bytes, "a sum of bytes");
        if (!model->graph().empty()) {
            const Result<Graph> graph = graph_from_json(model->graph());
            if (went_well(graph)) run(graph.value(), model->plan(), model->parameters());
        }
    }
    const Result<PackedFile> file = PackedFile::open(path);
    if (went_well(file)) (void)went_well(file->verify(file->sections()));
}

}  // namespace octile::fuzz
