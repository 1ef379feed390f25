// What the tuner and the measuring program say to each other: a job, one line of JSON, and the answer, a few lines.
//
//   {"job": ..., ...}                                     JobText
//   {"octile_measure": 1, "job": ..., "core": ..., ...}   what ran
//   {"candidate": ..., "verified": true, "ns": [...]}     one per candidate, in the job's order
//   {"end": <job>, "seconds": ...}                        without it, the answer is not whole
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "octile/status.h"
#include "octile/types.h"

namespace octile::tuner {

inline constexpr int kProtocolVersion = 1;
// Of rows, inputs and outputs of a layer.
inline constexpr std::int64_t kMostExtent = std::int64_t{1} << 31;

struct JobText {
    std::string job;  // the search's session and the job's name
    std::int64_t m = 0, k = 0, n = 0;
    Activation epilogue = Activation::kNone;
    int threads = 1;
    std::vector<std::string> candidates;  // by name; the first is the default
    int rounds = 0;
    double sample_ms = 1;
    int cpu = -1;  // to stay on; negative: any

    bool operator==(const JobText&) const = default;
};

struct CandidateAnswer {
    std::string candidate;
    bool verified = false;
    std::string error;
    std::vector<double> ns;

    bool operator==(const CandidateAnswer&) const = default;
};

struct Answer {
    std::string job;
    std::string kernel, kernels;  // family and its digest
    std::string isa;
    std::string core;
    int vector_bits = 0;
    std::string octile, halide, clang;
    std::string emulated;  // how an emulator gave itself away; empty: none did
    std::vector<CandidateAnswer> candidates;
    double seconds = 0;

    bool operator==(const Answer&) const = default;
};

std::string to_json(const JobText& job);
Result<JobText> job_from_json(std::string_view line);

std::string to_text(const Answer& answer);

// Strict, and sceptical of whoever ran the job: as many samples as rounds, all of them such as a record may hold; none
// where the results were not verified or an emulator ran; every candidate of the job, once, and no other. kParseError
// says what is wrong.
Result<Answer> answer_from_text(std::string_view text, const JobText& job);

// Files of many answers, one after the other. Their writer may have been ended at any moment.

// Where the answers of such a text are, which must outlive it; one pass over it.
class AnswerIndex {
  public:
    explicit AnswerIndex(std::string_view text);
    // The last answer to the job that has an end, from its first line to its last; empty: there is none. What is
    // between may still be wrong.
    std::string_view find(const JobText& job) const;

  private:
    std::unordered_map<std::string_view, std::string_view> answers_;  // by the job's name as it is written
};

// Size of the part that consists of whole answers, and of the line before them if it is none of theirs, a bundle's
// manifest: where the next answer belongs.
std::size_t size_of_whole_answers(std::string_view text);

}  // namespace octile::tuner
