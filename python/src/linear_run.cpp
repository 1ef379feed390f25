#include "python/src/linear_run.h"

#include <fmt/format.h>

#include <memory>
#include <utility>
#include <vector>

#include "python/src/arrays.h"
#include "python/src/errors.h"

namespace nb = nanobind;

namespace octile::python {
namespace {

constexpr Element kInputs[] = {Element::kF32, Element::kF16, Element::kBF16, Element::kI8};

Array read_input(const Linear& linear, nb::handle input) {
    Array x = Array::read(input, "x", kInputs);
    if (x.shape().empty() || x.shape().back() != linear.k())
        refuse(fmt::format("x: expected the shape [..., {}], found {}", linear.k(), x.shape_text()));
    return x;
}

// The type of y where the call does not say it: that of x, or f32 of levels.
Element result_element(const Like& x, nb::handle dtype) {
    if (!dtype.is_none()) return element_of(dtype);
    return x.element == Element::kI8 ? Element::kF32 : x.element;
}

// y and what is added to it, of a call on rows of this kind.
struct Call {
    Output y;
    std::optional<Array> residual = {};
    RunOptions options = {};
};

Call prepare(const Linear& linear, const Like& like, std::span<const std::int64_t> leading, nb::handle out,
             nb::handle dtype, nb::handle residual, std::optional<float> output_scale) {
    if (!out.is_none() && !dtype.is_none()) refuse("dtype: expected none beside out, whose type it is");
    Call call{.y = out.is_none() ? make_output(like, leading, linear.n(), result_element(like, dtype))
                                 : read_output(out, leading, linear.n(), kInputs)};
    call.options.output_scale = output_scale.value_or(0);
    if (residual.is_none()) return call;
    call.residual = Array::read(residual, "residual", kFloats);
    std::vector<std::int64_t> shape(leading.begin(), leading.end());
    shape.push_back(linear.n());
    if (call.residual->shape() != shape)
        refuse(fmt::format("residual: expected the shape of y, [..., {}], found {}", linear.n(),
                           call.residual->shape_text()));
    call.options.residual = call.residual->matrix();
    return call;
}

}  // namespace

nb::object run(const PythonLinear& self, nb::handle input, nb::handle out, nb::handle dtype, nb::handle residual,
               std::optional<float> output_scale) {
    const Linear& linear = self.value();
    const PythonRows* const rows = nb::isinstance<PythonRows>(input) ? nb::cast<const PythonRows*>(input) : nullptr;
    std::optional<Array> x;
    MatrixView from;
    if (rows) {
        if (!linear.accepts(rows->value))
            refuse(
                fmt::format("x: expected rows that this linear accepts, of {} features, found those of another, of {}",
                            linear.k(), rows->value.columns()));
    } else {
        x = read_input(linear, input);
        from = x->matrix();
    }
    const std::span<const std::int64_t> leading =
        rows ? std::span<const std::int64_t>(rows->leading) : std::span(x->shape()).first(x->shape().size() - 1);
    const Call call = prepare(linear, rows ? rows->like : Like(*x), leading, out, dtype, residual, output_scale);
    if (x && overlap(from, call.y.view)) refuse("out: expected memory of its own, found that of x");
    if (call.y.view.rows == 0) return call.y.object;
    Status status;
    {
        const nb::gil_scoped_release released;
        status = rows ? linear.run(rows->value, call.y.view, workspace(), call.options)
                      : linear.run(from, call.y.view, workspace(), call.options);
    }
    check(std::move(status));
    return call.y.object;
}

PythonRows* pack_rows(const PythonLinear& self, nb::handle input) {
    Array x = read_input(self.value(), input);
    const MatrixView from = x.matrix();
    auto rows = std::make_unique<PythonRows>();
    rows->describe(x);
    Status status;
    {
        const nb::gil_scoped_release released;
        status = self.value().pack_rows(from, rows->value);
    }
    check(std::move(status));
    return rows.release();
}

}  // namespace octile::python
