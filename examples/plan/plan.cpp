// Plans a list of layers: INT8 or FP16 for each, and why; the shapes are those of one block of ViT-B/16.
#include <octile/planner.h>

#include <cstdio>

int main() {
    constexpr int tokens = 197, width = 768, hidden = 4 * width;
    using octile::Activation;
    using octile::Op;
    const octile::Model model{"vit-block",
                              {{.name = "norm1", .op = Op::kLayerNorm, .m = tokens, .k = width, .n = width},
                               {.name = "qkv", .m = tokens, .k = width, .n = 3 * width, .bias = true},
                               {.name = "proj", .m = tokens, .k = width, .n = width, .bias = true},
                               {.name = "norm2", .op = Op::kLayerNorm, .m = tokens, .k = width, .n = width},
                               {.name = "fc1", .m = tokens, .k = width, .n = hidden, .bias = true},
                               {.name = "gelu",
                                .op = Op::kActivation,
                                .m = tokens,
                                .k = hidden,
                                .n = hidden,
                                .activation = Activation::kGelu},
                               {.name = "fc2", .m = tokens, .k = hidden, .n = width, .bias = true}}};

    // By time on a core that comes with the library; octile::PlanOptions{} would go by shapes alone.
    const octile::Result<octile::Core> core = octile::find_core("neoverse-n1");
    if (!core.ok()) return std::fprintf(stderr, "plan: %s\n", core.status().message().c_str()), 1;
    octile::PlanOptions options{.policy = octile::Policy::kCost, .core = core.value()};
    options.forces.push_back({"^proj$", octile::Precision::kFp16});

    const octile::Result<octile::Plan> plan = octile::make_plan(model, options);
    if (!plan.ok()) return std::fprintf(stderr, "plan: %s\n", plan.status().message().c_str()), 1;
    for (const octile::PlannedLayer& layer : plan->layers) {
        const auto precision = name_of(layer.precision), reason = name_of(layer.reason);
        std::printf("%-40s %-5.*s %.*s\n", fused_form(layer).c_str(), static_cast<int>(precision.size()),
                    precision.data(), static_cast<int>(reason.size()), reason.data());
    }
    std::printf("%s\n", to_text(summarize(plan.value())).c_str());
}
