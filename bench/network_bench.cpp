// One run of a packed network for every line on stdin, and its microseconds on stdout: for whoever interleaves it with
// others (bench/peers).
//
//   octile_network_bench MODEL.octile --tokens=N --batch=N --threads=N
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "octile/packed_model.h"
#include "octile/parallel.h"
#include "octile/session.h"

namespace {

using namespace octile;

int fail(std::string_view message) {
    fmt::print(stderr, "octile_network_bench: {}\n", message);
    return 1;
}

// The value of "--name=N" among the arguments, from 1 up; 0 where it is missing or no number.
std::int32_t number(int argc, char** argv, std::string_view name) {
    std::int32_t value = 0;
    for (int i = 2; i < argc; i++) {
        const std::string_view argument = argv[i];
        if (!argument.starts_with(name) || argument.substr(name.size(), 1) != "=") continue;
        const std::string_view digits = argument.substr(name.size() + 1);
        if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ptr != digits.data() + digits.size())
            return 0;
    }
    return value;
}

}  // namespace

int main(int argc, char** argv) {
    const std::int32_t tokens = number(argc, argv, "--tokens"), batch = number(argc, argv, "--batch"),
                       count = number(argc, argv, "--threads");
    if (argc != 5 || tokens < 1 || batch < 1 || count < 1)
        return fail("usage: octile_network_bench MODEL.octile --tokens=N --batch=N --threads=N");
    set_threads(count);
    const auto isas = usable_isas();
    if (!isas.ok()) return fail(isas.status().message());
    const auto model = PackedModel::open(argv[1], isas.value());
    if (!model.ok()) return fail(model.status().message());
    auto graph = graph_from_json(model->graph());
    if (!graph.ok()) return fail(graph.status().message());
    const std::string output_name = graph->outputs[0];
    const auto features = static_cast<std::size_t>(graph->nodes.back().features);
    auto session = Session::create(std::move(graph).value(), model->plan(), model->parameters(),
                                   {.max_rows = std::int64_t{tokens} * batch, .max_sequences = batch});
    if (!session.ok()) return fail(session.status().message());

    const std::vector<std::int32_t> lengths(static_cast<std::size_t>(batch), tokens);
    std::vector<std::int32_t> ids(static_cast<std::size_t>(tokens) * static_cast<std::size_t>(batch));
    for (std::size_t i = 0; i < ids.size(); i++)
        ids[i] = static_cast<std::int32_t>(1000 + i * 7919 % 25000);
    std::vector<float> y(static_cast<std::size_t>(batch) * features);
    const SessionInput input{.name = "token_ids", .indices = ids};
    const SessionOutput output{output_name, y};
    for (std::string line; std::getline(std::cin, line);) {
        const auto start = std::chrono::steady_clock::now();
        if (Status status = session->run(lengths, {&input, 1}, {&output, 1}); !status.ok())
            return fail(status.message());
        const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
        fmt::print("{:.3f}\n", time.count());
        std::fflush(stdout);
    }
    return 0;
}
