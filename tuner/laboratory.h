// The Laboratory of real searches: builds candidates, has jobs run, believes no answer before it is checked, and keeps
// every one in the database before the search sees it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tuner/answer_records.h"
#include "tuner/kernel_model.h"
#include "tuner/protocol.h"
#include "tuner/record.h"
#include "tuner/search.h"
#include "tuner/stages.h"

namespace octile::tuner {

class Workbench : public Laboratory {
  public:
    // `earlier`: records of this session, which answer the jobs they are of.
    Workbench(const TuneSettings& settings, const LevelTraits& traits, const nlohmann::json& default_entry,
              std::string session, std::vector<Record> earlier, Runner* runner, TuneObserver& observer,
              const std::atomic<bool>& stop);

    // What the following calls are about. The default, if it is not the first candidate, takes part in every job.
    void begin(std::string stage, std::vector<TunedLayer> layers, std::vector<Candidate> candidates, double seconds);
    double seconds_left() const;  // of the whole budget

    Result<std::vector<bool>> prepare(std::span<const std::size_t> candidates) override;
    Result<std::vector<CandidateSamples>> measure(const Job& job) override;
    bool ended() const override;

  private:
    using Clock = std::chrono::steady_clock;

    std::optional<std::vector<CandidateSamples>> replay(const Job& job, const JobText& text);
    Result<Answer> ask(const JobText& text);
    Result<Answer> model(const JobText& text) const;
    Result<Answer> ask_without_culprits(JobText text);
    Status append(const Answer& answer, const JobText& text);
    std::vector<CandidateSamples> samples_of(const Answer& answer, std::size_t count) const;
    JobText text_of(const Job& job) const;

    const TuneSettings& settings_;
    const LevelTraits& traits_;
    RecordContext context_;  // its entries are those of every stage so far
    Runner* runner_;         // null: a model answers
    TuneObserver& observer_;
    const std::atomic<bool>& stop_;
    Builder builder_;
    std::map<std::string, std::string> broken_;                     // those that cannot be measured, and why
    std::map<std::string, std::map<std::string, Record>> earlier_;  // job -> candidate

    std::string stage_;
    std::vector<TunedLayer> layers_;
    std::vector<Candidate> candidates_;
    std::set<std::string> installed_;
    std::map<std::string, std::vector<TileCost>> tile_costs_;  // of the last build, by candidate
    Clock::time_point end_, stage_end_;
};

}  // namespace octile::tuner
