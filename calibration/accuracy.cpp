#include "calibration/accuracy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <new>
#include <span>
#include <utility>

#include "base/mapped_file.h"
#include "calibration/smooth_quant.h"
#include "calibration/synthetic.h"
#include "inputs/tensor_values.h"
#include "planner/validate.h"

namespace octile {
namespace {

// Linears that read the same rows.
struct Group {
    std::vector<std::size_t> linears;
    std::optional<std::size_t> source;  // a norm that they read
};

std::vector<Group> find_groups(const std::vector<LinearTensor>& layers, const Edges& edges) {
    std::vector<Group> groups;
    std::map<std::vector<std::size_t>, std::size_t> group_of;  // by what is read
    for (std::size_t row = 0; row < layers.size(); ++row) {
        if (layers[row].layer.op != Op::kLinear) continue;
        // Who reads what nobody knows is alone with it.
        if (!layers[row].layer.input_unknown) {
            const auto [found, added] = group_of.try_emplace(edges[row], groups.size());
            if (!added) {
                groups[found->second].linears.push_back(row);
                continue;
            }
        }
        const bool behind_norm = edges[row].size() == 1 && layers[edges[row][0]].layer.op == Op::kLayerNorm;
        groups.push_back({.linears = {row}, .source = behind_norm ? std::optional(edges[row][0]) : std::nullopt});
    }
    return groups;
}

// Smoothing costs a multiplication for each element of x. Less than half a decibel is not worth it, and no more than
// what other rows would have given.
constexpr double kWorthwhile = 0.9;

struct Weights {
    std::vector<float> values;
    std::vector<float> product;  // of the rows and these weights, in floats
    const Layer* layer;
};

class Measurement {
  public:
    Measurement(const LinearTensors& tensors, const Activations& activations, const AccuracyOptions& options,
                IsaSet isas)
        : tensors_(tensors.layers), activations_(activations), options_(options), isas_(isas) {}

    Result<std::vector<LayerAccuracy>> run(const AccuracyProgress& progress) {
        std::vector<Layer> layers;
        for (const LinearTensor& tensor : tensors_)
            layers.push_back(tensor.layer);
        const Result<Edges> edges = resolve_inputs(layers);
        if (!edges.ok()) return edges.status();
        const std::vector<Group> groups = find_groups(tensors_, edges.value());
        double total = 0, done = 0;
        const auto work_of = [&](const Group& group) {
            double work = 0;
            for (const std::size_t row : group.linears)
                work += static_cast<double>(layers[row].k) * static_cast<double>(layers[row].n);
            return options_.smoothing == Smoothing::kAuto ? 4 * work : work;
        };
        for (const Group& group : groups)
            total += work_of(group);
        for (const Group& group : groups) {
            if (progress) progress(done / total, layers[group.linears.front()].name);
            if (Status status = measure(group); !status.ok()) return status;
            done += work_of(group);
        }
        std::sort(result_.begin(), result_.end(),
                  [](const LayerAccuracy& a, const LayerAccuracy& b) { return a.row < b.row; });
        return std::move(result_);
    }

  private:
    Status measure(const Group& group) {
        const Layer& first = tensors_[group.linears.front()].layer;
        bool calibrated = false;
        Result<std::vector<float>> rows = rows_of(group, calibrated);
        if (!rows.ok()) return rows.status();
        const std::vector<float>& x = rows.value();
        const std::int64_t m = static_cast<std::int64_t>(x.size()) / first.k;
        const std::vector<OutlierChannel> outliers = find_outliers(x, first.k);
        std::vector<Weights> weights;
        const std::size_t begin = result_.size();
        for (const std::size_t row : group.linears) {
            const LinearTensor& tensor = tensors_[row];
            Weights& w = weights.emplace_back();
            w.layer = &tensor.layer;
            w.values = values_of(tensor.weight);
            w.product = float_product({x, w.values, m, w.layer->k, w.layer->n});
            const Result<ProductError> error = error_of(x, m, w.values, w);
            if (!error.ok()) return error.status();
            const Result<std::optional<ProductError>> fp16 =
                fp16_error({x, w.values, m, w.layer->k, w.layer->n}, w.product, isas_);
            if (!fp16.ok()) return of_layer(w, fp16.status());
            result_.push_back({.row = row,
                               .calibrated = calibrated,
                               .plain = error.value(),
                               .fp16 = fp16.value(),
                               .outliers = outliers});
        }
        for (const std::size_t row : group.linears)
            release_pages(tensors_[row].weight.span());
        // Of rows that are made up, only a norm's parameters tell which channels are large.
        if ((!calibrated && !group.source) || options_.smoothing == Smoothing::kOff) return {};
        return smooth(x, m, weights, std::span(result_).subspan(begin));
    }

    Result<std::vector<float>> rows_of(const Group& group, bool& calibrated) const {
        for (const std::size_t row : group.linears) {
            const Layer& layer = tensors_[row].layer;
            Result<std::optional<ArrayRows>> found = activations_.find(layer.name, layer.k, options_.rows);
            if (!found.ok()) return found.status();
            if (!found.value()) continue;
            calibrated = true;
            return std::move(found.value()->values);
        }
        const Layer& layer = tensors_[group.linears.front()].layer;
        std::vector<float> x = normal_values(static_cast<std::size_t>(options_.rows * layer.k), seed_of(layer.name), 1);
        if (!group.source) return x;
        const LinearTensor& norm = tensors_[*group.source];
        const std::vector<float> gamma = values_of(norm.weight);
        const std::vector<float> beta = norm.bias ? values_of(*norm.bias) : std::vector<float>(gamma.size());
        if (gamma.size() != static_cast<std::size_t>(layer.k)) return x;  // names led astray
        for (std::size_t i = 0; i < x.size(); ++i)
            x[i] = x[i] * gamma[i % gamma.size()] + beta[i % gamma.size()];
        return x;
    }

    Result<ProductError> error_of(std::span<const float> x, std::int64_t m, std::span<const float> w,
                                  const Weights& weights) const {
        Result<ProductError> error = int8_error({x, w, m, weights.layer->k, weights.layer->n}, weights.product, isas_);
        if (error.ok()) return error;
        return of_layer(weights, error.status());
    }

    static Status of_layer(const Weights& weights, const Status& status) {
        return {status.code(), fmt::format("{}: {}", weights.layer->name, status.message())};
    }

    // All linears of a group share their input, and so the scales and alpha.
    Status smooth(const std::vector<float>& x, std::int64_t m, const std::vector<Weights>& weights,
                  std::span<LayerAccuracy> layers) const {
        ChannelObserver x_observer(weights.front().layer->k), w_observer(weights.front().layer->k);
        x_observer.observe(x);
        double plain_energy = 0, best_energy = INFINITY;
        for (std::size_t i = 0; i < weights.size(); ++i) {
            w_observer.observe(weights[i].values);
            plain_energy += layers[i].plain.energy;
        }
        const std::vector<double> alphas = options_.smoothing == Smoothing::kAlpha
                                               ? std::vector<double>{options_.alpha}
                                               : std::vector<double>(kAlphaGrid.begin(), kAlphaGrid.end());
        std::vector<float> tried, best;
        for (const double alpha : alphas) {
            const std::vector<float> scales = smoothing_scales(x_observer.absmax(), w_observer.absmax(), alpha);
            if (scales == tried) continue;  // rounded to the same
            tried = scales;
            std::vector<float> smooth_x = x;
            smooth_rows(scales, smooth_x);
            std::vector<ProductError> errors;
            double energy = 0;
            for (const Weights& one : weights) {
                std::vector<float> w = one.values;
                fold_into_weights(scales, w);
                const Result<ProductError> error = error_of(smooth_x, m, w, one);
                if (!error.ok()) return error.status();
                errors.push_back(error.value());
                energy += error.value().energy;
            }
            if (energy >= best_energy) continue;
            best_energy = energy;
            best = scales;
            for (std::size_t i = 0; i < layers.size(); ++i) {
                layers[i].smoothed = errors[i];
                layers[i].alpha = alpha;
            }
        }
        const bool smooth = options_.smoothing == Smoothing::kAlpha || best_energy < kWorthwhile * plain_energy;
        for (LayerAccuracy& layer : layers) {
            layer.smooth = smooth;
            if (smooth) layer.scales = best;
        }
        return {};
    }

    const std::vector<LinearTensor>& tensors_;
    const Activations& activations_;
    const AccuracyOptions& options_;
    IsaSet isas_;
    std::vector<LayerAccuracy> result_;
};

}  // namespace

Result<std::vector<LayerAccuracy>> measure_accuracy(const LinearTensors& tensors, const Activations& activations,
                                                    const AccuracyOptions& options, IsaSet isas,
                                                    const AccuracyProgress& progress) {
    try {
        return Measurement(tensors, activations, options, isas).run(progress);
    } catch (const std::bad_alloc&) {
        return Status(StatusCode::kOutOfMemory, "not enough memory to measure it");
    }
}

}  // namespace octile
