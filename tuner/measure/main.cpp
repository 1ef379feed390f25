// octile_measure: verifies and times candidates of a schedule. `octile tune` makes it, copies it and speaks to it.
//
//   octile_measure                         one job on stdin, the answer on stdout
//   octile_measure --keep FOLDER           the same, and keeps the answer: asked again for the same job, it gives that
//   octile_measure --jobs FILE --results FILE   all jobs of a file, one a line; those with an answer in RESULTS are
//   done, half an answer at its end is cut off
//
// A job that is cut off from whoever asked goes on with --keep and --jobs. tuner/protocol.h is the format. Exit code 0
// if every job has an answer, 1 if not, 2 for wrong usage. OCTILE_EMULATED=<words>, if set, is taken for an emulator's
// sign.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "tuner/measure/emulation.h"
#include "tuner/measure/measure_job.h"

namespace octile::measure {
namespace {

namespace fs = std::filesystem;
using tuner::Answer;
using tuner::JobText;

int fail(const std::string& message, int code = 1) {
    fmt::print(stderr, "octile_measure: {}\n", message);
    return code;
}

std::string content_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string emulator() {
    const char* told = std::getenv("OCTILE_EMULATED");
    return told && *told ? fmt::format("OCTILE_EMULATED={}", told) : find_emulator();
}

Result<std::string> answer_to(const std::string& line, const std::string& emulated) {
    const Result<JobText> job = tuner::job_from_json(line);
    if (!job.ok()) return Status(job.status().code(), "job: " + job.status().message());
    const Result<Answer> answer = run_job(job.value(), emulated);
    if (!answer.ok()) return answer.status();
    return to_text(answer.value());
}

bool is_answer(const std::string& text, const std::string& line) {
    const Result<JobText> job = tuner::job_from_json(line);
    return job.ok() && tuner::answer_from_text(text, job.value()).ok();
}

// Whoever asks again while the first is still at it waits for the lock, and then finds the answer.
Result<std::string> kept_answer(const fs::path& folder, const std::string& line) {
    const Result<JobText> job = tuner::job_from_json(line);
    if (!job.ok()) return job.status();
    std::string name = job->job;
    for (char& c : name)
        c = std::isalnum(static_cast<unsigned char>(c)) || c == '.' ? c : '_';
    const fs::path path = folder / name;
    const int lock = ::open((path.native() + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock < 0 || ::flock(lock, LOCK_EX) != 0)
        return Status(StatusCode::kIoError, fmt::format("{}: cannot be locked", path.native()));
    std::string text = content_of(path);
    if (!is_answer(text, line)) {
        Result<std::string> answer = answer_to(line, emulator());
        if (!answer.ok()) return answer.status();
        text = std::move(answer).value();
        const fs::path temporary = path.native() + ".tmp";
        std::ofstream(temporary, std::ios::binary) << text;
        std::error_code ignored;
        fs::rename(temporary, path, ignored);
    }
    ::close(lock);
    return text;
}

int run_all(const fs::path& jobs, const fs::path& results) {
    const std::string before = content_of(results);
    // Half an answer, of one that was ended, is measured again, and would make the next one unreadable.
    const std::size_t whole = tuner::size_of_whole_answers(before);
    std::error_code error;
    if (whole < before.size()) fs::resize_file(results, whole, error);
    if (error) return fail(fmt::format("{}: {}", results.native(), error.message()));
    std::ifstream file(jobs);
    if (!file) return fail(fmt::format("{}: cannot be read", jobs.native()));
    const std::string emulated = emulator();
    const tuner::AnswerIndex answers(before);
    std::string line;
    int code = 0;
    while (std::getline(file, line)) {
        const Result<JobText> job = tuner::job_from_json(line);
        if (!job.ok()) return fail(fmt::format("{}: {}", jobs.native(), job.status().message()));
        if (tuner::answer_from_text(answers.find(job.value()), job.value()).ok()) continue;
        const Result<std::string> answer = answer_to(line, emulated);
        if (!answer.ok()) {
            code = fail(fmt::format("{}: {}", job->job, answer.status().message()));
            continue;
        }
        std::ofstream out(results, std::ios::binary | std::ios::app);
        out << answer.value() << std::flush;
        if (!out) return fail(fmt::format("{}: cannot be written", results.native()));
        fmt::print(stderr, "{}\n", job->job);
    }
    return code;
}

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() == 4 && arguments[0] == "--jobs" && arguments[2] == "--results")
        return run_all(arguments[1], arguments[3]);
    const bool keep = arguments.size() == 2 && arguments[0] == "--keep";
    if (!arguments.empty() && !keep)
        return fail("usage: octile_measure [--keep FOLDER | --jobs FILE --results FILE]", 2);
    std::string line;
    if (!std::getline(std::cin, line)) return fail("no job on stdin", 2);
    if (keep) {
        ::signal(SIGHUP, SIG_IGN);
        ::signal(SIGPIPE, SIG_IGN);
    }
    const Result<std::string> answer = keep ? kept_answer(arguments[1], line) : answer_to(line, emulator());
    if (!answer.ok()) return fail(answer.status().message());
    std::fwrite(answer.value().data(), 1, answer.value().size(), stdout);
    return std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace
}  // namespace octile::measure

int main(int argc, char** argv) {
    return octile::measure::main(argc, argv);
}
