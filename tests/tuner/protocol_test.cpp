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
