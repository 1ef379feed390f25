// Plans one linear layer, packs its weights for this CPU and runs it on a few rows.
#include <octile/linear.h>
#include <octile/planner.h>

#include <cstdio>
#include <vector>

int fail(const octile::Status& status) {
    std::fprintf(stderr, "linear: %s\n", status.message().c_str());
    return 1;
}

int main() {
    constexpr int m = 4, k = 768, n = 3072;
    const octile::Model model{"example", {{.name = "fc1", .m = m, .k = k, .n = n}}};
    const auto plan = octile::make_plan(model, {});
    if (!plan.ok()) return fail(plan.status());
    std::fputs(octile::to_text(plan.value()).c_str(), stdout);

    const std::vector<float> weights(std::size_t{n} * k, 0.5f), bias(n, 1.0f), x(std::size_t{m} * k, 2.0f);
    std::vector<float> y(std::size_t{m} * n);
    const auto isas = octile::usable_isas();  // what this CPU runs, or less if the environment's OCTILE_ISA says so
    if (!isas.ok()) return fail(isas.status());
    const octile::LinearOptions options{.precision = plan.value().layers[0].precision};
    const auto linear =
        octile::Linear::pack({weights.data(), octile::DataType::kF32, n, k, k}, bias, options, isas.value());
    if (!linear.ok()) return fail(linear.status());

    octile::Workspace workspace;
    const octile::Status status = linear.value().run({x.data(), octile::DataType::kF32, m, k, k},
                                                     {y.data(), octile::DataType::kF32, m, n, n}, workspace);
    if (!status.ok()) return fail(status);
    std::printf("y[0, 0] = %g, expected %g\n", y[0], 0.5 * 2 * k + 1);
}
