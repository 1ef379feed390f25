// Opens a file of `octile quantize` and runs one linear of it: packed FILE.octile [LAYER]
#include <octile/packed_model.h>

#include <cstdio>
#include <vector>

int fail(const octile::Status& status) {
    std::fprintf(stderr, "packed: %s\n", status.message().c_str());
    return 1;
}

int main(int argc, char** argv) {
    if (argc < 2) return std::fprintf(stderr, "usage: packed FILE.octile [LAYER]\n"), 2;
    const auto isas = octile::usable_isas();  // what this CPU runs, or less if the environment's OCTILE_ISA says so
    if (!isas.ok()) return fail(isas.status());
    std::vector<std::string> notes;
    const auto model = octile::PackedModel::open(argv[1], isas.value(), &notes);
    if (!model.ok()) return fail(model.status());
    for (const std::string& note : notes)
        std::fprintf(stderr, "packed: note: %s\n", note.c_str());

    const auto parameters = model->parameters();  // keeps the file mapped
    std::printf("%s: %zu linears, %zu other tensors, %zu bytes\n", model->plan().model.c_str(),
                parameters->linears().size(), model->tensors().size(), model->figures().used_bytes);
    if (parameters->linears().empty()) return 0;
    const std::string name = argc > 2 ? argv[2] : parameters->linears().begin()->first;
    const octile::Linear* linear = parameters->linear(name);
    if (linear == nullptr) return std::fprintf(stderr, "packed: no linear \"%s\"\n", name.c_str()), 1;

    constexpr int m = 2;
    std::vector<float> x(static_cast<std::size_t>(m * linear->k()), 1.0f), y(static_cast<std::size_t>(m * linear->n()));
    octile::Workspace workspace;
    const octile::Status status =
        linear->run({x.data(), octile::DataType::kF32, m, linear->k(), linear->k()},
                    {y.data(), octile::DataType::kF32, m, linear->n(), linear->n()}, workspace);
    if (!status.ok()) return fail(status);
    std::printf("%s: y[0, 0] = %g, by %.*s\n", name.c_str(), static_cast<double>(y[0]),
                static_cast<int>(linear->kernel_name(m).size()), linear->kernel_name(m).data());
}
