// Embeddings of token ids, a line per sequence: what of examples/minilm needs no tokenizer, for other architectures
// too.
//
//   octile_embed_ids MODEL.octile < ids.txt     a line of numbers per sequence, as exact as f32
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "octile/packed_model.h"
#include "octile/session.h"

namespace {

int fail(const octile::Status& status) {
    std::fprintf(stderr, "octile_embed_ids: %s\n", status.message().c_str());
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2)
        return fail({octile::StatusCode::kInvalidArgument, "usage: octile_embed_ids MODEL.octile < ids.txt"});
    const auto isas = octile::usable_isas();
    if (!isas.ok()) return fail(isas.status());
    const auto model = octile::PackedModel::open(argv[1], isas.value());
    if (!model.ok()) return fail(model.status());
    auto graph = octile::graph_from_json(model->graph());
    if (!graph.ok()) return fail(graph.status());
    const auto features = static_cast<std::size_t>(graph->nodes.back().features);
    auto session = octile::Session::create(std::move(graph).value(), model->plan(), model->parameters());
    if (!session.ok()) return fail(session.status());
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream text(line);
        std::vector<std::int32_t> ids;
        for (std::int32_t id = 0; text >> id;)
            ids.push_back(id);
        const auto length = static_cast<std::int32_t>(ids.size());
        std::vector<float> embedding(features);
        const octile::SessionInput input{.name = "token_ids", .indices = ids};
        const octile::SessionOutput output{"embedding", embedding};
        if (octile::Status status = session->run({&length, 1}, {&input, 1}, {&output, 1}); !status.ok())
            return fail(status);
        for (std::size_t i = 0; i < features; i++)
            std::printf("%.9g%c", embedding[i], i + 1 == features ? '\n' : ' ');
    }
    return 0;
}
