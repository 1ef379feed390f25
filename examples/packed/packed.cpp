// Runs the network of a file of `octile quantize` on a sequence of token ids: packed FILE.octile ID...
#include <octile/packed_model.h>
#include <octile/session.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

int fail(const octile::Status& status) {
    std::fprintf(stderr, "packed: %s\n", status.message().c_str());
    return 1;
}

int main(int argc, char** argv) {
    if (argc < 3) return std::fprintf(stderr, "usage: packed FILE.octile ID...\n"), 2;
    const auto isas = octile::usable_isas();  // what this CPU runs, or less if the environment's OCTILE_ISA says so
    if (!isas.ok()) return fail(isas.status());
    std::vector<std::string> notes;
    const auto model =
        octile::PackedModel::open(argv[1], isas.value(), &notes);  // mapped and verified, nothing is copied
    if (!model.ok()) return fail(model.status());
    for (const std::string& note : notes)
        std::fprintf(stderr, "packed: note: %s\n", note.c_str());
    std::printf("%s\n", octile::to_text(octile::summarize(model->plan())).c_str());
    if (model->graph().empty()) return std::fprintf(stderr, "packed: the file holds layers and no network\n"), 1;

    const auto graph = octile::graph_from_json(model->graph());
    if (!graph.ok()) return fail(graph.status());
    std::vector<std::int32_t> ids;
    for (int i = 2; i < argc; i++)
        ids.push_back(std::atoi(argv[i]));
    const auto length = static_cast<std::int32_t>(ids.size());
    // All memory is taken here, and the file stays mapped for as long as the session's parameters live.
    auto session = octile::Session::create(graph.value(), model->plan(), model->parameters(), {.max_rows = length});
    if (!session.ok()) return fail(session.status());
    std::printf("%s\n", octile::to_text(session->memory()).c_str());

    const octile::Node& last = graph->nodes.back();
    std::vector<float> y(static_cast<std::size_t>(last.features));
    const octile::SessionInput input{.name = "token_ids", .indices = ids};
    const octile::SessionOutput output{graph->outputs[0], y};
    if (const auto status = session->run({&length, 1}, {&input, 1}, {&output, 1}); !status.ok()) return fail(status);
    std::printf("%s: %zu values, %g %g ...\n", last.name.c_str(), y.size(), static_cast<double>(y[0]),
                static_cast<double>(y[1]));
    return 0;
}
