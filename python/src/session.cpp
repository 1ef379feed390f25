#include "python/src/session.h"

#include <fmt/format.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <list>
#include <span>
#include <string>
#include <utility>

#include "base/printable.h"
#include "octile/graph.h"
#include "python/src/arrays.h"
#include "python/src/errors.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace octile::python {
namespace {

constexpr Element kIndices[] = {Element::kI32, Element::kI64};
constexpr Element kValues[] = {Element::kF32};

Session make_session(const PackedModel& model, const SessionOptions& options) {
    if (model.graph().empty()) refuse("model: expected a network, found layers without one");
    return take(Session::create(take(graph_from_json(model.graph())), model.plan(), model.parameters(), options));
}

// What one call hands in, by name; a single array stands for the only input that has to be there.
std::vector<std::pair<std::string, nb::object>> named_inputs(const Graph& graph, nb::handle inputs) {
    std::vector<std::pair<std::string, nb::object>> named;
    if (nb::isinstance<nb::dict>(inputs)) {
        for (const auto& [name, value] : nb::cast<nb::dict>(inputs)) {
            if (!nb::isinstance<nb::str>(name)) refuse_type("inputs: expected names as keys");
            if (!value.is_none()) named.emplace_back(nb::cast<std::string>(name), nb::borrow(value));
        }
        return named;
    }
    std::vector<std::string> needed;
    for (const GraphInput& input : graph.inputs)
        if (!input.optional) needed.push_back(input.name);
    if (needed.size() != 1)
        refuse_type(fmt::format("inputs: expected a dict of the {} inputs that have to be there, found one value",
                                needed.size()));
    named.emplace_back(needed.front(), nb::borrow(inputs));
    return named;
}

// The rows of all inputs: one sequence behind the other, or [sequences, tokens].
struct Batch {
    std::int64_t rows = 0;
    std::optional<std::int64_t> sequences;  // of inputs that have a dimension for them
};

void add_rows(const std::string& name, std::span<const std::int64_t> leading, std::optional<Batch>& batch) {
    Batch found;
    if (leading.size() == 1) {
        found.rows = leading[0];
    } else if (leading.size() == 2) {
        found = {leading[0] * leading[1], leading[0]};
    } else {
        refuse(fmt::format("{}: expected rows, or sequences of rows of one length, found {} dimensions of rows", name,
                           leading.size()));
    }
    if (!batch) batch = found;
    if (batch->rows != found.rows || batch->sequences != found.sequences)
        refuse(
            fmt::format("{}: expected as many rows as the other inputs, {}, found {}", name, batch->rows, found.rows));
}

std::vector<std::int32_t> equal_lengths(const Batch& batch) {
    const std::int64_t sequences = batch.sequences.value_or(1);
    const std::int64_t tokens = sequences == 0 ? 0 : batch.rows / sequences;
    if (tokens > std::numeric_limits<std::int32_t>::max())
        refuse(fmt::format("inputs: expected fewer than 2^31 rows, found {}", batch.rows));
    return std::vector<std::int32_t>(static_cast<std::size_t>(sequences), static_cast<std::int32_t>(tokens));
}

std::vector<std::int32_t> narrow_indices(Array& array, const std::string& name) {
    const void* const data = array.dense();
    std::vector<std::int32_t> indices(static_cast<std::size_t>(array.size()));
    if (array.element() == Element::kI32) {
        if (!indices.empty()) std::memcpy(indices.data(), data, indices.size() * sizeof(std::int32_t));
        return indices;
    }
    for (std::size_t i = 0; i < indices.size(); i++) {
        const std::int64_t value = static_cast<const std::int64_t*>(data)[i];
        indices[i] = static_cast<std::int32_t>(value);
        if (indices[i] != value)
            refuse(fmt::format("{}: row {}: expected an index of 32 bits, found {}", name, i, value));
    }
    return indices;
}

}  // namespace

PythonSession::PythonSession(const PackedModel& model, const SessionOptions& options)
    : session_(make_session(model, options)), values_(take(values_of(session_.graph()))) {}

nb::dict PythonSession::run(nb::handle given, const std::optional<std::vector<std::int32_t>>& given_lengths) {
    const Graph& graph = session_.graph();
    std::vector<SessionInput> inputs;
    std::list<std::vector<std::int32_t>> indices;
    std::list<Array> arrays;
    const auto named = named_inputs(graph, given);
    std::optional<Batch> batch;
    for (const auto& [name, object] : named) {
        const auto found = std::find_if(graph.inputs.begin(), graph.inputs.end(),
                                        [&](const GraphInput& input) { return input.name == name; });
        if (found == graph.inputs.end()) refuse(fmt::format("inputs: no input is called {}", internal::quote(name)));
        const bool is_index = found->features == 0;
        Array& array =
            arrays.emplace_back(is_index ? Array::read(object, name, kIndices) : Array::read(object, name, kValues));
        const std::span shape = array.shape();
        if (!is_index && (shape.empty() || shape.back() != found->features))
            refuse(
                fmt::format("{}: expected the shape [..., {}], found {}", name, found->features, array.shape_text()));
        add_rows(name, is_index ? shape : shape.first(shape.size() - 1), batch);
        SessionInput& input = inputs.emplace_back();
        input.name = name;
        if (is_index) {
            input.indices = indices.emplace_back(narrow_indices(array, name));
        } else {
            input.values = array.matrix();
        }
    }
    if (!batch) refuse("inputs: expected at least one, found none");
    const std::vector<std::int32_t> lengths = given_lengths ? *given_lengths : equal_lengths(*batch);

    std::vector<SessionOutput> outputs;
    nb::dict results;
    for (const std::string& name : graph.outputs) {
        const GraphValue& made = value(name);
        std::vector<std::int64_t> leading = {batch->rows};
        if (made.pooled()) {
            leading = {static_cast<std::int64_t>(lengths.size())};
        } else if (batch->sequences && !given_lengths) {
            leading = {*batch->sequences, lengths.empty() ? 0 : lengths.front()};
        }
        const Output output = make_output(Like(arrays.front()), leading, made.features, Element::kF32);
        outputs.push_back({name,
                           {static_cast<float*>(output.view.data),
                            static_cast<std::size_t>(output.view.rows * output.view.columns)}});
        results[name.c_str()] = output.object;
    }
    Status status;
    {
        const nb::gil_scoped_release released;
        const std::lock_guard lock(mutex_);
        status = session_.run(lengths, inputs, outputs);
    }
    check(std::move(status));
    return results;
}

void PythonSession::check_sequence(std::int64_t sequence) const {
    const std::int64_t count = session_.options().max_sequences;
    if (sequence < 0 || sequence >= count)
        refuse(fmt::format("sequence: expected 0 to {}, found {}", count - 1, sequence));
}

void PythonSession::reset(std::optional<std::int64_t> sequence) {
    if (sequence) check_sequence(*sequence);
    const nb::gil_scoped_release released;
    const std::lock_guard lock(mutex_);
    sequence ? session_.reset(*sequence) : session_.reset();
}

std::int64_t PythonSession::context(std::int64_t sequence) {
    check_sequence(sequence);
    const nb::gil_scoped_release released;
    const std::lock_guard lock(mutex_);
    return session_.context(sequence);
}

std::vector<OutputInfo> outputs_of(const PythonSession& session) {
    std::vector<OutputInfo> outputs;
    for (const std::string& name : session.session().graph().outputs)
        outputs.push_back({name, session.value(name).features, session.value(name).pooled()});
    return outputs;
}

void add_session(nb::module_& module) {
    nb::class_<GraphInput>(module, "SessionInput", "What a network reads.")
        .def_ro("name", &GraphInput::name)
        .def_ro("features", &GraphInput::features, "Columns of float32; 0: an index for each row.")
        .def_ro("optional", &GraphInput::optional)
        .def("__repr__", [](const GraphInput& input) {
            return fmt::format("<{}: {}{}>", input.name,
                               input.features == 0 ? "indices" : fmt::format("[rows, {}]", input.features),
                               input.optional ? ", optional" : "");
        });
    nb::class_<OutputInfo>(module, "SessionOutput", "What a network yields.")
        .def_ro("name", &OutputInfo::name)
        .def_ro("features", &OutputInfo::features)
        .def_ro("per_sequence", &OutputInfo::per_sequence, "A row for each sequence instead of each token.")
        .def("__repr__", [](const OutputInfo& output) {
            return fmt::format("<{}: [{}, {}]>", output.name, output.per_sequence ? "sequences" : "rows",
                               output.features);
        });
    nb::class_<PythonSession>(module, "Session", "Runs a network; keys and values of causal attention are its own.")
        .def(
            "run", &PythonSession::run, "inputs"_a.none(), "lengths"_a = nb::none(),
            "Outputs by name, of float32.\n\ninputs: arrays by name, or the only one. Indices (int32, int64) are "
            "[rows], "
            "values (float32) [rows, features]: all sequences one behind the other, whose tokens lengths says; without "
            "lengths it is one sequence, or, of [sequences, tokens], as many of one length. A causal network goes on "
            "where sequence i has ended.")
        .def("reset", &PythonSession::reset, "sequence"_a = nb::none(), "Forgets what one sequence, or each, has said.")
        .def("context", &PythonSession::context, "sequence"_a, "Tokens that a sequence has said since.")
        .def_prop_ro("inputs", [](const PythonSession& self) { return self.session().graph().inputs; })
        .def_prop_ro("outputs", outputs_of)
        .def_prop_ro(
            "nbytes", [](const PythonSession& self) { return self.session().memory().total(); },
            "Memory of the session, all of it taken when it was made.");
}

}  // namespace octile::python
