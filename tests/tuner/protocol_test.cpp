// Files of many answers, whose writer may have been ended at any moment.
#include "tuner/protocol.h"

#include <catch2/catch.hpp>

using namespace octile;
using namespace octile::tuner;

namespace {

JobText make_job(const std::string& name) {
    return {.job = name, .m = 1, .k = 64, .n = 64, .candidates = {"base", "other"}, .rounds = 2};
}

Answer make_answer(const JobText& job, double ns) {
    Answer answer;
    answer.job = job.job;
    answer.seconds = 0.5;
    for (const std::string& candidate : job.candidates)
        answer.candidates.push_back({candidate, true, "", {ns, ns + 1}});
    return answer;
}

std::string_view find_answer(std::string_view text, const JobText& job) {
    return AnswerIndex(text).find(job);
}

const JobText kFirst = make_job("s/row.l1"), kSecond = make_job("s/row.l11");
const std::string kManifest = "{\"candidates\":{},\"octile_bundle\":1}\n";

}  // namespace

TEST_CASE("An answer is found among others, and the last of its own", "[protocol]") {
    const std::string early = to_text(make_answer(kFirst, 5)), late = to_text(make_answer(kFirst, 7)),
                      second = to_text(make_answer(kSecond, 9));
    CHECK(find_answer(kManifest + early + second, kFirst) == early);
    CHECK(find_answer(kManifest + early + second, kSecond) == second);
    CHECK(find_answer(kManifest + early + second + late, kFirst) == late);
    CHECK(find_answer(second, kFirst).empty());
    CHECK(find_answer("", kFirst).empty());
    CHECK(answer_from_text(find_answer(second + early, kFirst), kFirst).value() == make_answer(kFirst, 5));
}

TEST_CASE("Half an answer is none, wherever it was cut off", "[protocol]") {
    const std::string whole = kManifest + to_text(make_answer(kFirst, 5)), last = to_text(make_answer(kSecond, 9));
    for (std::size_t length = 0; length < last.size(); ++length) {
        const std::string text = whole + last.substr(0, length);
        CHECK(find_answer(text, kSecond).empty());
        CHECK(find_answer(text, kFirst) == to_text(make_answer(kFirst, 5)));
        REQUIRE(size_of_whole_answers(text) == whole.size());
        // What a program writes behind it that does not cut it off.
        CHECK(find_answer(text + last, kSecond) == last);
    }
    CHECK(size_of_whole_answers(whole + last) == whole.size() + last.size());
    CHECK(size_of_whole_answers(last) == last.size());
    CHECK(size_of_whole_answers(last.substr(0, last.size() - 1)) == 0);
    CHECK(size_of_whole_answers(kManifest.substr(0, 5)) == 0);
}

TEST_CASE("Answers to many jobs are found in one pass", "[protocol]") {
    // What looks for each job in all of the text takes hours for so many.
    constexpr int kJobs = 50'000;
    std::string text = kManifest;
    std::vector<JobText> jobs;
    for (int i = 0; i < kJobs; ++i) {
        jobs.push_back(make_job("s/row.l" + std::to_string(i)));
        text += to_text(make_answer(jobs.back(), i + 1));
    }
    const AnswerIndex answers(text);
    for (int i = 0; i < kJobs; ++i) {
        const std::string_view found = answers.find(jobs[static_cast<std::size_t>(i)]);
        if (found.find("\"ns\":[" + std::to_string(i + 1) + ".0,") == std::string_view::npos) FAIL(i);
    }
    CHECK(answers.find(make_job("s/row.l50000")).empty());
}

TEST_CASE("Jobs and answers of others are held to their form", "[protocol]") {
    const auto job_message = [](auto change) {
        JobText job = make_job("s/row.l1");
        change(job);
        return job_from_json(to_json(job)).status().message();
    };
    CHECK(job_message([](JobText&) {}).empty());
    CHECK(job_message([](JobText& job) { job.job = "a.2026-11-22T07:30:00Z.1/row.l0"; }).empty());
    for (const std::string name :
         {"", "..", "../x", "/x", "-x", "a b", "a\nb", "\x1b[2J", "a;b", "a$(b)", "\xc2\x9b"}) {
        INFO(name);
        CHECK(job_message([&](JobText& job) { job.job = name; }).starts_with("job: expected a name"));
    }
    CHECK(job_message([](JobText& job) { job.job = std::string(201, 'a'); }).starts_with("job: expected a name"));
    for (const std::string name : {"", "..", "a/b", "-x", "a b"})
        CHECK(job_message([&](JobText& job) { job.candidates[1] = name; }).starts_with("candidates: expected a name"));
    CHECK(
        job_message([](JobText& job) { job.candidates[1] = "\x1b[2J"; }).starts_with("candidates[1]: expected UTF-8"));
    CHECK(job_message([](JobText& job) { job.rounds = 1'000'000; }).starts_with("rounds: expected"));
    CHECK(job_message([](JobText& job) { job.m = std::int64_t{1} << 40; }).starts_with("m: expected"));
    CHECK(job_message([](JobText& job) { job.sample_ms = 1e300; }).starts_with("sample_ms: expected"));
    CHECK(job_from_json(std::string(200'000, '[')).status().code() == StatusCode::kParseError);

    const auto answer_message = [](auto change) {
        const JobText job = make_job("s/row.l1");
        Answer answer = make_answer(job, 5);
        change(answer);
        return answer_from_text(to_text(answer), job).status().message();
    };
    CHECK(answer_message([](Answer&) {}).empty());
    CHECK(answer_message([](Answer& answer) { answer.core = "\x1b[2J"; }).starts_with("line 1.core: expected UTF-8"));
    CHECK(answer_message([](Answer& answer) {
              answer.kernels = "\xc2\x9b";
          }).starts_with("line 1.kernels: expected UTF-8"));
    CHECK(answer_message([](Answer& answer) { answer.halide = std::string(300, 'a'); }).starts_with("line 1.halide: "));
    CHECK(answer_message([](Answer& answer) { answer.seconds = 1e300; }).starts_with("line 4.seconds: expected"));
    // Shorter than what a record keeps of it.
    CHECK(answer_message([](Answer& answer) { answer.candidates[0].ns[0] = 0.04; }) ==
          "line 2.ns: expected nanoseconds from 0.1 to 1e15, found 0.04");
    CHECK(answer_message([](Answer& answer) { answer.candidates[1].ns[1] = 1e300; }).starts_with("line 3.ns: "));
    CHECK(answer_message([](Answer& answer) {
              answer.candidates[0] = {"base", false, std::string(100'000, 'a'), {}};
          }).starts_with("line 2.error: expected at most 10000 bytes"));
}
