// Sentence embeddings of all-MiniLM-L6-v2: text lines in, embeddings out.
//
//   octile quantize model.safetensors -o minilm.octile
//   minilm minilm.octile vocab.txt < lines.txt > embeddings.txt     one line of 384 numbers for each line
//   minilm minilm.octile vocab.txt --similarity < lines.txt         how much each line is like the first
//   minilm minilm.octile vocab.txt --ids < lines.txt                what the tokenizer makes of each line
//
// OCTILE_THREADS: threads to use, all by default. Words about the run go to stderr. Exit code 0, or 1 with a line that
// says why.
#include <octile/packed_model.h>
#include <octile/parallel.h>
#include <octile/session.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

#include "word_piece.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxTokens = 256;  // of a line, as the model was trained
constexpr std::int64_t kBatchRows = 1024, kBatchLines = 32;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

int fail(const std::string& message) {
    std::fprintf(stderr, "minilm: %s\n", message.c_str());
    return 1;
}

// One embedding behind the other.
octile::Result<std::vector<float>> embed(octile::Session& session,
                                         const std::vector<std::vector<std::int32_t>>& lines) {
    const auto features = static_cast<std::size_t>(session.graph().nodes.back().features);
    std::vector<float> embeddings(lines.size() * features);
    for (std::size_t begin = 0; begin < lines.size();) {
        std::vector<std::int32_t> lengths, ids;
        std::size_t end = begin;
        for (; end < lines.size() && lengths.size() < kBatchLines && ids.size() + lines[end].size() <= kBatchRows;
             end++) {
            lengths.push_back(static_cast<std::int32_t>(lines[end].size()));
            ids.insert(ids.end(), lines[end].begin(), lines[end].end());
        }
        const octile::SessionInput input{.name = "token_ids", .indices = ids};
        const octile::SessionOutput output{"embedding",
                                           std::span(embeddings).subspan(begin * features, (end - begin) * features)};
        if (octile::Status status = session.run(lengths, {&input, 1}, {&output, 1}); !status.ok()) return status;
        begin = end;
    }
    return embeddings;
}

void print_embeddings(const std::vector<float>& embeddings, std::size_t features) {
    for (std::size_t i = 0; i < embeddings.size(); i++)
        std::printf("%.9g%c", embeddings[i], (i + 1) % features == 0 ? '\n' : ' ');
}

// Embeddings have length 1: their product is the cosine.
void print_similarities(const std::vector<float>& embeddings, std::size_t features,
                        const std::vector<std::string>& text) {
    for (std::size_t line = 1; line < text.size(); line++) {
        const auto* other = embeddings.data() + line * features;
        std::printf("%7.4f  %s\n", std::inner_product(other, other + features, embeddings.data(), 0.0),
                    text[line].c_str());
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::string mode = argc == 4 ? argv[3] : "";
    if (argc < 3 || argc > 4 || (argc == 4 && mode != "--similarity" && mode != "--ids"))
        return fail("usage: minilm MODEL.octile VOCAB.txt [--similarity | --ids] < lines");
    const auto tokenizer = minilm::WordPiece::load(argv[2]);
    if (!tokenizer) return fail(std::string(argv[2]) + ": expected BERT's vocabulary, a piece per line");

    std::vector<std::string> text;
    std::vector<std::vector<std::int32_t>> lines;
    std::size_t tokens = 0;
    for (std::string line; std::getline(std::cin, line); text.push_back(line))
        tokens += lines.emplace_back(tokenizer->encode(line, kMaxTokens)).size();
    if (mode == "--ids") {
        for (const auto& ids : lines)
            for (std::size_t i = 0; i < ids.size(); i++)
                std::printf("%d%c", ids[i], i + 1 == ids.size() ? '\n' : ' ');
        return 0;
    }
    if (lines.empty()) return fail("no lines on stdin");

    if (const char* threads = std::getenv("OCTILE_THREADS")) octile::set_threads(std::atoi(threads));
    const auto isas = octile::usable_isas();
    if (!isas.ok()) return fail(isas.status().message());
    const auto start = Clock::now();
    const auto model = octile::PackedModel::open(argv[1], isas.value());
    if (!model.ok()) return fail(model.status().message());
    auto graph = octile::graph_from_json(model->graph());
    if (!graph.ok()) return fail(std::string(argv[1]) + ": " + graph.status().message());
    auto session = octile::Session::create(std::move(graph).value(), model->plan(), model->parameters(),
                                           {.max_rows = kBatchRows, .max_sequences = kBatchLines});
    if (!session.ok()) return fail(std::string(argv[1]) + ": " + session.status().message());
    const double loading = seconds_since(start);

    const auto running = Clock::now();
    const auto embeddings = embed(session.value(), lines);
    const double seconds = seconds_since(running);
    if (!embeddings.ok()) return fail(embeddings.status().message());
    const std::size_t features = embeddings->size() / lines.size();
    if (mode == "--similarity")
        print_similarities(embeddings.value(), features, text);
    else
        print_embeddings(embeddings.value(), features);

    std::fprintf(stderr, "%s\n", octile::to_text(octile::summarize(model->plan())).c_str());
    std::fprintf(stderr, "loaded in %.1f ms: %.1f MB of weights mapped; session: %s\n", loading * 1e3,
                 static_cast<double>(model->figures().file_bytes) / 1e6, octile::to_text(session->memory()).c_str());
    std::fprintf(stderr, "%zu lines, %zu tokens in %.1f ms, %.0f tokens/s on %d thread%s\n", lines.size(), tokens,
                 seconds * 1e3, static_cast<double>(tokens) / seconds, octile::threads(),
                 octile::threads() == 1 ? "" : "s");
    return 0;
}
