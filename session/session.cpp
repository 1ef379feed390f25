#include "octile/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "base/check.h"
#include "base/printable.h"
#include "runtime/aligned_buffer.h"
#include "runtime/float_environment.h"
#include "runtime/matrix.h"
#include "runtime/parallel.h"
#include "session/compile.h"

namespace octile {
namespace {

using internal::quote;

constexpr std::int64_t kMaxRows = 1 << 24;

Status check_options(const SessionOptions& options) {
    for (const auto& [name, value] : {std::pair("max_rows", options.max_rows),
                                      {"max_sequences", options.max_sequences},
                                      {"max_context", options.max_context}}) {
        if (value < 1 || value > kMaxRows)
            return invalid(fmt::format("{}: expected 1 to {}, found {}", name, kMaxRows, value));
    }
    return {};
}

// Whether attention remembers: all of it, or none.
Result<bool> is_causal(const Graph& graph) {
    const Node* first = nullptr;
    for (const Node& node : graph.nodes) {
        if (node.op != NodeOp::kAttention) continue;
        if (!first) first = &node;
        if (node.causal != first->causal) {
            return invalid(fmt::format("node {}: expected attention that is causal like that of {}, or none of both",
                                       quote(node.name), quote(first->name)));
        }
    }
    return first && first->causal;
}

}  // namespace

struct [[gnu::visibility("hidden")]] Session::State {
    State(Graph of, std::shared_ptr<const Parameters> from, SessionOptions with)
        : graph(std::move(of)),
          parameters(std::move(from)),
          options(std::move(with)),
          context{graph, *parameters, options, {}, {}} {}

    Graph graph;
    std::shared_ptr<const Parameters> parameters;
    SessionOptions options;
    StepContext context;
    CompiledSession compiled;
    AlignedBuffer arena;
    Frame frame;
    std::vector<std::int64_t> said;  // tokens of each sequence

    Status prepare(const Plan& plan);
    Status begin(std::span<const std::int32_t> lengths);
    Status bind_inputs(std::span<const SessionInput> inputs);
    Status bind_outputs(std::span<const SessionOutput> outputs);
    void bind_values();
    Status run_steps();

    std::int64_t rows_of(const SessionValue& value) const {
        return value.pooled ? frame.sequences() : frame.rows;
    }
};

Status Session::State::prepare(const Plan& plan) {
    if (Status status = check_options(options); !status.ok()) return status;
    if (Status status = validate(graph); !status.ok()) return status;
    const Result<bool> causal = is_causal(graph);
    if (!causal.ok()) return causal.status();
    context.causal = causal.value();
    context.pieces = max_pieces();
    Result<IsaSet> isas = options.isas ? Result<IsaSet>(*options.isas) : usable_isas();
    if (!isas.ok()) return isas.status();
    context.isas = isas.value();
    Result<NetworkKernels> kernels = NetworkKernels::find(context.isas);
    if (!kernels.ok()) return kernels.status();
    context.kernels = std::move(kernels).value();

    Result<CompiledSession> made = compile(context, plan);
    if (!made.ok()) return made.status();
    compiled = std::move(made).value();
    if (!arena.reserve(compiled.arena.bytes)) return out_of_memory(compiled.arena.bytes);
    frame.arena = arena.data();
    frame.panels.resize(compiled.panels.size());
    for (std::size_t slot = 0; slot < compiled.panels.size(); slot++) {
        for (const Linear* linear : compiled.panels[slot]) {
            const std::int64_t rows = std::max(options.max_rows, options.max_sequences);
            const Status status = linear->reserve(rows, frame.panels[slot], frame.workspace);
            if (!status.ok()) return status;
        }
    }
    const auto sequences = static_cast<std::size_t>(options.max_sequences);
    frame.first_row.resize(sequences);
    frame.past.resize(sequences);
    said.resize(sequences);
    frame.indices.resize(graph.inputs.size());
    frame.values.resize(compiled.values.size());
    return {};
}

Status Session::State::begin(std::span<const std::int32_t> lengths) {
    if (lengths.empty() || lengths.size() > said.size())
        return invalid(fmt::format("lengths: expected 1 to {} sequences, found {}", said.size(), lengths.size()));
    frame.lengths = lengths;
    frame.rows = 0;
    for (std::size_t i = 0; i < lengths.size(); i++) {
        if (lengths[i] < 1) return invalid(fmt::format("lengths[{}]: expected at least 1, found {}", i, lengths[i]));
        frame.first_row[i] = frame.rows;
        frame.past[i] = context.causal ? said[i] : 0;
        frame.rows += lengths[i];
        if (context.causal && said[i] + lengths[i] > options.max_context) {
            return invalid(fmt::format("lengths[{}]: expected at most {} tokens behind the {} before, found {}", i,
                                       options.max_context - said[i], said[i], lengths[i]));
        }
    }
    if (frame.rows <= options.max_rows) return {};
    return invalid(fmt::format("lengths: expected at most {} tokens in all, found {}", options.max_rows, frame.rows));
}

Status Session::State::bind_inputs(std::span<const SessionInput> inputs) {
    for (const SessionInput& given : inputs) {
        const bool known = std::any_of(graph.inputs.begin(), graph.inputs.end(),
                                       [&](const GraphInput& input) { return input.name == given.name; });
        if (!known) return invalid(fmt::format("input {}: the graph has no such input", quote(given.name)));
    }
    for (std::size_t i = 0; i < graph.inputs.size(); i++) {
        const GraphInput& input = graph.inputs[i];
        const auto given =
            std::find_if(inputs.begin(), inputs.end(), [&](const SessionInput& one) { return one.name == input.name; });
        frame.indices[i] = {};
        if (given == inputs.end()) {
            if (input.optional) continue;
            return invalid(fmt::format("input {}: expected one, found none", quote(input.name)));
        }
        if (input.features == 0) {
            frame.indices[i] = given->indices;
            if (std::ssize(given->indices) == frame.rows) continue;
            return invalid(fmt::format("input {}: expected {} indices, one for each row, found {}", quote(input.name),
                                       frame.rows, given->indices.size()));
        }
        const MatrixView& values = given->values;
        if (values.type != DataType::kF32 || values.rows != frame.rows || values.columns != input.features) {
            return invalid(fmt::format("input {}: expected [{}, {}] of f32, found [{}, {}] of {}", quote(input.name),
                                       frame.rows, input.features, values.rows, values.columns, name_of(values.type)));
        }
        if (Status status = check_matrix("values", values); !status.ok())
            return invalid(fmt::format("input {}: {}", quote(input.name), status.message()));
        for (std::size_t value = 0; value < compiled.values.size(); value++) {
            const SessionValue& place = compiled.values[value];
            if (place.home == SessionValue::Home::kInput && place.place == i) frame.values[value] = values;
        }
    }
    return {};
}

Status Session::State::bind_outputs(std::span<const SessionOutput> outputs) {
    for (const SessionOutput& given : outputs) {
        if (std::find(graph.outputs.begin(), graph.outputs.end(), given.name) == graph.outputs.end())
            return invalid(fmt::format("output {}: the graph has no such output", quote(given.name)));
    }
    for (std::size_t value = 0; value < compiled.values.size(); value++) {
        const SessionValue& place = compiled.values[value];
        if (place.home != SessionValue::Home::kOutput) continue;
        const std::string& name = graph.outputs[place.place];
        const auto given =
            std::find_if(outputs.begin(), outputs.end(), [&](const SessionOutput& one) { return one.name == name; });
        if (given == outputs.end())
            return invalid(fmt::format("output {}: expected memory for it, found none", quote(name)));
        const std::int64_t rows = rows_of(place);
        if (std::ssize(given->values) != rows * place.features) {
            return invalid(fmt::format("output {}: expected {} values, [{}, {}], found {}", quote(name),
                                       rows * place.features, rows, place.features, given->values.size()));
        }
        frame.values[value] = {given->values.data(), DataType::kF32, rows, place.features, place.features};
    }
    return {};
}

void Session::State::bind_values() {
    for (std::size_t value = 0; value < compiled.values.size(); value++) {
        const SessionValue& place = compiled.values[value];
        if (place.home != SessionValue::Home::kArena) continue;
        frame.values[value] = {arena.data() + place.place, DataType::kF32, rows_of(place), place.features,
                               place.features};
    }
}

Status Session::State::run_steps() {
    for (PlannedStep& step : compiled.steps) {
        if (Status status = step.step->run(frame); !status.ok()) {
            return {status.code(), fmt::format("node {}: {}", quote(step.node->name), status.message())};
        }
        if (options.observer && step.output >= 0) options.observer(*step.last, frame[step.output]);
    }
    if (!context.causal) return {};
    for (std::size_t i = 0; i < frame.lengths.size(); i++)
        said[i] += frame.lengths[i];
    return {};
}

Result<Session> Session::create(Graph graph, const Plan& plan, std::shared_ptr<const Parameters> parameters,
                                const SessionOptions& options) {
    const DefaultFloats floats;
    if (!parameters) return invalid("parameters: expected some, found none");
    try {
        auto state = std::make_unique<State>(std::move(graph), std::move(parameters), options);
        if (Status status = state->prepare(plan); !status.ok()) return status;
        return Session(std::move(state));
    } catch (const std::bad_alloc&) {
        return Status(StatusCode::kOutOfMemory, "no memory for a session of this size");
    }
}

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

Status Session::run(std::span<const std::int32_t> lengths, std::span<const SessionInput> inputs,
                    std::span<const SessionOutput> outputs) {
    const DefaultFloats floats;
    if (Status status = state_->begin(lengths); !status.ok()) return status;
    if (Status status = state_->bind_inputs(inputs); !status.ok()) return status;
    if (Status status = state_->bind_outputs(outputs); !status.ok()) return status;
    state_->bind_values();
    return state_->run_steps();
}

void Session::reset() {
    std::fill(state_->said.begin(), state_->said.end(), 0);
}

void Session::reset(std::int64_t sequence) {
    OCTILE_CHECK_LE(0, sequence);
    OCTILE_CHECK_LT(sequence, std::ssize(state_->said));
    state_->said[static_cast<std::size_t>(sequence)] = 0;
}

std::int64_t Session::context(std::int64_t sequence) const {
    OCTILE_CHECK_LE(0, sequence);
    OCTILE_CHECK_LT(sequence, std::ssize(state_->said));
    return state_->said[static_cast<std::size_t>(sequence)];
}

const Graph& Session::graph() const {
    return state_->graph;
}
const SessionOptions& Session::options() const {
    return state_->options;
}

SessionMemory Session::memory() const {
    SessionMemory memory;
    const ArenaPlan& arena = state_->compiled.arena;
    memory.arena = arena.bytes;
    memory.values = arena.sum;
    memory.least = arena.least;
    for (const PackedRows& panel : state_->frame.panels)
        memory.panels += panel.bytes();
    memory.scratch = state_->frame.workspace.bytes();
    for (const PlannedStep& step : state_->compiled.steps)
        memory.cache += step.step->cache_bytes();
    memory.tables = state_->context.rotary_tables.bytes() + state_->context.distance_tables.bytes();
    return memory;
}

std::string to_text(const SessionMemory& memory) {
    const auto mb = [](std::size_t bytes) { return fmt::format("{:.2f} MB", static_cast<double>(bytes) / 1e6); };
    return fmt::format(
        "arena {} for {} of values (at least {}), packed rows {}, scratch {}, cache {}, rotary tables {}",
        mb(memory.arena), mb(memory.values), mb(memory.least), mb(memory.panels), mb(memory.scratch), mb(memory.cache),
        mb(memory.tables));
}

}  // namespace octile
