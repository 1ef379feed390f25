#include "tuner/protocol.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/printable.h"
#include "planner/json_reader.h"

namespace octile::tuner {
namespace {

using internal::ObjectReader;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::int64_t kMost = std::int64_t{1} << 31;

Status wrong(std::string message) {
    return {StatusCode::kParseError, std::move(message)};
}

std::vector<json> documents_of(std::string_view text, Status& status) {
    std::vector<json> lines;
    while (!text.empty() && status.ok()) {
        const std::size_t end = text.find('\n');
        Result<json> line = internal::parse_json(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (line.ok() && line->is_object())
            lines.push_back(std::move(line).value());
        else
            status = wrong(fmt::format("line {}: expected a JSON object", lines.size() + 1));
    }
    return lines;
}

CandidateAnswer read_candidate(const json& line, const std::string& where, const JobText& job, Status& status) {
    ObjectReader reader(line, where, status, "candidate");
    CandidateAnswer answer;
    answer.candidate = reader.string("candidate");
    answer.verified = reader.boolean("verified");
    answer.error = reader.string("error");
    if (const json* samples = reader.member("ns"); samples && samples->is_array()) {
        for (const json& value : *samples) {
            const double ns = value.is_number() ? value.get<double>() : 0;
            if (!(ns > 0 && ns < 1e15)) reader.fail("ns", "numbers > 0", internal::found(value));
            answer.ns.push_back(ns);
        }
    } else if (samples) {
        reader.fail("ns", "an array", internal::found(*samples));
    }
    reader.finish();
    if (!status.ok() || answer.ns.empty()) return answer;
    if (!answer.error.empty() || !answer.verified)
        reader.fail("ns", "no samples of what was not verified", fmt::format("{}", answer.ns.size()));
    else if (answer.ns.size() != static_cast<std::size_t>(job.rounds))
        reader.fail("ns", fmt::format("{} samples", job.rounds), fmt::format("{}", answer.ns.size()));
    return answer;
}

}  // namespace

std::string to_json(const JobText& job) {
    const ordered_json line = {{"job", job.job},
                               {"m", job.m},
                               {"k", job.k},
                               {"n", job.n},
                               {"epilogue", name_of(job.epilogue)},
                               {"threads", job.threads},
                               {"candidates", job.candidates},
                               {"rounds", job.rounds},
                               {"sample_ms", job.sample_ms},
                               {"cpu", job.cpu}};
    return line.dump();
}

Result<JobText> job_from_json(std::string_view line) {
    const Result<json> document = internal::parse_json(line);
    if (!document.ok()) return document.status();
    Status status;
    ObjectReader reader(document.value(), "", status, "job");
    if (!status.ok()) return status;
    JobText job;
    job.job = reader.string("job");
    job.m = reader.integer("m", 1, kMost);
    job.k = reader.integer("k", 1, kMost);
    job.n = reader.integer("n", 1, kMost);
    job.epilogue = reader.name("epilogue", parse_activation, "an activation");
    job.threads = static_cast<int>(reader.integer("threads", 1, 1024));
    job.candidates = reader.strings("candidates");
    job.rounds = static_cast<int>(reader.integer("rounds", 1, 100000));
    job.sample_ms = reader.number("sample_ms", 0);
    job.cpu = static_cast<int>(reader.integer("cpu", -1, 65535));
    reader.finish();
    if (!status.ok()) return status;
    return job;
}

std::string to_text(const Answer& answer) {
    std::string text = ordered_json{{"octile_measure", kProtocolVersion},
                                    {"job", answer.job},
                                    {"kernel", answer.kernel},
                                    {"kernels", answer.kernels},
                                    {"isa", answer.isa},
                                    {"core", answer.core},
                                    {"vector_bits", answer.vector_bits},
                                    {"octile", answer.octile},
                                    {"halide", answer.halide},
                                    {"clang", answer.clang},
                                    {"emulated", answer.emulated}}
                           .dump() +
                       "\n";
    for (const CandidateAnswer& one : answer.candidates) {
        text +=
            ordered_json{{"candidate", one.candidate}, {"verified", one.verified}, {"error", one.error}, {"ns", one.ns}}
                .dump(-1, ' ', false, ordered_json::error_handler_t::replace) +
            "\n";
    }
    return text + ordered_json{{"end", answer.job}, {"seconds", answer.seconds}}.dump() + "\n";
}

Result<Answer> answer_from_text(std::string_view text, const JobText& job) {
    Status status;
    const std::vector<json> lines = documents_of(text, status);
    if (!status.ok()) return status;
    if (lines.size() != job.candidates.size() + 2)
        return wrong(fmt::format("expected {} lines, found {}", job.candidates.size() + 2, lines.size()));
    Answer answer;
    ObjectReader head(lines.front(), "line 1", status, "answer");
    head.integer("octile_measure", kProtocolVersion, kProtocolVersion);
    answer.job = head.string("job");
    answer.kernel = head.string("kernel");
    answer.kernels = head.string("kernels");
    answer.isa = head.string("isa");
    answer.core = head.string("core");
    answer.vector_bits = static_cast<int>(head.integer("vector_bits", 0, 1 << 16));
    answer.octile = head.string("octile");
    answer.halide = head.string("halide");
    answer.clang = head.string("clang");
    answer.emulated = head.string("emulated");
    head.finish();
    for (std::size_t i = 0; i < job.candidates.size() && status.ok(); ++i) {
        const std::string where = fmt::format("line {}", i + 2);
        answer.candidates.push_back(read_candidate(lines[i + 1], where, job, status));
        const CandidateAnswer& one = answer.candidates.back();
        if (status.ok() && one.candidate != job.candidates[i])
            status = wrong(fmt::format("{}.candidate: expected {}, found {}", where, internal::quote(job.candidates[i]),
                                       internal::quote(one.candidate)));
        if (status.ok() && !one.ns.empty() && !answer.emulated.empty())
            status = wrong(fmt::format("{}.ns: expected no time of an emulator ({})", where, answer.emulated));
        if (status.ok() && one.ns.empty() && one.error.empty() && answer.emulated.empty())
            status = wrong(fmt::format("{}: expected samples or an error, found neither", where));
    }
    ObjectReader tail(lines.back(), fmt::format("line {}", lines.size()), status, "end");
    const std::string end = tail.string("end");
    answer.seconds = tail.number("seconds", 0, true);
    tail.finish();
    if (status.ok() && (answer.job != job.job || end != job.job))
        status =
            wrong(fmt::format("job: expected {}, found {}", internal::quote(job.job), internal::quote(answer.job)));
    if (!status.ok()) return status;
    return answer;
}

std::string_view find_answer(std::string_view text, const JobText& job) {
    const std::string name = json(job.job).dump();
    const std::string first = fmt::format("{{\"octile_measure\":{},\"job\":{}", kProtocolVersion, name);
    const std::string last = fmt::format("{{\"end\":{}", name);
    const std::size_t end = text.rfind('\n');  // what follows is not whole
    if (end == std::string_view::npos) return {};
    text = text.substr(0, end + 1);
    const std::size_t tail = text.rfind(last);
    if (tail == std::string_view::npos) return {};
    const std::size_t head = text.rfind(first, tail);
    if (head == std::string_view::npos) return {};
    return text.substr(head, text.find('\n', tail) + 1 - head);
}

std::size_t size_of_whole_answers(std::string_view text) {
    std::size_t whole = 0;
    for (std::size_t start = 0, end; (end = text.find('\n', start)) != std::string_view::npos; start = end + 1) {
        const std::string_view line = text.substr(start, end - start);
        const bool manifest = start == 0 && !line.starts_with("{\"octile_measure\":");
        if (manifest || line.starts_with("{\"end\":")) whole = end + 1;
    }
    return whole;
}

}  // namespace octile::tuner
