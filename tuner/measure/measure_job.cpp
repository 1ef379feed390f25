#include "tuner/measure/measure_job.h"

#include <fmt/format.h>
#include <sched.h>

#include <chrono>
#include <memory>
#include <optional>

#include "base/printable.h"
#include "bench/problem.h"
#include "bench/timing.h"
#include "octile/cpu.h"
#include "octile/parallel.h"
#include "runtime/core_identity.h"
#include "tuner/core_names.h"
#include "tuner/kernel_versions.h"
#include "tuner/measure/candidate_table.h"

namespace octile::measure {
namespace {

using tuner::Answer;
using tuner::CandidateAnswer;
using tuner::JobText;

// A layer in one candidate's schedule, with the memory that its calls work on.
class Subject {
  public:
    static Result<std::unique_ptr<Subject>> make(const bench::Problem& problem, const LinearOptions& options,
                                                 std::size_t candidate, IsaSet isas) {
        select_candidate(candidate);
        Result<Linear> linear =
            Linear::pack(problem.matrix(bench::Side::kWeights, DataType::kF32), problem.bias(), options, isas);
        if (!linear.ok()) return linear.status();
        return std::unique_ptr<Subject>(new Subject(problem, std::move(linear).value()));
    }

    Status run() { return linear_.run(x_, {y_.data(), DataType::kF32, x_.rows, linear_.n(), linear_.n()}, workspace_); }

    Status verify() {
        if (Status status = run(); !status.ok()) return status;
        const bool f16_arithmetic = linear_.kernel_name(x_.rows).ends_with(name_of(Isa::kFp16));
        return problem_.check_output(y_.data(), DataType::kF32, linear_.precision(), f16_arithmetic,
                                     linear_.activation(), DataType::kF32);
    }
    const std::vector<float>& output() const { return y_; }

    bench::Cell cell;

  private:
    Subject(const bench::Problem& problem, Linear linear)
        : problem_(problem),
          linear_(std::move(linear)),
          x_(problem.matrix(bench::Side::kRows, DataType::kF32)),
          y_(static_cast<std::size_t>(x_.rows * linear_.n())) {
        cell.operations = problem.shape().operations();
        cell.run = [this] { return run(); };
    }

    const bench::Problem& problem_;
    Linear linear_;
    MatrixView x_;
    std::vector<float> y_;
    Workspace workspace_;
};

Status stay_on(int cpu) {
    if (cpu < 0) return {};
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(cpu), &set);
    if (::sched_setaffinity(0, sizeof set, &set) == 0) return {};
    return Status(StatusCode::kInvalidArgument, fmt::format("cpu: expected one of this machine's, found {}", cpu));
}

// What every candidate has to compute. The default's result, once verified, stands for all rows.
Status check_against(const Subject& subject, const Subject* base) {
    if (!base || subject.output() == base->output()) return {};
    for (std::size_t i = 0; i < subject.output().size(); ++i) {
        if (subject.output()[i] != base->output()[i])
            return Status(StatusCode::kInternal, fmt::format("wrong result: element {} of y is {}, expected {}", i,
                                                             subject.output()[i], base->output()[i]));
    }
    return {};
}

}  // namespace

Result<Answer> run_job(const JobText& job, const std::string& emulated) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point start = Clock::now();
    if (Status status = stay_on(job.cpu); !status.ok()) return status;
    const Isa isa = measured_isa();
    const Result<IsaSet> isas = limit_isas(supported_isas(), name_of(isa));
    if (!isas.ok()) return isas.status();
    const LinearOptions options{.precision = measured_kernel() == "gemm_s8" ? Precision::kInt8 : Precision::kFp16,
                                .activation = job.epilogue};
    set_threads(job.threads);

    Answer answer{.job = job.job,
                  .kernel = std::string(measured_kernel()),
                  .kernels = std::string(tuner::digest_of_kernel(measured_kernel())),
                  .isa = std::string(name_of(isa)),
                  .core = core_identity(),
                  .vector_bits = tuner::vector_bits(),
                  .octile = OCTILE_VERSION,
                  .halide = std::string(tuner::halide_version()),
                  .clang = std::string(tuner::clang_version()),
                  .emulated = emulated,
                  .candidates = {},
                  .seconds = 0};
    const bench::Problem problem({job.m, job.k, job.n, "", false});
    std::vector<std::unique_ptr<Subject>> subjects;
    const Subject* base = nullptr;
    for (const std::string& name : job.candidates) {
        const std::optional<std::size_t> candidate = find_candidate(name);
        if (!candidate)
            return Status(StatusCode::kInvalidArgument,
                          fmt::format("candidates: {} is not in this program", internal::quote(name)));
        Result<std::unique_ptr<Subject>> subject = Subject::make(problem, options, *candidate, isas.value());
        Status status = subject.status();
        if (status.ok()) status = subject.value()->verify();
        if (status.ok() && options.precision == Precision::kInt8) status = check_against(*subject.value(), base);
        if (status.ok() && !base) base = subject.value().get();
        answer.candidates.push_back({name, status.ok(), status.message(), {}});
        subjects.push_back(status.ok() ? std::move(subject).value() : nullptr);
    }
    if (emulated.empty()) {
        std::vector<bench::Series> series;
        std::vector<CandidateAnswer*> timed;
        for (std::size_t i = 0; i < subjects.size(); ++i) {
            if (!subjects[i]) continue;
            series.push_back({&subjects[i]->cell, {}});
            timed.push_back(&answer.candidates[i]);
        }
        const bench::SamplingPlan plan{
            .rounds = job.rounds, .sample_seconds = job.sample_ms * 1e-3, .threads = job.threads};
        if (Status status = bench::run_interleaved(series, plan, [] {}); !status.ok()) return status;
        for (std::size_t i = 0; i < series.size(); ++i) {
            for (const double sample : series[i].seconds)
                timed[i]->ns.push_back(std::max(sample * 1e9, 0.1));
        }
    }
    answer.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    return answer;
}

}  // namespace octile::measure
