#include <utility>

#include "capi/boundary.h"
#include "capi/handles.h"
#include "capi/matrices.h"
#include "capi/sized.h"
#include "octile/packed_model.h"

namespace capi = octile::capi;

octile_status octile_model_open(const char* path, octile_isa_set isas, octile_model** model, octile_error* error) {
    return capi::boundary(error, [&] {
        octile_model*& made = capi::cleared(model, "model");
        std::vector<std::string> notes;
        octile::PackedModel value =
            capi::take(octile::PackedModel::open(capi::text_at(path, "path"), capi::isas_of(isas), &notes));
        std::vector<const std::string*> names;
        for (const auto& [name, linear] : value.parameters()->linears())
            names.push_back(&name);
        made = new octile_model{std::move(value), std::move(notes), std::move(names)};
    });
}

void octile_model_free(octile_model* model) {
    delete model;
}

size_t octile_model_note_count(const octile_model* model) {
    return model ? model->notes.size() : 0;
}

const char* octile_model_note(const octile_model* model, size_t index) {
    return index < octile_model_note_count(model) ? model->notes[index].c_str() : nullptr;
}

octile_status octile_model_get_figures(const octile_model* model, octile_model_figures* figures, octile_error* error) {
    return capi::boundary(error, [&] {
        const octile::PackedFigures& from = capi::object_at(model, "model").value.figures();
        octile_model_figures to = {};
        to.file_bytes = from.file_bytes;
        to.used_bytes = from.used_bytes;
        to.repacked_bytes = from.repacked_bytes;
        capi::give(figures, "figures", to);
    });
}

octile_status octile_model_get_plan(const octile_model* model, octile_plan** plan, octile_error* error) {
    return capi::boundary(error, [&] {
        octile_plan*& made = capi::cleared(plan, "plan");
        made = new octile_plan{capi::object_at(model, "model").value.plan(), {}};
    });
}

const char* octile_model_graph_json(const octile_model* model) {
    return model && !model->value.graph().empty() ? model->value.graph().c_str() : nullptr;
}

size_t octile_model_linear_count(const octile_model* model) {
    return model ? model->linear_names.size() : 0;
}

const char* octile_model_linear_name(const octile_model* model, size_t index) {
    return index < octile_model_linear_count(model) ? model->linear_names[index]->c_str() : nullptr;
}

octile_status octile_model_get_linear(const octile_model* model, const char* name, octile_linear** linear,
                                      octile_error* error) {
    return capi::boundary(error, [&] {
        octile_linear*& made = capi::cleared(linear, "linear");
        const std::shared_ptr<const octile::Parameters> parameters = capi::object_at(model, "model").value.parameters();
        const std::string_view wanted = capi::text_at(name, "name");
        const octile::Linear* const found = parameters->linear(wanted);
        if (!found) capi::refuse_name("linear", wanted);
        made = new octile_linear{{parameters, found}};
    });
}

size_t octile_model_tensor_count(const octile_model* model) {
    return model ? model->value.tensors().size() : 0;
}

octile_status octile_model_get_tensor(const octile_model* model, size_t index, octile_tensor* tensor,
                                      octile_error* error) {
    return capi::boundary(error, [&] {
        const octile::PackedTensor& from = capi::element_at(capi::object_at(model, "model").value.tensors(), index);
        octile_tensor to = {};
        to.name = from.name.c_str();
        to.dtype = from.dtype.c_str();
        to.shape = from.shape.data();
        to.rank = from.shape.size();
        to.data = from.data.data();
        to.bytes = from.data.size();
        capi::give(tensor, "tensor", to);
    });
}
