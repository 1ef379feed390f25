// The table of `make bench`: Octile against oneDNN and against what the multipliers can do, shape by shape.
//
//   octile_bench [--shape=MxKxN]... [--threads=N] [--rounds=N] [--sample-ms=N]
//
// Everything in a row is measured in turns within one process, except oneDNN with AMX: oneDNN chooses its instructions
// once per process, so that column comes from a child that runs before the table does. OCTILE_ISA limits both sides.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/cells.h"
#include "bench/onednn.h"
#include "bench/options.h"
#include "bench/register_peak.h"
#include "bench/timing.h"
#include "octile/parallel.h"

namespace octile::bench {
namespace {

struct Settings {
    std::vector<Shape> shapes;
    SamplingPlan sampling;
};

Result<Settings> parse(int argc, char** argv) {
    Settings settings;
    std::vector<char*> arguments(argv + 1, argv + argc);
    Result<Options> options = take_options(arguments);
    if (!options.ok()) return options.status();
    settings.shapes = options->shapes;
    settings.sampling.threads = options->threads;
    for (const char* argument : arguments) {
        const char* rounds = option_value(argument, "--rounds");
        const char* sample = option_value(argument, "--sample-ms");
        if (rounds || sample) {
            const Result<int> count =
                rounds ? parse_count("--rounds", rounds, 100000) : parse_count("--sample-ms", sample, 100000);
            if (!count.ok()) return count.status();
            if (rounds) settings.sampling.rounds = count.value();
            if (sample) settings.sampling.sample_seconds = count.value() * 1e-3;
        } else {
            return Status(StatusCode::kInvalidArgument,
                          fmt::format("unknown argument \"{}\"; expected --shape=MxKxN, --threads=N, --rounds=N or "
                                      "--sample-ms=N",
                                      argument));
        }
    }
    return settings;
}

// One line on a terminal, rewritten in place; nothing anywhere else.
class Progress {
  public:
    // `cost`: of all the work there will be, in any unit that is in proportion to time.
    explicit Progress(double cost) : cost_(cost), shown_(isatty(STDERR_FILENO)) {}
    ~Progress() { clear(); }

    void advance(double cost, std::string_view what) {
        done_ += cost;
        if (!shown_) return;
        const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
        fmt::print(stderr, "\r\033[K{}, about {:.0f} s left", what, seconds / done_ * std::max(0.0, cost_ - done_));
        std::fflush(stderr);
    }
    void clear() const {
        if (shown_) fmt::print(stderr, "\r\033[K");
    }

  private:
    using Clock = std::chrono::steady_clock;
    double cost_, done_ = 0;
    bool shown_;
    Clock::time_point start_ = Clock::now();
};

// Expected seconds of one round, for the estimate only: the samples, or the calls where one takes longer.
double expected_round(const Shape& shape, double sample_seconds) {
    constexpr double kInt8 = 400e9, kFp16 = 80e9;
    const double int8 = shape.operations() / kInt8, fp16 = shape.operations() / kFp16;
    return 7 * (sample_seconds + int8) + fp16;
}

// What a row of the table is made of.
enum Role { kInt8Linear, kInt8Gemm, kFp16Linear, kOneDnn, kOneDnnLinear, kReadWeights, kPeak, kRoleCount };

// The cells of one shape; those that this machine or this build does not have stay empty.
class Row {
  public:
    Row(const Shape& shape, IsaSet isas) : problem_(shape), isas_(isas) {}

    // Makes and checks the cells. kUnsupported is not an error for the peer, for anything else it is.
    Status prepare() {
        const LayerKind int8{.precision = Precision::kInt8}, fp16{.precision = Precision::kFp16};
        const Result<Isa> isa = level_of(Precision::kInt8, isas_);
        if (!isa.ok()) return isa.status();
        const Result<Cell> required[] = {
            linear_cell(problem_, int8, isas_),
            gemm_cell(problem_, int8, isas_),
            linear_cell(problem_, fp16, isas_),
        };
        for (int role = 0; role < 3; role++) {
            if (!required[role].ok()) return required[role].status();
            cells_[role] = required[role].value();
        }
        Result<Cell> peer = onednn_cell(problem_, OneDnnOutput::kS32), peer_linear = onednn_linear_cell(problem_);
        if (peer.ok()) cells_[kOneDnn] = std::move(peer).value();
        if (peer_linear.ok()) cells_[kOneDnnLinear] = std::move(peer_linear).value();
        if (problem_.shape().m == 1) {
            Result<Cell> read = read_weights_cell(problem_, int8, isas_);
            if (!read.ok()) return read.status();
            cells_[kReadWeights] = std::move(read).value();
        }
        cells_[kPeak] = register_peak(isa.value());
        for (const std::optional<Cell>& cell : cells_) {
            if (!cell) continue;
            if (Status status = cell->verify(); !status.ok()) return status;
        }
        return {};
    }

    Status measure(const SamplingPlan& sampling, const std::function<void()>& on_round) {
        for (const std::optional<Cell>& cell : cells_) {
            if (cell) series_.push_back({&*cell, {}});
        }
        return run_interleaved(series_, sampling, on_round);
    }

    const Shape& shape() const { return problem_.shape(); }
    // Null if there is no such cell.
    const Series* find(Role role) const {
        for (const Series& series : series_) {
            if (cells_[role] && series.cell == &*cells_[role]) return &series;
        }
        return nullptr;
    }

  private:
    Problem problem_;
    IsaSet isas_;
    std::array<std::optional<Cell>, kRoleCount> cells_;
    std::vector<Series> series_;
};

struct Column {
    const char* group;
    const char* title;
    int width;
};
constexpr Column kColumns[] = {
    {"", "M", 4},
    {"", "K", 6},
    {"", "N", 6},
    {"INT8 linear", "us", 13},
    {"", "GOPS", 8},
    {"", "of read", 9},
    {"INT8 GEMM", "GOPS", 11},
    {"", "+-", 6},
    {"", "of peak", 9},
    {"oneDNN", "GOPS", 9},
    {"", "+-", 6},
    {"GEMM:", "oneDNN", 8},
    {"oneDNN linear", "us", 15},
    {"linear:", "oneDNN", 9},
    {"oneDNN", "AMX GOPS", 10},
    {"FP16", "us", 9},
    {"INT8:", "FP16", 7},
};

void print_header() {
    for (const Column& column : kColumns)
        fmt::print("{:>{}}", column.group, column.width);
    fmt::print("\n");
    for (const Column& column : kColumns)
        fmt::print("{:>{}}", column.title, column.width);
    fmt::print("\n");
}

void print_row(const Row& row, int threads, const std::string& amx) {
    const auto fixed = [](double value, int decimals) { return fmt::format("{:.{}f}", value, decimals); };
    const auto percent = [](double share) { return fmt::format("{:.1f}%", 100 * share); };
    const auto microseconds = [&](const Series& series) { return fixed(median(series.seconds) * 1e6, 1); };
    const Shape& shape = row.shape();
    const Series &linear = *row.find(kInt8Linear), &gemm = *row.find(kInt8Gemm), &fp16 = *row.find(kFp16Linear);
    const Series *peer = row.find(kOneDnn), *peak = row.find(kPeak), *peer_linear = row.find(kOneDnnLinear),
                 *read = row.find(kReadWeights);
    const std::string none = "-";
    const std::string fields[] = {
        std::to_string(shape.m),
        std::to_string(shape.k),
        std::to_string(shape.n),
        microseconds(linear),
        fixed(linear.gops(), 1),
        read ? percent(call_ratio(linear, *read)) : none,
        fixed(gemm.gops(), 1),
        percent(gemm.relative_deviation()),
        peak ? percent(speed_ratio(gemm, *peak) / threads) : none,
        peer ? fixed(peer->gops(), 1) : none,
        peer ? percent(peer->relative_deviation()) : none,
        peer ? fixed(speed_ratio(gemm, *peer), 2) : none,
        peer_linear ? microseconds(*peer_linear) : none,
        peer_linear ? fixed(speed_ratio(linear, *peer_linear), 2) : none,
        amx.empty() ? none : amx,
        microseconds(fp16),
        fixed(speed_ratio(linear, fp16), 2),
    };
    static_assert(std::size(fields) == std::size(kColumns));
    for (std::size_t i = 0; i < std::size(fields); i++)
        fmt::print("{:>{}}", fields[i], kColumns[i].width);
    fmt::print("  {}\n", shape.name);
    std::fflush(stdout);
}

// What oneDNN does when it may choose among all instructions: one line of GOPS per shape.
Status write_amx_figures(const Settings& settings, std::FILE* out) {
    configure_onednn(OneDnnIsa::kAll, settings.sampling.threads);
    for (const Shape& shape : settings.shapes) {
        const Problem problem(shape);
        const Result<Cell> cell = onednn_cell(problem, OneDnnOutput::kS32);
        if (!cell.ok()) return cell.status();
        if (Status status = cell->verify(); !status.ok()) return status;
        std::array<Series, 1> series = {{{&cell.value(), {}}}};
        Status status = run_interleaved(series, settings.sampling, [] {});
        if (!status.ok()) return status;
        fmt::print(out, "{:.1f}\n", series[0].gops());
        std::fflush(out);
    }
    return {};
}

// The same from a child process, one figure per shape; empty where the CPU has no AMX or the child failed. To be called
// while the process has one thread and has not used oneDNN.
std::vector<std::string> amx_figures(const Settings& settings) {
    std::vector<std::string> figures(settings.shapes.size());
    int ends[2];
    if (!has_amx() || pipe(ends) != 0) return figures;
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        std::FILE* out = fdopen(ends[1], "w");
        const Status status = write_amx_figures(settings, out);
        if (!status.ok()) fmt::print(stderr, "octile_bench: with AMX: {}\n", status.message());
        _exit(status.ok() ? 0 : 1);
    }
    close(ends[1]);
    std::FILE* in = fdopen(ends[0], "r");
    Progress progress(static_cast<double>(figures.size()));
    for (std::string& figure : figures) {
        char line[64];
        if (!std::fgets(line, sizeof(line), in)) break;
        figure.assign(line, std::strcspn(line, "\n"));
        progress.advance(1, "oneDNN with AMX");
    }
    std::fclose(in);
    if (child > 0) waitpid(child, nullptr, 0);
    return figures;
}

Status print_table(const Settings& settings) {
    const Result<IsaSet> isas = usable_isas();
    if (!isas.ok()) return isas.status();
    const std::vector<std::string> amx = amx_figures(settings);
    const int threads = settings.sampling.threads;
    set_threads(threads);
    configure_onednn(isas->has(Isa::kAvx512vnni) ? OneDnnIsa::kVnni : OneDnnIsa::kAvx2, threads);
    const std::vector<Shape>& shapes = settings.shapes;
    double cost = 0;
    for (const Shape& shape : shapes)
        cost += settings.sampling.rounds * expected_round(shape, settings.sampling.sample_seconds);

    fmt::print(
        "ISA levels: {}. Peer: {}, u8 x s8 -> s32. Threads: {}. Medians of {} rounds, +- their deviation (MAD).\n\n",
        to_string(isas.value()), describe_onednn(), threads, settings.sampling.rounds);
    print_header();
    std::fflush(stdout);
    Progress progress(cost);
    std::vector<double> linear_ratios;
    for (std::size_t i = 0; i < shapes.size(); i++) {
        Row row(shapes[i], isas.value());
        if (Status status = row.prepare(); !status.ok()) return status;
        const double round_cost = expected_round(shapes[i], settings.sampling.sample_seconds);
        const std::string what = fmt::format("{} of {} shapes", i, shapes.size());
        const auto on_round = [&] { progress.advance(round_cost, what); };
        if (Status status = row.measure(settings.sampling, on_round); !status.ok()) return status;
        progress.clear();
        print_row(row, threads, amx[i]);
        if (const Series* peer = row.find(kOneDnnLinear))
            linear_ratios.push_back(speed_ratio(*row.find(kInt8Linear), *peer));
    }
    if (!linear_ratios.empty()) {
        fmt::print("\nINT8 linear : oneDNN linear, geometric mean of {} shape{}: {:.2f}\n", linear_ratios.size(),
                   linear_ratios.size() == 1 ? "" : "s", geometric_mean(linear_ratios));
    }
    fmt::print(
        "\n"
        "GOPS         2 M K N per second; padding is not counted\n"
        "INT8 linear  quantizes x, then the GEMM with dequantization and bias; the GEMM's columns are without the "
        "former\n"
        "of read      M = 1: bytes of packed weights per second, of what a loop reads that does nothing else, measured "
        "in "
        "the same rounds\n"
        "oneDNN       linear: per-token quantization to u8, the same GEMM, dequantization and bias, all vectorized\n"
        "of peak      of the int8 products of the same ISA level on registers alone, measured in the same rounds\n"
        "ratios       of speeds, medians over the rounds; above 1 Octile, or INT8, is the faster\n"
        "time         {}\n",
        threads == 1 ? "the thread's own, without what other processes take" : "the wall clock's");
    return {};
}

int run(int argc, char** argv) {
    const Result<Settings> settings = parse(argc, argv);
    if (!settings.ok()) {
        fmt::print(stderr, "octile_bench: {}\n", settings.status().message());
        return 2;
    }
    const Status status = print_table(settings.value());
    if (status.ok()) return 0;
    fmt::print(stderr, "octile_bench: {}\n", status.message());
    return 1;
}

}  // namespace
}  // namespace octile::bench

int main(int argc, char** argv) {
    return octile::bench::run(argc, argv);
}
