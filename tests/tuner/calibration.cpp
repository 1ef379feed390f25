// usage: octile_calibration LIST...
//
// Measures this machine as the planner's core, predicts every linear of the lists on it, times each on one thread, and
// prints both. Exit code 1 if the median error is above kMostError.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>
#include <vector>

#include "base/statistics.h"
#include "inputs/read_model.h"
#include "octile/parallel.h"
#include "planner/cost_model.h"
#include "tuner/host_core.h"

using namespace octile;

namespace {

constexpr double kMostError = 0.20;
// Larger layers (the heads of language models) take minutes and gigabytes to make.
constexpr std::int64_t kMostWeights = 20'000'000;

int fail(const Status& status) {
    fmt::print(stderr, "octile_calibration: {}\n", status.message());
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    const Result<IsaSet> isas = usable_isas();
    if (!isas.ok()) return fail(isas.status());
    const Result<Core> core = measure_host_core(isas.value());
    if (!core.ok()) return fail(core.status());
    fmt::print("{}\n", to_json(core.value()));

    set_threads(1);
    const CostModel model(core.value(), 1);
    std::set<std::tuple<std::int64_t, std::int64_t, std::int64_t, Activation>> seen;
    std::vector<double> errors;
    std::int64_t left_out = 0, same_verdict = 0, layers = 0;
    fmt::print("{:<40}{:>6}{:>7}{:>7} {:<5}{:>12}{:>12}{:>9}\n", "layer", "M", "K", "N", "", "predicted", "measured",
               "error");
    for (int i = 1; i < argc; ++i) {
        const Result<Model> network = read_model(argv[i], {.tokens = std::nullopt, .skip = {}});
        if (!network.ok()) return fail(network.status());
        for (const Layer& listed : network->layers) {
            if (listed.op != Op::kLinear || !seen.emplace(listed.m, listed.k, listed.n, listed.activation).second)
                continue;
            if (listed.k * listed.n > kMostWeights) {
                ++left_out;
                continue;
            }
            Layer layer = listed;
            layer.count = 1;  // the same layer again and again, its weights where it left them
            double predicted[2], measured[2];
            for (const Precision precision : {Precision::kInt8, Precision::kFp16}) {
                const Result<double> us =
                    probe_us({layer.m, layer.k, layer.n, precision, layer.activation}, isas.value());
                if (!us.ok()) return fail(us.status());
                const auto side = static_cast<std::size_t>(precision);
                measured[side] = us.value();
                predicted[side] = model.time(layer, precision).total_us();
                errors.push_back(std::abs(predicted[side] / measured[side] - 1));
                fmt::print("{:<40}{:>6}{:>7}{:>7} {:<5}{:>9.1f} us{:>9.1f} us{:>+8.1f} %\n", layer.name, layer.m,
                           layer.k, layer.n, name_of(precision), predicted[side], measured[side],
                           100 * (predicted[side] / measured[side] - 1));
            }
            ++layers;
            same_verdict += (predicted[0] < predicted[1]) == (measured[0] < measured[1]);
        }
    }
    const double middle = median(errors);
    std::vector<double> sorted = errors;
    std::sort(sorted.begin(), sorted.end());
    fmt::print("{} linears of different shape, each in INT8 and FP16; {} with more than {} weights left out\n", layers,
               left_out, kMostWeights);
    fmt::print("the faster precision predicted for {} of {}\n", same_verdict, layers);
    fmt::print("median error of predicted against measured time: {:.1f} %; nine in ten below {:.1f} %\n", 100 * middle,
               100 * sorted[sorted.size() * 9 / 10]);
    return middle <= kMostError ? 0 : 1;
}
