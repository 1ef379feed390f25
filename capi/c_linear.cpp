#include <utility>

#include "capi/boundary.h"
#include "capi/enums.h"
#include "capi/handles.h"
#include "capi/matrices.h"
#include "capi/sized.h"
#include "octile/linear.h"

namespace capi = octile::capi;

namespace {

octile_linear_options default_options(octile::Precision precision = octile::LinearOptions().precision) {
    const octile::LinearOptions defaults;
    octile_linear_options options = {};
    options.size = sizeof(options);
    options.precision = capi::to_c(precision);
    options.activation = capi::to_c(defaults.activation);
    options.input_scaling = capi::to_c(defaults.input_scaling);
    options.input_scale = defaults.input_scale;
    return options;
}

octile_run_options default_run_options() {
    octile_run_options options = {};
    options.size = sizeof(options);
    return options;
}

struct PackOptions {
    octile::LinearOptions options;
    octile::IsaSet isas;
};

PackOptions pack_options(const octile_linear_options* given,
                         const octile_linear_options& defaults = default_options()) {
    const octile_linear_options from = capi::options_of(given, "options", defaults);
    PackOptions to;
    to.options.precision = capi::to_cpp<octile::Precision>(from.precision, "options.precision");
    to.options.activation = capi::to_cpp<octile::Activation>(from.activation, "options.activation");
    to.options.input_scaling = capi::to_cpp<octile::InputScaling>(from.input_scaling, "options.input_scaling");
    to.options.input_scale = from.input_scale;
    if (from.has_range) to.options.range = octile::OutputRange{from.range_low, from.range_high};
    to.options.input_multiplier =
        capi::optional_floats(from.input_multiplier, from.input_multiplier_count, "options.input_multiplier");
    to.isas = capi::isas_of(from.isas);
    return to;
}

octile::Int4View view_of(const octile_int4_weights* weights) {
    capi::object_at(weights, "weights");
    const octile_int4_weights from = capi::options_of(weights, "weights", octile_int4_weights{});
    return {from.n,
            from.k,
            capi::span_of(from.q4, from.q4_count, "weights.q4"),
            capi::span_of(from.s4, from.group_count, "weights.s4"),
            capi::span_of(from.c8, from.group_count, "weights.c8"),
            capi::span_of(from.scale, from.scale_count, "weights.scale")};
}

octile::RunOptions run_options(const octile_run_options* given) {
    const octile_run_options from = capi::options_of(given, "options", default_run_options());
    octile::RunOptions to;
    if (from.residual) {
        to.residual = capi::view_of(from.residual, "residual");
        if (!to.residual.data && to.residual.rows != 0) capi::refuse("residual: no data");
    }
    to.output_scale = from.output_scale;
    return to;
}

octile_linear* handle_of(octile::Linear linear) {
    return new octile_linear{std::make_shared<const octile::Linear>(std::move(linear))};
}

}  // namespace

octile_status octile_linear_options_init(octile_linear_options* options, size_t size) {
    return capi::init(options, size, default_options());
}

octile_status octile_run_options_init(octile_run_options* options, size_t size) {
    return capi::init(options, size, default_run_options());
}

octile_status octile_linear_pack(const octile_matrix* weights, const float* bias, size_t bias_count,
                                 const octile_linear_options* options, octile_linear** linear, octile_error* error) {
    return capi::boundary(error, [&] {
        octile_linear*& made = capi::cleared(linear, "linear");
        const PackOptions how = pack_options(options);
        made = handle_of(
            capi::take(octile::Linear::pack(capi::view_of(weights, "weights"),
                                            capi::optional_floats(bias, bias_count, "bias"), how.options, how.isas)));
    });
}

octile_status octile_linear_pack_quantized(const octile_matrix* levels, const float* scale, size_t scale_count,
                                           const float* bias, size_t bias_count, const octile_linear_options* options,
                                           octile_linear** linear, octile_error* error) {
    return capi::boundary(error, [&] {
        octile_linear*& made = capi::cleared(linear, "linear");
        const PackOptions how = pack_options(options);
        made = handle_of(capi::take(
            octile::Linear::pack_quantized(capi::view_of(levels, "levels"), capi::span_of(scale, scale_count, "scale"),
                                           capi::optional_floats(bias, bias_count, "bias"), how.options, how.isas)));
    });
}

octile_status octile_linear_pack_int4(const octile_int4_weights* weights, const float* bias, size_t bias_count,
                                      const octile_linear_options* options, octile_linear** linear,
                                      octile_error* error) {
    return capi::boundary(error, [&] {
        octile_linear*& made = capi::cleared(linear, "linear");
        const PackOptions how = pack_options(options, default_options(octile::Precision::kInt4));
        made = handle_of(capi::take(octile::Linear::pack_int4(
            view_of(weights), capi::optional_floats(bias, bias_count, "bias"), how.options, how.isas)));
    });
}

octile_status octile_linear_pack_gated(const octile_matrix* gate, const float* gate_bias, size_t gate_bias_count,
                                       const octile_matrix* up, const float* up_bias, size_t up_bias_count,
                                       const octile_linear_options* options, octile_linear** linear,
                                       octile_error* error) {
    return capi::boundary(error, [&] {
        octile_linear*& made = capi::cleared(linear, "linear");
        const PackOptions how = pack_options(options);
        made = handle_of(capi::take(octile::Linear::pack_gated(
            capi::view_of(gate, "gate"), capi::optional_floats(gate_bias, gate_bias_count, "gate_bias"),
            capi::view_of(up, "up"), capi::optional_floats(up_bias, up_bias_count, "up_bias"), how.options, how.isas)));
    });
}

void octile_linear_free(octile_linear* linear) {
    delete linear;
}

octile_status octile_linear_get_info(const octile_linear* linear, octile_linear_info* info, octile_error* error) {
    return capi::boundary(error, [&] {
        const octile::Linear& from = *capi::object_at(linear, "linear").value;
        octile_linear_info to = {};
        to.k = from.k();
        to.n = from.n();
        to.bytes = from.bytes();
        to.precision = capi::to_c(from.precision());
        to.activation = capi::to_c(from.activation());
        to.gated = from.gated();
        capi::give(info, "info", to);
    });
}

const char* octile_linear_kernel_name(const octile_linear* linear, int64_t m) {
    return linear ? linear->value->kernel_name(m).data() : nullptr;
}

octile_status octile_workspace_create(octile_workspace** workspace, octile_error* error) {
    return capi::boundary(error, [&] { capi::cleared(workspace, "workspace") = new octile_workspace; });
}

void octile_workspace_free(octile_workspace* workspace) {
    delete workspace;
}

size_t octile_workspace_bytes(const octile_workspace* workspace) {
    return workspace ? workspace->value.bytes() : 0;
}

octile_status octile_packed_rows_create(octile_packed_rows** rows, octile_error* error) {
    return capi::boundary(error, [&] { capi::cleared(rows, "rows") = new octile_packed_rows; });
}

void octile_packed_rows_free(octile_packed_rows* rows) {
    delete rows;
}

int64_t octile_packed_rows_rows(const octile_packed_rows* rows) {
    return rows ? rows->value.rows() : 0;
}

int64_t octile_packed_rows_columns(const octile_packed_rows* rows) {
    return rows ? rows->value.columns() : 0;
}

size_t octile_packed_rows_bytes(const octile_packed_rows* rows) {
    return rows ? rows->value.bytes() : 0;
}

octile_status octile_linear_run(const octile_linear* linear, const octile_matrix* x, const octile_mutable_matrix* y,
                                octile_workspace* workspace, const octile_run_options* options, octile_error* error) {
    return capi::boundary(error, [&] {
        const octile_linear& layer = capi::object_at(linear, "linear");
        capi::check(layer.value->run(capi::view_of(x, "x"), capi::view_of(y, "y"),
                                     capi::object_at(workspace, "workspace").value, run_options(options)));
    });
}

octile_status octile_linear_pack_rows(const octile_linear* linear, const octile_matrix* x, octile_packed_rows* rows,
                                      octile_error* error) {
    return capi::boundary(error, [&] {
        const octile_linear& layer = capi::object_at(linear, "linear");
        capi::check(layer.value->pack_rows(capi::view_of(x, "x"), capi::object_at(rows, "rows").value));
    });
}

int32_t octile_linear_accepts(const octile_linear* linear, const octile_packed_rows* rows) {
    return linear && rows && linear->value->accepts(rows->value);
}

octile_status octile_linear_run_rows(const octile_linear* linear, const octile_packed_rows* rows,
                                     const octile_mutable_matrix* y, octile_workspace* workspace,
                                     const octile_run_options* options, octile_error* error) {
    return capi::boundary(error, [&] {
        const octile_linear& layer = capi::object_at(linear, "linear");
        capi::check(layer.value->run(capi::object_at(rows, "rows").value, capi::view_of(y, "y"),
                                     capi::object_at(workspace, "workspace").value, run_options(options)));
    });
}

octile_status octile_linear_reserve(const octile_linear* linear, int64_t row_count, octile_packed_rows* rows,
                                    octile_workspace* workspace, octile_error* error) {
    return capi::boundary(error, [&] {
        const octile_linear& layer = capi::object_at(linear, "linear");
        if (row_count < 0 || row_count > octile::kMaxExtent) {
            capi::refuse("row_count: expected 0 to " + std::to_string(octile::kMaxExtent) + ", found " +
                         std::to_string(row_count));
        }
        capi::check(layer.value->reserve(row_count, capi::object_at(rows, "rows").value,
                                         capi::object_at(workspace, "workspace").value));
    });
}
