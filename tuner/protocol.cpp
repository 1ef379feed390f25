#include "tuner/protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/file_name.h"
#include "base/limits.h"
#include "base/printable.h"
#include "planner/json_reader.h"
#include "tuner/record.h"

namespace octile::tuner {
namespace {

using internal::ObjectReader;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr double kMostSampleMs = 10'000;

Status wrong(std::string message) {
    return {StatusCode::kParseError, std::move(message)};
}

std::string word(ObjectReader& reader, const char* key) {
    return reader.line(key, limits::kTuningWordBytes);
}

// The JSON string that begins there, as it is written; empty: none does.
std::string_view quoted_at(std::string_view line, std::size_t at) {
    if (at >= line.size() || line[at] != '"') return {};
    for (std::size_t i = at + 1; i < line.size(); ++i) {
        if (line[i] == '"') return line.substr(at, i + 1 - at);
        if (line[i] == '\\') ++i;
    }
    return {};
}

// Of a job: a session's name, a slash, and a name. Sessions of older versions hold colons.
bool is_job_name(std::string_view name) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("._-:/").find(c) != std::string_view::npos;
    };
    constexpr std::size_t kMostBytes = 200;  // a board keeps answers in files of such names
    return !name.empty() && name.size() <= kMostBytes &&
           std::string_view(".-/").find(name[0]) == std::string_view::npos &&
           std::all_of(name.begin(), name.end(), fits);
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
    answer.error = reader.text("error");
    if (answer.error.size() > limits::kTuningReasonBytes)
        reader.fail("error", fmt::format("at most {} bytes", limits::kTuningReasonBytes),
                    fmt::format("{}", answer.error.size()));
    if (const json* samples = reader.member("ns"); samples && samples->is_array()) {
        for (const json& value : *samples) {
            const double ns = value.is_number() ? value.get<double>() : 0;
            if (!is_sample(ns)) {
                reader.fail("ns", ns > 0 ? kSampleForm : "numbers > 0", internal::found(value));
                break;
            }
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
    job.job = reader.text("job");
    if (status.ok() && !is_job_name(job.job))
        reader.fail("job", "a name of letters, digits and ._-:/", internal::quote(job.job));
    job.m = reader.integer("m", 1, kMostExtent);
    job.k = reader.integer("k", 1, kMostExtent);
    job.n = reader.integer("n", 1, kMostExtent);
    job.epilogue = reader.name("epilogue", parse_activation, "an activation");
    job.threads = static_cast<int>(reader.integer("threads", 1, 1024));
    job.candidates = reader.strings("candidates");
    for (const std::string& name : job.candidates) {
        if (!internal::is_file_name(name)) reader.fail("candidates", internal::kFileNameForm, internal::quote(name));
    }
    job.rounds = static_cast<int>(reader.integer("rounds", 1, limits::kTuningRounds));
    job.sample_ms = reader.number("sample_ms", 0, false, kMostSampleMs);
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
    answer.kernel = word(head, "kernel");
    answer.kernels = word(head, "kernels");
    answer.isa = word(head, "isa");
    answer.core = word(head, "core");
    answer.vector_bits = static_cast<int>(head.integer("vector_bits", 0, 1 << 16));
    answer.octile = word(head, "octile");
    answer.halide = word(head, "halide");
    answer.clang = word(head, "clang");
    answer.emulated = word(head, "emulated");
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
    answer.seconds = tail.number("seconds", 0, true, kMostJobSeconds);
    tail.finish();
    if (status.ok() && (answer.job != job.job || end != job.job))
        status =
            wrong(fmt::format("job: expected {}, found {}", internal::quote(job.job), internal::quote(answer.job)));
    if (!status.ok()) return status;
    return answer;
}

AnswerIndex::AnswerIndex(std::string_view text) {
    const std::string first = fmt::format("{{\"octile_measure\":{},\"job\":", kProtocolVersion);
    constexpr std::string_view kLast = "{\"end\":";
    std::unordered_map<std::string_view, std::size_t> begun;  // by name as it is written
    std::size_t end = 0;
    for (std::size_t start = 0; (end = text.find('\n', start)) != std::string_view::npos; start = end + 1) {
        const std::string_view line = text.substr(start, end - start);
        // Behind half a line there may be another answer.
        const std::size_t head = line.rfind(first), tail = line.rfind(kLast);
        if (head != std::string_view::npos) {
            begun.insert_or_assign(quoted_at(line, head + first.size()), start + head);
        } else if (tail != std::string_view::npos) {
            const std::string_view name = quoted_at(line, tail + kLast.size());
            const auto found = begun.find(name);
            if (found != begun.end())
                answers_.insert_or_assign(name, text.substr(found->second, end + 1 - found->second));
        }
    }
}

std::string_view AnswerIndex::find(const JobText& job) const {
    const auto found = answers_.find(json(job.job).dump());
    return found == answers_.end() ? std::string_view() : found->second;
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
