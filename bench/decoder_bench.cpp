// A decoder step by step: tokens per second of a prompt and of single tokens, beside the time it takes to read the
// weights once from memory, and each node against double.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/read_bandwidth.h"
#include "bench/timing.h"
#include "inputs/checkpoint_lookup.h"
#include "inputs/checkpoint_network.h"
#include "inputs/graph_config.h"
#include "octile/parallel.h"
#include "octile/planner.h"
#include "octile/session.h"
#include "tests/reference/graph_exact.h"
#include "tests/support/seed.h"

namespace octile::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
    std::string folder;
    std::vector<int> threads = {1, 2};
    int prompt = 64, steps = 20;
    std::vector<int> contexts = {};
    std::string force;
    bool verify = false, profile = false;
    double least_share = 0;
};

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::vector<float> floats_of(const TensorSource& tensor) {
    std::vector<float> values;
    const MatrixView& view = tensor.view;
    const auto* bytes = static_cast<const std::byte*>(view.data);
    for (std::int64_t i = 0; i < view.rows * view.columns; i++, bytes += size_of(view.type)) {
        std::uint32_t bits = 0;
        std::memcpy(&bits, bytes, size_of(view.type));
        if (view.type == DataType::kF32) values.push_back(std::bit_cast<float>(bits));
        const auto half = static_cast<std::uint16_t>(bits);
        if (view.type == DataType::kF16) values.push_back(reference::half_to_float(half));
        if (view.type == DataType::kBF16) values.push_back(reference::bf16_to_float(half));
    }
    return values;
}

// Signal to noise in dB, and the share of the bound that the worst element takes.
struct Errors {
    double signal = 0, noise = 0, share = 0;
    std::size_t outside = 0, values = 0;

    void add(double got, double want, double bound) {
        const double off = std::abs(got - want);
        signal += want * want;
        noise += off * off;
        values++;
        outside += !(off <= bound);
        if (bound > 0) share = std::max(share, off / bound);
    }
    double decibels() const { return noise > 0 ? 10 * std::log10(signal / noise) : 999; }
};

class DecoderBench {
  public:
    DecoderBench(const Arguments& arguments, Graph graph, Plan plan, const Checkpoint& checkpoint,
                 std::shared_ptr<const Parameters> parameters)
        : arguments_(arguments),
          graph_(std::move(graph)),
          plan_(std::move(plan)),
          lookup_(lookup_in(checkpoint)),
          parameters_(std::move(parameters)) {
        for (const Node& node : graph_.nodes)
            if (node.op == NodeOp::kEmbedding) vocabulary_ = node.tables[0].rows;
        logits_.resize(static_cast<std::size_t>(graph_.nodes.back().features));
        for (const auto& [name, linear] : parameters_->linears())
            weights_ += linear.bytes();
    }

    Result<Session> make_session(NodeObserver observer = {}) const {
        int context = arguments_.prompt + arguments_.steps + 1;
        for (const int one : arguments_.contexts)
            context = std::max(context, one + arguments_.steps + 1);
        return Session::create(
            graph_, plan_, parameters_,
            {.max_rows = arguments_.prompt, .max_sequences = 1, .max_context = context, .observer = observer});
    }

    Status say(Session& session, std::span<const std::int32_t> ids) {
        const std::int32_t length = static_cast<std::int32_t>(ids.size());
        const SessionInput inputs[] = {{"token_ids", ids}};
        const SessionOutput outputs[] = {{graph_.outputs[0], logits_}};
        return session.run({&length, 1}, inputs, outputs);
    }

    std::vector<std::int32_t> some_tokens(int count) {
        std::vector<std::int32_t> ids;
        for (int i = 0; i < count; i++)
            ids.push_back(static_cast<std::int32_t>(random_.below(static_cast<std::uint32_t>(vocabulary_))));
        return ids;
    }

    std::int32_t best_token() const {
        return static_cast<std::int32_t>(std::max_element(logits_.begin(), logits_.end()) - logits_.begin());
    }

    // True if every value is within its bound.
    Result<bool> verify();
    Result<bool> measure(int threads);
    Result<bool> profile();
    Status fill(Session& session, int context);
    std::size_t weights() const { return weights_; }

  private:
    const Arguments& arguments_;
    Graph graph_;
    Plan plan_;
    TensorLookup lookup_;
    std::shared_ptr<const Parameters> parameters_;
    std::int64_t vocabulary_ = 0;
    std::vector<float> logits_;
    std::size_t weights_ = 0;
    test::Random random_{"decoder"};
};

Result<bool> DecoderBench::verify() {
    reference::ExactGraph::Seen seen;
    Result<Session> session = make_session([&](const Node& node, const MatrixView& value) {
        const auto* data = static_cast<const float*>(value.data);
        seen[node.name].assign(data, data + value.rows * value.columns);
    });
    if (!session.ok()) return session.status();
    reference::ExactGraph exact(
        graph_, plan_, [&](const std::string& name) { return floats_of(*lookup_(name)); },
        supported_isas().has(Isa::kFp16) ? reference::Fp16Arithmetic::kF16 : reference::Fp16Arithmetic::kF32);
    std::map<std::string, Errors> prompt, step;
    const int tokens = std::min(arguments_.prompt, 8);
    std::vector<std::int32_t> ids = some_tokens(tokens);
    for (auto* errors : {&prompt, &step}) {
        seen.clear();
        if (Status status = say(session.value(), ids); !status.ok()) return status;
        exact.check({static_cast<std::int32_t>(ids.size())}, {{"token_ids", ids}}, seen,
                    [&](const Node& node, const std::vector<float>& got, const reference::Bounded& want) {
                        for (std::size_t i = 0; i < got.size(); i++)
                            (*errors)[node.name].add(got[i], want.value[i], want.error[i]);
                    });
        ids = {best_token()};
    }
    fmt::print(
        "each node's value against double, from its inputs as they were: a prompt of {} tokens, one token more\n\n"
        "{:<44} {:>12} {:>12} {:>14}\n",
        tokens, "node", "prompt, dB", "token, dB", "of the bound");
    std::size_t outside = 0, values = 0;
    for (const Node& node : graph_.nodes) {
        if (!prompt.contains(node.name)) continue;
        const Errors &a = prompt[node.name], &b = step[node.name];
        outside += a.outside + b.outside;
        values += a.values + b.values;
        fmt::print("{:<44} {:>12.1f} {:>12.1f} {:>12.1f} %{}\n", node.name, a.decibels(), b.decibels(),
                   100 * std::max(a.share, b.share), a.outside + b.outside ? "  OUTSIDE" : "");
    }
    fmt::print("\n{} of {} values within their bounds\n", values - outside, values);
    return outside == 0;
}

// Where a single token's time goes: nodes of one name in all blocks together, and how fast their weights are read.
Result<bool> DecoderBench::profile() {
    set_threads(arguments_.threads[0]);
    std::map<std::string, double> seconds;
    std::vector<std::string> order;
    Clock::time_point last;
    Result<Session> session = make_session([&](const Node& node, const MatrixView&) {
        const auto now = Clock::now();
        std::string name = node.name;
        const std::size_t begin = name.find("layers.");
        if (begin != std::string::npos) name.replace(begin + 7, name.find('.', begin + 7) - begin - 7, "*");
        if (!seconds.contains(name)) order.push_back(name);
        seconds[name] += std::chrono::duration<double>(now - last).count();
        last = Clock::now();
    });
    if (!session.ok()) return session.status();
    if (Status status = fill(session.value(), arguments_.prompt); !status.ok()) return status;
    seconds.clear();
    order.clear();
    double total = 0;
    for (int i = 0; i < arguments_.steps; i++) {
        const std::int32_t token = best_token();
        last = Clock::now();
        const auto begin = last;
        if (Status status = say(session.value(), {&token, 1}); !status.ok()) return status;
        total += seconds_since(begin);
    }
    fmt::print("where {:.2f} ms of a token go, {} thread(s)\n\n", 1e3 * total / arguments_.steps, threads());
    for (const std::string& name : order)
        fmt::print("{:<44} {:>10.3f} ms {:>6.1f} %\n", name, 1e3 * seconds[name] / arguments_.steps,
                   100 * seconds[name] / total);
    return true;
}

// Says tokens until the sequence has `context`.
Status DecoderBench::fill(Session& session, int context) {
    session.reset();
    while (session.context(0) < context) {
        const int count = std::min<int>(arguments_.prompt, context - static_cast<int>(session.context(0)));
        if (Status status = say(session, some_tokens(count)); !status.ok()) return status;
    }
    return {};
}

Result<bool> DecoderBench::measure(int threads) {
    set_threads(threads);
    Result<Session> session = make_session();
    if (!session.ok()) return session.status();
    // As much memory as the weights, which nobody else reads.
    const auto memory = std::make_unique<std::byte[]>(weights_);
    std::memset(memory.get(), 1, weights_);
    std::vector<int> contexts = arguments_.contexts.empty() ? std::vector{arguments_.prompt} : arguments_.contexts;
    bool reached = true;
    for (const int context : contexts) {
        if (Status status = fill(session.value(), 1); !status.ok()) return status;
        const auto begin = Clock::now();
        session->reset();
        if (Status status = say(session.value(), some_tokens(arguments_.prompt)); !status.ok()) return status;
        const double prompt = seconds_since(begin);
        if (Status status = fill(session.value(), context); !status.ok()) return status;
        std::vector<double> steps, bounds, shares;
        std::int32_t token = best_token();
        for (int i = 0; i < arguments_.steps; i++) {
            const double bandwidth = read_bandwidth({memory.get(), weights_}, threads);
            const auto start = Clock::now();
            if (Status status = say(session.value(), {&token, 1}); !status.ok()) return status;
            steps.push_back(seconds_since(start));
            token = best_token();
            // Keys and values of all blocks are read once.
            const double cache = static_cast<double>(session->memory().cache) *
                                 static_cast<double>(session->context(0)) /
                                 static_cast<double>(session->options().max_context);
            bounds.push_back((static_cast<double>(weights_) + cache) / bandwidth);
            shares.push_back(bounds.back() / steps.back());
        }
        const double share = median(shares);
        fmt::print("{:>7} {:>8} {:>14.1f} {:>12.2f} {:>12.2f} {:>11.1f} {:>11.1f} {:>8.1f} %\n", threads, context,
                   arguments_.prompt / prompt, 1e3 * median(steps), 1 / median(steps), 1 / median(bounds),
                   static_cast<double>(weights_) / median(bounds) * 1e-9, 100 * share);
        reached = reached && share >= arguments_.least_share;
    }
    return reached;
}

Status run(const Arguments& arguments, bool& good) {
    const std::filesystem::path folder = arguments.folder;
    const Result<Checkpoint> checkpoint = Checkpoint::open(folder / "model.safetensors", InputFormat::kSafetensors);
    if (!checkpoint.ok()) return checkpoint.status();
    const TensorList tensors = tensor_list_of(checkpoint.value());
    Result<Graph> graph = read_graph(folder / "config.json", {.tensors = &tensors});
    if (!graph.ok()) return graph.status();
    PlanOptions options;
    if (!arguments.force.empty()) {
        const std::optional<Precision> precision = parse_precision(arguments.force);
        if (!precision)
            return {StatusCode::kInvalidArgument, "--all: expected int8, fp16 or int4, found " + arguments.force};
        options.forces = {{"", *precision}};
    }
    Result<Plan> plan = make_plan(layers_of(graph.value(), 1), options);
    if (!plan.ok()) return plan.status();
    const Result<IsaSet> isas = usable_isas();
    if (!isas.ok()) return isas.status();
    const auto begin = Clock::now();
    Result<Parameters> parameters =
        pack_parameters(graph.value(), plan.value(), lookup_in(checkpoint.value()), isas.value());
    if (!parameters.ok()) return parameters.status();
    fmt::print("{}: {}\n", graph->name, to_text(summarize(plan.value())));
    DecoderBench bench(arguments, std::move(graph).value(), std::move(plan).value(), checkpoint.value(),
                       std::make_shared<const Parameters>(std::move(parameters).value()));
    fmt::print("packed in {:.1f} s: {:.1f} MB of weights, all read once for each token\n", seconds_since(begin),
               static_cast<double>(bench.weights()) * 1e-6);
    if (arguments.verify) {
        const Result<bool> within = bench.verify();
        if (!within.ok()) return within.status();
        good = within.value();
    }
    if (arguments.steps == 0) return {};
    if (arguments.profile) {
        if (const Result<bool> done = bench.profile(); !done.ok()) return done.status();
    }
    const Result<Session> session = bench.make_session();
    if (!session.ok()) return session.status();
    fmt::print("{}\n\n{:>7} {:>8} {:>14} {:>12} {:>12} {:>11} {:>11} {:>10}\n", to_text(session->memory()), "threads",
               "context", "prompt, tok/s", "token, ms", "tokens/s", "bound, 1/s", "read, GB/s", "of bound");
    for (const int threads : arguments.threads) {
        const Result<bool> reached = bench.measure(threads);
        if (!reached.ok()) return reached.status();
        good = good && reached.value();
    }
    return {};
}

}  // namespace
}  // namespace octile::bench

int main(int argc, char** argv) {
    using namespace octile;
    bench::Arguments arguments;
    CLI::App app(
        "A decoder's tokens per second beside the read bandwidth. Make a checkpoint with tools/make_decoder.py.");
    app.add_option("folder", arguments.folder, "config.json and model.safetensors")->required();
    app.add_option("--threads", arguments.threads, "numbers of threads")->delimiter(',')->check(CLI::Range(1, 1024));
    app.add_option("--prompt", arguments.prompt, "tokens of the prompt")->check(CLI::Range(1, 100000));
    app.add_option("--steps", arguments.steps, "single tokens behind it; 0: no times")->check(CLI::Range(0, 100000));
    app.add_option("--contexts", arguments.contexts, "tokens before the single ones, if not the prompt's")
        ->delimiter(',')
        ->check(CLI::Range(1, 1000000));
    app.add_option("--all", arguments.force, "int8, fp16 or int4 for all linears, instead of the ratio's choice");
    app.add_option("--least-share", arguments.least_share, "fail below this share of the bound");
    app.add_flag("--verify", arguments.verify, "check every node against double first");
    app.add_flag("--profile", arguments.profile, "where the time of a token goes, node by node");
    CLI11_PARSE(app, argc, argv);
    bool good = true;
    if (const Status status = bench::run(arguments, good); !status.ok()) {
        fmt::print(stderr, "octile_decoder_bench: {}\n", status.message());
        return 1;
    }
    return good ? 0 : 4;
}
