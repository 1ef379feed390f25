#include "fuzz/require.h"
#include "tuner/protocol.h"

namespace octile::fuzz {

// A job, and behind its line what a board answers.
void read_tuning_answer(std::string_view input) {
    const std::size_t cut = input.find('\n');
    const auto job = tuner::job_from_json(input.substr(0, cut));
    if (!went_well(job)) return;
    const auto again = tuner::job_from_json(tuner::to_json(job.value()));
    require(again.ok() && again.value() == job.value(), "a job's JSON is another job");
    if (cut == std::string_view::npos) return;
    const std::string_view text = input.substr(cut + 1);
    (void)tuner::size_of_whole_answers(text);
    (void)went_well(tuner::answer_from_text(tuner::AnswerIndex(text).find(job.value()), job.value()));
    const auto answer = tuner::answer_from_text(text, job.value());
    if (!went_well(answer)) return;
    const auto same = tuner::answer_from_text(tuner::to_text(answer.value()), job.value());
    require(same.ok(), "an answer's text is no answer: " + same.status().message());
}

}  // namespace octile::fuzz
