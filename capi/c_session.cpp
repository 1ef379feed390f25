#include <fmt/format.h>

#include <utility>

#include "base/printable.h"
#include "capi/boundary.h"
#include "capi/handles.h"
#include "capi/matrices.h"
#include "capi/sized.h"
#include "octile/graph.h"
#include "octile/session.h"

namespace capi = octile::capi;

namespace {

octile_session_options default_options() {
    const octile::SessionOptions defaults;
    octile_session_options options = {};
    options.size = sizeof(options);
    options.max_rows = defaults.max_rows;
    options.max_sequences = defaults.max_sequences;
    options.max_context = defaults.max_context;
    return options;
}

octile::NodeObserver observer_of(octile_observer observer, void* context) {
    return [observer, context](const octile::Node& node, const octile::MatrixView& from) {
        const octile_matrix value = {from.data, from.rows, from.columns, from.row_stride, OCTILE_F32};
        observer(context, node.name.c_str(), &value);
    };
}

octile::SessionOptions session_options(const octile_session_options& from) {
    octile::SessionOptions to;
    to.max_rows = from.max_rows;
    to.max_sequences = from.max_sequences;
    to.max_context = from.max_context;
    to.isas = capi::isas_of(from.isas);
    if (from.observer) to.observer = observer_of(from.observer, from.observer_context);
    return to;
}

void check_sequence(const octile_session& session, int64_t sequence) {
    const int64_t count = session.options.max_sequences;
    if (sequence < 0 || sequence >= count)
        capi::refuse(fmt::format("sequence: expected 0 to {}, found {}", count - 1, sequence));
}

// So many that none is given twice without being told so.
template <typename T>
std::span<const T> given(const T* values, size_t count, size_t most, const char* what) {
    if (count > most) capi::refuse(fmt::format("{}: expected at most {}, found {}", what, most, count));
    return capi::span_of(values, count, what);
}

// What `graph` says of its values is kept beside the session.
octile_session* make_session(octile::Graph graph, const octile::PackedModel& model,
                             const octile_session_options& options) {
    octile::GraphValues values = capi::take(values_of(graph));
    octile::Session session = capi::take(
        octile::Session::create(std::move(graph), model.plan(), model.parameters(), session_options(options)));
    std::vector<octile::SessionInput> inputs;
    inputs.reserve(session.graph().inputs.size());
    std::vector<octile::SessionOutput> outputs;
    outputs.reserve(session.graph().outputs.size());
    return new octile_session{std::move(session), options, std::move(values), std::move(inputs), std::move(outputs)};
}

}  // namespace

octile_status octile_session_options_init(octile_session_options* options, size_t size) {
    return capi::init(options, size, default_options());
}

octile_status octile_session_create(const octile_model* model, const octile_session_options* options,
                                    octile_session** session, octile_error* error) {
    return capi::boundary(error, [&] {
        octile_session*& made = capi::cleared(session, "session");
        const octile::PackedModel& from = capi::object_at(model, "model").value;
        const octile_session_options how = capi::options_of(options, "options", default_options());
        if (from.graph().empty()) capi::refuse("model: expected a network, found layers without one");
        made = make_session(capi::take(octile::graph_from_json(from.graph())), from, how);
    });
}

void octile_session_free(octile_session* session) {
    delete session;
}

octile_status octile_session_get_options(const octile_session* session, octile_session_options* options,
                                         octile_error* error) {
    return capi::boundary(error, [&] { capi::give(options, "options", capi::object_at(session, "session").options); });
}

size_t octile_session_input_count(const octile_session* session) {
    return session ? session->value.graph().inputs.size() : 0;
}

octile_status octile_session_get_input(const octile_session* session, size_t index, octile_input_info* input,
                                       octile_error* error) {
    return capi::boundary(error, [&] {
        const octile_session& from = capi::object_at(session, "session");
        const octile::GraphInput& one = capi::element_at(from.value.graph().inputs, index);
        octile_input_info to = {};
        to.name = one.name.c_str();
        to.features = one.features;
        to.optional = one.optional;
        capi::give(input, "input", to);
    });
}

size_t octile_session_output_count(const octile_session* session) {
    return session ? session->value.graph().outputs.size() : 0;
}

octile_status octile_session_get_output(const octile_session* session, size_t index, octile_output_info* output,
                                        octile_error* error) {
    return capi::boundary(error, [&] {
        const octile_session& from = capi::object_at(session, "session");
        const std::string& name = capi::element_at(from.value.graph().outputs, index);
        const octile::GraphValue& value = from.values.find(name)->second;
        octile_output_info to = {};
        to.name = name.c_str();
        to.features = value.features;
        to.per_sequence = value.pooled();
        capi::give(output, "output", to);
    });
}

octile_status octile_session_run(octile_session* session, const int32_t* lengths, size_t sequence_count,
                                 const octile_session_input* inputs, size_t input_count,
                                 const octile_session_output* outputs, size_t output_count, octile_error* error) {
    return capi::boundary(error, [&] {
        octile_session& on = capi::object_at(session, "session");
        on.inputs.clear();
        on.outputs.clear();
        for (const octile_session_input& from : given(inputs, input_count, on.inputs.capacity(), "inputs")) {
            octile::SessionInput& to = on.inputs.emplace_back();
            to.name = capi::text_at(from.name, "inputs[].name");
            to.indices = capi::span_of(from.indices, from.index_count, from.name);
            if (from.values.data) to.values = capi::view_of(&from.values, from.name);
            if (from.indices && from.values.data)
                capi::refuse(
                    fmt::format("input {}: expected indices or values, found both", octile::internal::quote(to.name)));
        }
        for (const octile_session_output& from : given(outputs, output_count, on.outputs.capacity(), "outputs")) {
            const std::string_view name = capi::text_at(from.name, "outputs[].name");
            on.outputs.push_back({name, capi::span_of(from.values, from.value_count, from.name)});
        }
        capi::check(on.value.run(capi::span_of(lengths, sequence_count, "lengths"), on.inputs, on.outputs));
    });
}

octile_status octile_session_reset(octile_session* session, octile_error* error) {
    return capi::boundary(error, [&] { capi::object_at(session, "session").value.reset(); });
}

octile_status octile_session_reset_sequence(octile_session* session, int64_t sequence, octile_error* error) {
    return capi::boundary(error, [&] {
        octile_session& on = capi::object_at(session, "session");
        check_sequence(on, sequence);
        on.value.reset(sequence);
    });
}

octile_status octile_session_get_context(const octile_session* session, int64_t sequence, int64_t* tokens,
                                         octile_error* error) {
    return capi::boundary(error, [&] {
        const octile_session& on = capi::object_at(session, "session");
        check_sequence(on, sequence);
        capi::object_at(tokens, "tokens") = on.value.context(sequence);
    });
}

octile_status octile_session_get_memory(const octile_session* session, octile_session_memory* memory,
                                        octile_error* error) {
    return capi::boundary(error, [&] {
        const octile::SessionMemory from = capi::object_at(session, "session").value.memory();
        octile_session_memory to = {};
        to.total = from.total();
        to.arena = from.arena;
        to.panels = from.panels;
        to.scratch = from.scratch;
        to.cache = from.cache;
        to.tables = from.tables;
        capi::give(memory, "memory", to);
    });
}
