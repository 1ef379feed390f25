#include "cli/tune_progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/message_text.h"
#include "cli/output.h"
#include "tuner/selection.h"

namespace octile::cli {
namespace {

using nlohmann::ordered_json;
using tuner::SearchProgress;
using tuner::StagePlan;

std::string best_text(const SearchProgress& progress, const std::string& best) {
    if (!progress.best) return "nothing yet";
    if (progress.best->candidate == 0) return fmt::format("{} (where it started)", best);
    return fmt::format("{} {}", best, tuner::gain_of(progress.best->estimate));
}

class WordObserver : public tuner::TuneObserver {
  public:
    explicit WordObserver(bool terminal) : terminal_(terminal) {}
    ~WordObserver() override { clear(); }

    void on_stage(const StagePlan& plan) override {
        stage_ = plan.name;
        say(fmt::format("{}: {} schedules, {} at first, on {} layers", plan.name, plan.points, plan.first,
                        plan.layers.size()));
    }
    void on_build(std::size_t candidates) override {
        say(fmt::format("{}: building {} schedules", stage_, candidates));
    }
    void on_dropped(const std::string& label, const std::string& reason) override {
        say(fmt::format("{}: {} is out: {}", stage_, internal::printable(label), internal::printable(reason)));
    }
    void on_progress(const SearchProgress& progress, const std::string& best, double seconds_left) override {
        using Clock = std::chrono::steady_clock;
        const auto interval = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
        const Clock::time_point now = Clock::now();
        if (now - last_ < interval) return;
        last_ = now;
        const std::string line = fmt::format(
            "{}: {} schedules, {:.0f} % of round {}.{}; best {}; {} left at most", stage_, progress.candidates,
            100 * static_cast<double>(progress.done) / static_cast<double>(std::max<std::int64_t>(1, progress.total)),
            progress.generation + 1, progress.rung + 1, best_text(progress, best), duration_text(seconds_left));
        if (!terminal_) return say(line);
        shown_ = true;
        show_progress(line);
    }
    void on_note(const std::string& text) override {
        clear();
        note(internal::printable(text));
    }

  private:
    void clear() {
        if (shown_) clear_progress();
        shown_ = false;
    }
    void say(const std::string& line) {
        clear();
        write_line(line);
    }

    bool terminal_, shown_ = false;
    std::string stage_ = "bundle";  // which has no stages of its own
    std::chrono::steady_clock::time_point last_{};
};

class EventObserver : public tuner::TuneObserver {
  public:
    void on_stage(const StagePlan& plan) override {
        ordered_json layers = ordered_json::array();
        for (const tuner::TunedLayer& layer : plan.layers)
            layers.push_back({{"m", layer.m}, {"k", layer.k}, {"n", layer.n}, {"epilogue", name_of(layer.epilogue)}});
        send({{"event", "stage"},
              {"stage", plan.name},
              {"schedules", plan.points},
              {"pruned", plan.pruned},
              {"first", plan.first},
              {"layers", layers},
              {"expected_seconds", plan.build_seconds + plan.measure_seconds}});
    }
    void on_build(std::size_t candidates) override { send({{"event", "build"}, {"schedules", candidates}}); }
    void on_dropped(const std::string& label, const std::string& reason) override {
        send({{"event", "dropped"}, {"schedule", label}, {"reason", reason}});
    }
    void on_progress(const SearchProgress& progress, const std::string& best, double seconds_left) override {
        ordered_json event = {{"event", "progress"},         {"generation", progress.generation},
                              {"rung", progress.rung},       {"schedules", progress.candidates},
                              {"done", progress.done},       {"total", progress.total},
                              {"seconds_left", seconds_left}};
        if (progress.best) {
            event["best"] = best;
            event["speedup"] = progress.best->estimate.speedup();
            event["confidence"] = progress.best->estimate.confidence();
        }
        send(event);
    }
    void on_note(const std::string& text) override { send({{"event", "note"}, {"text", text}}); }

  private:
    static void send(const ordered_json& event) {
        (void)write_stdout(event.dump(-1, ' ', true, ordered_json::error_handler_t::replace) + "\n");
    }
};

}  // namespace

ProgressForm progress_form(bool events) {
    if (events) return ProgressForm::kEvents;
    return ::isatty(STDERR_FILENO) == 1 ? ProgressForm::kTerminal : ProgressForm::kLines;
}

std::unique_ptr<tuner::TuneObserver> make_tune_observer(ProgressForm form) {
    if (form == ProgressForm::kEvents) return std::make_unique<EventObserver>();
    return std::make_unique<WordObserver>(form == ProgressForm::kTerminal);
}

std::string duration_text(double seconds) {
    constexpr double kMost = 1e9;  // some thirty years: a model's of layers that nobody has
    const auto whole = static_cast<std::int64_t>(std::llround(std::min(seconds, kMost)));
    if (whole < 60) return fmt::format("{} s", whole);
    if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
    return fmt::format("{}:{:02} h", whole / 3600, whole / 60 % 60);
}

std::string plan_text(const StagePlan& plan, std::size_t ranked) {
    std::string text = fmt::format("{}: {} schedules on {} layer{}\n", plan.name, plan.points, plan.layers.size(),
                                   plan.layers.size() == 1 ? "" : "s");
    for (const auto& [rule, count] : plan.pruned)
        text += fmt::format("  {} left out: {}\n", count, rule);
    if (!plan.rungs.empty()) {
        text += "  measured: ";
        for (std::size_t i = 0; i < plan.rungs.size(); ++i)
            text += fmt::format("{}{} x {} rounds", i ? ", " : "", plan.rungs[i].candidates, plan.rungs[i].rounds);
        text += fmt::format("\n  about {} to build what no cache has, {} to measure\n",
                            duration_text(plan.build_seconds), duration_text(plan.measure_seconds));
    }
    for (std::size_t i = 0; i < std::min(ranked, plan.ranked.size()); ++i)
        text += fmt::format("  {:2}. {}\n", i + 1, plan.ranked[i]);
    return text;
}

}  // namespace octile::cli
