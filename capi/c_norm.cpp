#include <optional>
#include <utility>

#include "capi/boundary.h"
#include "capi/enums.h"
#include "capi/handles.h"
#include "capi/matrices.h"
#include "capi/sized.h"
#include "octile/norm.h"

namespace capi = octile::capi;

namespace {

octile_norm_options default_options() {
    octile_norm_options options = {};
    options.size = sizeof(options);
    return options;
}

}  // namespace

octile_status octile_norm_options_init(octile_norm_options* options, size_t size) {
    return capi::init(options, size, default_options());
}

octile_status octile_norm_make(octile_norm_kind kind, const float* weight, size_t weight_count, const float* bias,
                               size_t bias_count, float epsilon, octile_isa_set isas, octile_norm** norm,
                               octile_error* error) {
    return capi::boundary(error, [&] {
        octile_norm*& made = capi::cleared(norm, "norm");
        made = new octile_norm{capi::take(octile::Norm::make(
            capi::to_cpp<octile::NormKind>(kind, "kind"), capi::span_of(weight, weight_count, "weight"),
            capi::optional_floats(bias, bias_count, "bias"), epsilon, capi::isas_of(isas)))};
    });
}

void octile_norm_free(octile_norm* norm) {
    delete norm;
}

octile_status octile_norm_get_info(const octile_norm* norm, octile_norm_info* info, octile_error* error) {
    return capi::boundary(error, [&] {
        const octile::Norm& from = capi::object_at(norm, "norm").value;
        octile_norm_info to = {};
        to.k = from.k();
        to.kind = capi::to_c(from.kind());
        capi::give(info, "info", to);
    });
}

octile_status octile_norm_run(const octile_norm* norm, const octile_matrix* x, const octile_mutable_matrix* y,
                              octile_workspace* workspace, const octile_norm_options* options, octile_error* error) {
    return capi::boundary(error, [&] {
        const octile::Norm& layer = capi::object_at(norm, "norm").value;
        const octile::MatrixView from = capi::view_of(x, "x");
        octile::Workspace& scratch = capi::object_at(workspace, "workspace").value;
        const octile_norm_options given = capi::options_of(options, "options", default_options());
        if (!given.residual != !given.sum) capi::refuse("options: expected residual and sum, or neither");
        if (!given.consumer != !given.rows) capi::refuse("options: expected consumer and rows, or neither");
        octile::NormAddition addition;
        if (given.residual) {
            addition.residual = capi::view_of(given.residual, "residual");
            addition.sum = capi::view_of(given.sum, "sum");
            if ((!addition.residual.data || !addition.sum.data) && from.rows != 0)
                capi::refuse("options: expected data of residual and sum, found NULL");
        }
        if (!given.consumer) {
            capi::check(layer.run(from, capi::view_of(y, "y"), scratch, addition));
        } else if (!y) {
            capi::check(layer.run(from, *given.consumer->value, given.rows->value, scratch, addition));
        } else {
            capi::check(
                layer.run(from, capi::view_of(y, "y"), *given.consumer->value, given.rows->value, scratch, addition));
        }
    });
}
